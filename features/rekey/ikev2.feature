@ikev2 @needs:ikev2
Feature: Rekeying in IKEv2

  @REKEY-005 @needs:tunnel
  Scenario: Packets are taken on the old Child SA and on the new one
    Given an IKE SA and a Child SA
    And pings come through
    When the tester rekeys the Child SA and keeps the old one
    Then the DUT takes packets on the old Child SA and on the new one

  @REKEY-019
  Scenario: A rekeyed Child SA has new SPIs, keys and counters
    Given an IKE SA and a Child SA
    And pings come through
    When the tester rekeys the Child SA
    Then the new Child SA has a new SPI and nonce, and starts at sequence number 1

  @REKEY-008 @REKEY-009
  Scenario: A rekeyed IKE SA counts from 0 and has the Child SAs of the old one
    Given an IKE SA and a Child SA
    And pings come through
    When the tester rekeys the IKE SA
    Then an empty INFORMATIONAL request is answered [REKEY-008]
    And pings come through [REKEY-009]

  @REKEY-008 @needs:control.initiate @needs:control.clear_sas
  Scenario: The DUT's own requests on a rekeyed IKE SA count from 0
    Given an IKE SA and a Child SA that the DUT has begun
    When the tester rekeys the IKE SA
    Then the DUT's first request on the new IKE SA has the message ID 0

  @REKEY-007
  Scenario Outline: An IKE SA is not rekeyed <how>
    Given an IKE SA and a Child SA
    When the tester asks for a new IKE SA without a key exchange
      | proposal      |
      | cbc <change>  |
    Then the DUT makes no new IKE SA
    And a proper IKE_SA_INIT request is answered

    Examples:
      | how                                  | change         |
      | without KE payload                   |                |
      | with NONE as key exchange            | -ke +modpnone  |
      | without a key exchange in the offer  | -ke            |

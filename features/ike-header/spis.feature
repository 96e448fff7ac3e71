@ikev2 @needs:ikev2
Feature: SPIs, Message IDs and length in the IKE header

  @IKE2-HDR-001 @needs:control.initiate @needs:control.forget_sas
  Scenario: Each attempt has a SPI of its own
    When the DUT is told to set up an IKE SA, forget it unanswered, and set up another
    Then the DUT's SPIs differ and neither is zero

  @IKE2-HDR-014
  Scenario: An IKE SA is known by its SPIs and not by where a message comes from
    Given an IKE SA and a Child SA
    When the tester sends an empty INFORMATIONAL request from another port
    Then the DUT answers to the other port

  @IKE2-HDR-015
  Scenario: Message IDs of a responder begin at 0
    Given an IKE SA and a Child SA
    Then the Message IDs of the DUT are 0 in IKE_SA_INIT and 1 in IKE_AUTH

  @IKE2-HDR-002 @IKE2-HDR-015 @needs:control.initiate
  Scenario: SPI and Message ID of an initiator that is asked for a cookie
    Given the tester will ask for a cookie of 32 octets
    When the DUT is told to set up an IKE SA
    Then the DUT repeats its request with the responder's SPI zero [IKE2-HDR-002]
    And the Message IDs of the DUT are 0 in IKE_SA_INIT and 1 in IKE_AUTH [IKE2-HDR-015]
    And an IKE SA and a Child SA come up and answer

  @IKE2-HDR-016
  Scenario Outline: A length in the header that is not the datagram's
    When the tester sends an IKE_SA_INIT request whose header says <length> octets
    Then the DUT makes no IKE SA of it
    And a proper IKE_SA_INIT request is answered

    Examples:
      | length |
      | 0      |
      | 27     |
      | 100    |
      | 5000   |

@esp @needs:ikev2
Feature: ESP packets with an SPI that no SA has

  @INVSPI-001
  Scenario: Packets with an unknown SPI or with that of the other direction are dropped
    Given an IKE SA and a Child SA
    And pings come through
    Then a packet with an unknown SPI is dropped
    And a packet with the SPI of the opposite direction is dropped
    And pings come through

  @INVSPI-001
  Scenario: Packets with a deleted SPI are dropped
    Given an IKE SA and a Child SA
    And pings come through
    When the tester deletes its Child SA
    Then the deleted Child SA carries nothing any more
    And an empty INFORMATIONAL request is answered

  @INVSPI-003
  Scenario Outline: The sender of <protocol> is told inside the IKE SA, or not at all
    Given an IKE SA and a Child SA
    When 1 <protocol> packet with unknown SPIs come from the tester
    Then the DUT is silent, or says INVALID_SPI inside the IKE SA
    And an empty INFORMATIONAL request is answered
    And pings come through

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @CISCO-INVSPI-002 @CISCO-INVSPI-016 @needs:claim.invalid-spi-notify
  Scenario Outline: A DUT that claims it tells the sender of <protocol> inside the IKE SA
    Given an IKE SA and a Child SA
    When 1 <protocol> packet with unknown SPIs come from the tester
    Then the DUT tells the tester inside the IKE SA
    And pings come through

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @INVSPI-008
  Scenario: A flood of packets with unknown SPIs draws few messages
    Given an IKE SA and a Child SA
    When 200 ESP packets with unknown SPIs come from the tester
    Then the DUT answers few of them
    And an empty INFORMATIONAL request is answered
    And pings come through

  @CISCO-INVSPI-001 @CISCO-INVSPI-017 @needs:control.forget_sas
  Scenario: Without an IKE SA the packet is just dropped
    Given an IKE SA and a Child SA
    And pings come through
    When the DUT has lost its SAs, and the tester goes on sending
    Then the DUT starts no IKE exchange
    And a proper IKE_SA_INIT request is answered

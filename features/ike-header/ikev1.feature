@ikev1 @needs:ikev1-main
Feature: The ISAKMP header

  @IKE1-HDR-001 @IKE1-HDR-004 @IKE1-HDR-005 @IKE1-MM-008
  Scenario: Version, flags, Message ID and length of a responder
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then every IKEv1 message of the DUT has version 1.0 [IKE1-HDR-001]
    And every IKEv1 message of the DUT has its undefined flags clear [IKE1-HDR-004]
    And every message of phase 1 of the DUT has the Message ID 0 [IKE1-HDR-005]
    And the length in the header of every IKEv1 message of the DUT is right [IKE1-MM-008]
    And an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-HDR-001 @IKE1-HDR-004 @IKE1-HDR-005 @IKE1-MM-008 @needs:control.initiate_ikev1
  Scenario: Version, flags, Message ID and length of an initiator
    When the DUT is told to set up an ISAKMP SA by main mode
    Then every IKEv1 message of the DUT has version 1.0 [IKE1-HDR-001]
    And every IKEv1 message of the DUT has its undefined flags clear [IKE1-HDR-004]
    And every message of phase 1 of the DUT has the Message ID 0 [IKE1-HDR-005]
    And the length in the header of every IKEv1 message of the DUT is right [IKE1-MM-008]
    And an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-HDR-002
  Scenario: A message of another minor version is dropped
    When the tester sends message 1 of main mode with the version octet 0x15
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

  @IKE1-HDR-003
  Scenario: A message of an unknown exchange type is dropped
    When the tester sends message 1 of main mode with the exchange type 200
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

  @IKE1-HDR-004
  Scenario: A message with undefined flags is dropped
    When the tester sends message 1 of main mode with the flags 0xF8
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

  @IKE1-HDR-005
  Scenario: A message of phase 1 with a Message ID is dropped
    When the tester sends message 1 of main mode with the Message ID 1
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

  @IKE1-HDR-006
  Scenario Outline: A length in the ISAKMP header that is not the datagram's: <fault>
    When the tester sends message 1 of main mode <so>
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

    Examples:
      | fault             | so                           |
      | too long          | that says 4 octets too many  |
      | too short         | that says 4 octets too few   |
      | octets after it   | with 4 octets after it       |

  @IKE1-HDR-007 @needs:control.clear_sas
  Scenario: Cookies do not swap places when the DUT, responder of phase 1, begins an exchange
    Given an ISAKMP SA and IPsec SAs
    When the DUT is told to close its SAs
    Then the DUT begins an exchange with the cookies in the order of phase 1

  @IKE1-HDR-008
  Scenario: A message whose cookies match no ISAKMP SA is dropped
    Given an ISAKMP SA and IPsec SAs
    When the tester sends message 1 of quick mode with a bit of the responder's cookie flipped
    Then the DUT answers no quick mode
    And another quick mode makes IPsec SAs
    And pings come through

@ikev1 @needs:ikev1-main @needs:claim.nat-t @needs:udp-encap
Feature: NAT traversal in IKEv1

  @NATT-ENC-009 @NATT-ENC-016 @needs:control.initiate_ikev1
  Scenario Outline: With a wrong <end> hash the initiator moves to port 4500 with message 5
    Given the tester's answers carry a wrong <end> hash
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT's message 3 of main mode goes from port 500 to port 500, without the non-ESP marker [NATT-ENC-009]
    And the DUT's message 5 of main mode goes from port 4500 to port 4500, with the non-ESP marker [NATT-ENC-009]
    And the DUT's message 1 of quick mode goes from port 4500 to port 4500, with the non-ESP marker [NATT-ENC-009]
    And every transform of the DUT's offer names mode 3 or 4 [NATT-ENC-016]

    Examples:
      | end         |
      | source      |
      | destination |

  @NATT-ENC-009 @NATT-ENC-016 @needs:control.initiate_ikev1
  Scenario: The initiator gets through a NAT
    Given the tester says that it is behind a NAT
    When the DUT is told to set up an ISAKMP SA by main mode
    Then an ISAKMP SA and IPsec SAs come up and answer
    And pings come through

  @NATT-ENC-010 @NATT-ENC-016
  Scenario: The responder follows to port 4500 and to the port that the NAT has given
    Given a NAT in front of the tester
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then the DUT's message 4 of main mode goes from port 500 to port 31337, without the non-ESP marker [NATT-ENC-010]
    And the DUT's message 6 of main mode goes from port 4500 to port 34500, with the non-ESP marker [NATT-ENC-010]
    And the DUT answers in mode 3 [NATT-ENC-016]
    And an ISAKMP SA and IPsec SAs come up and answer [NATT-ENC-010]
    And all that the DUT sends under the ISAKMP SA goes from port 4500 to the port that the NAT has given [NATT-ENC-010]
    And pings come through [NATT-ENC-016]

  @NATT-ENC-012
  Scenario: A negotiation that begins on port 4500
    Given the tester begins on port 4500
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then the DUT's message 2 of main mode goes from port 4500 to port 4500, with the non-ESP marker
    And an ISAKMP SA and IPsec SAs come up and answer
    And pings come through

  @NATT-ENC-013 @needs:control.clear_sas
  Scenario: After the change of ports nothing on port 500 moves the ISAKMP SA back
    Given a NAT in front of the tester
    And an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester sends message 5 of its main mode again, on port 500
    Then the DUT sends nothing under the ISAKMP SA on port 500
    When the DUT is told to close its SAs
    Then all that the DUT sends under the ISAKMP SA goes from port 4500 to the port that the NAT has given
    And a proper main mode is answered

  @NATT-ENC-017 @needs:transport @needs:native-esp
  Scenario: Transport mode in UDP has NAT-OA payloads
    Given a NAT in front of the tester
    And the tester offers transport mode in quick mode
    And an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT's message 2 of quick mode has NAT-OA for initiator and responder
    And the DUT answers in mode 4

  @NATT-ENC-017
  Scenario: Tunnel mode in UDP has no NAT-OA payloads
    Given a NAT in front of the tester
    And an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT's message 2 of quick mode has no NAT-OA
    And pings come through

  @NATT-ENC-020 @needs:control.clear_sas
  Scenario: What the responder of phase 1 begins goes to the port that the NAT has given
    Given a NAT in front of the tester
    And an ISAKMP SA and IPsec SAs
    And pings come through
    When the DUT is told to close its SAs
    Then all that the DUT sends under the ISAKMP SA goes from port 4500 to the port that the NAT has given

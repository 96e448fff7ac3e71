@ikev2 @esp @needs:udp-encap @needs:ikev2
Feature: ESP in UDP

  @NATT-ENC-002
  Scenario: The SPI of an SA is never zero
    Given the tester says that it is behind a NAT
    When the tester begins an IKE SA
    Then the SPI that the DUT has chosen for ESP is not zero
    And IKE SA and Child SA come up
    And pings come through

  @NATT-ENC-007 @CISCO-NATT-005 @CISCO-NATT-010
  Scenario: With a NAT in front of the peer ESP goes in UDP port 4500
    Given the tester says that it is behind a NAT
    And an IKE SA and a Child SA
    When 3 pings are sent through the tunnel
    Then the DUT sends ESP in UDP, on the ports of its IKE messages
    And the IP header around the DUT's ESP in UDP is sound
    And pings come through

  @NATT-ENC-007 @needs:native-esp
  Scenario: With a NAT in front of the DUT ESP goes in UDP port 4500
    Given the tester says that both ends are behind a NAT
    And an IKE SA and a Child SA
    When 3 pings are sent through the tunnel
    Then the DUT sends ESP in UDP, on the ports of its IKE messages
    And pings come through

  @NATT-ENC-003 @CISCO-NATT-011
  Scenario: ESP goes to the port that a NAT has given to IKE
    Given a NAT in front of the tester
    And an IKE SA and a Child SA
    When 3 pings are sent through the tunnel
    Then the DUT sends ESP in UDP, on the ports of its IKE messages
    And pings come through

  @NATT-ENC-004
  Scenario: The UDP checksum should be zero
    Given the tester says that it is behind a NAT
    And an IKE SA and a Child SA
    When 3 pings are sent through the tunnel
    Then the UDP checksum of the DUT's ESP is zero

  @CISCO-NATT-008 @needs:claim.cisco-nat-transparency
  Scenario: The UDP checksum is always zero
    Given a NAT in front of the tester
    And an IKE SA and a Child SA
    When 3 pings are sent through the tunnel
    Then the UDP checksum of the DUT's ESP is zero

  @NATT-ENC-005
  Scenario: ESP in UDP is taken with and without a checksum
    Given the tester says that it is behind a NAT
    And an IKE SA and a Child SA
    Then ESP in UDP port 4500 is let through, with checksum and without

  @NATT-ENC-006
  Scenario: ESP in UDP port 500 is not taken
    Given the tester says that it is behind a NAT
    And an IKE SA and a Child SA
    Then ESP in UDP port 500 is not taken
    And pings come through

  @NATT-ENC-008 @needs:native-esp
  Scenario: Without a NAT ESP in UDP is taken too
    Given an IKE SA and a Child SA
    Then ESP without UDP is let through
    And ESP in UDP port 4500 is let through, with checksum and without

  @NATT-ENC-008 @needs:native-esp
  Scenario: With a NAT ESP without UDP is taken too
    Given the tester says that it is behind a NAT
    And an IKE SA and a Child SA
    Then ESP in UDP port 4500 is let through, with checksum and without
    And ESP without UDP is let through

  @NATT-ENC-014 @needs:inside
  Scenario: What is sent follows a valid packet from another port
    Given the tester says that it is behind a NAT
    And an IKE SA and a Child SA
    When a valid ESP packet comes from port 34501
    Then the DUT's ESP comes to go to port 34501

  @NATT-ENC-014 @needs:inside
  Scenario Outline: What is sent does not follow <packet> from another port
    Given the tester says that it is behind a NAT
    And an IKE SA and a Child SA
    And pings come through
    When <packet> comes from port 34501
    Then the DUT's ESP goes to port 4500
    And a fresh packet comes out of the tunnel

    Examples:
      | packet                |
      | a forged ESP packet   |
      | a replayed ESP packet |
      | a NAT keepalive       |

  @NATT-ENC-015 @needs:inside @needs:native-esp
  Scenario: Who is behind a NAT follows nobody
    Given the tester says that both ends are behind a NAT
    And an IKE SA and a Child SA
    And pings come through
    When a valid ESP packet comes from port 34501
    Then the DUT's ESP goes to port 4500
    And a fresh packet comes out of the tunnel

@ikev2 @needs:ikev2
Feature: NAT detection in IKE_SA_INIT

  @NATT-D-007
  Scenario: The responder hashes the address that it answers to
    When the tester sends an IKE_SA_INIT request
    Then the destination hash of the DUT's answer is right

  @NATT-D-007
  Scenario: The responder hashes its own address
    When the tester sends an IKE_SA_INIT request
    Then the source hash of the DUT's answer is right

  @NATT-D-007
  Scenario: The responder hashes the port that the NAT has given the initiator
    Given a NAT in front of the tester
    When the tester sends an IKE_SA_INIT request
    Then the destination hash of the DUT's answer is right

  @NATT-D-008 @needs:claim.nat-t @needs:control.initiate
  Scenario Outline: With a wrong <end> hash the initiator moves to port 4500
    Given the tester's answers carry a wrong <end> hash
    When the DUT is told to begin an IKE SA
    Then the DUT's IKE_AUTH request goes from port 4500 to port 4500 behind the non-ESP marker

    Examples:
      | end         |
      | source      |
      | destination |

  @NATT-D-009 @needs:native-esp
  Scenario: One right hash among several sources means that there is no NAT
    Given the tester names three source addresses, the last of which is right
    And an IKE SA and a Child SA
    When 3 pings are sent through the tunnel
    Then the DUT sends ESP without UDP
    And pings come through

  @NATT-D-011
  Scenario: A request without NAT detection is answered
    Given the tester does not look for NATs
    When the tester sends an IKE_SA_INIT request
    Then the DUT answers with SA, KE and Nonce

  @NATT-D-011 @needs:native-esp
  Scenario: Without NAT detection there is no NAT traversal
    Given the tester does not look for NATs
    When the tester begins an IKE SA
    Then the DUT answers on port 500 without a marker
    And IKE SA and Child SA come up
    And pings come through

  @CISCO-NATT-005 @needs:native-esp
  Scenario: With right hashes ESP goes without UDP
    Given an IKE SA and a Child SA
    When 3 pings are sent through the tunnel
    Then the DUT sends ESP without UDP
    And pings come through

@ikev2 @needs:ikev2
Feature: IKE on port 4500

  @NATT-ENC-001 @needs:claim.nat-t
  Scenario: The non-ESP marker stands before IKE on port 4500
    Given the tester says that it is behind a NAT
    When the tester begins an IKE SA
    Then the DUT answers on port 4500 behind the non-ESP marker
    And IKE SA and Child SA come up
    And an empty INFORMATIONAL request is answered

  @NATT-ENC-001
  Scenario: No marker stands before IKE on port 500
    When the tester sends an IKE_SA_INIT request
    Then the DUT answers on port 500 without a marker

  @NATT-ENC-011
  Scenario: A request from any port is answered there
    Given a NAT in front of the tester
    When the tester sends an IKE_SA_INIT request
    Then the DUT's answer goes from port 500 to port 31337

  @NATT-ENC-011 @NATT-ENC-012 @needs:claim.nat-t
  Scenario: A negotiation that begins on port 4500 stays there
    Given a NAT in front of the tester
    And the tester begins on port 4500
    When the tester begins an IKE SA
    Then the DUT answers on port 4500 behind the non-ESP marker
    And the DUT's answer goes from port 4500 to port 34500
    And IKE SA and Child SA come up
    And pings come through

  @NATT-ENC-019 @needs:claim.nat-t
  Scenario: Datagrams that are too short for IKE and ESP do no harm
    Given the tester says that it is behind a NAT
    And an IKE SA and a Child SA
    When datagrams of 0 to 31 zero octets come to port 4500
    Then the DUT sends nothing
    And an empty INFORMATIONAL request is answered
    And pings come through

  @NATT-ENC-020 @needs:claim.nat-t @needs:control.clear_sas
  Scenario: The responder's own requests go to the port that the NAT has given
    Given a NAT in front of the tester
    And an IKE SA and a Child SA
    When the DUT is told to close its SAs
    Then the DUT's request goes from port 4500 to the port that the NAT has given

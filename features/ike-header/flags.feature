@ikev2 @needs:ikev2
Feature: Flags of the IKE header

  @IKE2-HDR-007 @IKE2-HDR-008
  Scenario: Reserved flags are ignored on receipt and clear in what is sent
    Given the tester sets the flag bits 0xC7 in all its requests
    When the tester sets up an IKE SA
    Then an IKE SA and a Child SA come up and answer [IKE2-HDR-008]
    And every message of the DUT has its reserved flags clear [IKE2-HDR-007]

  @IKE2-HDR-010 @IKE2-HDR-012
  Scenario: A responder marks its answers as responses
    Given an IKE SA and a Child SA
    When the tester sends an empty INFORMATIONAL request
    Then every message of the DUT has its Response flag set [IKE2-HDR-010]
    And every message of the DUT has its Initiator flag clear [IKE2-HDR-012]

  @IKE2-HDR-010 @IKE2-HDR-012 @needs:control.clear_sas
  Scenario: A request of the original responder has neither flag
    Given an IKE SA and a Child SA
    When the DUT is told to close the IKE SA
    Then the DUT's Delete has the Response flag clear [IKE2-HDR-010]
    And the DUT's Delete has the Initiator flag clear [IKE2-HDR-012]

  @IKE2-HDR-012 @needs:control.initiate
  Scenario: The original initiator keeps its flag when the peer starts an exchange
    Given an IKE SA and a Child SA that the DUT has begun
    When the tester sends an empty INFORMATIONAL request
    Then every message of the DUT has its Initiator flag set

  @IKE2-HDR-011
  Scenario: A protected message that is marked as a response draws none
    Given an IKE SA and a Child SA
    When the tester sends an INFORMATIONAL message that is marked as a response
    Then the DUT sends nothing
    And an empty INFORMATIONAL request is answered

  @IKE2-HDR-011
  Scenario: An IKE_SA_INIT message that is marked as a response draws none
    When the tester sends an IKE_SA_INIT request with the flag bits 0x20 set as well
    Then the DUT sends nothing
    And a proper IKE_SA_INIT request is answered

  @IKE2-HDR-013 @needs:control.initiate
  Scenario: Roles follow the rekey of an IKE SA
    Given an IKE SA and a Child SA that the DUT has begun
    When the tester rekeys the IKE SA
    And the tester sends an empty INFORMATIONAL request
    Then the DUT answers as the responder of the new IKE SA

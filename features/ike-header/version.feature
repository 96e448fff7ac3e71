@ikev2 @needs:ikev2
Feature: Version numbers in the IKE header

  @IKE2-HDR-004
  Scenario: The minor version of a request is ignored
    When the tester sends an IKE_SA_INIT request with the version octet 0x2F
    Then the DUT answers with SA, KE and Nonce

  @IKE2-HDR-005 @IKE2-HDR-006
  Scenario: A message of a higher major version is dropped and reported
    When the tester sends an IKE_SA_INIT request with the version octet 0x30
    Then the DUT makes no IKE SA of it [IKE2-HDR-005]
    And a proper IKE_SA_INIT request is answered [IKE2-HDR-005]
    And the DUT answers INVALID_MAJOR_VERSION under the header of the request [IKE2-HDR-006]

  @IKE2-HDR-003
  Scenario: A responder sends version 2.0
    Given an IKE SA and a Child SA
    When the tester sends an empty INFORMATIONAL request
    Then every message of the DUT has version 2.0

  @IKE2-HDR-003 @needs:control.initiate
  Scenario: An initiator sends version 2.0
    Given an IKE SA and a Child SA that the DUT has begun
    When the tester sends an empty INFORMATIONAL request
    Then every message of the DUT has version 2.0

  @IKE2-HDR-009
  Scenario: The Version flag is ignored on receipt and clear in what is sent
    When the tester sends an IKE_SA_INIT request with the flag bits 0x10 set as well
    Then the DUT answers with SA, KE and Nonce
    And every message of the DUT has its Version flag clear

@ikev2
Feature: Version numbers in the IKE header

  @IKE2-HDR-004
  Scenario: The minor version of a request is ignored
    When the tester sends an IKE_SA_INIT request
    Then the DUT answers with SA, KE and Nonce

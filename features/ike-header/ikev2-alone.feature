@ikev1 @needs:ikev2
Feature: A peer that is configured for IKEv2 alone

  @IKE1-HDR-009
  Scenario: IKEv1 is not answered where IKEv2 alone is configured
    Given the DUT is configured for IKEv2 alone
    When the tester sets up an ISAKMP SA by main mode
    Then the DUT makes no ISAKMP SA of it
    And a proper IKE_SA_INIT request is answered

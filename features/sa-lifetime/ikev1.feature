@ikev1 @needs:ikev1-main
Feature: Lifetimes in IKEv1

  @LIFE-005 @slow
  Scenario: IPsec SAs without a lifetime live on
    Given the tester offers IPsec SAs without a lifetime
    And an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT takes no lifetime for 28800 seconds
    And the DUT answers under the ISAKMP SA

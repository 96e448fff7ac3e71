@ikev1 @needs:ikev1-main
Feature: Lifetimes in IKEv1

  @LIFE-005 @slow
  Scenario: IPsec SAs without a lifetime live on
    Given the tester offers IPsec SAs without a lifetime
    And an ISAKMP SA
    When the tester begins another quick mode
    Then an ISAKMP SA and IPsec SAs come up and answer
    And pings come through
    When nothing happens for 60 seconds
    Then pings come through

@ikev1 @needs:ikev1-main
Feature: Encapsulation mode in IKEv1

  @TRN-006 @needs:native-esp
  Scenario: Tunnel mode is answered with tunnel mode
    Given an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT answers in mode 1
    And pings come through

  @TRN-006 @needs:transport @needs:native-esp
  Scenario: Transport mode is answered with transport mode
    Given the tester offers transport mode in quick mode
    And an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT answers in mode 2
    And pings come through

  @TRN-006
  Scenario: An offer without a mode
    Given an ISAKMP SA
    When the tester offers in quick mode
      | transform   |
      | first -mode |
    Then what the DUT makes of an offer without a mode is recorded
    And another quick mode makes IPsec SAs

  @TRN-006 @needs:control.initiate_ikev1 @needs:native-esp
  Scenario: The DUT names a mode in its offer
    When the DUT is told to set up an ISAKMP SA by main mode
    Then every transform of the DUT's offer names mode 1 or 2
    And an ISAKMP SA and IPsec SAs come up and answer

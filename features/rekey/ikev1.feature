@ikev1 @needs:ikev1-main
Feature: Rekeying in IKEv1

  @REKEY-018 @needs:tunnel
  Scenario: New IPsec SAs are sent on, and the old ones are still received on
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester begins another quick mode
    Then the DUT comes to send on the newer IPsec SAs
    And the DUT takes packets on the old Child SA and on the new one

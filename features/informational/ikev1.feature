@ikev1 @needs:ikev1-main
Feature: Informational exchanges of IKEv1

  @IKE1-INFO-001
  Scenario: A notify under an ISAKMP SA is protected
    Given an ISAKMP SA
    When the tester names client identities that the DUT does not protect
    Then the DUT's notifies are protected, each under a Message ID of its own
    And another quick mode makes IPsec SAs

  @IKE1-INFO-002
  Scenario Outline: A Delete of <what> with a wrong hash has no effect
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester sends a Delete of its <what> with a wrong hash
    Then pings come through
    And the DUT answers under the ISAKMP SA

    Examples:
      | what      |
      | IPsec SAs |
      | ISAKMP SA |

  @IKE1-INFO-002 @needs:claim.dpd
  Scenario: R-U-THERE with a wrong hash has no effect
    Given an ISAKMP SA
    Then R-U-THERE number 0x00001000 is acknowledged
    And R-U-THERE number 0x00001001 with a wrong hash is not acknowledged
    And R-U-THERE number 0x00001001 is acknowledged

  @IKE1-INFO-003
  Scenario Outline: The unknown notify <type> does no harm
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester sends the notify <type>
    Then the DUT answers under the ISAKMP SA
    And pings come through

    Examples:
      | type  |
      | 31    |
      | 8191  |
      | 24579 |
      | 40960 |

  @IKE1-INFO-004
  Scenario: INITIAL-CONTACT in the clear is not obeyed
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester sends the notify INITIAL-CONTACT in the clear
    Then pings come through
    And the DUT answers under the ISAKMP SA

  @IKE1-INFO-005 @needs:control.initiate_ikev1
  Scenario: The format of INITIAL-CONTACT
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT's INITIAL-CONTACT is as it should be
    And an ISAKMP SA and IPsec SAs come up and answer

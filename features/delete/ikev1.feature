@ikev1 @needs:ikev1-main
Feature: Deleting SAs of IKEv1

  @IKE1-DEL-001
  Scenario Outline: A Delete of <what> in the clear is not obeyed
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester sends a Delete of its <what> in the clear
    Then pings come through
    And the DUT answers under the ISAKMP SA

    Examples:
      | what      |
      | IPsec SAs |
      | ISAKMP SA |

  @IKE1-DEL-001 @IKE1-DEL-003 @IKE1-INFO-001 @needs:control.clear_sas
  Scenario: The DUT's Deletes are protected, and have SPIs of the right size
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the DUT is told to close its SAs
    Then the DUT sends Deletes of its ISAKMP SA and IPsec SAs, as they should be

  @IKE1-DEL-002 @needs:inside
  Scenario: IPsec SAs that the peer has deleted are not used any more
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester sends a Delete of its IPsec SAs
    Then nothing is sent on the deleted IPsec SAs any more
    And another quick mode makes IPsec SAs
    And pings come through

  @IKE1-DEL-004
  Scenario: A Delete of an unknown SPI leaves other SAs alone
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester sends a Delete of IPsec SAs that do not exist
    Then pings come through
    And the DUT answers under the ISAKMP SA

  @IKE1-DEL-004
  Scenario: A Delete of a known and an unknown SPI leaves other SAs alone
    Given an ISAKMP SA and IPsec SAs
    And another pair of IPsec SAs
    And pings come through
    When the tester sends a Delete of its older IPsec SAs and of ones that do not exist
    Then pings come through
    And the DUT answers under the ISAKMP SA

@ikev2 @needs:control.initiate @needs:ikev2
Feature: The DUT is asked for cookies

  @COOKIE-003
  Scenario: The request is repeated with the cookie first
    Given the tester will ask for a cookie of 32 octets
    When the DUT is told to set up an IKE SA
    Then the DUT repeats its request with the cookie first and all else unchanged
    And an IKE SA and a Child SA come up and answer

  @COOKIE-002
  Scenario Outline: Cookies of all lengths are returned as they are
    Given the tester will ask for a cookie of <length> octets
    When the DUT is told to set up an IKE SA
    Then the DUT returns the cookie unchanged
    And an IKE SA and a Child SA come up and answer

    Examples:
      | length |
      | 1      |
      | 64     |

  @COOKIE-007 @IKE2-HDR-015
  Scenario: A cookie, another group and a cookie again
    Given the tester will ask for a cookie, another group and a cookie again
    When the DUT is told to set up an IKE SA
    Then an IKE SA and a Child SA come up and answer [COOKIE-007]
    And the Message IDs of the DUT are 0 in IKE_SA_INIT and 1 in IKE_AUTH [IKE2-HDR-015]

  @COOKIE-008
  Scenario: A puzzle beside the cookie does no harm
    Given the tester will ask for a cookie and offer a puzzle
    When the DUT is told to set up an IKE SA
    Then the DUT returns the cookie unchanged
    And an IKE SA and a Child SA come up and answer

@ikev2 @needs:ikev2
Feature: The DUT asks for cookies

  @COOKIE-001 @COOKIE-002 @COOKIE-005 @serial
  Scenario: Many half-open IKE SAs make the DUT ask for cookies
    When the tester opens IKE SAs until the DUT asks for a cookie, 96 at most
    Then the DUT asks for a cookie [COOKIE-001]
    And from then on it opens no further IKE SA [COOKIE-001]
    And the DUT's cookie has 1 to 64 octets [COOKIE-002]
    And the responder's SPI beside the cookie is zero [COOKIE-005]

  @COOKIE-005 @serial
  Scenario: A cookie is good although many others were made after it
    Given the tester opens IKE SAs until the DUT asks for a cookie, 96 at most
    When 100 other requests are sent without a cookie
    And the tester returns the cookie
    Then the DUT answers with SA, KE and Nonce

  @COOKIE-006 @serial
  Scenario Outline: A cookie is bound to what it was made for
    Given the tester opens IKE SAs until the DUT asks for a cookie, 96 at most
    When the tester returns the cookie with another <part>
    Then the DUT asks for another cookie

    Examples:
      | part  |
      | SPI   |
      | nonce |

  @COOKIE-004 @serial
  Scenario: Under load a cookie with unexpected content is as good as none
    Given the tester opens IKE SAs until the DUT asks for a cookie, 96 at most
    When the tester returns a cookie of its own making
    Then the DUT asks for another cookie

  @COOKIE-004
  Scenario: Without load a cookie with unexpected content is ignored
    When the tester sends an IKE_SA_INIT request with a cookie that nobody asked for
    Then the DUT answers with SA, KE and Nonce

  @COOKIE-009 @needs:self @serial
  Scenario: A cookie is not good for ever
    Given the tester opens IKE SAs until the DUT asks for a cookie, 96 at most
    And 10 minutes pass
    And the tester opens IKE SAs until the DUT asks for a cookie, 96 at most
    When the tester returns the first cookie of all
    Then the DUT asks for another cookie

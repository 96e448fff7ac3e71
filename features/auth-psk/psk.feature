@ikev2 @needs:ikev2
Feature: Authentication with a pre-shared key

  @IKE2-AUTH-001
  Scenario Outline: AUTH <fault> is refused
    When the tester sends <value>
    Then the DUT answers AUTHENTICATION_FAILED
    And the DUT has no such IKE SA
    And the same with a right AUTH is accepted

    Examples:
      | fault                              | value                                            |
      | of a slightly wrong secret         | AUTH of a secret that differs in its last octet |
      | that is cut short                  | AUTH without its last octet                      |
      | that is empty                      | an empty AUTH value                              |

  @IKE2-AUTH-002
  Scenario: AUTH that does not cover the DUT's nonce is refused
    When the tester sends AUTH without the DUT's nonce
    Then the DUT answers AUTHENTICATION_FAILED
    And the DUT has no such IKE SA
    And the same with a right AUTH is accepted

  @IKE2-AUTH-003
  Scenario: AUTH of another identity is refused
    When the tester sends AUTH for another identity
    Then the DUT answers AUTHENTICATION_FAILED
    And the DUT has no such IKE SA
    And the same with a right AUTH is accepted

  @IKE2-AUTH-003
  Scenario: The RESERVED octets of the identity are covered as they were sent
    When the tester authenticates itself with RESERVED octets in its identity
    Then an IKE SA and a Child SA come up

  @IKE2-AUTH-005
  Scenario: A failed authentication is reported under encryption and alone
    When the tester sends AUTH of a secret that differs in its last octet
    Then the DUT answers AUTHENTICATION_FAILED
    And the failure is encrypted and says no more

  @IKE2-AUTH-009
  Scenario: The DUT's name has no terminator
    Given the DUT has a name
    When the tester authenticates itself
    Then the DUT's name has no terminating zero

  @IKE2-AUTH-009
  Scenario Outline: An identity of type <type> is accepted
    When the tester authenticates itself as <identity>
    Then an IKE SA and a Child SA come up

    Examples:
      | type           | identity            |
      | ID_IPV4_ADDR   | 198.51.100.77       |
      | ID_FQDN        | peer.example        |
      | ID_RFC822_ADDR | peer@mail.example   |
      | ID_KEY_ID      | keyid:706565722d6b6579 |

  @IKE2-AUTH-009 @needs:self
  Scenario: A name with a terminator is another name
    Given the DUT knows the tester as peer.example alone
    When the tester authenticates itself as peer.example and a zero octet
    Then the DUT answers AUTHENTICATION_FAILED
    And a proper IKE_SA_INIT request is answered

  @IKE2-AUTH-006 @needs:self
  Scenario: A secret proves no other name than its own
    Given the DUT knows the tester as a.example alone
    And the DUT knows b.example by another secret
    When the tester authenticates itself as b.example
    Then the DUT answers AUTHENTICATION_FAILED
    And a proper IKE_SA_INIT request is answered

  @IKE2-AUTH-008
  Scenario: AUTH does not cover the non-ESP marker of port 4500
    When the tester begins on port 4500
    Then an IKE SA and a Child SA come up

  @IKE2-AUTH-008 @needs:control.initiate
  Scenario: AUTH covers the request that was repeated with a cookie
    Given the tester demands a cookie
    When the DUT begins an IKE SA and a Child SA
    Then it has been sent 2 IKE_SA_INIT responses and goes on to a Child SA

  @IKE2-AUTH-008 @needs:control.initiate
  Scenario: AUTH covers the request that was repeated with another group
    Given the tester accepts the suite aes128-sha256-ecp256 alone
    When the DUT begins an IKE SA and a Child SA
    Then it has been sent 2 IKE_SA_INIT responses and goes on to a Child SA

  @IKE2-AUTH-010
  Scenario: NULL authentication is refused
    When the tester sends NULL authentication
    Then the DUT answers AUTHENTICATION_FAILED
    And the DUT has no such IKE SA

  @IKE2-AUTH-011 @IKE2-AUTH-005
  Scenario Outline: The authentication method <method> is refused
    When the tester sends AUTH of the right secret with method <method>
    Then the DUT refuses the authentication [IKE2-AUTH-011]
    And the DUT answers AUTHENTICATION_FAILED [IKE2-AUTH-005]
    And the DUT has no such IKE SA
    And the same with a right AUTH is accepted

    Examples:
      | method |
      | 0      |
      | 4      |
      | 200    |

  @IKE2-AUTH-004 @needs:control.initiate @needs:inside
  Scenario: The DUT verifies the responder's AUTH before it uses the SA
    Given the tester answers IKE_AUTH with a wrong AUTH value
    When the DUT begins an IKE SA
    Then the DUT sends no ESP when its host pings
    And the DUT has no such IKE SA
    And a proper IKE_SA_INIT request is answered

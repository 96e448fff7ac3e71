@ikev1 @needs:ikev1-main
Feature: Authentication of IKEv1 with a pre-shared key

  @IKE1-AUTH-001
  Scenario Outline: HASH_I and HASH_R cover what both have said: <mode> mode
    Then an ISAKMP SA comes up by <mode> mode and answers

    Examples:
      | mode       |
      | main       |
      | aggressive |

  @IKE1-AUTH-001
  Scenario: An offer that was changed on its way is noticed
    When the tester's offer of main mode is changed on its way
    Then the DUT sends message 4 of main mode
    And the DUT sends no message 6 of main mode
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @IKE1-AUTH-002
  Scenario: A wrong HASH_I is refused
    When the tester sends message 5 of main mode with a bit of its hash flipped
    Then the DUT sends message 4 of main mode
    And the DUT sends no message 6 of main mode
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @IKE1-AUTH-003 @needs:self
  Scenario Outline: In main mode the key is that of the peer's address, whoever it says it is: <identity>
    Given the DUT has the key of somebody at another address first
    And the tester says by IKEv1 that it is <identity>
    When the tester sets up an ISAKMP SA by main mode
    Then an ISAKMP SA comes up and answers

    Examples:
      | identity      |
      | peer.example  |
      | 203.0.113.9   |

  @IKE1-AUTH-004
  Scenario: A message 5 without an identity is refused
    When the tester sends message 5 of main mode without its identity
    Then the DUT sends message 4 of main mode
    And the DUT sends no message 6 of main mode
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @IKE1-AUTH-005
  Scenario: An identity of another protocol and port is refused
    When the tester sends message 5 of main mode with protocol 6 and port 80 in its identity
    Then the DUT sends message 4 of main mode
    And the DUT sends no message 6 of main mode
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @IKE1-AUTH-005
  Scenario Outline: An identity of protocol <protocol> and port <port> is accepted
    When the tester sends message 5 of main mode with protocol <protocol> and port <port> in its identity
    Then an ISAKMP SA comes up and answers

    Examples:
      | protocol | port |
      | 0        | 0    |
      | 17       | 500  |

  @IKE1-AUTH-005
  Scenario: With NAT traversal in use the DUT's identity names no port
    Given the tester of IKEv1 is behind a NAT
    When the tester sets up an ISAKMP SA by main mode
    Then an ISAKMP SA comes up and answers
    And the DUT's identity in message 6 of main mode names no port

@ikev1 @needs:ikev1-main
Feature: Payloads of IKEv1

  @IKE1-PAY-001
  Scenario: A RESERVED octet that is not zero makes the message be dropped
    When the tester sends message 1 of main mode with the RESERVED octet of its SA payload set
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

  @IKE1-PAY-002
  Scenario Outline: An unknown payload makes the message be dropped: <place>
    When the tester sends message 1 of main mode <so>
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

    Examples:
      | place                | so                                          |
      | named in the header  | that says it begins with an unknown payload |
      | after the SA payload | with an unknown payload after the SA payload |

  @IKE1-PAY-003
  Scenario: An offer of another domain of interpretation is dropped
    When the tester offers in another domain of interpretation
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

  @IKE1-PAY-004
  Scenario Outline: An offer in a situation that is not supported is dropped: <name>
    When the tester offers in the situation <situation>
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

    Examples:
      | name          | situation |
      | SIT_SECRECY   | 2         |
      | SIT_INTEGRITY | 4         |
      | all of them   | 7         |

  @IKE1-PAY-005
  Scenario Outline: A chain of proposals and transforms that cannot be: <fault>
    When the tester offers with <fault> in its SA payload
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

    Examples:
      | fault                                          |
      | an ID payload after its last transform         |
      | an ID payload after its proposal               |
      | a count of transforms one too high             |
      | a count of transforms one too low              |
      | a transform that says it is the last and is not |

  @IKE1-PAY-006
  Scenario: Vendor IDs that are not understood do not disturb
    Given the tester adds unknown Vendor IDs of odd sizes to its first message
    When the tester sets up an ISAKMP SA by main mode
    Then an ISAKMP SA comes up and answers

  @IKE1-PAY-007
  Scenario Outline: A nonce of a wrong length is not taken: <length> octets
    When the tester sends message 3 of main mode with a nonce of <length> octets
    Then the DUT sends no message 4 of main mode
    And a proper main mode is answered

    Examples:
      | length |
      | 0      |
      | 7      |
      | 257    |

  @IKE1-PAY-007
  Scenario Outline: The shortest and the longest nonce of IKEv1: <length> octets
    When the tester sends message 3 of main mode with a nonce of <length> octets
    Then the DUT sends message 4 of main mode
    And the DUT's nonce in message 4 of main mode has 8 to 256 octets

    Examples:
      | length |
      | 8      |
      | 256    |

  @IKE1-PAY-007
  Scenario: The nonce of a quick mode has a proper length
    Given an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT's nonce in message 2 of quick mode has 8 to 256 octets

  @IKE1-PAY-008
  Scenario: Requests for certificates disturb neither authentication by a key nor the number of messages
    Given the tester asks for a certificate in messages 1 and 3 of its main mode
    When the tester sets up an ISAKMP SA by main mode
    Then an ISAKMP SA comes up and answers
    And the DUT sends three messages of main mode

  @IKE1-PAY-009
  Scenario Outline: A quick mode message of noise is dropped, and the ISAKMP SA stays: <kind>
    Given an ISAKMP SA and IPsec SAs
    When the tester sends a quick mode message of noise <so>
    Then the DUT says no more than that the message is no good, and that under protection
    And another quick mode makes IPsec SAs
    And pings come through

    Examples:
      | kind            | so                                |
      | whole blocks    | in whole blocks                   |
      | a partial block | that ends in the middle of a block |

@ikev2 @needs:ikev2
Feature: Lengths and counts in payloads

  @IKE2-PAY-009
  Scenario Outline: Lengths and counts inside the SA payload are checked
    When the tester sends an IKE_SA_INIT request in whose SA payload <fault>
    Then the DUT makes no IKE SA of it
    And a proper IKE_SA_INIT request is answered

    Examples:
      | fault                                   |
      | the proposal is too long                |
      | the count of transforms is one too high |
      | the count of transforms is one too low  |
      | a transform has length 0                |

  @IKE2-PAY-018
  Scenario Outline: A payload length that cannot be
    When the tester sends an IKE_SA_INIT request whose Nonce payload says <length> octets
    Then the DUT makes no IKE SA of it
    And a proper IKE_SA_INIT request is answered

    Examples:
      | length |
      | 0      |
      | 3      |
      | 65535  |

  @IKE2-PAY-017
  Scenario Outline: A nonce of a wrong length leads to no IKE SA
    When the tester sends an IKE_SA_INIT request with a nonce of <length> octets
    Then the DUT makes no IKE SA of it
    And a proper IKE_SA_INIT request is answered

    Examples:
      | length |
      | 0      |
      | 15     |
      | 257    |

  @IKE2-PAY-017
  Scenario Outline: The shortest and the longest nonce
    When the tester sends an IKE_SA_INIT request with a nonce of <length> octets
    Then the DUT answers with SA, KE and Nonce
    And the DUT's nonce has 16 to 256 octets

    Examples:
      | length |
      | 16     |
      | 256    |

  @IKE2-PAY-019
  Scenario: A message of 1280 octets is processed
    When the tester sends an IKE_SA_INIT request of 1280 octets
    Then the DUT answers with SA, KE and Nonce

@ikev1
Feature: Aggressive mode

  @IKE1-AM-001 @needs:ikev1-aggressive
  Scenario: Message 2 has all that authenticates the DUT
    When the tester sets up an ISAKMP SA by aggressive mode
    Then the DUT's message 2 of aggressive mode is as it should be
    And an ISAKMP SA comes up and answers

  @IKE1-AM-001 @needs:ikev1-main
  Scenario: Aggressive mode that is switched off is not answered
    Given the DUT has aggressive mode switched off
    When the tester sets up an ISAKMP SA by aggressive mode
    Then the DUT does not choose in aggressive mode
    And a proper main mode is answered

  @IKE1-AM-002 @needs:ikev1-aggressive
  Scenario Outline: Without a right HASH_I there is no ISAKMP SA: <fault>
    When the tester <does>
    Then the DUT answers no quick mode
    And a proper ISAKMP SA and IPsec SAs come up by aggressive mode

    Examples:
      | fault            | does                                                                         |
      | a flipped bit    | sends message 3 of aggressive mode with a bit of its hash flipped, and a quick mode |
      | none at all      | leaves out message 3 of aggressive mode, and sends a quick mode              |

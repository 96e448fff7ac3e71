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

  @IKE1-AM-003 @needs:ikev1-aggressive
  Scenario: A transform of another group than the public value is refused
    When the tester offers by aggressive mode a group that its public value is not of
    Then the DUT makes no ISAKMP SA of it
    And a proper aggressive mode is answered

  @IKE1-AM-004 @needs:ikev1-aggressive
  Scenario: The last message is accepted encrypted
    When the tester sets up an ISAKMP SA and IPsec SAs by aggressive mode
    Then an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-AM-004 @needs:ikev1-aggressive
  Scenario: The last message is accepted in the clear
    Given the tester sends message 3 of aggressive mode in the clear
    When the tester sets up an ISAKMP SA and IPsec SAs by aggressive mode
    Then an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-AM-005 @needs:ikev1-aggressive
  Scenario: A responder sends no status notify within aggressive mode
    Given an ISAKMP SA and IPsec SAs by aggressive mode
    Then no message of aggressive mode of the DUT carries a notify

  @IKE1-AM-005 @needs:ikev1-aggressive @needs:control.initiate_ikev1_aggressive
  Scenario: An initiator sends no status notify within aggressive mode
    Given an ISAKMP SA and IPsec SAs that the DUT has begun by aggressive mode
    Then no message of aggressive mode of the DUT carries a notify

  @IKE1-AM-006 @needs:ikev1-aggressive @needs:self
  Scenario: The pre-shared key is that of the identity
    Given the DUT has the tester's key for a.example and another one for b.example and all addresses
    And the tester says by IKEv1 that it is a.example
    When the tester sets up an ISAKMP SA by aggressive mode
    Then an ISAKMP SA comes up and answers

  @IKE1-AM-006 @needs:ikev1-aggressive @needs:self
  Scenario: The key of one identity is not good for another
    Given the DUT has the tester's key for a.example and another one for b.example and all addresses
    And the tester says by IKEv1 that it is b.example
    When the tester sets up an ISAKMP SA by aggressive mode
    Then no ISAKMP SA comes up

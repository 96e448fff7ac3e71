@ikev1 @needs:ikev1-main
Feature: Main mode

  @IKE1-MM-001
  Scenario: Three messages of each side, with the tester as initiator
    When the tester sets up an ISAKMP SA by main mode
    Then the DUT's messages 2, 4 and 6 of main mode are as they should be
    And an ISAKMP SA comes up and answers

  @IKE1-MM-001 @needs:control.initiate_ikev1
  Scenario: Three messages of each side, with the DUT as initiator
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT's messages 1, 3 and 5 of main mode are as they should be
    And an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-MM-002
  Scenario: The responder's identity and hash are encrypted
    When the tester sets up an ISAKMP SA by main mode
    Then the DUT's message 6 of main mode is encrypted right after the header
    And an ISAKMP SA comes up and answers

  @IKE1-MM-002 @needs:control.initiate_ikev1
  Scenario: The initiator's identity and hash are encrypted
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT's message 5 of main mode is encrypted right after the header
    And an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-MM-003
  Scenario: IVs follow from the messages before, in each of two quick modes side by side
    Given an ISAKMP SA
    When the tester runs two quick modes side by side
    Then both quick modes make IPsec SAs
    And every encrypted message of the DUT has the IV that comes next in its exchange
    And the DUT answers under the ISAKMP SA

  @IKE1-MM-004
  Scenario: The exchange type does not change in the middle of an exchange
    When the tester puts a message of aggressive mode between messages 2 and 3 of its main mode
    Then the DUT takes the mixed message for none of its main mode
    And an ISAKMP SA comes up and answers

  @IKE1-MM-007
  Scenario: Repetitions and noise do not move the IV
    When the tester repeats message 3 and sends noise before message 5 of its main mode
    Then an ISAKMP SA comes up and answers

  @IKE1-MM-005
  Scenario: Identity and hash in the clear are not accepted
    When the tester sends message 5 of main mode in the clear
    Then the DUT sends message 4 of main mode
    And the DUT sends no message 6 of main mode
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @IKE1-MM-006
  Scenario: The Commit flag of phase 1 does not outlive it
    Given the tester sets the Commit flag in its main mode
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then an ISAKMP SA and IPsec SAs come up and answer
    And no quick mode message of the DUT has the Commit flag

  @IKE1-MM-008
  Scenario Outline: The length of an encrypted message includes its padding: <policy>
    Given the tester offers the policy <policy> alone
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then the length in the header of every IKEv1 message of the DUT is right
    And every encrypted message of the DUT has whole blocks
    And an ISAKMP SA and IPsec SAs come up and answer

    Examples:
      | policy                 |
      | aes128-sha1-modp2048   |
      | aes256-sha256-modp2048 |
      | 3des-sha1-modp1024     |

  @IKE1-MM-009
  Scenario: Cookies cannot be foretold
    When the tester begins several main modes
    Then the DUT's cookies are not zero, all different and follow no pattern

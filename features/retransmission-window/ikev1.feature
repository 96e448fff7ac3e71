@ikev1 @needs:ikev1-main
Feature: Repetitions and retransmission of IKEv1

  @IKE1-RTX-001 @needs:control.initiate_ikev1 @slow
  Scenario Outline: The DUT repeats message <number> of main mode at growing intervals
    Given the tester leaves message <number> of main mode unanswered
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the waits between the copies of message <number> of main mode grow
    And a proper main mode is answered

    Examples:
      | number |
      | 1      |
      | 3      |

  @IKE1-RTX-002 @needs:self @slow
  Scenario: An answer that comes when the DUT has given up is not taken
    When the DUT has given up, its message 1 of main mode is answered
    Then the DUT does not go on with its main mode
    And the DUT's next main mode has another cookie

  @IKE1-RTX-003
  Scenario Outline: A repeated message <number> of <mode> mode gets the same answer
    Given <what>
    When the tester sends the same message <number> of <mode> mode 3 times
    Then the DUT answers message <number> of <mode> mode 3 times with the same octets
    And a proper ISAKMP SA and IPsec SAs come up by main mode

    Examples:
      | mode  | number | what                         |
      | main  | 1      | the tester has no ISAKMP SA  |
      | main  | 3      | the tester has no ISAKMP SA  |
      | quick | 1      | an ISAKMP SA                 |

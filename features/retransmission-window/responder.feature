@ikev2 @needs:ikev2
Feature: Repeated requests and the window of Message IDs

  @IKE2-RTX-004
  Scenario: A repeated CREATE_CHILD_SA request gets the stored response
    Given an IKE SA and a Child SA
    When the tester sends the same CREATE_CHILD_SA request 3 times
    Then the DUT sends the same response 3 times

  @IKE2-RTX-004
  Scenario: A repeated IKE_SA_INIT request gets the stored response
    When the tester sends the same IKE_SA_INIT request 3 times
    Then the DUT sends the same response 3 times

  @IKE2-RTX-003 @slow
  Scenario: A response is repeated only when it is asked for
    Given an IKE SA and a Child SA
    When the tester sends an empty INFORMATIONAL request
    Then the DUT repeats its response when it is asked again, and only then

  @IKE2-RTX-005
  Scenario: A request older than the window is ignored
    Given an IKE SA and a Child SA
    When the tester repeats a request after 5 later ones
    Then the DUT does not answer it
    And an empty INFORMATIONAL request is answered

  @IKE2-RTX-010
  Scenario Outline: A request beyond the window is not acknowledged
    Given an IKE SA and a Child SA
    When the tester sends a request whose Message ID is <ahead> too high
    Then the DUT acknowledges no such Message ID
    And an empty INFORMATIONAL request is answered

    Examples:
      | ahead |
      | 1     |
      | 100   |

  @IKE2-RTX-011
  Scenario: A new IKE_SA_INIT request is not taken for a retransmission because of its SPI
    When the tester sends two IKE_SA_INIT requests with one SPI and different nonces
    Then the DUT answers each with an SPI of its own

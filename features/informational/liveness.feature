@ikev2 @needs:ikev2
Feature: INFORMATIONAL exchanges on an established IKE SA

  @IKE2-INFO-001
  Scenario: An empty request is answered by an empty response
    Given an IKE SA and a Child SA
    When the tester sends an empty INFORMATIONAL request
    Then the DUT answers with an empty INFORMATIONAL response

  @IKE2-INFO-003
  Scenario: A CREATE_CHILD_SA request without a Nonce is refused by a notify
    Given an IKE SA and a Child SA
    When the tester sends a CREATE_CHILD_SA request without a Nonce
    Then the DUT answers with a protected error notify

  @IKE2-INFO-003
  Scenario: A rekey of a Child SA that does not exist is refused by a notify
    Given an IKE SA and a Child SA
    When the tester asks to rekey a Child SA that does not exist
    Then the DUT answers with a protected error notify
    And pings come through

  @IKE2-INFO-008 @needs:control.initiate
  Scenario: INITIAL_CONTACT stands in the first IKE_AUTH message if anywhere
    Given an IKE SA and a Child SA that the DUT has begun
    When the tester sends an empty INFORMATIONAL request
    Then the DUT answers with an empty INFORMATIONAL response
    And the DUT says INITIAL_CONTACT in its first IKE_AUTH message, or never

  @IKE2-INFO-009
  Scenario: INITIAL_CONTACT of one identity leaves the SAs of another alone
    Given an IKE SA and a Child SA
    When another identity at the same address says INITIAL_CONTACT
    Then the IKE SA of the first identity still answers

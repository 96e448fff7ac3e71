@ikev2 @needs:ikev2
Feature: Deletion of SAs

  @IKE2-DEL-001
  Scenario: Deleting a Child SA closes the pair and is answered by a Delete
    Given an IKE SA and a Child SA
    And pings come through
    When the tester deletes its Child SA
    Then the DUT's response deletes its end of them
    And the deleted Child SA carries nothing any more
    And an empty INFORMATIONAL request is answered

  @IKE2-DEL-004
  Scenario: Deleting the IKE SA closes it and its Child SAs
    Given an IKE SA and a Child SA
    And pings come through
    When the tester deletes the IKE SA
    Then the DUT answers with an empty INFORMATIONAL response
    And the deleted Child SA carries nothing any more
    And the deleted IKE SA answers nothing any more
    And a proper IKE_SA_INIT request is answered

  @IKE2-DEL-005
  Scenario: A Delete of an unknown Child SA is answered without a Delete
    Given an IKE SA and a Child SA
    When the tester deletes a Child SA that does not exist
    Then the DUT's response deletes nothing
    And pings come through

  @IKE2-DEL-008
  Scenario: One Delete closes several Child SAs
    Given an IKE SA and a Child SA
    And 2 Child SAs more
    When the tester deletes all Child SAs and an unknown one in one payload
    Then the DUT's response deletes its end of them
    And the deleted Child SA carries nothing any more
    And an empty INFORMATIONAL request is answered

  @IKE2-DEL-002 @needs:control.delete_child
  Scenario: Deletes that cross are answered without a Delete
    Given an IKE SA and a Child SA
    And the tester leaves INFORMATIONAL requests unanswered
    When the DUT is told to delete its Child SA
    And the DUT has sent a request
    And the tester deletes its Child SA
    Then the DUT's response deletes nothing

  @IKE2-DEL-003 @IKE2-DEL-006 @IKE2-DEL-007 @needs:control.delete_child
  Scenario: The DUT deletes a Child SA by the SPI that it receives on
    Given an IKE SA and a Child SA
    When the DUT is told to delete its Child SA
    Then the DUT sends a Delete of its Child SA
    And an empty INFORMATIONAL request is answered

  @IKE2-DEL-003 @IKE2-DEL-006 @CISCO-DPD-015 @needs:control.clear_sas
  Scenario: The DUT deletes its IKE SA without an SPI
    Given an IKE SA and a Child SA
    When the DUT is told to close its IKE SA
    Then the DUT sends a Delete of its IKE SA
    And a proper IKE_SA_INIT request is answered

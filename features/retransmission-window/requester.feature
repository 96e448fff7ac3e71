@ikev2 @needs:ikev2
Feature: Requests of the DUT: copies, waits, window and Message IDs

  @IKE2-RTX-001 @IKE2-RTX-002 @needs:control.clear_sas @slow
  Scenario: An unanswered INFORMATIONAL request is repeated as it is, at growing intervals
    Given an IKE SA and a Child SA
    And the tester leaves INFORMATIONAL requests unanswered
    When the DUT is told to close its IKE SA
    Then the DUT sends 4 copies of its request, octet by octet the same [IKE2-RTX-001]
    And the waits between the copies grow [IKE2-RTX-002]
    And a proper IKE_SA_INIT request is answered

  @IKE2-RTX-001 @IKE2-RTX-002 @needs:control.initiate @slow
  Scenario: An unanswered IKE_SA_INIT request is repeated as it is, at growing intervals
    Given the tester leaves IKE_SA_INIT requests unanswered
    When the DUT is told to begin a negotiation
    Then the DUT sends 4 copies of its request, octet by octet the same [IKE2-RTX-001]
    And the waits between the copies grow [IKE2-RTX-002]

  @IKE2-RTX-007 @needs:control.delete_child @needs:control.clear_sas
  Scenario: No second request goes out before the first is answered
    Given an IKE SA and a Child SA
    And the tester leaves INFORMATIONAL requests unanswered
    When the DUT is told to delete its Child SA
    And the DUT is told to close its IKE SA, too
    Then the DUT has one request open at a time

  @IKE2-RTX-009 @needs:control.delete_child
  Scenario: A request is answered while an own one is open
    Given an IKE SA and a Child SA
    And the tester leaves INFORMATIONAL requests unanswered
    When the DUT is told to delete its Child SA
    And the DUT has sent a request
    Then an empty INFORMATIONAL request is answered

  @IKE2-RTX-006 @needs:control.delete_child @needs:control.clear_sas
  Scenario: A responder numbers its own requests from 0
    Given an IKE SA and a Child SA
    And 3 empty INFORMATIONAL requests were answered
    When the DUT is told to delete its Child SA
    And the DUT has sent a request
    And the DUT is told to close its IKE SA, too
    Then the DUT numbers its 2 requests from 0 without a gap

@ikev2
Feature: INFORMATIONAL exchanges on an established IKE SA

  @IKE2-INFO-001
  Scenario: An empty request is answered by an empty response
    Given an IKE SA and a Child SA
    Then an empty INFORMATIONAL request is answered

@ikev1 @needs:ikev1-main
Feature: Public values of IKEv1

  @IKE-DH-012 @slow
  Scenario: Public values keep their leading zeros
    When several main modes are run
    Then all public values of the DUT are as long as their group

@esp
Feature: The anti-replay window

  @ESP-REPLAY-003 @CISCO-REPLAY-002 @CISCO-REPLAY-003 @needs:replay-window
  Scenario: The window is as large as configured
    Given an IKE SA and a Child SA
    And pings come through
    Then the replay window has its configured size

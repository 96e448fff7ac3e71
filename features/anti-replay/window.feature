@esp
Feature: The anti-replay window

  @ESP-REPLAY-003 @CISCO-REPLAY-002 @CISCO-REPLAY-003 @needs:replay-window
  Scenario: The window is as large as configured
    Given a pair of SAs
    And pings come through
    Then the replay window has its configured size

  @CISCO-REPLAY-002 @CISCO-REPLAY-003
  Scenario Outline: A window of <size> can be configured
    Given the DUT's replay window is <size>
    And a pair of SAs
    Then the replay window is <size>

    Examples:
      | size |
      | 32   |
      | 64   |
      | 128  |
      | 256  |
      | 512  |
      | 1024 |
      | 2048 |
      | 4096 |

  @ESP-REPLAY-007
  Scenario: The window holds 32 numbers at least
    Given a pair of SAs
    When the packet with number 1000 is let through
    Then numbers 969 to 999 are let through

  @CISCO-REPLAY-001 @needs:self
  Scenario: The window is 64 unless it is configured otherwise
    Given a pair of SAs
    When the packet with number 1000 is let through
    Then number 937 is let through
    And number 936 is dropped

  @CISCO-REPLAY-009
  Scenario: A number left of the window is dropped although it has never come
    Given the DUT's replay window is 64
    And a pair of SAs
    When the packet with number 101 is let through
    And the packet with number 102 is let through
    Then number 39 is let through
    And number 38 is dropped
    And number 1 is dropped
    And number 103 is let through

  @CISCO-REPLAY-022
  Scenario: A window of 64 drops what a queue has held back for long
    Given the DUT's replay window is 64
    And a pair of SAs
    When the packet with number 1000 is let through
    Then number 937 is let through
    And number 936 is dropped
    And number 900 is dropped
    And number 1001 is let through

  @CISCO-REPLAY-022
  Scenario: A window of 128 lets through what one of 64 would drop
    Given the DUT's replay window is 128
    And a pair of SAs
    When the packet with number 1000 is let through
    Then number 936 is let through
    And number 900 is let through
    And number 873 is let through
    And number 872 is dropped
    And number 1001 is let through

  @CISCO-REPLAY-005
  Scenario: A check that is off is seen as off
    Given the DUT's replay check is off
    And a pair of SAs
    Then the replay window is off

  @CISCO-REPLAY-006
  Scenario: Switching the check off takes the window's size away
    Given the DUT's replay window is 128
    And the DUT's replay check is off
    And a pair of SAs
    Then the replay window is off

  @CISCO-REPLAY-006
  Scenario: Setting the window's size switches the check on
    Given the DUT's replay check is off
    And the DUT's replay window is 128
    And a pair of SAs
    Then the replay window is 128

  @CISCO-REPLAY-005
  Scenario: The check can be switched off
    Given the DUT's replay check is off
    And a pair of SAs
    When the packet with number 5000 is let through
    Then numbers 1 to 10 are let through
    And numbers 1 to 10 are let through
    And number 5000 is let through

  @ESP-REPLAY-003 @needs:esn
  Scenario Outline: A window of <size> holds <size> extended numbers
    Given the DUT's replay window is <size>
    And the SAs are to have extended sequence numbers
    And a pair of SAs
    Then the replay window is <size>

    Examples:
      | size |
      | 32   |
      | 64   |
      | 1024 |

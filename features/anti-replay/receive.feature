@esp
Feature: What the anti-replay check lets through and what it drops

  @ESP-REPLAY-001
  Scenario: Each packet is let through once
    Given a pair of SAs
    Then numbers 1000 to 1019 are let through
    And numbers 1000 to 1019 are dropped
    And numbers 1020 to 1069 are let through
    And numbers 1000 to 1069 are dropped
    And number 1070 is let through

  @ESP-REPLAY-002 @needs:replay-window
  Scenario: New packets in the window are let through in any order
    Given a pair of SAs
    When the packet with number 2000 is let through
    Then numbers 1999 to 2000-W+1 are let through
    And numbers 2000 to 2000-W+1 are dropped
    And number 2001 is let through

  @ESP-REPLAY-004
  Scenario: A packet with a bad ICV does not move the window
    Given a pair of SAs
    When the packet with number 100 is let through
    And a packet with number 1000100 and a bad ICV is sent
    Then number 101 is let through
    And number 99 is let through
    And number 1000100 is let through

  @ESP-REPLAY-005
  Scenario: A packet with a bad ICV does not use up its number
    Given a pair of SAs
    When the packet with number 100 is let through
    And a packet with number 90 and a bad ICV is sent
    And a packet with number 100 and a bad ICV is sent
    Then number 90 is let through
    And number 90 is dropped
    And number 101 is let through

  @ESP-REPLAY-006 @needs:replay-window
  Scenario Outline: Numbers that a jump of <jump> has skipped count as unseen
    Given a pair of SAs
    When the packet with number 3000 is let through
    And the packet with number 3000+<jump> is let through
    Then numbers <lowest> to 2999+<jump> are let through
    And numbers <lowest> to 3000+<jump> are dropped
    And number 3001+<jump> is let through

    Examples:
      | jump    | lowest    |
      | 2       | 3001      |
      | W/2     | 3001      |
      | 32      | 3001      |
      | W-1     | 3001      |
      | W       | 3001      |
      | 2*W     | 3001+W    |
      | 1024    | 4025-W    |
      | 1000000 | 1003001-W |

  @CISCO-REPLAY-014
  Scenario: Numbers after a gap are let through
    Given a pair of SAs
    When the packet with number 10 is let through
    Then numbers 511 to 520 are let through
    And numbers 5000 to 5010 are let through

  @ESP-REPLAY-008
  Scenario: Number 0 is not valid
    Given a pair of SAs
    Then number 0 is dropped
    And number 1 is let through

  @ESP-REPLAY-009 @needs:replay-window
  Scenario: Stale marks of skipped blocks drop nothing
    Given a pair of SAs
    Then a random walk of 20 jumps is treated as by a window of the configured size

  @ESP-REPLAY-012
  Scenario: Nothing wraps at the end of 32 bits
    Given a pair of SAs
    When the packet with number 4294967290 is let through
    And the packet with number 4294967295 is let through
    Then numbers 0 to 2 are dropped
    And numbers 4294967291 to 4294967294 are let through

  @ESP-REPLAY-010 @ESP-REPLAY-014 @needs:ikev2
  Scenario: Each of two SAs with the same selectors has a window of its own
    Given a pair of SAs
    When the packet with number 1000 is let through
    And the tester makes another Child SA with the same selectors
    Then numbers 990 to 999 are let through on each Child SA
    And numbers 1 to 10 are dropped

  @ESP-REPLAY-011 @needs:ikev2
  Scenario: The window of a rekeyed SA begins anew
    Given a pair of SAs
    When the packet with number 10000 is let through
    And the tester rekeys the Child SA that it sends on
    Then number 1 is let through
    And number 10000 is let through

  @ESP-REPLAY-013 @needs:manual-keys
  Scenario: An SA without integrity has no replay check
    Given the SAs are to have manual keys
    And a pair of SAs of aes128-integnone
    When the packet with number 1000 is let through
    Then number 1000 is let through
    And numbers 1 to 10 are let through

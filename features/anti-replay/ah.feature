@ah @needs:ah
Feature: Anti-replay of AH

  @AH-REPLAY-001
  Scenario: Each AH packet is let through once
    Given a pair of SAs for AH
    Then numbers 1000 to 1019 are let through
    And numbers 1000 to 1019 are dropped
    And numbers 1020 to 1069 are let through
    And numbers 1000 to 1069 are dropped
    And number 1070 is let through

  @AH-REPLAY-001 @needs:replay-window
  Scenario: New AH packets in the window are let through in any order, older ones are dropped
    Given a pair of SAs for AH
    When the packet with number 5000 is let through
    Then numbers 4999 to 5000-W+1 are let through
    And number 5000-W is dropped
    And numbers 5000 to 5000-W+1 are dropped
    And number 5001 is let through

  @AH-REPLAY-001
  Scenario: The window of AH holds 32 numbers at least
    Given a pair of SAs for AH
    When the packet with number 1000 is let through
    Then numbers 969 to 999 are let through

  @AH-REPLAY-001
  Scenario: An AH packet with a bad ICV neither moves the window nor uses up its number
    Given a pair of SAs for AH
    When the packet with number 100 is let through
    And a packet with number 1000100 and a bad ICV is sent
    And a packet with number 90 and a bad ICV is sent
    Then number 101 is let through
    And number 90 is let through
    And number 90 is dropped
    And number 1000100 is let through

  @AH-REPLAY-001
  Scenario: Nothing wraps at the end of 32 bits of AH
    Given a pair of SAs for AH
    When the packet with number 2^32-6 is let through
    And the packet with number 2^32-1 is let through
    Then numbers 0 to 2 are dropped
    And numbers 2^32-5 to 2^32-2 are let through

  @AH-REPLAY-001 @needs:replay-window
  Scenario: Numbers that a jump of AH has skipped count as unseen
    Given a pair of SAs for AH
    When the packet with number 3000 is let through
    And the packet with number 3000+W is let through
    Then numbers 3001 to 2999+W are let through
    And numbers 3001 to 3000+W are dropped

  @AH-REPLAY-001
  Scenario Outline: A window of <size> can be configured for AH
    Given the DUT's replay window is <size>
    And a pair of SAs for AH
    Then the replay window is <size>

    Examples:
      | size |
      | 32   |
      | 64   |
      | 128  |
      | 256  |
      | 512  |
      | 1024 |

  @AH-REPLAY-001 @needs:bundle @needs:manual-keys
  Scenario: AH over ESP is checked, too
    Given a pair of SAs of sha1+aes128-sha1
    When the packet with number 1000 is let through
    Then numbers 969 to 999 are let through
    And numbers 969 to 1000 are dropped
    And number 1001 is let through

  @AH-REPLAY-002
  Scenario: AH packets are numbered one after the other from 1
    Given a pair of SAs for AH
    When 30 pings are sent through the tunnel
    Then the DUT's AH packets are numbered from 1, one more each time

  @AH-REPLAY-002 @needs:bundle @needs:manual-keys
  Scenario: AH and ESP of a bundle count each for itself
    Given a pair of SAs of sha1+aes128-sha1
    When 20 pings are sent through the tunnel
    Then the DUT's AH packets are numbered from 1, one more each time
    And the DUT's ESP packets are numbered from 1, one more each time

  @AH-REPLAY-002 @needs:manual-keys
  Scenario: Numbers of AH never cycle
    Given number 100 was the last to the DUT, and number 0xfffffffd the last from it
    And a pair of SAs for AH
    When 6 pings go through the tunnel, answered or not
    Then the DUT's AH packets have the numbers 2^32-2 to 2^32-1 and no more come
    And the DUT still answers

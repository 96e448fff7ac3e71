@esp @needs:claim.multi-sn
Feature: Sequence number spaces

  Sixteen spaces an SA; the four high bits of the number on the wire select the space. The layout is taken from the
  number of spaces: the guide's figure of it is lost.

  @CISCO-REPLAY-011
  Scenario: Each space has a window of its own
    Given multi-sn is on at the DUT
    And a pair of SAs
    Then numbers 1 to 100 of spaces 11 and 0 in turn are let through
    And numbers 1 to 100 of space 11 are dropped
    And numbers 1 to 100 of space 0 are dropped
    And number 5000 of space 11 is let through
    And numbers 101 to 120 of space 0 are let through
    And number 5000 of space 11 is dropped
    And numbers 1 to 10 of space 15 are let through
    And numbers 1 to 10 of space 1 are let through

  @CISCO-REPLAY-011
  Scenario: Packets that come in another order between spaces are let through
    Given multi-sn is on at the DUT
    And a pair of SAs
    Then numbers 1 to 100 of space 11 are let through
    And numbers 1 to 100 of space 0 are let through
    And numbers 1 to 100 of space 5 are let through

  @CISCO-REPLAY-011 @CISCO-REPLAY-009
  Scenario: Priority packets overtake waiting ones, which are lost with one number space only
    Given the DUT's replay window is 64
    And a pair of SAs
    Then of 100 waiting packets that 2 priority packets overtake, 38 are lost with one number space [CISCO-REPLAY-009]
    When multi-sn is switched on at both ends
    And the session is cleared and set up again
    Then of 100 waiting packets that 2 priority packets overtake, 0 are lost with a number space for each queue [CISCO-REPLAY-011]

  @CISCO-REPLAY-015
  Scenario: The window of a number space is considerably shorter
    Given the DUT's replay window is 64
    And multi-sn is on at the DUT
    And a pair of SAs
    Then the window of space 11 is shorter than 64

  @CISCO-REPLAY-012 @needs:inside @needs:control.counters
  Scenario: Each space has a counter of its own
    Given the DUT puts packets with DSCP 46 into the queue of space 11
    And multi-sn is on at the DUT
    And multi-sn is on at the tester
    And a pair of SAs
    When 100 packets with DSCP 46 and 0 with DSCP 0 leave the DUT in turn
    Then the DUT shows 100 in space 11 of what it sends, and 0 in all others

  @CISCO-REPLAY-013 @needs:inside
  Scenario: All packets of an egress queue are numbered in one space
    Given the DUT puts packets with DSCP 46 into the queue of space 11
    And multi-sn is on at the DUT
    And multi-sn is on at the tester
    And a pair of SAs
    When 100 packets with DSCP 0 and 40 with DSCP 46 leave the DUT in turn
    Then packets with DSCP 46 are numbered in a space of their own
    And packets with DSCP 0 are numbered in a space of their own
    And a receiver that gets the priority queue first drops 0 of them

  @CISCO-REPLAY-016
  Scenario: With multi-sn at the sender alone the receiver drops packets
    Given a pair of SAs
    Then number 1 of space 11 is let through
    And numbers 1 to 10 of space 0 are dropped
    And number 2 of space 11 is let through

  @CISCO-REPLAY-016 @needs:inside
  Scenario: With multi-sn at the DUT alone the other end drops packets
    Given the DUT puts packets with DSCP 46 into the queue of space 11
    And multi-sn is on at the DUT
    And a pair of SAs
    When 10 packets with DSCP 46 and 10 with DSCP 0 leave the DUT in turn
    Then the tester, which has one window, drops packets that the DUT has sent

  @CISCO-REPLAY-016 @needs:inside
  Scenario: With multi-sn at both ends nothing is dropped
    Given the DUT puts packets with DSCP 46 into the queue of space 11
    And multi-sn is on at the DUT
    And multi-sn is on at the tester
    And a pair of SAs
    When 10 packets with DSCP 46 and 10 with DSCP 0 leave the DUT in turn
    Then the tester drops no packets that the DUT has sent
    And numbers 1 to 10 of spaces 11 and 0 in turn are let through

  @CISCO-REPLAY-017
  Scenario: A session from before multi-sn was switched on loses traffic until it is cleared
    Given a pair of SAs
    And pings come through
    When multi-sn is switched on at both ends
    Then no packets are let through
    When the session is cleared and set up again
    Then numbers 1 to 10 of spaces 11 and 0 in turn are let through

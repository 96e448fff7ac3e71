@esp
Feature: What the DUT says about replayed packets

  @CISCO-REPLAY-007 @needs:claim.replay-message @needs:control.log
  Scenario Outline: <which> is written about
    Given the DUT's replay window is 64
    And a pair of SAs
    When the packet with number 1000 is let through
    Then the DUT writes the guide's message about the dropped number <number>
    And number 1001 is let through

    Examples:
      | which                               | number |
      | A replayed packet                   | 1000   |
      | A packet to the left of the window  | 900    |

  @CISCO-REPLAY-021 @needs:claim.sa-counters @needs:control.counters
  Scenario: Replays and bad ICVs have counters of their own
    Given a pair of SAs
    Then 7 replays and 5 packets with a bad ICV are counted as such
    And numbers 70001 to 70010 are let through

  @CISCO-REPLAY-021 @needs:claim.sa-counters @needs:control.counters
  Scenario: The settings of the replay check are shown
    Given the DUT's replay window is 64
    And a pair of SAs
    Then the DUT shows of the SA that it receives on
      | anti-replay enabled         |
      | esn disabled                |
      | anti-replay window: 64      |
      | replay detection support: Y |

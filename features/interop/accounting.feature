@interop @needs:control.sa_counters
Feature: Every packet that was sent is in the DUT's counters

  @CISCO-REPLAY-021 @ESP-REPLAY-001 @ESP-FMT-002
  Scenario Outline: The counters of an SA of <proposal> tell what was sent
    Given a pair of SAs of <proposal>
    Then of 100 good packets, 7 replays, 5 with a wrong ICV and 3 with an unknown SPI the DUT's counters tell the same

    Examples:
      | proposal      |
      | aes128gcm16   |
      | aes128-sha256 |
      | null-sha1     |

@esp
Feature: Sequence numbers of the sender

  @ESP-SEQ-001
  Scenario: An SA begins with sequence number 1
    Given a pair of SAs
    When 3 pings are sent through the tunnel
    Then the first ESP packet of the DUT has sequence number 1

  @ESP-SEQ-001 @needs:ikev2
  Scenario: A rekeyed SA begins with sequence number 1
    Given a pair of SAs
    When 3 pings are sent through the tunnel
    And the tester rekeys the Child SA that it sends on
    And 3 pings are sent through the tunnel
    Then the first ESP packet of the DUT has sequence number 1

  @ESP-SEQ-002 @CISCO-REPLAY-008
  Scenario: Packets are numbered one after the other
    Given a pair of SAs
    When pings with 0 to 149 octets of data are sent through the tunnel
    Then the DUT's sequence numbers are consecutive [ESP-SEQ-002]
    And the DUT's sequence numbers grow [CISCO-REPLAY-008]

  @ESP-SEQ-004
  Scenario: Numbering never starts again
    Given a pair of SAs
    When 150 pings are sent through the tunnel
    Then the DUT's sequence numbers never start again

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

  @ESP-SEQ-003 @needs:manual-keys
  Scenario: Numbers never cycle: after 2^32-1 nothing is sent
    Given number 100 was the last to the DUT, and number 0xfffffffd the last from it
    And a pair of SAs
    When 6 pings go through the tunnel, answered or not
    Then the DUT's ESP packets have the numbers 2^32-2 to 2^32-1 and no more come
    And the DUT still answers

  @ESP-SEQ-003 @ESP-ESN-002 @needs:manual-keys @needs:esn
  Scenario: Extended numbers go on after 2^32-1
    Given number 100 was the last to the DUT, and number 0xfffffffd the last from it
    And the SAs are to have extended sequence numbers
    And a pair of SAs
    When 6 pings are sent through the tunnel
    Then the DUT's packets carry the numbers 2^32-2 to 2^32+3, of which the low half is on the wire

  @ESP-SEQ-005 @needs:tunnel
  Scenario: All fragments of an ESP packet have one sequence number
    Given pre-fragmentation is off
    And the tester fragments after encryption
    And a pair of SAs
    When pings with 1440 to 1445 octets of data are sent through the tunnel
    Then each of 6 ESP packets of the DUT comes in fragments with one sequence number

  @ESP-SEQ-005 @needs:transport
  Scenario: All fragments of an ESP packet in transport mode have one sequence number
    Given the SAs are to be in transport mode
    And a pair of SAs
    When pings with 1460 to 1465 octets of data are sent through the tunnel
    Then each of 6 ESP packets of the DUT comes in fragments with one sequence number

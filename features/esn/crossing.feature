@esp @needs:esn
Feature: The crossing of 2^32

  The tester comes near 2^32 by leaps of less than 2^32, so that no counter needs to be preset, or counters are preset
  with manual keys.

  @ESP-ESN-003
  Scenario Outline: Packets of <protection> from both sides of 2^32 are let through once each
    Given the SAs are to have extended sequence numbers
    And a pair of SAs of <protection>
    When the packet with number 2^31 is let through
    And the packet with number 2^32-11 is let through
    Then numbers 2^32-10 to 2^32+10 are let through
    And numbers 2^32-11 to 2^32+10 are dropped
    And numbers 2^32+11 to 2^32+40 are let through

    Examples:
      | protection    |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |
      | sha1          |

  @ESP-ESN-003
  Scenario: Two more crossings
    Given the SAs are to have extended sequence numbers
    And a pair of SAs
    When the packet with number 2^31 is let through
    Then number 2^32+5 is let through
    And number 2^32+2^31 is let through
    And number 2^33-1 is let through
    And numbers 2^33 to 2^33+10 are let through
    And number 2^33+2^31 is let through
    And number 2^33+2^32-1 is let through
    And numbers 2^33+2^32 to 2^33+2^32+10 are let through
    And numbers 2^33+2^32-1 to 2^33+2^32+10 are dropped

  @ESP-ESN-003 @needs:manual-keys
  Scenario Outline: Packets of <protection> from both sides of 2^32 after preset counters
    Given number 0xfffffff5 was the last to the DUT, and number 100 the last from it
    And the SAs are to have extended sequence numbers
    And a pair of SAs of <protection>
    Then numbers 2^32-10 to 2^32+10 are let through
    And numbers 2^32-11 to 2^32+10 are dropped
    And number 2^32+11 is let through

    Examples:
      | protection       |
      | aes128-sha256    |
      | aes128gcm16      |
      | sha256           |
      | sha1+aes128-sha1 |

  @ESP-ESN-004 @needs:replay-window
  Scenario Outline: Late packets of <protection> from before 2^32 are let through once
    Given the SAs are to have extended sequence numbers
    And a pair of SAs of <protection>
    When the packet with number 2^31 is let through
    And the packet with number 2^32+5 is let through
    Then number 2^32-3 is let through
    And number 2^32-3 is dropped
    And numbers 2^32-1 to 2^32+4 are let through
    And number 2^32+5-W+1 is let through
    And number 2^32+5-W is dropped
    And numbers 2^32-1 to 2^32+5 are dropped
    And number 2^32+6 is let through

    Examples:
      | protection    |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |

  @ESP-ESN-004
  Scenario: A fresh SA has no high half of -1
    Given the SAs are to have extended sequence numbers
    And a pair of SAs
    Then numbers 2^64-10 to 2^64-1 are dropped
    And numbers 1 to 10 are let through
    And numbers 2^64-10 to 2^64-1 are dropped
    And numbers 11 to 20 are let through

  @ESP-ESN-005
  Scenario Outline: Forged packets of <protection> do not move the high half
    Given the SAs are to have extended sequence numbers
    And a pair of SAs of <protection>
    When the packet with number 2^31 is let through
    And a packet with number 2^32+5 and a bad ICV is sent
    And a packet with number 2^32+2^31-1000 and a bad ICV is sent
    Then number 2^31+1 is let through
    And number 2^31-1 is let through
    When the packet with number 2^32-10 is let through
    And a packet with number 2^32 and a bad ICV is sent
    And a packet with number 2^32+5 and a bad ICV is sent
    And a packet with number 2^32+100000 and a bad ICV is sent
    Then numbers 2^32-9 to 2^32+10 are let through
    And number 2^32-11 is let through
    When a packet with number 2^32-8 and a bad ICV is sent
    Then numbers 2^32+11 to 2^32+20 are let through

    Examples:
      | protection    |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |

  @ESP-ESN-002 @needs:manual-keys
  Scenario Outline: The DUT's packets of <protection> cross 2^32
    Given number 0xfffffffa was the last to the DUT, and number 0xfffffffa the last from it
    And the SAs are to have extended sequence numbers
    And a pair of SAs of <protection>
    When 10 pings are sent through the tunnel
    Then the DUT's packets carry the numbers 2^32-5 to 2^32+4, of which the low half is on the wire
    And each packet of the DUT verifies
    And pings come through

    Examples:
      | protection       |
      | aes128-sha256    |
      | aes128gcm16      |
      | sha256           |
      | sha1+aes128-sha1 |

  @ESP-ESN-008
  Scenario Outline: After the loss of 2^32 packets of <protection> both ends come into step again
    Given the SAs are to have extended sequence numbers
    And a pair of SAs of <protection>
    When the packet with number 1000 is let through
    Then packets from number 2^32+1100 on are let through again
    And numbers 2^32+1300 to 2^32+1310 are let through
    And number 1001 is dropped

    Examples:
      | protection    |
      | aes128-sha256 |
      | aes128gcm16   |

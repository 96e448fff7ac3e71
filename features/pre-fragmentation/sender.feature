@ipsec @needs:inside
Feature: Packets that do not fit when they are protected

  @PREFRAG-001
  Scenario Outline: With pre-fragmentation <pre>, packets are fragmented <when> encryption: <proposal>
    Given pre-fragmentation is <pre>
    And a pair of SAs of <proposal>
    Then packets without DF that do not fit are fragmented <when> encryption

    Examples:
      | pre | when   | proposal      |
      | on  | before | aes128-sha256 |
      | off | after  | aes128-sha256 |
      | on  | before | aes128gcm16   |
      | off | after  | aes128gcm16   |

  # For any DUT, whatever it can be told: which row of the guide's table it behaves like.
  @PREFRAG-004 @PMTU-002
  Scenario Outline: Where a DUT fragments: pre-fragmentation <pre>, df-bit <df>
    Given pre-fragmentation is <pre>
    And the DUT's DF bit is <df>
    And a pair of SAs
    Then what becomes of packets that do not fit is told
    And packets without DF arrive, and nobody is told of an MTU

    Examples:
      | pre | df    |
      | on  | copy  |
      | off | copy  |
      | on  | clear |
      | off | clear |
      | on  | set   |
      | off | set   |

  @PREFRAG-004
  Scenario Outline: Fragments are sound at every length: pre-fragmentation <pre>, <proposal>
    Given pre-fragmentation is <pre>
    And the DUT's outside carries 500 octets
    And a pair of SAs of <proposal>
    Then packets up to three times the MTU leave in sound fragments

    Examples:
      | pre | proposal         |
      | on  | aes128-sha256    |
      | off | aes128-sha256    |
      | on  | aes128gcm16      |
      | off | aes128gcm16      |
      | on  | sha1+aes128-sha1 |

  @PREFRAG-004
  Scenario Outline: Fragments are sound around the MTU as it is: <proposal>
    Given a pair of SAs of <proposal>
    Then packets up to three times the MTU leave in sound fragments

    Examples:
      | proposal      |
      | aes128-sha256 |
      | aes128gcm16   |
      | null-sha256   |

  @CISCO-PREFRAG-016
  Scenario Outline: What encapsulation adds is known exactly: <proposal> <how>
    Given the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then the overhead is as arithmetic has it
    And the longest packet that is sent whole is the longest by arithmetic

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes256-sha256    | in tunnel mode |
      | aes128-sha1      | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | aes256gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1             | in tunnel mode |
      | sha1+des-sha1    | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |
      | aes128gcm16      | in UDP         |
      | null-sha256      | in UDP         |

  @CISCO-PREFRAG-016 @needs:ipv6
  Scenario Outline: What encapsulation adds over IPv6 is known exactly: <proposal>
    Given IPv6 outside and IPv4 in the protected networks
    And a pair of SAs of <proposal>
    Then the overhead is as arithmetic has it
    And the longest packet that is sent whole is the longest by arithmetic

    Examples:
      | proposal      |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |

  @CISCO-PREFRAG-019 @needs:claim.pre-fragmentation
  Scenario Outline: Packets are fragmented into units of equal size: an MTU of <mtu>
    Given pre-fragmentation is on
    And the DUT's outside carries <mtu> octets
    And a pair of SAs of aes128-sha256
    Then fragments are of equal size

    Examples:
      | mtu  |
      | 1500 |
      | 1000 |
      | 500  |

  @CISCO-PREFRAG-013 @needs:transport
  Scenario Outline: In transport mode packets are fragmented after encryption, with pre-fragmentation <pre>
    Given pre-fragmentation is <pre>
    And the SAs are to be in transport mode
    And a pair of SAs
    Then a long packet of the DUT's own is fragmented after encryption

    Examples:
      | pre |
      | on  |
      | off |

  @CISCO-PREFRAG-018
  Scenario Outline: The IP MTU of a tunnel interface decides, with pre-fragmentation <pre>: less than the outside carries
    Given pre-fragmentation is <pre>
    And the DUT's SAs belong to a tunnel interface with an IP MTU of 1300
    And a pair of SAs
    Then fragments before encryption hold at most 1300 octets

    Examples:
      | pre |
      | on  |
      | off |

  @CISCO-PREFRAG-018
  Scenario Outline: The IP MTU of a tunnel interface decides, with pre-fragmentation <pre>: more than the outside carries
    Given pre-fragmentation is <pre>
    And the DUT's SAs belong to a tunnel interface with an IP MTU of 1600
    And a pair of SAs
    Then packets without DF that do not fit are fragmented after encryption

    Examples:
      | pre |
      | on  |
      | off |

  @CISCO-PREFRAG-017 @needs:claim.virtual-tunnel-interface
  Scenario: On a tunnel interface packets are fragmented after encryption by default
    Given the DUT's SAs belong to a tunnel interface as it is by default
    And a pair of SAs
    Then packets without DF that do not fit are fragmented after encryption

@esp @needs:tunnel @needs:inside
Feature: DSCP and ECN of the inner header

  @ECN-003 @ECN-004 @ECN-005
  Scenario Outline: The two ECN fields are combined, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    Then inner ECT with outer CE comes out as CE, with a sound header [ECN-003]
    And inner Not-ECT with outer CE is dropped or comes out unchanged [ECN-004]
    And inner ECT(0) with outer ECT(1) comes out as ECT(1) or ECT(0) [ECN-005]
    And all 16 pairs of codepoints come out by RFC 6040 or RFC 4301
    And pings come through

    Examples:
      | outer | inner |
      | IPv4  | IPv4  |
      | IPv4  | IPv6  |

  @ECN-003 @ECN-004 @ECN-005 @V6-008 @needs:ipv6
  Scenario Outline: The two ECN fields are combined, IPv6 outside and <inner> inside
    Given IPv6 outside and <inner> in the protected networks
    And a pair of SAs
    Then inner ECT with outer CE comes out as CE, with a sound header [ECN-003, V6-008]
    And inner Not-ECT with outer CE is dropped or comes out unchanged [ECN-004, V6-008]
    And inner ECT(0) with outer ECT(1) comes out as ECT(1) or ECT(0) [ECN-005, V6-008]
    And all 16 pairs of codepoints come out by RFC 6040 or RFC 4301
    And pings come through

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

  @ECN-006
  Scenario Outline: The outer DSCP stays outside, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    Then the outer DSCP does not come into the inner header
    And pings come through

    Examples:
      | outer | inner |
      | IPv4  | IPv4  |
      | IPv4  | IPv6  |
      | IPv6  | IPv4  |
      | IPv6  | IPv6  |

  @ECN-007
  Scenario Outline: No packet is dropped for its DSCP, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    Then packets with any of the 64 DSCP values outside and inside come out
    And pings come through

    Examples:
      | outer | inner |
      | IPv4  | IPv4  |
      | IPv4  | IPv6  |
      | IPv6  | IPv4  |
      | IPv6  | IPv6  |

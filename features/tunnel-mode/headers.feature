@esp @needs:tunnel
Feature: The headers of tunnel mode

  @TUN-001 @needs:inside
  Scenario: The outer IPv4 header is made anew, and the inner TTL decremented
    Given a pair of SAs
    Then options of inner packets do not come into the outer header
    And the outer TTL is the same whatever the inner is, which is one less
    And a packet from the inside with TTL 1 does not go into the tunnel
    And pings come through

  @TUN-002 @needs:inside
  Scenario Outline: The outer addresses are those of the SA, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    Then the outer addresses are those of the SA, whoever sends

    Examples:
      | outer | inner |
      | IPv4  | IPv4  |
      | IPv6  | IPv6  |

  @TUN-007
  Scenario Outline: ESP names the IP packet in it, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    When 3 pings are sent through the tunnel
    Then the DUT's ESP packets say that <next> comes next
    And pings come through

    Examples:
      | outer | inner | next |
      | IPv4  | IPv4  | 4    |
      | IPv4  | IPv6  | 41   |
      | IPv6  | IPv4  | 4    |
      | IPv6  | IPv6  | 41   |

  @TUN-008 @needs:inside
  Scenario Outline: The inner header stays as it was, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    Then inner packets come out as they were but for one hop less

    Examples:
      | outer | inner |
      | IPv4  | IPv4  |
      | IPv4  | IPv6  |
      | IPv6  | IPv4  |
      | IPv6  | IPv6  |

  @TUN-009 @needs:ikev2
  Scenario: Two single hosts get tunnel mode unless transport mode is asked for
    Given the protected networks are one host each
    And a pair of SAs
    When 3 pings are sent through the tunnel
    Then the DUT's ESP packets say that 4 comes next
    And pings come through

  @TUN-011 @needs:inside
  Scenario Outline: An SA for everything carries fragments into the DUT's network, <family>
    Given <family> outside and <family> in the protected networks
    And a pair of SAs
    Then pings come through
    And a UDP packet for port 9 in two fragments comes out
    And a UDP packet in two fragments from the inside goes into the tunnel

    Examples:
      | family |
      | IPv4   |
      | IPv6   |

  @TUN-012
  Scenario Outline: Malformed inner <inner> packets do no harm
    Given IPv4 outside and <inner> in the protected networks
    And a pair of SAs
    When inner packets with these faults are sent: <faults>
    Then nothing comes of them
    And pings come through
    And the DUT still answers

    Examples:
      | inner | faults                                                                                                                                                                                                                            |
      | IPv4  | version 5, version 0, header length 4, header length 15, a length beyond the end, a length shorter than the header, a wrong header checksum, the other version in the next header, cut within the header, no octet at all |
      | IPv6  | version 5, version 0, a length beyond the end, the other version in the next header, cut within the header, no octet at all                                                                                                      |

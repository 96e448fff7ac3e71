@esp @needs:ipv6
Feature: Tunnels of IPv6

  @V6-001 @needs:inside @needs:inner-ipv6
  Scenario: Extension headers of inner packets stay inside
    Given IPv6 outside and IPv6 in the protected networks
    And a pair of SAs
    Then extension headers of inner packets do not come into the outer header
    And pings come through

  @V6-002 @needs:inside @needs:inner-ipv6
  Scenario: The flow label stays inside
    Given IPv6 outside and IPv6 in the protected networks
    And a pair of SAs
    Then the outer flow label is not that of the inner packet

  @V6-003 @needs:inside
  Scenario Outline: <inner> goes in <outer>
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    When 3 pings are sent through the tunnel
    Then the DUT's ESP packets say that <next> comes next
    And pings come through
    And the outer TTL is the same whatever the inner is, which is one less
    And inner packets come out as they were but for one hop less

    Examples:
      | outer | inner | next |
      | IPv4  | IPv4  | 4    |
      | IPv4  | IPv6  | 41   |
      | IPv6  | IPv4  | 4    |
      | IPv6  | IPv6  | 41   |

  @V6-006 @needs:udp-encap
  Scenario: ESP in UDP over IPv6 is sent with a UDP checksum and not taken without one
    Given IPv6 outside and IPv4 in the protected networks
    And the SAs are to be in UDP
    And a pair of SAs
    Then pings come through
    And every UDP datagram of the DUT over IPv6 has a right checksum that is not zero
    And ESP in UDP comes out with a right UDP checksum
    And ESP in UDP is dropped with a zero UDP checksum
    And ESP in UDP comes out with a right UDP checksum

  @V6-004 @needs:inside @needs:inner-ipv6
  Scenario Outline: What every link of IPv6 must carry passes a tunnel over <outer> with no more room
    Given <outer> outside and IPv6 in the protected networks
    And the DUT's outside carries 1280 octets
    And a pair of SAs
    Then inner packets of 1280 octets and fewer pass, in fragments where they must
    And a larger inner packet passes, or its source is told of 1280 octets or more
    And pings come through

    Examples:
      | outer |
      | IPv6  |
      | IPv4  |

  @V6-007
  Scenario Outline: ESP behind a Fragment header is whole when it is the only fragment, with <inner> inside
    Given IPv6 outside and <inner> in the protected networks
    And a pair of SAs
    Then pings come through
    And a packet behind an atomic Fragment header comes out
    And a packet behind a Fragment header that says that more follow is dropped
    And a packet in two outer fragments comes out
    And pings come through

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

  @CISCO-V6VTI-002 @needs:bundle
  Scenario Outline: AH and ESP together protect <inner> over IPv6, <bundle>
    Given IPv6 outside and <inner> in the protected networks
    And a pair of SAs of <bundle>
    When 3 pings are sent through the tunnel
    Then the DUT's packets carry ESP in AH
    And pings come through
    And a packet with only the inner protection of the bundle is dropped
    And pings come through

    Examples:
      | inner | bundle           |
      | IPv6  | sha1+aes128-sha1 |
      | IPv4  | sha1+aes128-sha1 |
      | IPv6  | sha1+des-sha1    |

@esp @needs:tunnel
Feature: What an SA is for, and what the policies say

  @TUN-003
  Scenario Outline: Packets of other addresses are dropped after decryption, <inner>
    Given IPv4 outside and <inner> in the protected networks
    And a pair of SAs
    Then pings come through
    And a packet from a stranger is dropped
    And a packet to a stranger is dropped
    And pings come through

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

  @TUN-003 @needs:inside
  Scenario Outline: Packets of another protocol or port are dropped after decryption, <inner>
    Given IPv4 outside and <inner> in the protected networks
    And the SAs are to be for TCP port 80 of the DUT's host
    And a pair of SAs
    Then TCP to port 80 of the DUT's host comes out
    And TCP to port 81 of the DUT's host is dropped
    And UDP to port 80 of the DUT's host is dropped
    And a ping under the same SA does not come out
    And TCP to port 80 of the DUT's host comes out

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

  @TUN-003 @needs:claim.icmp-selectors
  Scenario Outline: An SA for pings carries pings alone, <inner>
    Given IPv4 outside and <inner> in the protected networks
    And the SAs are to be for pings from the tester's host
    And a pair of SAs
    Then pings come through
    And a packet under the SA that is no ping is dropped
    And pings come through

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

  @TUN-004 @needs:ikev2
  Scenario: The sender of packets that do not fit is told, but not of every one
    Given a pair of SAs
    When 100 packets from a stranger are sent under the SA
    Then the DUT tells of 20 of them at most, with its SPI and the start of a packet
    And pings come through

  @TUN-005
  Scenario Outline: What should have been protected is dropped in the clear, <family>
    Given <family> outside and <family> in the protected networks
    And a pair of SAs
    Then pings come through
    And a clear packet between the protected networks is dropped
    And pings come through

    Examples:
      | family |
      | IPv4   |
      | IPv6   |

  # Most gateways can be told to let pass what no policy names, and many do so by default.
  @TUN-006 @needs:inside @needs:claim.discards-by-default
  Scenario: What no policy names is dropped, both ways
    Given a pair of SAs
    Then pings come through
    And a packet from the inside to a stranger goes nowhere
    And a clear packet from a stranger to the DUT's inside is dropped
    And pings come through

  @TUN-010 @needs:inside
  Scenario Outline: Later fragments do not pass an SA for one port, <inner>
    Given IPv4 outside and <inner> in the protected networks
    And the SAs are to be for UDP port 9 of the DUT's host
    And a pair of SAs
    Then UDP to port 9 of the DUT's host comes out
    And a later fragment for port 9 is dropped
    And UDP to port 9 of the DUT's host comes out

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

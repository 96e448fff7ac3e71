@ah @needs:ah
Feature: The Authentication Header

  @AH-FMT-001
  Scenario Outline: AH in tunnel mode names the packet in it, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs of sha1
    When 3 pings are sent through the tunnel
    Then the DUT's AH packets say that <next> comes next
    And pings come through

    Examples:
      | outer | inner | next |
      | IPv4  | IPv4  | 4    |
      | IPv4  | IPv6  | 41   |
      | IPv6  | IPv4  | 4    |
      | IPv6  | IPv6  | 41   |

  @AH-FMT-001 @needs:transport
  Scenario Outline: AH in transport mode names the next layer, over <family>
    Given <family> outside and <family> in the protected networks
    And the SAs are to be in transport mode
    And a pair of SAs of sha1
    When 3 pings are sent through the tunnel
    Then the DUT's AH packets say that <next> comes next
    And pings come through

    Examples:
      | family | next |
      | IPv4   | 1    |
      | IPv6   | 58   |

  @AH-FMT-001 @needs:bundle
  Scenario Outline: AH over ESP names ESP, <bundle> over <family>
    Given <family> outside and <family> in the protected networks
    And a pair of SAs of <bundle>
    When 3 pings are sent through the tunnel
    Then the DUT's packets carry ESP in AH
    And the DUT's AH packets say that 50 comes next
    And pings come through

    Examples:
      | family | bundle           |
      | IPv4   | sha1+des-sha1    |
      | IPv4   | sha1+aes128-sha1 |
      | IPv6   | sha1+aes128-sha1 |

  @AH-FMT-002
  Scenario Outline: The header of <proposal> over <outer> is as long as its ICV and alignment need
    Given <outer> outside and IPv4 in the protected networks
    And a pair of SAs of <proposal>
    When pings are sent through the tunnel and from the DUT's inside
    Then the DUT's AH headers have <octets> octets and Payload Len <words>
    And pings come through

    Examples:
      | proposal | outer | octets | words |
      | sha1     | IPv4  | 24     | 4     |
      | sha256   | IPv4  | 28     | 5     |
      | sha1     | IPv6  | 24     | 4     |
      | sha256   | IPv6  | 32     | 6     |

  @AH-FMT-003
  Scenario Outline: RESERVED is sent as zero, ignored on receipt and covered by the ICV, over <outer>
    Given <outer> outside and IPv4 in the protected networks
    And a pair of SAs of sha1
    When 3 pings are sent through the tunnel
    Then RESERVED is zero in the DUT's AH packets
    And an AH packet with RESERVED 0xffff under its ICV comes out
    And AH packets changed on the way in these fields are dropped: RESERVED

    Examples:
      | outer |
      | IPv4  |
      | IPv6  |

  @AH-FMT-004
  Scenario Outline: A packet that a forger has touched is dropped, <proposal> over <outer>
    Given <outer> outside and IPv4 in the protected networks
    And a pair of SAs of <proposal>
    Then AH packets changed on the way in these fields are dropped: AH Next Header, RESERVED, sequence number, payload, source address, first octet of the ICV, last octet of the ICV
    And pings come through

    Examples:
      | proposal | outer |
      | sha1     | IPv4  |
      | sha256   | IPv6  |

  @AH-FMT-005
  Scenario Outline: Fragments are put together before AH is looked at, over <outer>
    Given <outer> outside and IPv4 in the protected networks
    And a pair of SAs of sha1
    Then pings come through
    And an AH packet that says that more fragments follow is dropped
    And an AH packet in two fragments comes out
    And pings come through

    Examples:
      | outer |
      | IPv4  |
      | IPv6  |

  @AH-FMT-006
  Scenario: A Payload Len that does not fit is refused
    Given a pair of SAs of sha1
    When AH packets with Payload Len 0, 1, 3, 5, 255 are sent
    Then nothing comes out of the tunnel
    And pings come through
    And the DUT still answers

  @AH-FMT-006
  Scenario: More padding than alignment needs is refused
    Given a pair of SAs of sha1
    When an AH packet with 4 octets of padding too many is sent
    Then nothing comes out of the tunnel
    And pings come through

@ah @needs:ah
Feature: What may change on the way of an AH packet

  @AH-MUT-001
  Scenario Outline: IPv4 fields that change on the way are not covered, in <mode> mode
    Given the SAs are to be in <mode> mode
    And a pair of SAs of sha1
    Then AH packets changed on the way in these fields come out: DSCP, ECN, TTL, DF
    And pings come through

    Examples:
      | mode      |
      | tunnel    |
      | transport |

  @AH-MUT-002
  Scenario Outline: IPv4 fields that do not change are covered, in <mode> mode
    Given the SAs are to be in <mode> mode
    And a pair of SAs of sha1
    Then AH packets changed on the way in these fields are dropped: Identification, source address, Total Length, IHL
    And pings come through

    Examples:
      | mode      |
      | tunnel    |
      | transport |

  @AH-MUT-003
  Scenario: IPv4 options are covered or left out by their kind
    Given a pair of SAs of sha1
    Then AH packets behind these options come out, as sent and changed on the way: Record Route, Timestamp, Traceroute
    And AH packets behind these options come out as sent, and are dropped when changed on the way: Router Alert, Security, No Operation
    And pings come through

  @AH-MUT-004 @needs:ipv6
  Scenario Outline: Fields of IPv6 are covered but for traffic class, flow label and hop limit, with <inner> inside
    Given IPv6 outside and <inner> in the protected networks
    And a pair of SAs of sha1
    Then AH packets changed on the way in these fields come out: DSCP, ECN, flow label, hop limit
    And AH packets changed on the way in these fields are dropped: Payload Length, source address
    And pings come through

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

  @AH-MUT-005 @needs:ipv6
  Scenario: Of hop-by-hop options only data that may change are left out
    Given IPv6 outside and IPv4 in the protected networks
    And a pair of SAs of sha1
    Then AH packets behind these options come out, as sent and changed on the way: changeable
    And AH packets behind these options come out as sent, and are dropped when changed on the way: constant
    And pings come through

  # A host need not take source routes, and few do.
  @AH-MUT-006 @needs:claim.source-routes
  Scenario: At the end of a source route the ICV is over the final destination
    Given a pair of SAs of sha1
    Then an AH packet that has gone a loose source route comes out
    And pings come through

  @AH-MUT-007
  Scenario Outline: AH does not outlive a NAT, over <outer>
    Given <outer> outside and IPv4 in the protected networks
    And a pair of SAs of sha1
    Then AH packets changed on the way in these fields are dropped: source address
    And pings come through

    Examples:
      | outer |
      | IPv4  |
      | IPv6  |

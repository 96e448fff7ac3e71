@ipsec @needs:inside
Feature: What a DUT learns of the path of an SA

  @PMTU-004
  Scenario Outline: An ICMP error about a protected packet lowers the path MTU: <proposal> <how>
    Given the DUT's DF bit is copy
    And the DUT's outside carries 1500 octets
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then what fits is what a way of 1500 octets carries
    When an ICMP error about a protected packet says that the way carries 1000 octets
    Then what fits is what a way of 1000 octets carries
    When an ICMP error about a protected packet says that the way carries 900 octets
    Then what fits is what a way of 900 octets carries

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |

  @PMTU-004 @needs:ipv6
  Scenario Outline: An ICMP error about a protected packet over IPv6 lowers the path MTU: <proposal>
    Given the DUT's DF bit is copy
    And the DUT's outside carries 1500 octets
    And IPv6 outside and IPv4 in the protected networks
    And a pair of SAs of <proposal>
    Then what fits is what a way of 1500 octets carries
    When an ICMP error about a protected packet says that the way carries 1400 octets
    Then what fits is what a way of 1400 octets carries

    Examples:
      | proposal      |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |

  # RFC 1191 section 6.3 and RFC 8201 section 4: after 10 minutes, and not within 5 minutes.
  @PMTU-005 @needs:claim.path-mtu-aging @slow
  Scenario: A path MTU that was learned is forgotten in time
    Given the DUT's DF bit is copy
    And the DUT's outside carries 1500 octets
    And a pair of SAs
    And an ICMP error about a protected packet says that the way carries 1000 octets
    Then what fits is what a way of 1000 octets carries
    When 5 minutes pass
    Then what fits is what a way of 1000 octets carries
    When 6 minutes pass
    Then what fits is what a way of 1500 octets carries

  @PMTU-006
  Scenario Outline: Nonsense does no harm: <proposal>
    Given the DUT's DF bit is copy
    And the DUT's outside carries 1500 octets
    And a pair of SAs of <proposal>
    Then what fits is what a way of 1500 octets carries
    And MTUs that no path has do no harm: 0, 20 and 67

    Examples:
      | proposal      |
      | aes128-sha256 |
      | aes128gcm16   |

  @PMTU-006 @needs:ipv6
  Scenario: Over IPv6 nonsense changes nothing
    Given the DUT's DF bit is copy
    And the DUT's outside carries 1500 octets
    And IPv6 outside and IPv4 in the protected networks
    And a pair of SAs
    Then what fits is what a way of 1500 octets carries
    And MTUs that no path has do no harm: 0, 68 and 1279
    When an ICMP error about a protected packet says that the way carries 1280 octets
    Then what fits is what a way of 1280 octets carries

  @PMTU-007
  Scenario Outline: Errors about packets of others change nothing: <proposal> <how>
    Given the DUT's DF bit is copy
    And the DUT's outside carries 1500 octets
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then forged ICMP errors change nothing
    When an ICMP error about a protected packet says that the way carries 1000 octets
    Then what fits is what a way of 1000 octets carries

    Examples:
      | proposal      | how            |
      | aes128-sha256 | in tunnel mode |
      | aes128gcm16   | in tunnel mode |
      | sha256        | in tunnel mode |
      | aes128-sha256 | in UDP         |

  @PMTU-007 @needs:ipv6
  Scenario: Over IPv6 errors about packets of others change nothing
    Given the DUT's DF bit is copy
    And the DUT's outside carries 1500 octets
    And IPv6 outside and IPv4 in the protected networks
    And a pair of SAs
    Then forged ICMP errors change nothing
    When an ICMP error about a protected packet says that the way carries 1400 octets
    Then what fits is what a way of 1400 octets carries

@ipsec
Feature: Fragments that come to a DUT

  @PREFRAG-002
  Scenario Outline: A protected packet is put together before it is opened: <proposal> <how>
    Given the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then a packet in 2 to 10 fragments comes out once, in whatever order they come
    And a whole packet comes out

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |

  @PREFRAG-002 @needs:ipv6
  Scenario Outline: A protected packet is put together before it is opened over IPv6: <proposal>
    Given IPv6 outside and IPv4 in the protected networks
    And a pair of SAs of <proposal>
    Then a packet in 2 to 10 fragments comes out once, in whatever order they come
    And a packet does not come out while one of its fragments is missing
    And a whole packet comes out

    Examples:
      | proposal      |
      | aes128-sha256 |
      | sha256        |

  @PREFRAG-002
  Scenario: Without one of its fragments a packet does not come out
    Given a pair of SAs of aes128-sha256
    Then a packet does not come out while one of its fragments is missing
    And a whole packet comes out

  # RFC 791 lets a receiver take either copy of the octets; over IPv6 the whole packet must go (RFC 8200 section 4.5).
  @PREFRAG-002
  Scenario: Fragments that overlap
    Given a pair of SAs of aes128-sha256
    Then a packet in 3 to 3 fragments comes out once, in whatever order they come
    And a packet whose fragments overlap is characterised
    And a packet in 3 to 3 fragments comes out once, in whatever order they come

  @PREFRAG-002 @needs:ipv6
  Scenario: Fragments that overlap, over IPv6
    Given IPv6 outside and IPv4 in the protected networks
    And a pair of SAs of aes128-sha256
    Then a packet in 3 to 3 fragments comes out once, in whatever order they come
    And a packet whose fragments overlap is dropped
    And a packet in 3 to 3 fragments comes out once, in whatever order they come

  @PREFRAG-003
  Scenario Outline: Inner fragments go on, whichever comes first: <proposal>
    Given a pair of SAs of <proposal>
    Then inner fragments come out, in whatever order they come
    And a whole packet comes out

    Examples:
      | proposal      |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |

  @PREFRAG-003 @needs:inner-ipv6
  Scenario: Inner fragments of IPv6 go on, whichever comes first
    Given IPv4 outside and IPv6 in the protected networks
    And a pair of SAs of aes128-sha256
    Then inner fragments come out, in whatever order they come
    And a whole packet comes out

  @CISCO-PREFRAG-014
  Scenario Outline: At the receiver pre-fragmentation changes nothing: <pre>
    Given pre-fragmentation is <pre>
    And a pair of SAs
    Then a packet in 2 to 4 fragments comes out once, in whatever order they come
    And inner fragments come out, in whatever order they come

    Examples:
      | pre |
      | on  |
      | off |

  # Each incomplete packet is kept for a while: a DUT that has no room for more may lose others, but for no longer.
  @CISCO-DF-008 @slow
  Scenario: A flood of fragments that are never completed does no harm for long
    Given a pair of SAs
    When 200 packets are begun and never completed
    Then whole packets come out at once, and packets in fragments after a while
    And a packet in 2 to 4 fragments comes out once, in whatever order they come

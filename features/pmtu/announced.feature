@ipsec @needs:inside
Feature: What a DUT tells the source of a packet that does not fit

  @PMTU-001
  Scenario Outline: A packet with DF that does not fit is dropped, and its source is told: <proposal> <how>
    Given the DUT's DF bit is copy
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then packets that must not be fragmented are dropped, and their source is told what fits

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |
      | aes128gcm16      | in UDP         |

  @PMTU-001
  Scenario Outline: The same with an outside that carries <octets> octets
    Given the DUT's DF bit is copy
    And the DUT's outside carries <octets> octets
    And a pair of SAs of aes128-sha256
    Then packets that must not be fragmented are dropped, and their source is told what fits

    Examples:
      | octets |
      | 1400   |
      | 1000   |
      | 576    |

  @PMTU-002
  Scenario Outline: A packet without DF passes, and nobody is told: <proposal> <how>
    Given the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then packets without DF arrive, and nobody is told of an MTU

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |

  @PMTU-003 @needs:inner-ipv6
  Scenario Outline: An IPv6 packet that does not fit is dropped, and its source is told: <proposal> over <outer>
    Given <outer> outside and IPv6 in the protected networks
    And a pair of SAs of <proposal>
    Then packets that must not be fragmented are dropped, and their source is told what fits

    Examples:
      | proposal      | outer |
      | aes128-sha256 | IPv4  |
      | aes128gcm16   | IPv4  |
      | null-sha256   | IPv4  |
      | aes128-sha256 | IPv6  |
      | aes128gcm16   | IPv6  |

  @PMTU-008 @needs:ah
  Scenario Outline: AH tells the source as well: <inner> in <outer>
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs of sha256
    Then packets that must not be fragmented are dropped, and their source is told what fits

    Examples:
      | inner | outer |
      | IPv4  | IPv4  |
      | IPv6  | IPv4  |
      | IPv4  | IPv6  |
      | IPv6  | IPv6  |

  @PMTU-008
  Scenario: ESP tells the source
    Given a pair of SAs of aes128-sha256
    Then packets that must not be fragmented are dropped, and their source is told what fits

  @PMTU-009
  Scenario Outline: The announced MTU is exact: <proposal> <how>, <inner> in <outer>
    Given <outer> outside and <inner> in the protected networks
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then the announced MTU is exact

    Examples:
      | proposal      | how            | inner | outer |
      | aes128-sha256 | in tunnel mode | IPv4  | IPv4  |
      | aes128gcm16   | in tunnel mode | IPv4  | IPv4  |
      | null-sha256   | in tunnel mode | IPv4  | IPv4  |
      | aes128-sha256 | in UDP         | IPv4  | IPv4  |
      | aes128gcm16   | in UDP         | IPv4  | IPv4  |
      | null-sha256   | in UDP         | IPv4  | IPv4  |
      | aes128-sha256 | in tunnel mode | IPv4  | IPv6  |
      | aes128gcm16   | in tunnel mode | IPv4  | IPv6  |
      | null-sha256   | in tunnel mode | IPv4  | IPv6  |
      | aes128-sha256 | in UDP         | IPv4  | IPv6  |
      | aes128gcm16   | in UDP         | IPv4  | IPv6  |
      | null-sha256   | in UDP         | IPv4  | IPv6  |
      | aes128-sha256 | in tunnel mode | IPv6  | IPv4  |
      | aes128gcm16   | in UDP         | IPv6  | IPv4  |
      | aes128-sha256 | in tunnel mode | IPv6  | IPv6  |
      | aes128gcm16   | in UDP         | IPv6  | IPv6  |

@ipsec @needs:inside @needs:inner-ipv6
Feature: What every link of IPv6 carries passes a tunnel

  @V6-004
  Scenario Outline: Packets of 1280 octets pass a way of <octets> octets: <proposal> over <outer>
    Given <outer> outside and IPv6 in the protected networks
    And the DUT's outside carries <octets> octets
    And a pair of SAs of <proposal>
    Then IPv6 packets of up to 1280 octets arrive, and nobody is told of less

    Examples:
      | octets | proposal      | outer |
      | 1280   | aes128-sha256 | IPv6  |
      | 1280   | aes128gcm16   | IPv6  |
      | 1300   | aes128gcm16   | IPv6  |
      | 1280   | sha256        | IPv6  |
      | 1280   | aes128-sha256 | IPv4  |
      | 1000   | aes128gcm16   | IPv4  |

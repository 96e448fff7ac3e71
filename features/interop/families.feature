@interop
Feature: Each end opens what the other has sealed, in either version of IP and in both modes

  @V6-003 @needs:tunnel @needs:ipv6 @needs:inner-ipv6
  Scenario Outline: <inner> in <outer> with <proposal>
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs of <proposal>
    Then pings with 0 to 17 octets of data come through from both ends unchanged

    Examples:
      | outer | inner | proposal         |
      | IPv4  | IPv6  | aes128gcm16      |
      | IPv4  | IPv6  | aes128-sha256    |
      | IPv4  | IPv6  | sha1             |
      | IPv6  | IPv4  | aes128gcm16      |
      | IPv6  | IPv4  | aes128-sha256    |
      | IPv6  | IPv4  | sha1             |
      | IPv6  | IPv4  | sha256           |
      | IPv6  | IPv6  | aes128gcm16      |
      | IPv6  | IPv6  | aes128-sha256    |
      | IPv6  | IPv6  | chacha20poly1305 |
      | IPv6  | IPv6  | sha1             |
      | IPv6  | IPv6  | sha256           |
      | IPv6  | IPv6  | sha384           |
      | IPv6  | IPv6  | sha512           |
      | IPv6  | IPv6  | sha1+aes128-sha1 |

  @TRN-003 @needs:transport
  Scenario Outline: Transport mode with <proposal> over <outer>
    Given <outer> outside and IPv4 in the protected networks
    And the SAs are to be in transport mode
    And a pair of SAs of <proposal>
    Then pings with 0 to 17 octets of data come through from both ends unchanged

    Examples:
      | outer | proposal         |
      | IPv4  | aes128gcm16      |
      | IPv4  | aes128-sha256    |
      | IPv4  | null-sha1        |
      | IPv4  | sha1             |
      | IPv4  | sha1+aes128-sha1 |
      | IPv6  | aes128gcm16      |
      | IPv6  | aes128-sha256    |
      | IPv6  | null-sha1        |
      | IPv6  | sha1             |
      | IPv6  | sha256           |
      | IPv6  | sha1+aes128-sha1 |

  @ESP-ESN-002 @needs:tunnel @needs:esn
  Scenario Outline: Extended sequence numbers with <proposal>
    Given the SAs are to have extended sequence numbers
    And a pair of SAs of <proposal>
    Then pings with 0 to 17 octets of data come through from both ends unchanged

    Examples:
      | proposal         |
      | aes128gcm16      |
      | aes128ccm16      |
      | chacha20poly1305 |
      | aes128gmac       |
      | aes128-sha1      |
      | aes128-sha256    |
      | aes256-sha512    |
      | 3des-sha1        |
      | null-sha256      |
      | sha1             |
      | sha1+aes128-sha1 |

  @NATT-ENC-002 @needs:udp-encap @needs:manual-keys @needs:ipv6
  Scenario Outline: ESP in UDP, <mode> mode, <inner> over <outer>
    Given <outer> outside and <inner> in the protected networks
    And the SAs are to be in <mode> mode
    And the SAs are to be in UDP
    And the SAs are to have manual keys
    And a pair of SAs of aes128-sha256
    Then pings with 0 to 17 octets of data come through from both ends unchanged

    Examples:
      | outer | inner | mode      |
      | IPv4  | IPv4  | tunnel    |
      | IPv4  | IPv6  | tunnel    |
      | IPv6  | IPv4  | tunnel    |
      | IPv6  | IPv6  | tunnel    |
      | IPv4  | IPv4  | transport |
      | IPv6  | IPv4  | transport |

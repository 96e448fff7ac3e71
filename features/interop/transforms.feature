@interop @needs:tunnel
Feature: Each end opens what the other has sealed

  @esp @ESP-FMT-001 @TUN-008
  Scenario Outline: ESP with <proposal> is understood at both ends
    Given a pair of SAs of <proposal>
    Then pings with 0 to 17 octets of data come through from both ends unchanged

    Examples:
      | proposal         |
      | aes128-sha1      |
      | aes128-sha256    |
      | aes192-sha384    |
      | aes256-sha256    |
      | aes256-sha512    |
      | aes128-aesxcbc   |
      | aes128-aescmac   |
      | aes128-md5       |
      | 3des-sha1        |
      | 3des-md5         |
      | des-sha1         |
      | des-md5          |
      | aes128ctr-sha256 |
      | aes256ctr-sha512 |
      | null-sha1        |
      | null-sha256      |
      | null-md5         |
      | aes128gcm8       |
      | aes128gcm12      |
      | aes128gcm16      |
      | aes192gcm16      |
      | aes256gcm8       |
      | aes256gcm12      |
      | aes256gcm16      |
      | aes128ccm8       |
      | aes128ccm12      |
      | aes128ccm16      |
      | aes256ccm16      |
      | aes128gmac       |
      | aes256gmac       |
      | chacha20poly1305 |

  @ah @AH-FMT-001 @AH-MUT-002 @needs:ah
  Scenario Outline: AH with <proposal> is understood at both ends
    Given a pair of SAs of <proposal>
    Then pings with 0 to 17 octets of data come through from both ends unchanged

    Examples:
      | proposal |
      | sha1     |
      | sha256   |
      | sha384   |
      | sha512   |
      | md5      |
      | aesxcbc  |
      | aescmac  |

  @bundle @AH-FMT-001 @ESP-FMT-001 @needs:bundle
  Scenario Outline: AH over ESP, <proposal>, is understood at both ends
    Given a pair of SAs of <proposal>
    Then pings with 0 to 17 octets of data come through from both ends unchanged

    Examples:
      | proposal           |
      | sha1+des-sha1      |
      | sha1+aes128-sha1   |
      | sha256+aes128gcm16 |

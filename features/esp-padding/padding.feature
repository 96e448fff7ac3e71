@esp
Feature: Padding of ESP packets

  @ESP-PAD-001
  Scenario: Padding counts 1, 2, 3
    Given a pair of SAs of aes128-sha256
    When pings with 16 to 79 octets of data are sent through the tunnel
    Then the DUT's padding counts 1, 2, 3

  @ESP-PAD-003
  Scenario Outline: Packets of <proposal> are aligned
    Given a pair of SAs of <proposal>
    When pings with 16 to 48 octets of data are sent through the tunnel
    Then the DUT's ESP packets are aligned to <octets> octets

    Examples:
      | proposal      | octets |
      | aes128-sha256 | 16     |
      | aes128gcm16   | 4      |
      | null-sha256   | 4      |

  @ESP-PAD-006
  Scenario: AES-GCM is padded as little as can be
    Given a pair of SAs of aes128gcm16
    When pings with 16 to 48 octets of data are sent through the tunnel
    Then the DUT pads with fewer than 4 octets

  @ESP-PAD-004
  Scenario Outline: All lengths of padding are taken with <proposal>
    Given a pair of SAs of <proposal>
    Then packets with 0, 16 and 100 octets of padding come out
    And packets with 240, 254 and 255 octets of padding come out

    Examples:
      | proposal      |
      | aes128-sha256 |
      | aes128gcm16   |
      | null-sha256   |

  @ESP-PAD-002
  Scenario: Padding with wrong values is noticed
    Given a pair of SAs of aes128-sha256
    Then a packet whose padding is all zeros is dropped
    And a fresh packet comes out of the tunnel

  @ESP-PAD-005
  Scenario Outline: A pad length beyond the payload makes a packet of <proposal> invalid
    Given a pair of SAs of <proposal>
    Then a packet whose pad length is 255 though there is less is dropped
    And a packet whose pad length is 47 though there is less is dropped
    And a fresh packet comes out of the tunnel
    And the DUT still answers

    Examples:
      | proposal      |
      | aes128-sha256 |
      | aes128gcm16   |

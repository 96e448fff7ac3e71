@esp
Feature: What each algorithm makes of an ESP packet

  @ESP-FMT-001
  Scenario: ESP packets carry the receiver's SPI and a sequence number
    Given a pair of SAs
    When 5 pings are sent through the tunnel
    Then the DUT's ESP packets carry the tester's SPI and a sequence number

  @ESP-FMT-001
  Scenario: ESP packets are numbered though nobody checks it
    Given the DUT's replay check is off
    And a pair of SAs
    When 5 pings are sent through the tunnel
    Then the DUT's ESP packets carry the tester's SPI and a sequence number

  @ESP-FMT-004
  Scenario Outline: AES-GCM with a key of <bits> bits never uses an IV twice
    Given a pair of SAs of aes<bits>gcm16
    When 100 pings are sent through the tunnel
    Then the DUT's ESP packets have an IV of 8 and an ICV of 16 octets
    And no IV of the DUT comes twice
    And pings come through

    Examples:
      | bits |
      | 128  |
      | 256  |

  @ESP-FMT-005
  Scenario: The IVs of AES-CBC are random
    Given a pair of SAs of aes128-sha256
    When 200 pings are sent through the tunnel
    Then no IV of the DUT comes twice
    And the DUT's IVs are no counter

  @ESP-FMT-006 @needs:tunnel
  Scenario: NULL encryption has no IV
    Given a pair of SAs of null-sha256
    When pings with 16 to 31 octets of data are sent through the tunnel
    Then the DUT's ESP packets have an IV of 0 and an ICV of 16 octets
    And the DUT pads with fewer than 4 octets
    And pings come through

  @ESP-FMT-007
  Scenario Outline: The ICV of <proposal> has <octets> octets
    Given a pair of SAs of <proposal>
    When 3 pings are sent through the tunnel
    Then the DUT's ESP packets have an IV of 16 and an ICV of <octets> octets
    And pings come through

    Examples:
      | proposal      | octets |
      | aes128-sha1   | 12     |
      | aes128-sha256 | 16     |
      | aes256-sha256 | 16     |

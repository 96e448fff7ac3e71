@esp @needs:esn
Feature: Extended sequence numbers are used if they are agreed upon

  @ESP-ESN-001
  Scenario Outline: Without extended numbers the ICV of <protection> covers 32 bits
    Given a pair of SAs of <protection>
    When 10 pings are sent through the tunnel
    Then each packet of the DUT verifies
    And a packet with the other kind of numbers is dropped
    And pings come through

    Examples:
      | protection    |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |
      | sha1          |

  @ESP-ESN-001 @ESP-ESN-002
  Scenario Outline: With extended numbers the ICV of <protection> covers 64 bits
    Given the SAs are to have extended sequence numbers
    And a pair of SAs of <protection>
    When 10 pings are sent through the tunnel
    Then each packet of the DUT verifies
    And a packet with the other kind of numbers is dropped
    And pings come through

    Examples:
      | protection    |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |
      | sha1          |

  @ESP-ESN-007 @needs:ikev2
  Scenario: Without a replay check extended numbers are not agreed upon
    Given the DUT's replay check is off
    When the tester offers for the first Child SA
      | proposal        |
      | first -esn +5:1 |
    Then the DUT refuses all proposals for the Child SA
    And an empty INFORMATIONAL request is answered

  @ESP-ESN-007 @needs:ikev2
  Scenario: Without a replay check plain numbers are agreed upon
    Given the DUT's replay check is off
    And a pair of SAs
    Then pings come through

@esp @needs:transport
Feature: Transport mode

  @TRN-001 @needs:ikev2
  Scenario Outline: The answer names the mode that is used, over <family>
    Given <family> outside and <family> in the protected networks
    When the tester asks for transport mode between hosts
    Then the DUT's ESP packets are in the mode that its answer names

    Examples:
      | family |
      | IPv4   |
      | IPv6   |

  @TRN-003
  Scenario: ESP stands behind the options of IPv4
    Given the SAs are to be in transport mode
    And a pair of SAs
    Then pings come through
    And ESP stands behind the options of the DUT's answer to a ping with Record Route

  @TRN-004
  Scenario Outline: What the DUT itself sends is protected whole and fragmented afterwards, over <family>
    Given <family> outside and <family> in the protected networks
    And the SAs are to be in transport mode
    And a pair of SAs of aes128-sha256
    Then pings come through
    And a ping with 3000 octets of data is answered in fragments of one ESP packet
    And pings come through

    Examples:
      | family |
      | IPv4   |
      | IPv6   |

  @TRN-005
  Scenario Outline: Protocol and port of a decrypted packet must fit, over <family>
    Given <family> outside and <family> in the protected networks
    And the SAs are to be in transport mode
    And the SAs are to be for TCP port 80 of the DUT
    And a pair of SAs
    Then TCP to port 80 of the DUT is answered
    And TCP to port 81 of the DUT gets no answer
    And UDP to port 80 of the DUT gets no answer
    And a ping under the same SA gets no answer
    And TCP to port 80 of the DUT is answered

    Examples:
      | family |
      | IPv4   |
      | IPv6   |

  @TRN-007 @needs:ikev2 @needs:inside
  Scenario: A gateway takes no transport mode for networks behind it
    When the tester asks for transport mode between networks
    Then the DUT does not agree to transport mode
    And a proper IKE_SA_INIT request is answered

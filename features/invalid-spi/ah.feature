@ah @needs:ah
Feature: AH packets with an SPI that no SA has

  @INVSPI-002
  Scenario: AH packets with an unknown SPI are dropped
    Given a pair of SAs of sha1
    And pings come through
    Then an AH packet with an unknown SPI is dropped
    And pings come through

  @INVSPI-002 @needs:native-esp
  Scenario: AH packets with the SPI of an ESP SA are dropped
    Given a pair of SAs of aes128-sha256
    And pings come through
    Then an AH packet with the SPI of an ESP SA is dropped
    And pings come through

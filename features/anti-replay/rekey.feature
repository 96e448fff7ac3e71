@esp @needs:ikev2
Feature: Old SPIs after a rekey

  @CISCO-REPLAY-020
  Scenario: During a rekey the old SPI and the new one are taken
    Given a pair of SAs
    And pings come through
    When the tester rekeys the Child SA and keeps the old one
    Then the DUT takes packets on the old Child SA and on the new one

  @CISCO-REPLAY-020
  Scenario: After a rekey the old SPI is invalid
    Given a pair of SAs
    And pings come through
    When the tester rekeys the Child SA
    Then packets on the old Child SA are dropped
    And pings come through

  @CISCO-REPLAY-020 @needs:claim.invalid-spi-message @needs:control.log
  Scenario: Packets with the old SPI are written about
    Given a pair of SAs
    And pings come through
    When the tester rekeys the Child SA
    Then the DUT writes the guide's message about packets on the old Child SA
    And pings come through

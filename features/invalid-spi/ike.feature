@ikev2 @needs:ikev2
Feature: What is said about SPIs in IKE

  @INVSPI-004
  Scenario: An INVALID_SPI in the clear is not answered
    Given an IKE SA and a Child SA
    When an INVALID_SPI about the live Child SA comes in the clear
    Then the DUT answers none of them
    And an empty INFORMATIONAL request is answered

  @INVSPI-005
  Scenario: Forged INVALID_SPI notifies leave the SAs as they are
    Given an IKE SA and a Child SA
    And pings come through
    When 100 forged notifies INVALID_SPI come in the clear
    Then the DUT checks at most 3 times whether the tester lives
    And pings come through
    And the DUT sends on the same Child SA as before

  @INVSPI-006
  Scenario: A protected INVALID_SPI leaves the Child SA as it is
    Given an IKE SA and a Child SA
    And pings come through
    When the tester says INVALID_SPI about the live Child SA inside the IKE SA
    Then the DUT answers with an empty INFORMATIONAL response
    And pings come through
    And the DUT sends on the same Child SA as before

  @INVSPI-007
  Scenario: The DUT chooses no reserved SPI
    When the tester makes 20 Child SAs
    Then the DUT chooses 20 SPIs, none of them reserved or used twice

  @INVSPI-008
  Scenario: A flood of requests for unknown IKE SAs draws few answers
    When 200 requests for unknown IKE SAs come from the tester
    Then the DUT answers few of them
    And a proper IKE_SA_INIT request is answered

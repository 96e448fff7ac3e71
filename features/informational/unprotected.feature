@ikev2 @needs:ikev2
Feature: Messages that are not protected change nothing

  @IKE2-INFO-002
  Scenario: A Delete in the clear is not obeyed
    Given an IKE SA and a Child SA
    And pings come through
    When the tester sends a Delete of the IKE SA in the clear
    Then the DUT gives no normal answer
    And an empty INFORMATIONAL request is answered
    And pings come through

  @IKE2-INFO-002
  Scenario: An INFORMATIONAL request before IKE_AUTH gets no normal answer
    When the tester sends an INFORMATIONAL request in the place of IKE_AUTH
    Then the DUT gives no normal answer
    And a proper IKE_SA_INIT request is answered

  @IKE2-INFO-004
  Scenario: A request with unknown SPIs gets silence or INVALID_IKE_SPI
    When a protected request for unknown SPIs comes from port 51234
    Then the DUT is silent, or says INVALID_IKE_SPI to the sender
    And a proper IKE_SA_INIT request is answered

  @IKE2-INFO-005
  Scenario: A response with unknown SPIs is not answered
    When a protected response for unknown SPIs comes from port 51234
    Then the DUT sends nothing
    And a proper IKE_SA_INIT request is answered

  @IKE2-INFO-006 @DPD-014
  Scenario: Forged notifies about the IKE SA change nothing
    Given an IKE SA and a Child SA
    And pings come through
    When 100 forged notifies INVALID_IKE_SPI come in the clear
    Then the DUT answers none of them [IKE2-INFO-006]
    And the DUT checks at most 3 times whether the tester lives [IKE2-INFO-006]
    And an empty INFORMATIONAL request is answered [IKE2-INFO-006, DPD-014]
    And pings come through [IKE2-INFO-006, DPD-014]

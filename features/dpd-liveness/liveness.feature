@ikev2 @needs:ikev2
Feature: Dead peer detection

  @DPD-013 @CISCO-DPD-010 @needs:dpd @needs:inside @slow
  Scenario: A dead peer is asked several times and then given up
    Given an IKE SA and a Child SA
    And pings come through
    And the tester answers no IKE message any more
    And the hosts answer nothing any more
    When the inside sends until the DUT has to give up
    Then the DUT asks whether the tester lives, neither early nor late [DPD-013]
    And the DUT sends 3 copies of its request, octet by octet the same [DPD-013]
    And the waits between the copies grow [DPD-013]
    And the DUT gives the tester up, neither early nor late
    And a proper IKE_SA_INIT request is answered

  @DPD-014
  Scenario: ICMP errors are no proof of death
    Given an IKE SA and a Child SA
    And pings come through
    When ICMP errors about the DUT's packets come in
    Then pings come through
    And an empty INFORMATIONAL request is answered

  @DPD-015 @needs:dpd @needs:inside @slow
  Scenario: With only outgoing traffic the peer is asked
    Given an IKE SA and a Child SA
    And pings come through
    And the hosts answer nothing any more
    When the inside sends until the DUT has to ask
    Then the DUT asks whether the tester lives, neither early nor late

  @DPD-016 @needs:dpd @slow
  Scenario: Fresh ESP packets prove that the peer lives
    Given an IKE SA and a Child SA
    And pings come through
    And the tester answers no IKE message any more
    When pings go through for longer than the DUT needs to give up
    Then pings come through

  @DPD-016 @needs:dpd @needs:inside @slow
  Scenario: Replayed ESP packets do not prove that the peer lives
    Given an IKE SA and a Child SA
    And pings come through
    And the tester answers no IKE message any more
    And the hosts answer nothing any more
    When the inside sends and old ESP packets are replayed until the DUT has to give up
    Then the DUT gives the tester up, neither early nor late

  @CISCO-DPD-004 @needs:claim.dpd-on-demand @needs:dpd @needs:inside @slow
  Scenario: On demand, a peer is asked when there is traffic to send and nothing comes back
    Given an IKE SA and a Child SA
    And pings come through
    And the hosts answer nothing any more
    When the inside sends until the DUT has to ask
    Then the DUT asks whether the tester lives, neither early nor late

  @CISCO-DPD-004 @needs:claim.dpd-on-demand @needs:dpd @slow
  Scenario: On demand, an idle peer is not asked
    Given an IKE SA and a Child SA
    And pings come through
    And 1 empty INFORMATIONAL requests were answered
    When nothing happens for 3 times the interval of liveness checks
    Then the DUT has not asked
    And pings come through

  @CISCO-DPD-004 @needs:claim.dpd-on-demand @needs:dpd @slow
  Scenario: On demand, a peer that is heard is not asked
    Given an IKE SA and a Child SA
    And pings come through
    When pings go through for longer than the DUT needs to give up
    Then the DUT has not asked
    And pings come through

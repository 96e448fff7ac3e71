@ikev1 @needs:ikev1-main @needs:claim.dpd
Feature: Dead peer detection in IKEv1

  @DPD-001
  Scenario: Who wants dead peer detection says so, as responder
    When the tester sets up an ISAKMP SA by main mode
    Then the DUT announces dead peer detection in message 2 of main mode
    And an ISAKMP SA comes up and answers

  @DPD-001 @needs:control.initiate_ikev1
  Scenario: Who wants dead peer detection says so, as initiator
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT announces dead peer detection in message 1 of main mode
    And an ISAKMP SA and IPsec SAs come up and answer

  @DPD-001 @CISCO-DPD-013 @needs:dpd @needs:inside @slow
  Scenario: A peer that has not announced it is not asked
    Given the tester does no dead peer detection
    And an ISAKMP SA and IPsec SAs
    And pings come through
    And the hosts answer nothing any more
    When the inside sends until the DUT has to ask
    Then the DUT has not asked
    And another quick mode makes IPsec SAs

  @DPD-002 @CISCO-DPD-009 @CISCO-DPD-017
  Scenario: R-U-THERE is answered with its number
    Given an ISAKMP SA
    Then R-U-THERE number 0x12345678 is acknowledged
    And R-U-THERE number 0x12345679 is acknowledged

  @DPD-003
  Scenario: R-U-THERE in the clear is not answered
    Given an ISAKMP SA
    Then R-U-THERE number 0x00001000 is acknowledged
    And R-U-THERE number 0x00001001 in the clear is not acknowledged
    And R-U-THERE number 0x00001001 is acknowledged

  @DPD-003 @needs:dpd @needs:inside @slow
  Scenario: An acknowledgement in the clear proves nothing
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the hosts answer nothing any more
    And the tester acknowledges R-U-THERE in the clear
    When the inside sends until the DUT has to give up
    Then the DUT gives the tester up, neither early nor late
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @DPD-005 @needs:dpd @needs:inside @slow
  Scenario: An acknowledgement with another number proves nothing
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the hosts answer nothing any more
    And the tester acknowledges R-U-THERE with the next number
    When the inside sends until the DUT has to give up
    Then the DUT gives the tester up, neither early nor late
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @DPD-004 @CISCO-DPD-017 @needs:dpd @needs:inside @slow
  Scenario: The format of R-U-THERE
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the hosts answer nothing any more
    When the inside sends until the DUT has to ask
    Then the DUT's R-U-THERE is as it should be
    And the DUT answers under the ISAKMP SA

  @DPD-006 @needs:dpd @needs:inside @slow
  Scenario: The first number is random
    Given an ISAKMP SA and IPsec SAs
    And the hosts answer nothing any more
    Then the first numbers of 4 ISAKMP SAs differ, and their high bit is zero
    And the DUT answers under the ISAKMP SA

  @DPD-007 @needs:dpd @needs:inside @slow
  Scenario: Each number is one more than the last
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the hosts answer nothing any more
    When the inside sends until the DUT has asked 3 times
    Then the numbers of the DUT's R-U-THERE go up by one
    And the DUT answers under the ISAKMP SA

  @DPD-010 @needs:dpd @needs:inside @slow
  Scenario: Each side counts for itself
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the hosts answer nothing any more
    When the inside sends until the DUT has asked twice, and the tester asks 3 times in between
    Then the numbers of the DUT's R-U-THERE go up by one
    And R-U-THERE with the next number is acknowledged

  @DPD-008
  Scenario: A number that has come before is not answered
    Given an ISAKMP SA
    Then R-U-THERE number 0x00001000 is acknowledged
    And R-U-THERE number 0x00001001 is acknowledged
    And R-U-THERE number 0x00001000 is not acknowledged
    And R-U-THERE number 0x00001002 is acknowledged

  @DPD-009
  Scenario: The cookies in R-U-THERE are looked at
    Given an ISAKMP SA
    Then R-U-THERE number 0x00001000 is acknowledged
    And R-U-THERE number 0x00001001 about another ISAKMP SA is not acknowledged
    And R-U-THERE number 0x00001001 is acknowledged

  @DPD-011 @CISCO-DPD-010 @needs:dpd @needs:inside @slow
  Scenario: A dead peer is asked by R-U-THERE several times and then given up
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the tester answers no IKE message any more
    And the hosts answer nothing any more
    When the inside sends until the DUT has to give up
    Then the DUT asks whether the tester lives, neither early nor late
    And the DUT has asked more than once before it gave up [DPD-011]
    And the DUT gives the tester up, neither early nor late
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @DPD-012 @needs:dpd @slow
  Scenario: A peer whose ESP packets come is not asked
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When pings go through for longer than the DUT needs to give up
    Then the DUT has not asked
    And pings come through

  @DPD-012 @needs:dpd @needs:inside @slow
  Scenario: Replayed ESP packets do not keep the DUT from asking
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the tester answers no IKE message any more
    And the hosts answer nothing any more
    When the inside sends and old ESP packets are replayed until the DUT has to give up
    Then the DUT gives the tester up, neither early nor late
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @CISCO-DPD-001 @CISCO-DPD-004 @needs:claim.dpd-on-demand @needs:dpd @needs:inside @slow
  Scenario: On demand, a peer is asked by R-U-THERE when there is traffic to send and nothing comes back
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the hosts answer nothing any more
    When the inside sends until the DUT has to ask
    Then the DUT asks whether the tester lives, neither early nor late
    And the DUT answers under the ISAKMP SA

  @CISCO-DPD-003 @CISCO-DPD-004 @CISCO-DPD-005 @needs:claim.dpd-on-demand @needs:dpd @slow
  Scenario: On demand, an idle peer is not asked by R-U-THERE
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    And the DUT has answered under the ISAKMP SA
    When nothing happens for 3 times the interval of liveness checks
    Then the DUT has not asked
    And pings come through

  @CISCO-DPD-001 @needs:inside @slow
  Scenario: A peer that asks by itself is not asked
    Given the DUT's keepalive is 10 seconds, periodic
    And an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester asks every 5 seconds for 60 seconds
    Then the DUT has not asked
    And pings come through

  @CISCO-DPD-001 @CISCO-DPD-002 @slow
  Scenario: In periodic mode an idle peer is asked at regular intervals
    Given the DUT's keepalive is 10 seconds, periodic
    And an ISAKMP SA and IPsec SAs
    And pings come through
    When nothing happens for 55 seconds
    Then the DUT asks every 10 seconds
    And pings come through

  @CISCO-DPD-007 @CISCO-DPD-008 @CISCO-DPD-010 @needs:inside @slow
  Scenario: A peer that misses one question is asked every 2 seconds, and given up after five more
    Given the DUT's keepalive is 10 seconds, periodic
    And an ISAKMP SA and IPsec SAs
    And pings come through
    And the tester answers no IKE message any more
    When nothing happens for 60 seconds
    Then the DUT asks every 2 seconds, 5 or 6 times, and no more
    And nothing is sent on the deleted IPsec SAs any more
    And a proper ISAKMP SA and IPsec SAs come up by main mode

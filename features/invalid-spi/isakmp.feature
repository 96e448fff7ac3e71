@ikev1 @needs:ikev1-main
Feature: Packets with an unknown SPI, and IKEv1

  Under an ISAKMP SA their sender is told. Without one the DUT is silent, unless recovery is on: then it sets one up.

  @CISCO-INVSPI-001 @CISCO-INVSPI-023 @needs:control.forget_sas
  Scenario Outline: Without an ISAKMP SA, <protection> packets are just dropped
    Given invalid SPI recovery is off at the DUT
    And the SAs are to be set up by IKEv1
    And a pair of SAs of <protection>
    And the DUT is through with quick mode
    And pings come through
    When the DUT has lost its SAs, and the tester goes on sending
    Then the DUT starts no IKE exchange
    And a proper main mode is answered

    Examples:
      | protection    |
      | aes128-sha1   |
      | sha1          |
      | sha1+des-sha1 |

  @CISCO-INVSPI-012 @needs:claim.invalid-spi-recovery @needs:control.set_invalid_spi_recovery @needs:control.forget_sas
  Scenario: Recovery can be switched off again
    Given invalid SPI recovery was switched on and off again at the DUT
    And the SAs are to be set up by IKEv1
    And a pair of SAs
    And the DUT is through with quick mode
    When the DUT has lost its SAs, and the tester goes on sending
    Then the DUT starts no IKE exchange
    And a proper main mode is answered

  @CISCO-INVSPI-002 @needs:claim.invalid-spi-notify
  Scenario Outline: The sender of <protocol> is told under the ISAKMP SA, with or without the command: <recovery>
    Given invalid SPI recovery is <recovery> at the DUT
    And an ISAKMP SA and IPsec SAs
    And the DUT is through with quick mode
    When 1 <protocol> packet with unknown SPIs come from the tester
    Then the DUT tells the tester of the SPI under the ISAKMP SA
    And pings come through

    Examples:
      | protocol | recovery |
      | ESP      | off      |
      | AH       | off      |
      | ESP      | on       |

  @CISCO-INVSPI-013 @needs:claim.invalid-spi-delete
  Scenario Outline: An unknown <protocol> SPI is deleted under the ISAKMP SA without the command
    Given invalid SPI recovery is off at the DUT
    And an ISAKMP SA
    When 1 <protocol> packet with unknown SPIs come from the tester
    Then the DUT deletes the SPI under the ISAKMP SA
    And the DUT answers under the ISAKMP SA

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @CISCO-INVSPI-003 @needs:claim.invalid-spi-recovery @needs:control.forget_sas
  Scenario Outline: With recovery and no ISAKMP SA, the sender of <protection> gets one and is told under it
    Given invalid SPI recovery is on at the DUT
    And the SAs are to be set up by IKEv1
    And a pair of SAs of <protection>
    And the DUT is through with quick mode
    And pings come through
    When the DUT has lost its SAs, and the tester goes on sending
    Then the DUT sets up an ISAKMP SA with the tester
    And the DUT tells the tester of the SPI under the ISAKMP SA

    Examples:
      | protection    |
      | aes128-sha1   |
      | sha1          |
      | sha1+des-sha1 |

  @CISCO-INVSPI-014 @needs:claim.invalid-spi-recovery @needs:claim.invalid-spi-delete @needs:control.forget_sas
  Scenario: With recovery and no ISAKMP SA, the DUT deletes the SPI under a new one
    Given invalid SPI recovery is on at the DUT
    And the SAs are to be set up by IKEv1
    And a pair of SAs
    And the DUT is through with quick mode
    When the DUT has lost its SAs, and the tester goes on sending
    Then the DUT sets up an ISAKMP SA with the tester
    And the DUT deletes the SPI under the ISAKMP SA

  @CISCO-INVSPI-005 @CISCO-INVSPI-009 @needs:claim.invalid-spi-recovery @needs:control.forget_sas
  Scenario: Traffic flows again, and few packets are lost
    Given invalid SPI recovery is on at the DUT
    And the SAs are to be set up by IKEv1
    And the tester sets up SAs by IKEv1 for its traffic
    And a pair of SAs
    And the DUT is through with quick mode
    And pings come through
    When the DUT has lost its SAs
    Then pings come through again on new SAs [CISCO-INVSPI-005]
    And at most 3 of 30 pings were lost until then [CISCO-INVSPI-009]

  @CISCO-INVSPI-005 @CISCO-INVSPI-007 @CISCO-INVSPI-009 @needs:claim.invalid-spi-recovery
  @needs:claim.invalid-spi-message @needs:control.forget_sas @needs:control.log
  Scenario: The guide's four steps, by the hooks and with the addresses of the profile
    Given invalid SPI recovery is on at the DUT
    And the SAs are to be set up by IKEv1
    And the tester sets up SAs by IKEv1 for its traffic
    And a pair of SAs
    And the DUT is through with quick mode
    Then at most 0 of 10 pings of 100 octets are lost, each with 2 s for its answer [CISCO-INVSPI-005]
    When the DUT has lost its SAs
    Then at most 3 of 30 pings of 100 octets are lost, each with 2 s for its answer [CISCO-INVSPI-009]
    And the tester's SPIs are others than before [CISCO-INVSPI-005]
    And the DUT writes the guide's message about the first of them [CISCO-INVSPI-007]

  @CISCO-INVSPI-006 @needs:control.forget_sas
  Scenario: Without recovery the black hole stays
    Given invalid SPI recovery is off at the DUT
    And the SAs are to be set up by IKEv1
    And the tester sets up SAs by IKEv1 for its traffic
    And a pair of SAs
    And the DUT is through with quick mode
    And pings come through
    When the DUT has lost its SAs
    Then all of 10 pings of 100 octets are lost, each with 2 s for its answer
    And the DUT starts no IKE exchange
    And a proper main mode is answered

  @CISCO-INVSPI-011 @needs:self
  Scenario: Recovery sets nothing up with a peer that is known only by its own coming
    Given the DUT does not know beforehand where its peers of IKEv1 are
    And invalid SPI recovery is on at the DUT
    And the SAs are to be set up by IKEv1
    And a pair of SAs
    And the DUT is through with quick mode
    And pings come through
    When the DUT has lost its SAs, and the tester goes on sending
    Then the DUT starts no IKE exchange
    And a proper main mode is answered

  @CISCO-INVSPI-015 @needs:self
  Scenario Outline: Recovery sets nothing up with a stranger who sends <protocol>
    Given invalid SPI recovery is on at the DUT
    And an ISAKMP SA and IPsec SAs
    And the DUT is through with quick mode
    When an <protocol> packet with an unknown SPI comes from a stranger
    Then the DUT sends the stranger nothing
    And pings come through

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @CISCO-INVSPI-007 @needs:claim.invalid-spi-message @needs:control.log
  Scenario Outline: The guide's message about an unknown <protocol> SPI, <spi>
    Given an ISAKMP SA and IPsec SAs
    And the DUT is through with quick mode
    When an <protocol> packet with the SPI <spi> comes from the tester
    Then the DUT writes the guide's message about each of them
    And pings come through

    Examples:
      | protocol | spi        |
      | AH       | 0x01214F0D |
      | ESP      | 0x01214F0D |
      | ESP      | 0xEB95406F |

  @CISCO-INVSPI-008 @needs:claim.invalid-spi-message @needs:control.log @needs:control.forget_sas
  Scenario: Of a bundle the message names AH, which is outside
    Given the SAs are to be set up by IKEv1
    And a pair of SAs of sha1+des-sha1
    And the DUT is through with quick mode
    And pings come through
    When the DUT has lost its SAs, and the tester goes on sending
    Then the DUT writes the guide's message about each of them
    And a proper main mode is answered

  @CISCO-INVSPI-004 @needs:claim.obeys-invalid-spi
  Scenario: A protected INVALID-SPI ends the SA that it names, and no other
    Given an ISAKMP SA and IPsec SAs
    And the DUT is through with quick mode
    And pings come through
    When the tester says INVALID-SPI about the newer of two pairs of IPsec SAs
    Then the DUT sends on the older pair alone, and still receives on it

  @INVSPI-005
  Scenario: Forged notifies and Deletes of IKEv1 leave the IPsec SAs as they are
    Given an ISAKMP SA and IPsec SAs
    And the DUT is through with quick mode
    And pings come through
    When 100 forged INVALID-SPI notifies and Deletes of IKEv1 come in the clear
    Then pings come through
    And the DUT sends on the same Child SA as before
    And the DUT answers under the ISAKMP SA

  @INVSPI-007
  Scenario: The DUT chooses no reserved SPI in quick mode
    Given an ISAKMP SA
    When the tester makes 20 pairs of IPsec SAs by quick mode
    Then the DUT has chosen 20 SPIs in quick mode, none of them reserved or used twice

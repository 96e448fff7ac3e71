Feature: Forged packets in, exchanges out

  The guide warns that a DUT which sets up IKE SAs because of unknown SPIs can be made to do so by anybody. Each scenario
  sends 1, 10, 100 and 1000 packets, and reports how many exchanges the DUT began because of them.

  @ikev1 @CISCO-INVSPI-001 @CISCO-INVSPI-023 @needs:ikev1-main
  Scenario Outline: Without recovery and without an ISAKMP SA no exchange comes of <protocol>
    Given invalid SPI recovery is off at the DUT
    Then forged <protocol> packets, 1 to 1000 at a time, cause no exchange
    And a proper main mode is answered

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @ikev1 @INVSPI-008 @needs:ikev1-main
  Scenario Outline: Under an ISAKMP SA few exchanges come of <protocol>, with recovery <recovery>
    Given invalid SPI recovery is <recovery> at the DUT
    And an ISAKMP SA and IPsec SAs
    And the DUT is through with quick mode
    Then forged <protocol> packets, 1 to 1000 at a time, cause at most 0 negotiations and few exchanges
    And pings come through

    Examples:
      | protocol | recovery |
      | ESP      | off      |
      | AH       | off      |
      | ESP      | on       |
      | AH       | on       |

  @ikev1 @CISCO-INVSPI-010 @INVSPI-008 @needs:ikev1-main @needs:claim.invalid-spi-recovery
  Scenario Outline: Recovery from <protocol> sets up one ISAKMP SA
    Given invalid SPI recovery is on at the DUT
    Then forged <protocol> packets, 1 to 1000 at a time, cause at most 1 negotiation and few exchanges
    And a proper main mode is answered

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @ikev1 @CISCO-INVSPI-010 @needs:ikev1-main @needs:claim.invalid-spi-recovery
  Scenario Outline: Recovery from <protocol> begins once where nobody answers
    Given invalid SPI recovery is on at the DUT
    And the tester answers no phase 1
    Then forged <protocol> packets, 1 to 1000 at a time, cause at most 1 negotiation and few exchanges
    And a proper main mode is answered

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @ikev1 @CISCO-INVSPI-010 @needs:self
  Scenario Outline: Recovery from <protocol> in the names of a thousand peers begins with few of them
    Given the DUT has 1000 static peers that never answer
    And invalid SPI recovery is on at the DUT
    Then forged <protocol> packets in the names of 1000 peers, 1 to 1000 at a time, cause at most 10 negotiations
    And a proper main mode is answered

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @ikev2 @INVSPI-008 @needs:ikev2
  Scenario Outline: Under an IKE SA few exchanges come of <protocol>
    Given an IKE SA and a Child SA
    Then forged <protocol> packets, 1 to 1000 at a time, cause at most 0 negotiations and few exchanges
    And pings come through

    Examples:
      | protocol |
      | ESP      |
      | AH       |

  @ikev2 @CISCO-INVSPI-017 @INVSPI-008 @needs:ikev2
  Scenario Outline: Without an IKE SA few exchanges come of <protocol>
    When 1 <protocol> packet with unknown SPIs come from the tester
    Then the DUT is silent, or says INVALID_SPI once and in the clear [CISCO-INVSPI-017]
    And forged <protocol> packets, 1 to 1000 at a time, cause at most 0 negotiations and few exchanges [INVSPI-008]
    And a proper IKE_SA_INIT request is answered

    Examples:
      | protocol |
      | ESP      |
      | AH       |

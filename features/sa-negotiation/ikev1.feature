@ikev1 @needs:ikev1-main
Feature: Negotiation by IKEv1

  @IKE1-SA-001 @IKE1-SA-003
  Scenario: Of four acceptable transforms one is chosen, as it was offered
    When the tester offers in phase 1
      | transform |
      | first     |
      | first     |
      | first     |
      | first     |
    Then the DUT chooses one proposal with one transform in main mode [IKE1-SA-001]
    And the DUT's answer in main mode has the attributes of the offer [IKE1-SA-003]
    And an ISAKMP SA comes up and answers [IKE1-SA-001]

  @IKE1-SA-001 @IKE1-SA-003
  Scenario: Of three acceptable proposals of quick mode one is chosen, as it was offered
    When the tester offers in quick mode
      | transform |
      | first     |
      | first     |
      | first     |
    Then the DUT chooses one proposal with one transform in quick mode [IKE1-SA-001]
    And the DUT's answer in quick mode has the attributes of the offer [IKE1-SA-003]
    And another quick mode makes IPsec SAs [IKE1-SA-001]

  @IKE1-SA-004
  Scenario: The number of the chosen transform is kept
    When the tester offers in phase 1
      | transform                  |
      | first encryption=2         |
      | first hash=3               |
      | first                      |
      | first encryption=4         |
    Then the DUT chooses transform 3 in main mode
    And a proper main mode is answered

  @IKE1-SA-004
  Scenario: The number of the chosen proposal is kept
    When the tester offers in quick mode
      | transform    |
      | first id=249 |
      | first id=248 |
      | first        |
    Then the DUT chooses proposal 3 in quick mode
    And another quick mode makes IPsec SAs

  @IKE1-SA-005
  Scenario: An unknown transform of phase 1 is passed over
    When the tester offers in phase 1
      | transform   |
      | first id=9  |
      | first       |
    Then the DUT chooses transform 2 in main mode
    And a proper main mode is answered

  @IKE1-SA-005
  Scenario: An unknown transform in a proposal of its own is passed over in quick mode
    When the tester offers in quick mode
      | transform    |
      | first id=249 |
      | first        |
    Then the DUT chooses proposal 2 in quick mode
    And another quick mode makes IPsec SAs

  @IKE1-SA-005
  Scenario: An unknown transform in the same proposal is passed over in quick mode
    Given an ISAKMP SA
    When the tester offers an unknown transform and a known one in one proposal of quick mode
    Then the DUT chooses transform 2 in quick mode
    And another quick mode makes IPsec SAs

  @IKE1-SA-006
  Scenario: An offer without a match makes no ISAKMP SA
    When the tester offers in phase 1
      | transform          |
      | first encryption=2 |
      | first hash=3       |
    Then the DUT may say NO-PROPOSAL-CHOSEN, and chooses nothing
    And a proper main mode is answered

  @IKE1-SA-007 @IKE1-SA-009
  Scenario: Attributes of a responder have their proper form and order
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then the DUT writes all attributes that are basic as basic ones [IKE1-SA-007]
    And in all transforms of the DUT a life duration follows its type [IKE1-SA-009]
    And an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-SA-007 @IKE1-SA-009 @needs:control.initiate_ikev1
  Scenario: Attributes of an initiator have their proper form and order
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT writes all attributes that are basic as basic ones [IKE1-SA-007]
    And in all transforms of the DUT a life duration follows its type [IKE1-SA-009]
    And an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-SA-008 @needs:ikev1-aggressive
  Scenario: The SA payload comes first
    When the tester offers KE, Nonce, SA and ID in this order by aggressive mode
    Then the DUT makes no ISAKMP SA of it
    And a proper aggressive mode is answered

  @IKE1-SA-009 @needs:self @slow
  Scenario: The first of two lifetimes counts too
    Given IPsec SAs whose lifetime in seconds comes before one in kilobytes
    When so much time passes, and the tester says nothing
    Then the DUT has replaced these IPsec SAs or deleted them

  @IKE1-SA-010
  Scenario: Lifetimes in seconds and in kilobytes do not conflict
    Given an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT chooses one proposal with one transform in quick mode
    And another quick mode makes IPsec SAs

  @IKE1-SA-010
  Scenario Outline: Attributes of quick mode that contradict each other are refused: <attribute>
    When the tester offers in quick mode
      | transform     |
      | first <twice> |
    Then the DUT refuses the quick mode
    And another quick mode makes IPsec SAs

    Examples:
      | attribute          | twice         |
      | encapsulation mode | mode=2 +mode=1 |
      | key length         | +keylength=256 |

  @IKE1-SA-011
  Scenario Outline: An attribute that is not supported is refused: <attribute>
    When the tester offers in quick mode
      | transform      |
      | first +<class> |
    Then the DUT refuses the quick mode
    And another quick mode makes IPsec SAs

    Examples:
      | attribute                | class |
      | key rounds               | 7=12  |
      | compress dictionary size | 8=8   |

  @IKE1-SA-012
  Scenario Outline: The suite <suite>
    Given the tester offers the policy <suite> alone
    Then an ISAKMP SA comes up by main mode and answers

    Examples:
      | suite                |
      | 3des-sha1-modp1024   |
      | aes128-sha1-modp2048 |

  @IKE1-SA-013 @needs:bundle
  Scenario: AH of a bundle is not taken without its ESP
    When the tester offers a bundle whose ESP is not acceptable
    Then the DUT refuses the quick mode

  @IKE1-SA-013 @needs:bundle
  Scenario: AH and ESP under one number are taken as a unit
    When the tester offers a bundle whose ESP is not acceptable, and ESP alone after it
    Then the DUT takes ESP alone, or nothing of the offer
    And another quick mode makes IPsec SAs

  @IKE1-SA-002 @needs:control.initiate_ikev1
  Scenario: The DUT offers its policies as transforms of one proposal
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT offers in one SA payload with one proposal

  @IKE1-SA-003 @needs:control.initiate_ikev1
  Scenario Outline: The DUT does not go on with an answer <that>
    Given the tester answers <that>
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT begins main mode and does not go on with it
    And a proper main mode is answered

    Examples:
      | that                                        |
      | with another life duration than was offered |
      | without the lifetime that was offered       |
      | with an attribute that was not offered      |

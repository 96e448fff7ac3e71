@ikev1 @needs:ikev1-main
Feature: Quick mode

  @IKE1-QM-001
  Scenario: Quick mode in the clear is not answered
    Given an ISAKMP SA and IPsec SAs
    When the tester sends message 1 of quick mode in the clear
    Then the DUT answers no quick mode
    And another quick mode makes IPsec SAs

  @IKE1-QM-001
  Scenario: Quick mode before main mode is finished is not answered
    When the tester sends message 1 of quick mode before its main mode is finished
    Then the DUT answers no quick mode
    And a proper ISAKMP SA and IPsec SAs come up by main mode

  @IKE1-QM-002 @IKE1-QM-003
  Scenario: HASH is the first payload of the DUT's answer and SA the second
    Given an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT's message 2 of quick mode has HASH and SA first [IKE1-QM-002]
    And the hash of the DUT's message 2 of quick mode is right [IKE1-QM-003]

  @IKE1-QM-002 @IKE1-QM-003 @needs:control.initiate_ikev1
  Scenario: HASH is the first payload of the DUT's offer and SA the second
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT's message 1 of quick mode has HASH and SA first [IKE1-QM-002]
    And the hash of the DUT's message 1 of quick mode is right [IKE1-QM-003]
    And the hash of the DUT's message 3 of quick mode is right [IKE1-QM-003]

  @IKE1-QM-002
  Scenario: An offer with the SA before the HASH is not answered
    Given an ISAKMP SA
    When the tester sends message 1 of quick mode with the SA before the HASH
    Then the DUT sends no message 2 of quick mode
    And another quick mode makes IPsec SAs

  @IKE1-QM-003
  Scenario: A wrong HASH(1) is not answered
    Given an ISAKMP SA
    When the tester sends message 1 of quick mode with a bit of its hash flipped
    Then the DUT sends no message 2 of quick mode
    And another quick mode makes IPsec SAs

  @IKE1-QM-003
  Scenario: A wrong HASH(3) makes no SA that can be used
    Given an ISAKMP SA
    When the tester sends message 3 of quick mode with a bit of its hash flipped
    Then no packet of the DUT or to it passes on these SAs
    And another quick mode makes IPsec SAs
    And pings come through

  @IKE1-QM-003 @needs:control.initiate_ikev1
  Scenario: A HASH(2) without the initiator's nonce is refused
    When the DUT's quick mode is answered with a hash that leaves out its nonce
    Then the DUT sends no message 3 of quick mode
    And the DUT answers under the ISAKMP SA

  @IKE1-QM-005
  Scenario: Client identities are returned in their order
    Given an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT returns the client identities as they were offered
    And pings come through

  @IKE1-QM-005 @needs:control.initiate_ikev1
  Scenario: The DUT names its client identities in their order
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT names its own network first and the tester's second

  @IKE1-QM-008
  Scenario Outline: Keys of <esp> with <pfs> for forward secrecy
    Given the tester offers <esp> in quick mode, with <pfs> for forward secrecy
    And an ISAKMP SA and IPsec SAs
    Then pings come through

    Examples:
      | esp           | pfs      |
      | first         | none     |
      | first         | modp2048 |
      | aes256-sha512 | none     |
      | aes256-sha512 | modp2048 |
      | sha1          | none     |

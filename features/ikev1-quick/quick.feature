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
    And a proper ISAKMP SA and IPsec SAs come up by main mode

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

  @IKE1-QM-004 @needs:ikev1-pfs
  Scenario: With forward secrecy the answer has a KE payload, and the group in its transform
    Given the tester offers first in quick mode, with modp2048 for forward secrecy
    And an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT's message 2 of quick mode has a KE payload, and its group in every transform
    And pings come through

  @IKE1-QM-004 @needs:ikev1-pfs @needs:control.initiate_ikev1
  Scenario: With forward secrecy every transform of an offer has the group
    Given the DUT begins with forward secrecy
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT's message 1 of quick mode has a KE payload, and its group in every transform
    And an ISAKMP SA and IPsec SAs come up and answer

  @IKE1-QM-004 @needs:ikev1-pfs
  Scenario: A transform without the group is not taken together with a KE payload
    Given the tester offers first in quick mode, with modp2048 for forward secrecy
    And an ISAKMP SA
    When the tester offers in quick mode
      | transform    |
      | first -group |
      | first        |
    Then the DUT's answer has a KE payload and a group, or neither, or there is none
    And another quick mode makes IPsec SAs

  @IKE1-QM-006
  Scenario: Client identities that are not acceptable
    Given an ISAKMP SA and IPsec SAs
    When the tester names client identities that the DUT does not protect
    Then the DUT answers with the notify INVALID-ID-INFORMATION under protection
    And the DUT sends no message 2 of quick mode
    And another quick mode makes IPsec SAs
    And pings come through

  @IKE1-QM-007
  Scenario: Two quick modes side by side
    Given an ISAKMP SA
    When the tester runs two quick modes side by side
    Then both quick modes make IPsec SAs
    And the DUT takes packets on the old Child SA and on the new one

  @IKE1-QM-009 @needs:control.initiate_ikev1 @needs:inside
  Scenario: With the commit flag set the DUT waits for CONNECTED
    When the DUT's quick mode is answered with the commit flag, and CONNECTED comes 2 s later
    Then the DUT's first ESP comes after CONNECTED
    And pings come through

  @IKE1-QM-009
  Scenario: CONNECTED has the Message ID of the quick mode
    Given an ISAKMP SA
    When the tester sets the commit flag in its quick mode
    Then a CONNECTED of the DUT has the Message ID of the quick mode
    And pings come through

  @IKE1-QM-010
  Scenario: A lifetime that is longer than the DUT's
    Given the tester offers IPsec SAs of 86400 seconds
    And an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT answers with the lifetime as offered, or refuses
    And the DUT answers under the ISAKMP SA

  @IKE1-QM-011
  Scenario: A quick mode that comes again makes nothing new
    Given an ISAKMP SA and IPsec SAs
    And pings come through
    When the tester sends message 1 of its quick mode again
    Then at most a repetition of its answer comes
    And pings come through
    And another quick mode makes IPsec SAs

  @IKE1-QM-012
  Scenario: Message IDs of the DUT are not zero and not used twice
    Given an ISAKMP SA
    When the tester provokes 10 Informational exchanges of the DUT
    Then all of the DUT's own exchanges have Message IDs of their own, and none has 0
    And another quick mode makes IPsec SAs

  @CISCO-INVSPI-021 @needs:bundle @needs:inside
  Scenario: A bundle of AH and ESP between two hosts
    Given the tester offers the bundle sha1+des-sha1 between two hosts
    And an ISAKMP SA
    When the tester begins another quick mode
    Then the DUT takes AH and ESP under one proposal number, each with an SPI of its own
    And four SAs of 3600 seconds and 4608000 kilobytes are there
    And pings come through

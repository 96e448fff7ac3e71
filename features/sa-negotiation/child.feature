@ikev2 @needs:ikev2
Feature: Negotiation of Child SAs

  @IKE2-SA-001 @IKE2-SA-002 @IKE2-SA-031
  Scenario: One proposal with one transform of each type is chosen for the first Child SA
    When the tester offers for the first Child SA
      | proposal           |
      | cbc +aes256 +sha1  |
      | aead               |
    Then the DUT answers for the Child SA with one proposal [IKE2-SA-001]
    And the DUT's choice for the Child SA has one transform of each type [IKE2-SA-002, IKE2-SA-031]

  @IKE2-SA-003 @IKE2-SA-005
  Scenario: The number of the proposal that was chosen for the first Child SA
    When the tester offers for the first Child SA
      | proposal             |
      | first -encr +1:60000 |
      | first +200:1         |
      | first                |
    Then the DUT chooses proposal 3 for the Child SA

  @IKE2-SA-007
  Scenario Outline: An ESP proposal without <type> is refused
    When the tester offers for the first Child SA
      | proposal    |
      | cbc -<type> |
    Then the DUT refuses all proposals for the Child SA
    And an empty INFORMATIONAL request is answered

    Examples:
      | type |
      | encr |
      | esn  |

  @IKE2-SA-020
  Scenario Outline: ESP that encrypts without integrity is refused, with type <change>
    When the tester offers for the first Child SA
      | proposal     |
      | cbc <change> |
    Then the DUT refuses all proposals for the Child SA
    And an empty INFORMATIONAL request is answered

    Examples:
      | change            |
      | -integ            |
      | -integ +integnone |

  @IKE2-SA-021
  Scenario: ESP without encryption and without integrity is refused
    When the tester offers for the first Child SA
      | proposal                      |
      | cbc -encr -integ ^null +integnone |
    Then the DUT refuses all proposals for the Child SA
    And an empty INFORMATIONAL request is answered

  @IKE2-SA-025
  Scenario: The IKE SA stands though its first Child SA is refused
    When the tester offers for the first Child SA
      | proposal                |
      | first -encr +1:60000    |
    Then the response has no Child SA but IDr and AUTH
    And an empty INFORMATIONAL request is answered

  @IKE2-SA-026
  Scenario: A refused CREATE_CHILD_SA leaves the IKE SA and its Child SAs alone
    Given an IKE SA and a Child SA
    And pings come through
    When the tester offers for another Child SA
      | proposal             |
      | first -encr +1:60000 |
    Then the DUT refuses all proposals for the Child SA
    And an empty INFORMATIONAL request is answered
    And pings come through

  @IKE2-SA-023
  Scenario: Traffic outside the policy gets no Child SA
    When the tester offers only traffic that the DUT's policy lacks
    Then the DUT answers TS_UNACCEPTABLE without a Child SA
    And an empty INFORMATIONAL request is answered

  @IKE2-SA-024
  Scenario: The traffic selectors of the answer are never wider than the offer
    When the tester offers its host and the DUT's inside address
    Then the DUT's traffic selectors lie within the offered ones

  @IKE2-SA-024
  Scenario: The traffic selectors of the answer hold no other port than the offer
    When the tester offers its host and the DUT's host with one UDP port
    Then the DUT's traffic selectors lie within the offered ones or there are none

  @IKE2-SA-027
  Scenario Outline: Keys of <ike> with <esp> are those of the independent derivation
    When the tester asks for an IKE SA of <ike> with a Child SA of <esp>
    Then an IKE SA and a Child SA come up
    And pings come through

    Examples:
      | ike                               | esp           |
      | aes128-sha256-modp2048            | aes128gcm16   |
      | aes256-sha256-modp2048            | aes256-sha256 |
      | aes128-sha1-modp2048              | aes128-sha1   |
      | aes256-sha384-ecp384              | aes256gcm16   |
      | aes128-sha256-ecp256              | aes128-sha256 |
      | aes128gcm16-prfsha256-ecp256      | null-sha256   |
      | aes256gcm16-prfsha384-ecp384      | aes256-sha256 |
      | aes128ctr-sha256-modp2048         | aes128gcm16   |
      | chacha20poly1305-prfsha256-x25519 | aes256gcm16   |

  @IKE2-SA-027 @needs:control.initiate
  Scenario: Keys of a Child SA that the DUT has begun
    Given an IKE SA and a Child SA that the DUT has begun
    Then pings come through

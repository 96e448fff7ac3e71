@ikev2 @needs:ikev2
Feature: Negotiation of the IKE SA
  A table holds one proposal a row, written as the difference from a proposal of the profile.

  @IKE2-SA-001
  Scenario: One proposal is chosen out of three good ones
    When the tester offers for an IKE SA
      | proposal |
      | first    |
      | second   |
      | third    |
    Then the DUT answers for the IKE SA with one proposal

  @IKE2-SA-002
  Scenario: One transform of each type is chosen
    When the tester offers for an IKE SA
      | proposal                     |
      | cbc +aes256 +prfsha1 +sha1 |
    Then the DUT's choice for the IKE SA has one transform of each type

  @IKE2-SA-003
  Scenario: The answer has the number of the proposal that was chosen
    When the tester offers for an IKE SA
      | proposal            |
      | first -encr +1:60000 |
      | first -encr +1:60001 |
      | first               |
    Then the DUT chooses proposal 3 for the IKE SA

  @IKE2-SA-004
  Scenario Outline: The key length comes back as it was offered
    When the tester offers for an IKE SA
      | proposal |
      | <suite>  |
    Then the DUT's choice for the IKE SA keeps the attributes [IKE2-SA-004]
    And the DUT's choice for the IKE SA has the transform <cipher>

    Examples:
      | suite  | cipher |
      | first  | aes128 |
      | second | aes256 |

  @IKE2-SA-005
  Scenario: A transform type that nobody knows spoils its proposal and no other
    When the tester offers for an IKE SA
      | proposal     |
      | first +200:1 |
      | first        |
    Then the DUT chooses proposal 2 for the IKE SA

  @IKE2-SA-006
  Scenario: A transform ID that nobody knows is skipped
    When the tester offers for an IKE SA
      | proposal               |
      | first ^1:60000 ^2:60000 |
    Then the DUT chooses proposal 1 for the IKE SA
    And the DUT's choice for the IKE SA has one transform of each type
    And the DUT's choice for the IKE SA keeps the attributes

  @IKE2-SA-006
  Scenario: A transform with an unknown attribute is skipped
    When the tester offers for an IKE SA
      | proposal                     |
      | first ^encr:12/128@100=7     |
    Then the DUT chooses proposal 1 for the IKE SA
    And the DUT's choice for the IKE SA has one transform of each type
    And the DUT's choice for the IKE SA has the transform aes128

  @IKE2-SA-007
  Scenario Outline: A proposal without a mandatory transform type is refused
    When the tester offers for an IKE SA
      | proposal         |
      | cbc -<type>      |
    Then the DUT refuses all proposals for the IKE SA
    And a proper IKE_SA_INIT request is answered

    Examples:
      | type  |
      | prf   |
      | integ |
      | encr  |

  @IKE2-SA-008 @IKE2-SA-016
  Scenario: Algorithms outside the policy are refused
    When the tester offers for an IKE SA
      | proposal                        |
      | first -encr +aes192 |
    Then the DUT refuses all proposals for the IKE SA
    And a proper IKE_SA_INIT request is answered

  @IKE2-SA-016
  Scenario Outline: A suite that differs from a good one in one <what> is refused
    When the tester offers for an IKE SA
      | proposal     |
      | cbc <change> |
    Then the DUT refuses all proposals for the IKE SA
    And a proper IKE_SA_INIT request is answered

    Examples:
      | what                   | change                    |
      | cipher                 | -encr +aes192             |
      | pseudorandom function  | -prf +prfsha512           |
      | integrity algorithm    | -integ +sha512            |
      | group                  | -ke +modp4096             |

  @IKE2-SA-011
  Scenario: AES without a key length is refused
    When the tester offers for an IKE SA
      | proposal       |
      | cbc -keylength |
    Then the DUT refuses all proposals for the IKE SA
    And a proper IKE_SA_INIT request is answered

  @IKE2-SA-011
  Scenario: AES without a key length is passed over for the next proposal
    When the tester offers for an IKE SA
      | proposal       |
      | cbc -keylength |
      | cbc            |
    Then the DUT chooses proposal 2 for the IKE SA

  @IKE2-SA-014
  Scenario: An AEAD cipher is not accepted with an integrity algorithm
    When the tester offers for an IKE SA
      | proposal     |
      | aead +sha256 |
    Then the DUT does not choose an AEAD cipher with an integrity algorithm for the IKE SA
    And a proper IKE_SA_INIT request is answered

  @IKE2-SA-030
  Scenario: An explicit NONE for integrity is understood beside an AEAD cipher
    When the tester offers for an IKE SA
      | proposal        |
      | aead +integnone |
    Then the DUT chooses proposal 1 for the IKE SA

  @IKE2-SA-015
  Scenario Outline: An IKE SA without <what> is refused
    When the tester offers for an IKE SA
      | proposal     |
      | cbc <change> |
    Then the DUT refuses all proposals for the IKE SA
    And a proper IKE_SA_INIT request is answered

    Examples:
      | what                | change            |
      | encryption          | -encr +null       |
      | integrity algorithm | -integ +integnone |

  @IKE2-SA-018
  Scenario Outline: <algorithm> is refused
    When the tester offers for an IKE SA
      | proposal     |
      | cbc <change> |
    Then the DUT refuses all proposals for the IKE SA
    And a proper IKE_SA_INIT request is answered

    Examples:
      | algorithm         | change          |
      | ENCR_DES          | -encr +des      |
      | PRF_HMAC_MD5      | -prf +prfmd5    |
      | AUTH_HMAC_MD5_96  | -integ +md5     |
      | AUTH_DES_MAC      | -integ +integ:3 |
      | AUTH_KPDK_MD5     | -integ +integ:4 |
      | MODP-768          | -ke +modp768    |
      | MODP-1024-160     | -ke +ke:22      |

  @IKE2-SA-029
  Scenario Outline: The deprecated <algorithm> is refused
    When the tester offers for an IKE SA
      | proposal     |
      | cbc <change> |
    Then the DUT refuses all proposals for the IKE SA
    And a proper IKE_SA_INIT request is answered

    Examples:
      | algorithm        | change             |
      | DES_IV64         | -encr +encr:1      |
      | RC5              | -encr +encr:4/128  |
      | IDEA             | -encr +encr:5      |
      | CAST             | -encr +encr:6/128  |
      | Blowfish         | -encr +encr:7/128  |
      | 3IDEA            | -encr +encr:8      |
      | DES_IV32         | -encr +encr:9      |
      | PRF_HMAC_TIGER   | -prf +prf:3        |
      | HMAC_MD5_128     | -integ +md5_128    |

  @IKE2-SA-009
  Scenario: SPI sizes in the answers for IKE SA and Child SA
    When the tester authenticates itself
    Then the DUT's choice for the IKE SA has SPIs of 0 octets
    And the DUT's choice for the Child SA has SPIs of 4 octets

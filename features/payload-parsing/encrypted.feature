@ikev2 @needs:ikev2
Feature: The Encrypted payload

  @IKE2-PAY-008
  Scenario: The Encrypted payload is the last one
    When the tester sets up an IKE SA
    Then the Encrypted payload is the last one in every protected message of the DUT

  @IKE2-PAY-014
  Scenario Outline: Any padding is accepted
    Given an IKE SA and a Child SA
    When the tester sends an empty INFORMATIONAL request with <padding> octets of random padding
    Then the DUT answers the INFORMATIONAL request

    Examples:
      | padding |
      | 31      |
      | 143     |
      | 255     |

  @IKE2-PAY-022
  Scenario: An AEAD cipher with the most padding
    Given an IKE SA of aes128gcm16-prfsha256-ecp256 and a Child SA
    When the tester sends an empty INFORMATIONAL request with 255 octets of random padding
    Then the DUT answers the INFORMATIONAL request

  @IKE2-PAY-022
  Scenario: An AEAD cipher covers the header
    Given an IKE SA of aes128gcm16-prfsha256-ecp256 and a Child SA
    When the tester sends an INFORMATIONAL request with one bit of its header flipped
    Then the DUT sends nothing
    And an empty INFORMATIONAL request is answered

  @IKE2-PAY-015
  Scenario: IVs are new and unpredictable
    Given an IKE SA and a Child SA
    When the tester sends 100 empty INFORMATIONAL requests
    Then the DUT's IVs are all different and follow no pattern

  @IKE2-PAY-021
  Scenario Outline: A message whose integrity check fails changes nothing
    Given an IKE SA and a Child SA
    When the tester sends an INFORMATIONAL request with one bit of its <part> flipped
    Then the DUT sends nothing
    And an empty INFORMATIONAL request is answered

    Examples:
      | part       |
      | header     |
      | IV         |
      | ciphertext |
      | ICV        |

  @IKE2-PAY-016 @IKE2-PAY-018
  Scenario Outline: Malformed payloads inside are reported under protection only
    Given an IKE SA and a Child SA
    When the tester sends an INFORMATIONAL request that says <length> octets of a payload inside
    Then the DUT reports it inside a protected message or not at all
    And a proper IKE_SA_INIT request is answered

    Examples:
      | length |
      | 0      |
      | 3      |
      | 65535  |

  @IKE2-PAY-016
  Scenario: Malformed payloads under a bad checksum are not reported
    Given an IKE SA and a Child SA
    When the tester sends an INFORMATIONAL request with a bad checksum that says 3 octets of a payload inside
    Then the DUT sends nothing
    And an empty INFORMATIONAL request is answered

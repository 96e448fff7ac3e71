@ikev2 @needs:ikev2
Feature: Unknown payloads and notifies, critical and reserved bits, order

  @IKE2-PAY-001
  Scenario: An unknown critical payload in IKE_SA_INIT
    When the tester sends an IKE_SA_INIT request with an unknown critical payload
    Then the DUT names the payload in UNSUPPORTED_CRITICAL_PAYLOAD
    And the DUT makes no IKE SA of it
    And a proper IKE_SA_INIT request is answered

  @IKE2-PAY-001
  Scenario: An unknown critical payload in IKE_AUTH
    Given the tester puts an unknown critical payload into its IKE_AUTH request
    When the tester sets up an IKE SA
    Then the DUT names the payload in UNSUPPORTED_CRITICAL_PAYLOAD
    And a proper IKE_SA_INIT request is answered

  @IKE2-PAY-002 @IKE2-PAY-003
  Scenario: Unknown payloads that are not critical are skipped
    Given the tester puts unknown payloads at the start, middle and end of its requests
    When the tester sets up an IKE SA
    Then an IKE SA and a Child SA come up and answer [IKE2-PAY-002]
    And no payload in the DUT's responses is critical [IKE2-PAY-003]

  @IKE2-PAY-004 @needs:control.initiate
  Scenario: No payload of an initiator is critical
    Given an IKE SA and a Child SA that the DUT has begun
    Then no payload in the DUT's requests is critical

  @IKE2-PAY-005
  Scenario: The critical bit of known payloads is ignored
    Given the tester sets the critical bit of all payloads in its requests
    When the tester sets up an IKE SA
    Then an IKE SA and a Child SA come up and answer

  @IKE2-PAY-006
  Scenario: RESERVED fields are ignored on receipt and zero in what is sent
    Given the tester fills all RESERVED fields of its requests
    When the tester sets up an IKE SA
    Then an IKE SA and a Child SA come up and answer
    And all RESERVED fields of the DUT are zero

  @IKE2-PAY-007
  Scenario: Payloads may come in any order
    Given the tester sends the payloads of its requests in the opposite order
    When the tester sets up an IKE SA
    Then an IKE SA and a Child SA come up and answer

  @IKE2-PAY-010
  Scenario: Unfamiliar Vendor IDs are ignored
    When the tester sends an IKE_SA_INIT request with twenty unfamiliar Vendor IDs
    Then the DUT answers with SA, KE and Nonce

  @IKE2-PAY-011
  Scenario: Unknown status notifies in requests are ignored
    Given the tester adds unknown status notifies to its requests
    When the tester sets up an IKE SA
    Then an IKE SA and a Child SA come up and answer

  @IKE2-PAY-011 @needs:control.initiate
  Scenario: Unknown status notifies in responses are ignored
    Given the tester adds unknown status notifies to its responses
    When the DUT is told to set up an IKE SA
    Then an IKE SA and a Child SA come up and answer

  @IKE2-PAY-012
  Scenario: An unknown error notify in a request is ignored
    Given the tester adds an unknown error notify to its IKE_AUTH request
    When the tester sets up an IKE SA
    Then an IKE SA and a Child SA come up and answer

  @IKE2-PAY-020
  Scenario: Notifies about the IKE SA have no SPI, and their Protocol ID is ignored
    When the tester sends an IKE_SA_INIT request whose notifies name IKE and no SPI
    Then the DUT answers with SA, KE and Nonce
    And the DUT's notifies about the IKE SA name neither protocol nor SPI

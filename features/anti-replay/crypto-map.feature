@esp @needs:claim.crypto-map-replay @needs:ikev2 @needs:ipv6 @needs:inside
Feature: Replay windows of crypto maps

  The DUT has two peers: the tester's address of IPv4 and that of IPv6. The crypto map for each is its own.

  @CISCO-REPLAY-004
  Scenario: A size or a disabled check of a crypto map overrides the global size
    Given the DUT's replay window is 1024
    And the crypto map for the peer over IPv4 sets a replay window of 128
    And the crypto map for the peer over IPv6 switches the replay check off
    And a pair of SAs with the peer over IPv4
    And a pair of SAs with the peer over IPv6
    Then the replay window for the peer over IPv4 is 128
    And the replay window for the peer over IPv6 is off

  @CISCO-REPLAY-004
  Scenario: Where a crypto map says nothing the global size holds
    Given the DUT's replay window is 512
    And the crypto map for the peer over IPv6 sets a replay window of 64
    And a pair of SAs with the peer over IPv4
    And a pair of SAs with the peer over IPv6
    Then the replay window for the peer over IPv6 is 64
    And the replay window for the peer over IPv4 is 512

  @CISCO-REPLAY-004
  Scenario: A size of a crypto map overrides a check that is disabled globally
    Given the DUT's replay check is off
    And the crypto map for the peer over IPv4 sets a replay window of 256
    And a pair of SAs with the peer over IPv4
    And a pair of SAs with the peer over IPv6
    Then the replay window for the peer over IPv4 is 256
    And the replay window for the peer over IPv6 is off

  @CISCO-REPLAY-005
  Scenario: The check is switched off for one peer alone
    Given the crypto map for the peer over IPv4 switches the replay check off
    And a pair of SAs with the peer over IPv4
    And a pair of SAs with the peer over IPv6
    When the packet with number 5000 from the peer over IPv4 is let through
    And the packet with number 5000 from the peer over IPv6 is let through
    Then numbers 1 to 10 from the peer over IPv4 are let through
    And numbers 1 to 10 from the peer over IPv6 are dropped
    And numbers 1 to 10 from the peer over IPv4 are let through
    And numbers 5000 to 5000 from the peer over IPv6 are dropped
    And numbers 4937 to 4946 from the peer over IPv6 are let through

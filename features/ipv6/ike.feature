@ikev2 @needs:ipv6 @needs:ikev2
Feature: IKE over IPv6

  @V6-005 @needs:inner-ipv6
  Scenario: IKE over IPv6 sets up SAs for IPv6
    Given IPv6 outside and IPv6 in the protected networks
    When the tester sets up an IKE SA
    Then an IKE SA and a Child SA come up and answer
    And pings come through

  @V6-006
  Scenario: IKE over IPv6 is sent with a UDP checksum and not taken without one
    Given IPv6 outside and IPv4 in the protected networks
    When the tester sends an IKE_SA_INIT request with a zero UDP checksum
    Then the DUT sends nothing
    And an IKE_SA_INIT request with a checksum is answered
    And every UDP datagram of the DUT over IPv6 has a right checksum that is not zero

  @CISCO-V6VTI-001 @needs:claim.ipv6-tunnel-mode-only
  Scenario: Over IPv6 there is tunnel mode only
    Given IPv6 outside and IPv6 in the protected networks
    And the DUT takes tunnel mode only
    When the tester asks for transport mode between hosts
    Then the DUT does not agree to transport mode
    And a proper IKE_SA_INIT request is answered

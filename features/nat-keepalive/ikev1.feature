@ikev1 @needs:ikev1-main @needs:claim.nat-t @needs:udp-encap
Feature: NAT keepalives in IKEv1

  @NATT-KA-007 @needs:native-esp @slow
  Scenario: Who is not behind a NAT sends no keepalives
    Given a NAT in front of the tester
    And an ISAKMP SA and IPsec SAs
    And pings come through
    When nothing happens for 45 seconds
    Then the DUT sends no NAT keepalive
    And pings come through

  @NATT-KA-007 @needs:inside
  Scenario: A keepalive does not move the peer
    Given the tester says that it is behind a NAT
    And an ISAKMP SA and IPsec SAs
    And pings come through
    When a NAT keepalive comes from port 34501
    Then the DUT's ESP goes to port 4500
    And pings come through

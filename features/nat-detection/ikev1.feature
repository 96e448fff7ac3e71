@ikev1 @needs:ikev1-main @needs:claim.nat-t
Feature: NAT detection in IKEv1

  @NATT-D-001 @NATT-D-002
  Scenario: NAT traversal is announced, and NAT-D payloads come in message 4 alone
    When the tester sets up an ISAKMP SA by main mode
    Then the DUT announces RFC 3947 in message 2 of main mode [NATT-D-001]
    And the DUT's message 4 of main mode has NAT-D payloads [NATT-D-002]
    And the DUT's message 2 of main mode has no NAT-D payload [NATT-D-002]
    And the DUT's message 6 of main mode has no NAT-D payload [NATT-D-002]
    And an ISAKMP SA comes up and answers [NATT-D-002]

  @NATT-D-001 @NATT-D-002 @needs:control.initiate_ikev1
  Scenario: NAT traversal is announced, and NAT-D payloads come in message 3 alone
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT announces RFC 3947 in message 1 of main mode [NATT-D-001]
    And the DUT's message 3 of main mode has NAT-D payloads [NATT-D-002]
    And the DUT's message 1 of main mode has no NAT-D payload [NATT-D-002]
    And the DUT's message 5 of main mode has no NAT-D payload [NATT-D-002]
    And an ISAKMP SA and IPsec SAs come up and answer [NATT-D-002]

  @NATT-D-002 @NATT-D-003 @NATT-D-004 @needs:ikev1-aggressive
  Scenario: NAT-D payloads come in message 2 of aggressive mode
    When the tester sets up an ISAKMP SA by aggressive mode
    Then the DUT's message 2 of aggressive mode has NAT-D payloads [NATT-D-002]
    And the first NAT-D payload of the DUT's message 2 of aggressive mode is the hash of the tester's address [NATT-D-003, NATT-D-004]
    And an ISAKMP SA comes up and answers [NATT-D-002]

  @NATT-D-001
  Scenario: A peer that has not announced NAT traversal gets no NAT-D payload
    Given the tester does not look for NATs
    When the tester sets up an ISAKMP SA by main mode
    Then the DUT's message 4 of main mode has no NAT-D payload
    And an ISAKMP SA comes up and answers

  @NATT-D-003 @NATT-D-004
  Scenario Outline: The hash of the tester's address comes first, with the hash of the <policy> policy
    When the tester offers in phase 1
      | policy   |
      | <policy> |
    Then the first NAT-D payload of the DUT's message 4 of main mode is the hash of the tester's address [NATT-D-003, NATT-D-004]
    And an ISAKMP SA comes up and answers [NATT-D-004]

    Examples:
      | policy |
      | first  |
      | second |
      | third  |

  @NATT-D-003 @NATT-D-004 @needs:native-esp
  Scenario: The DUT's own address is among those that follow
    When the tester sets up an ISAKMP SA by main mode
    Then another NAT-D payload of the DUT's message 4 of main mode is the hash of its own address
    And an ISAKMP SA comes up and answers

  @NATT-D-003 @NATT-D-004
  Scenario: The port that the NAT has given is hashed
    Given a NAT in front of the tester
    When the tester sets up an ISAKMP SA by main mode
    Then the first NAT-D payload of the DUT's message 4 of main mode is the hash of the tester's address
    And an ISAKMP SA comes up and answers

  @NATT-D-004 @needs:ipv6 @needs:ipv4
  Scenario: The hash of an IPv6 address
    Given IPv6 outside and IPv4 in the protected networks
    When the tester sets up an ISAKMP SA by main mode
    Then the first NAT-D payload of the DUT's message 4 of main mode is the hash of the tester's address
    And an ISAKMP SA comes up and answers

  @NATT-D-004 @needs:control.initiate_ikev1
  Scenario: The hashes of the DUT as initiator
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the first NAT-D payload of the DUT's message 3 of main mode is the hash of the tester's address
    And an ISAKMP SA and IPsec SAs come up and answer

  @NATT-D-005 @needs:native-esp
  Scenario: One right NAT-D payload among several sources means that there is no NAT
    Given the tester names three source addresses, the last of which is right
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then an ISAKMP SA and IPsec SAs come up and answer
    And the DUT's message 6 of main mode goes from port 500 to port 500, without the non-ESP marker
    And pings come through
    And the DUT sends ESP without UDP

  @NATT-D-005 @needs:udp-encap
  Scenario: No right NAT-D payload among the sources means that there is a NAT
    Given the tester says that it is behind a NAT
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then an ISAKMP SA and IPsec SAs come up and answer
    And pings come through
    And the DUT sends ESP in UDP, on the ports of its IKE messages

  @NATT-D-006 @needs:native-esp
  Scenario: Without a NAT there is no UDP encapsulation
    When the tester sets up an ISAKMP SA and IPsec SAs by main mode
    Then an ISAKMP SA and IPsec SAs come up and answer
    And the DUT's message 6 of main mode goes from port 500 to port 500, without the non-ESP marker
    And pings come through
    And the DUT sends ESP without UDP

  @NATT-D-010 @needs:udp-encap
  Scenario: INITIAL-CONTACT of one peer behind a NAT is not for another
    Given a NAT in front of the tester
    And an ISAKMP SA and IPsec SAs
    And pings come through
    When somebody else at the same address sets up an ISAKMP SA and says INITIAL-CONTACT
    Then pings come through

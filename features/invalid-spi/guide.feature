@ikev1 @guide @needs:self
Feature: Invalid SPI recovery on the guide's two routers

  The four steps by which chapter 4 verifies its example, on its own two configurations: Router B is the DUT, Router A the
  tester. They stand here without the lines that say nothing about IPsec.

  Background:
    Given the DUT is a router with the running-config
      """
      hostname ipseca-72a
      !
      crypto isakmp policy 1
        authentication pre-share
        lifetime 180
      crypto isakmp key 0 1234 address 10.1.1.1
      crypto isakmp invalid-spi-recovery
      !
      crypto ipsec transform-set auth2 ah-sha-hmac esp-des esp-sha-hmac
      !
      crypto map testtag1 10 ipsec-isakmp
        set peer 10.1.1.1
        set transform-set auth2
        match address 150
      !
      interface FastEthernet1/0
        ip address 10.2.2.2 255.0.0.0
        no ip route-cache cef
        duplex half
        crypto map testtag1
      !
      interface FastEthernet1/1
        ip address 10.0.2.2 255.0.0.0
        no ip route-cache cef
        duplex half
      !
      ip classless
      ip route 10.0.0.0 255.0.0.0 10.2.0.1
      !
      access-list 150 permit ip host 10.0.2.2 host 10.0.0.1
      """
    And the tester is a router with the running-config
      """
      hostname ipseca-71a
      !
      crypto isakmp policy 1
        authentication pre-share
        lifetime 180
      crypto isakmp key 0 1234 address 10.2.2.2
      crypto isakmp invalid-spi-recovery
      !
      crypto ipsec transform-set auth2 ah-sha-hmac esp-des esp-sha-hmac
      !
      crypto map testtag1 10 ipsec-isakmp
        set peer 10.2.2.2
        set transform-set auth2
        match address 150
      !
      interface FastEthernet0/0
        ip address 10.1.1.1 255.0.0.0
        no ip route-cache cef
        duplex full
        speed 100
        crypto map testtag1
      !
      interface FastEthernet0/1
        ip address 10.0.0.1 255.0.0.0
        no ip route-cache cef
        duplex auto
        speed auto
      !
      ip classless
      ip route 10.3.3.3 255.0.0.0 10.2.0.1
      !
      access-list 150 permit ip host 10.0.0.1 host 10.0.2.2
      """

  @CISCO-INVSPI-003 @CISCO-INVSPI-005 @CISCO-INVSPI-007 @CISCO-INVSPI-008 @CISCO-INVSPI-009 @CISCO-INVSPI-014
  @CISCO-INVSPI-019 @CISCO-INVSPI-020 @CISCO-INVSPI-021
  Scenario: The four steps by which the guide verifies recovery
    # Step 1: initiate the IKE and IPsec SAs between Host 1 and Host 2.
    Then at most 0 of 10 pings of 100 octets are lost, each with 2 s for its answer [CISCO-INVSPI-021]
    And both routers have an SA of AH and one of ESP in each direction [CISCO-INVSPI-021]
    And both routers count as many packets sent and received as pings came back [CISCO-INVSPI-020]
    And the DUT shows its ISAKMP SAs as QM_IDLE [CISCO-INVSPI-019]
    # Step 2: clear the IKE and IPsec SAs on Router B. Router A hears of the ISAKMP SA alone.
    When "clear crypto isakmp" is typed at the DUT
    And "clear crypto sa" is typed at the DUT
    Then the DUT shows no SAs, and counters of 0 [CISCO-INVSPI-019]
    And the DUT shows its ISAKMP SAs as MM_NO_STATE (deleted) [CISCO-INVSPI-019]
    # Step 3: send traffic from Host 1 to Host 2.
    And at most 3 of 30 pings of 100 octets are lost, each with 2 s for its answer [CISCO-INVSPI-005, CISCO-INVSPI-009]
    And the DUT has begun phase 1, and told of the AH packet under it [CISCO-INVSPI-003]
    And the DUT has deleted the AH SA under it [CISCO-INVSPI-014]
    And both routers have an SA of AH and one of ESP in each direction [CISCO-INVSPI-021]
    And all SPIs are others than before [CISCO-INVSPI-019]
    And both routers count as many packets sent and received as pings came back [CISCO-INVSPI-020]
    And the DUT shows its ISAKMP SAs as QM_IDLE and MM_NO_STATE (deleted) [CISCO-INVSPI-019]
    # Step 4: check for an invalid SPI message on Router B.
    And the DUT's log tells of the AH packets on the SPI of before [CISCO-INVSPI-007, CISCO-INVSPI-008]

  @CISCO-INVSPI-001 @CISCO-INVSPI-006 @CISCO-INVSPI-007 @CISCO-INVSPI-012 @CISCO-INVSPI-023 @CISCO-INVSPI-024
  Scenario: The same without recovery is a black hole
    Given both routers are without invalid SPI recovery
    Then at most 0 of 10 pings of 100 octets are lost, each with 2 s for its answer
    When "clear crypto isakmp" is typed at the DUT
    And "clear crypto sa" is typed at the DUT
    Then all of 30 pings of 100 octets are lost, each with 2 s for its answer [CISCO-INVSPI-006]
    And the tester goes on with the SPIs of before [CISCO-INVSPI-006]
    And the DUT sends nothing and writes of all of them
    When 9 minutes pass
    Then all of 5 pings of 100 octets are lost, each with 2 s for its answer [CISCO-INVSPI-006]
    And the tester goes on with the SPIs of before [CISCO-INVSPI-006]
    And the DUT sends nothing and writes of all of them

  @CISCO-INVSPI-005 @CISCO-INVSPI-022
  Scenario: The IPsec SAs outlive the guide's ISAKMP SA of 180 seconds, and recovery begins without one
    Then at most 0 of 10 pings of 100 octets are lost, each with 2 s for its answer
    When 200 s pass
    Then the DUT shows its ISAKMP SAs as MM_NO_STATE (deleted) [CISCO-INVSPI-022]
    And at most 0 of 10 pings of 100 octets are lost, each with 2 s for its answer [CISCO-INVSPI-022]
    When "clear crypto sa" is typed at the DUT
    Then at most 3 of 30 pings of 100 octets are lost, each with 2 s for its answer [CISCO-INVSPI-005]
    And all SPIs are others than before [CISCO-INVSPI-005]

  @CISCO-INVSPI-004 @CISCO-INVSPI-005 @CISCO-INVSPI-020
  Scenario: The DUT as the one who sends on a dead SPI
    When "ping 10.0.0.1 source 10.0.2.2 repeat 10 size 100 timeout 2" is typed at the DUT
    Then at least 10 of the DUT's 10 pings come to the tester's host within 20 s
    And the DUT shows that it has sent and received 10 packets under them, and so does the tester [CISCO-INVSPI-020]
    When the tester has lost its SAs
    And "ping 10.0.0.1 source 10.0.2.2 repeat 30 size 100 timeout 2" is typed at the DUT
    Then at least 27 of the DUT's 30 pings come to the tester's host within 60 s
    And all SPIs are others than before

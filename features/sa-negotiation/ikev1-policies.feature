# Guide, chapter 10 "IPv6 Virtual Tunnel Interface", on ISAKMP policies: their priorities and lifetimes.
@ikev1 @needs:ikev1-main @needs:self
Feature: Policies of the guide

  @CISCO-V6VTI-003
  Scenario Outline: A lifetime <relation> that of the policy is a match
    Given the DUT has the policy aes128-sha1-modp2048 with a lifetime of 3600 seconds
    When the tester offers the policy aes128-sha1-modp2048 with a lifetime of <seconds> seconds
    Then an ISAKMP SA comes up and answers

    Examples:
      | relation   | seconds |
      | below      | 600     |
      | equal to   | 3600    |

  @CISCO-V6VTI-003
  Scenario: A lifetime above that of the policy is no match
    Given the DUT has the policy aes128-sha1-modp2048 with a lifetime of 3600 seconds
    When the tester offers the policy aes128-sha1-modp2048 with a lifetime of 3601 seconds
    Then the DUT makes no ISAKMP SA of it

  @CISCO-V6VTI-003 @slow
  Scenario: The shorter lifetime is used
    Given the DUT has the policy aes128-sha1-modp2048 with a lifetime of 3600 seconds
    When the tester offers the policy aes128-sha1-modp2048 with a lifetime of 600 seconds
    And an ISAKMP SA has come up
    And so much time passes, and the tester says nothing
    Then the DUT has ended this ISAKMP SA

  @CISCO-V6VTI-003
  Scenario Outline: Another <element> is no match
    Given the DUT has the policy aes128-sha1-modp2048 with a lifetime of 3600 seconds
    When the tester offers the policy <policy> with a lifetime of 3600 seconds
    Then the DUT makes no ISAKMP SA of it

    Examples:
      | element       | policy                 |
      | cipher        | 3des-sha1-modp2048     |
      | key length    | aes256-sha1-modp2048   |
      | hash          | aes128-sha256-modp2048 |
      | group         | aes128-sha1-modp1536   |

  @CISCO-V6VTI-003 @CISCO-V6VTI-008
  Scenario Outline: Another method of authentication is no match: <method>
    When the tester offers in phase 1
      | transform      |
      | first auth=<n> |
    Then the DUT makes no ISAKMP SA of it
    And a proper main mode is answered

    Examples:
      | method         | n |
      | RSA signatures | 3 |
      | RSA encryption | 4 |

  @CISCO-V6VTI-004
  Scenario: The order of the DUT's priorities decides, not that of the offer
    Given the DUT has the policies 3des-sha1-modp1024 with priority 20 and aes128-sha1-modp2048 with priority 10
    When the tester offers the policies 3des-sha1-modp1024 and aes128-sha1-modp2048, in this order
    Then the DUT chooses transform 2 in main mode
    And an ISAKMP SA comes up and answers

  @CISCO-V6VTI-004
  Scenario: The priorities of the DUT's policies decide, not their order in the configuration
    Given the DUT has the policies 3des-sha1-modp1024 with priority 5 and aes128-sha1-modp2048 with priority 10
    When the tester offers the policies aes128-sha1-modp2048 and 3des-sha1-modp1024, in this order
    Then the DUT chooses transform 2 in main mode
    And an ISAKMP SA comes up and answers

  @CISCO-V6VTI-005
  Scenario: The DUT offers all its policies but those that lack what they need
    Given the DUT has three policies, the second of which is for RSA signatures
    When the DUT is told to set up an ISAKMP SA by main mode
    Then the DUT offers its first policy and its third

  @CISCO-V6VTI-006
  Scenario: Without a match the negotiation is refused
    Given the DUT has the policy aes128-sha1-modp2048 with a lifetime of 3600 seconds
    When the tester offers the policies 3des-sha1-modp1024 and aes256-sha256-modp2048, in this order
    Then the DUT makes no ISAKMP SA of it

  @CISCO-V6VTI-013
  Scenario Outline: The combination <policy>
    Given the DUT has the policy <policy> with a lifetime of 43200 seconds
    When the tester offers the policy <policy> with a lifetime of 43200 seconds
    Then an ISAKMP SA comes up and answers

    Examples:
      | policy               |
      | des-md5-modp768      |
      | des-sha1-modp768     |
      | 3des-md5-modp1024    |
      | 3des-sha1-modp1536   |
      | aes128-md5-modp1536  |
      | aes192-sha1-modp1024 |
      | aes256-sha1-modp1536 |

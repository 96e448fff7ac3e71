@esp @needs:tunnel @needs:inside
Feature: DSCP and ECN of the outer header

  @ECN-001
  Scenario Outline: The DSCP is copied to the outer header, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    Then the DUT copies all 64 DSCP values to the outer header

    Examples:
      | outer | inner |
      | IPv4  | IPv4  |
      | IPv4  | IPv6  |

  @ECN-001 @V6-008 @needs:ipv6
  Scenario Outline: The DSCP is copied to the outer IPv6 header, with <inner> inside
    Given IPv6 outside and <inner> in the protected networks
    And a pair of SAs
    Then the DUT copies all 64 DSCP values to the outer header

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

  @ECN-002
  Scenario Outline: The ECN field is copied to the outer header, <outer> outside and <inner> inside
    Given <outer> outside and <inner> in the protected networks
    And a pair of SAs
    Then the DUT copies all four ECN codepoints to the outer header

    Examples:
      | outer | inner |
      | IPv4  | IPv4  |
      | IPv4  | IPv6  |

  @ECN-002 @V6-008 @needs:ipv6
  Scenario Outline: The ECN field is copied to the outer IPv6 header, with <inner> inside
    Given IPv6 outside and <inner> in the protected networks
    And a pair of SAs
    Then the DUT copies all four ECN codepoints to the outer header

    Examples:
      | inner |
      | IPv4  |
      | IPv6  |

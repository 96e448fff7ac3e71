@ipsec @needs:inside
Feature: The DF bit of the outer header in tunnel mode

  @DF-001 @CISCO-DF-001
  Scenario Outline: The DF bit is copied with <proposal>
    Given the DUT's DF bit is copy
    And a pair of SAs of <proposal>
    Then the outer DF bit is copied from the inner

    Examples:
      | proposal         |
      | aes128-sha256    |
      | aes128gcm16      |
      | null-sha256      |
      | sha256           |
      | sha1+aes128-sha1 |

  @DF-002 @CISCO-DF-001
  Scenario Outline: The DF bit is cleared with <proposal>
    Given the DUT's DF bit is clear
    And a pair of SAs of <proposal>
    Then the outer DF bit is clear

    Examples:
      | proposal         |
      | aes128-sha256    |
      | aes128gcm16      |
      | null-sha256      |
      | sha256           |
      | sha1+aes128-sha1 |

  @DF-003 @CISCO-DF-001 @CISCO-DF-003
  Scenario Outline: The DF bit is set with <proposal>
    Given the DUT's DF bit is set
    And a pair of SAs of <proposal>
    Then the outer DF bit is set

    Examples:
      | proposal         |
      | aes128-sha256    |
      | aes128gcm16      |
      | null-sha256      |
      | sha256           |
      | sha1+aes128-sha1 |

  @DF-001 @DF-002 @DF-003
  Scenario Outline: Encapsulation in UDP changes nothing of it: <df>
    Given the DUT's DF bit is <df>
    And the SAs are to be in UDP
    And a pair of SAs of aes128-sha256
    Then the outer DF bit is <outcome>

    Examples:
      | df    | outcome               |
      | copy  | copied from the inner |
      | clear | clear                 |
      | set   | set                   |

  @CISCO-DF-001 @CISCO-DF-003
  Scenario Outline: What fits has the same DF bit with pre-fragmentation <pre>: <df>
    Given pre-fragmentation is <pre>
    And the DUT's DF bit is <df>
    And a pair of SAs
    Then the outer DF bit is <outcome>

    Examples:
      | pre | df    | outcome               |
      | on  | copy  | copied from the inner |
      | on  | clear | clear                 |
      | on  | set   | set                   |
      | off | copy  | copied from the inner |
      | off | clear | clear                 |
      | off | set   | set                   |

  @DF-004 @needs:claim.df-bit-per-sa @needs:ikev2
  Scenario Outline: Each SA has a treatment of its own: <udp> and <icmp>
    Given a pair of SAs with the DF bit <udp> for UDP, and one with the DF bit <icmp> for ICMP
    Then the outer DF bit is <udp> for UDP and <icmp> for ICMP

    Examples:
      | udp   | icmp  |
      | set   | clear |
      | clear | set   |
      | copy  | clear |

  @DF-005
  Scenario Outline: The outer DF bit stays outside with <proposal>
    Given a pair of SAs of <proposal>
    Then the inner DF bit comes out as it went in

    Examples:
      | proposal      |
      | aes128-sha256 |
      | aes128gcm16   |
      | sha256        |

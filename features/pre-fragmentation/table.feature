# Each row with several transforms, at one octet less than fits, at what fits, at one octet more, and at the MTU itself.
@ipsec @needs:inside @needs:claim.pre-fragmentation
Feature: The guide's table of pre-fragmentation

  @CISCO-PREFRAG-001 @CISCO-PREFRAG-002
  Scenario Outline: Rows 1 and 2, pre-fragmentation on and df-bit clear: <proposal> <how>
    Given pre-fragmentation is on
    And the DUT's DF bit is clear
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then packets without DF that do not fit are fragmented before encryption [CISCO-PREFRAG-001]
    And packets with DF that do not fit are fragmented before encryption [CISCO-PREFRAG-002]

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |
      | aes128gcm16      | in UDP         |
      | null-sha256      | in UDP         |

  @CISCO-PREFRAG-003 @CISCO-PREFRAG-004
  Scenario Outline: Rows 3 and 4, pre-fragmentation off and df-bit clear: <proposal> <how>
    Given pre-fragmentation is off
    And the DUT's DF bit is clear
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then packets without DF that do not fit are fragmented after encryption [CISCO-PREFRAG-003]
    And packets with DF that do not fit are fragmented after encryption [CISCO-PREFRAG-004]

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |
      | aes128gcm16      | in UDP         |
      | null-sha256      | in UDP         |

  @CISCO-PREFRAG-005 @CISCO-PREFRAG-006
  Scenario Outline: Rows 5 and 6, pre-fragmentation on and df-bit set: <proposal> <how>
    Given pre-fragmentation is on
    And the DUT's DF bit is set
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then packets without DF that do not fit are fragmented before encryption [CISCO-PREFRAG-005]
    And packets with DF that do not fit are dropped [CISCO-PREFRAG-006]

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |
      | aes128gcm16      | in UDP         |
      | null-sha256      | in UDP         |

  @CISCO-PREFRAG-007 @CISCO-PREFRAG-008
  Scenario Outline: Rows 7 and 8, pre-fragmentation off and df-bit set: <proposal> <how>
    Given pre-fragmentation is off
    And the DUT's DF bit is set
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then packets without DF that do not fit are fragmented after encryption [CISCO-PREFRAG-007]
    And packets with DF that do not fit are dropped [CISCO-PREFRAG-008]

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |
      | aes128gcm16      | in UDP         |
      | null-sha256      | in UDP         |

  @CISCO-PREFRAG-009 @CISCO-PREFRAG-010
  Scenario Outline: Rows 9 and 10, pre-fragmentation on and df-bit copy: <proposal> <how>
    Given pre-fragmentation is on
    And the DUT's DF bit is copy
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then packets without DF that do not fit are fragmented before encryption [CISCO-PREFRAG-009]
    And packets with DF that do not fit are dropped [CISCO-PREFRAG-010]

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |
      | aes128gcm16      | in UDP         |
      | null-sha256      | in UDP         |

  @CISCO-PREFRAG-011 @CISCO-PREFRAG-012
  Scenario Outline: Rows 11 and 12, pre-fragmentation off and df-bit copy: <proposal> <how>
    Given pre-fragmentation is off
    And the DUT's DF bit is copy
    And the SAs are to be <how>
    And a pair of SAs of <proposal>
    Then packets without DF that do not fit are fragmented after encryption [CISCO-PREFRAG-011]
    And packets with DF that do not fit are dropped [CISCO-PREFRAG-012]

    Examples:
      | proposal         | how            |
      | aes128-sha256    | in tunnel mode |
      | aes128gcm16      | in tunnel mode |
      | null-sha256      | in tunnel mode |
      | sha256           | in tunnel mode |
      | sha1+aes128-sha1 | in tunnel mode |
      | aes128-sha256    | in UDP         |
      | aes128gcm16      | in UDP         |
      | null-sha256      | in UDP         |

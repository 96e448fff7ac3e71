@ipsec @needs:inside
Feature: The guide's override of the DF bit

  @CISCO-DF-002 @needs:claim.df-bit-override
  Scenario Outline: With clear, packets with DF are fragmented: pre-fragmentation <pre>, <proposal>
    Given pre-fragmentation is <pre>
    And the DUT's DF bit is clear
    And a pair of SAs of <proposal>
    Then packets with DF that do not fit are fragmented

    Examples:
      | pre | proposal      |
      | on  | aes128-sha256 |
      | off | aes128-sha256 |
      | on  | aes128gcm16   |
      | off | aes128gcm16   |

  @CISCO-DF-004 @needs:claim.df-bit-override
  Scenario: The setting of an interface overrides the global one
    Given a pair of SAs
    Then the setting of the outside overrides the global one

  # The guide's sentence on its example has it the other way round; table 2 of its chapter 3 decides.
  @CISCO-DF-004 @CISCO-DF-007 @needs:claim.df-bit-override
  Scenario: The guide's example: clear globally, copy on one interface
    Given the DUT's DF bit is clear globally and copy on its outside
    And a pair of SAs
    Then the outer DF bit is copied from the inner
    And packets with DF that do not fit go no further

  @CISCO-DF-007 @needs:claim.df-bit-override
  Scenario: The guide's example on all other interfaces: clear
    Given the DUT's DF bit is clear
    And a pair of SAs
    Then the outer DF bit is clear
    And packets with DF that do not fit are fragmented

  @CISCO-DF-005 @needs:transport
  Scenario Outline: Transport mode is not affected: <df>
    Given the DUT answers pings in the clear
    And the DUT's DF bit is <df>
    And the SAs are to be in transport mode
    And a pair of SAs
    Then the DUT's own packets keep their DF bit in transport mode

    Examples:
      | df    |
      | copy  |
      | set   |
      | clear |

@ikev2 @needs:ikev2
Feature: Key exchange values of IKEv2

  @IKE-DH-003
  Scenario: A KE payload of a group that is not acceptable is answered by the group that is
    When the tester offers the groups of its suite and MODP-4096, with a KE payload of the latter
    Then the DUT demands the group of the suite
    And a proper IKE_SA_INIT request is answered

  @IKE-DH-007
  Scenario Outline: The MODP public value <value> is refused
    When the tester sends the MODP public value <value>
    Then the DUT derives no keys from it
    And a proper IKE_SA_INIT request is answered

    Examples:
      | value |
      | 0     |
      | 1     |
      | p-1   |
      | p     |
      | p+1   |

  @IKE-DH-008
  Scenario Outline: A P-256 public value <fault> is refused
    When the tester sends a P-256 public value <fault>
    Then the DUT derives no keys from it
    And a proper IKE_SA_INIT request is answered

    Examples:
      | fault               |
      | off the curve       |
      | of zeros            |
      | with x beyond p     |

  @IKE-DH-004 @needs:control.initiate
  Scenario: The DUT offers all it has again when another group is demanded
    Given the tester accepts the suite aes128-sha256-ecp256 alone
    When the DUT begins an IKE SA and a Child SA
    Then it repeats its whole offer with a KE payload of group 19

  @IKE-DH-005 @needs:control.initiate
  Scenario: The DUT does not follow a demand for a group that it never offered
    Given the tester demands group 15
    When the DUT begins an IKE SA and a Child SA
    Then it sends no KE payload of group 15
    And a proper IKE_SA_INIT request is answered

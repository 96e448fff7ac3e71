@ikev2 @needs:control.initiate @needs:ikev2
Feature: The DUT as initiator of a negotiation

  @IKE2-SA-009 @IKE2-SA-010 @IKE2-SA-012 @IKE2-SA-014 @IKE2-SA-030
  Scenario: What the DUT offers
    When the DUT begins an IKE SA
    Then the DUT numbers its proposals for the IKE SA from 1 [IKE2-SA-010]
    And the DUT sends SPIs of 0 octets for the IKE SA [IKE2-SA-009]
    And the DUT gives key lengths for the IKE SA to ciphers of variable length alone [IKE2-SA-012]
    And the DUT offers no integrity algorithm for the IKE SA beside AEAD ciphers [IKE2-SA-014]
    And the DUT leaves NONE out of its offer for the IKE SA [IKE2-SA-030]
    And the DUT numbers its proposals for the Child SA from 1 [IKE2-SA-010]
    And the DUT sends SPIs of 4 octets for the Child SA [IKE2-SA-009]
    And the DUT gives key lengths for the Child SA to ciphers of variable length alone [IKE2-SA-012]
    And the DUT offers no integrity algorithm for the Child SA beside AEAD ciphers [IKE2-SA-014]
    And the DUT leaves NONE out of its offer for the Child SA [IKE2-SA-030]

  @IKE2-SA-013
  Scenario Outline: An answer for the IKE SA <fault> ends the attempt
    Given the tester answers IKE offers <fault>
    When the DUT begins an IKE SA
    Then the DUT does not go on to IKE_AUTH
    And a proper IKE_SA_INIT request is answered

    Examples:
      | fault                                 |
      | with a transform that was not offered |
      | with another key length               |
      | with two proposals                    |
      | without a transform type              |

  @IKE2-SA-013 @needs:inside
  Scenario Outline: An answer for the Child SA <fault> carries no traffic
    Given the tester answers Child offers <fault>
    When the DUT begins an IKE SA
    Then the DUT sends no ESP when its host pings
    And a proper IKE_SA_INIT request is answered

    Examples:
      | fault                                 |
      | with a transform that was not offered |
      | with another key length               |
      | with two proposals                    |

//! Authentication of phase 1 by a pre-shared key (RFC 2409 section 5; RFC 2407 sections 4.2.1 and 4.6.2).

use super::isakmp::message;
use super::isakmp_header::begin_edited;
use crate::run::{StepError, StepResult, Steps};
use crate::testbed::{PortNat, Testbed, WhichIsakmp};
use ipnet::IpNet;
use reference_peer::config::isakmp::{KeyOwner, Keyring, Phase1, PreSharedKey};
use reference_peer::config::{Identity, Secret};
use wire::ikev1::{Body, Content, ExchangeType, Transform};

/// What the NAT makes of the tester's ports.
const NAT: PortNat = PortNat { ike: 62_050, natt: 62_450 };
/// Where nobody is (RFC 5737).
const ELSEWHERE: &str = "203.0.113.0/24";
/// A key that the tester does not have.
const OTHER_KEY: &str = "the key of somebody else";

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the DUT has the key of somebody at another address first", |testbed, _| {
        let elsewhere: IpNet = ELSEWHERE.parse().map_err(StepError::testbed)?;
        change_keys(testbed, move |keyring| {
            let other = PreSharedKey { peer: KeyOwner::Net(elsewhere), secret: Secret::new(OTHER_KEY) };
            keyring.keys.insert(0, other);
        })
    });
    steps.given(
        "the DUT has the tester's key for {word} and another one for {word} and all addresses",
        |testbed, step| {
            let own = KeyOwner::Host(step.arg_text(0)?.to_owned());
            let other = KeyOwner::Host(step.arg_text(1)?.to_owned());
            change_keys(testbed, move |keyring| {
                let secret = keyring.keys.first().map(|key| key.secret.clone());
                let all = Keyring::shared(Secret::new(OTHER_KEY)).keys;
                let named = secret.map(|secret| PreSharedKey { peer: own.clone(), secret });
                let other = PreSharedKey { peer: other.clone(), secret: Secret::new(OTHER_KEY) };
                keyring.keys = all.into_iter().chain(named).chain([other]).collect();
            })
        },
    );
    steps.given("the tester says by IKEv1 that it is {word}", |testbed, step| {
        let identity: Identity = step.arg(0)?;
        testbed.reconfigure_isakmp(|connection| connection.local_id = identity);
        Ok(())
    });
    steps.given("the tester of IKEv1 is behind a NAT", |testbed, _| {
        testbed.put_nat(NAT);
        Ok(())
    });

    steps.when("the tester's offer of main mode is changed on its way", |testbed, _| {
        // The hashes of the tester are computed over what it has offered.
        testbed.edits.isakmp_protected(WhichIsakmp::message(ExchangeType::MAIN, 1), |message| {
            let Content::Clear(payloads) = &mut message.content else { return };
            for payload in payloads {
                let Body::SecurityAssociation(sa) = &mut payload.body else { continue };
                for proposal in &mut sa.proposals {
                    let number = proposal.transforms.len() as u8 + 1;
                    let again = proposal.transforms.first().cloned();
                    proposal.transforms.extend(again.map(|first| Transform { number, ..first }));
                }
            }
        });
        testbed.begin_stimulus();
        testbed.begin_phase1(Phase1::Main)
    });
    steps.when("the tester sends message 5 of main mode with a bit of its hash flipped", |testbed, _| {
        begin_edited(testbed, Phase1::Main, 5, |draft| draft.flip_hash = true)
    });
    steps.when("the tester sends message 5 of main mode without its identity", |testbed, _| {
        begin_edited(testbed, Phase1::Main, 5, |draft| {
            draft.payloads.retain(|payload| !matches!(payload.body, Body::Identification(_)));
        })
    });
    steps.when(
        "the tester sends message 5 of main mode with protocol {int} and port {int} in its identity",
        |testbed, step| {
            let (protocol, port): (u8, u16) = (step.arg(0)?, step.arg(1)?);
            begin_edited(testbed, Phase1::Main, 5, move |draft| {
                for payload in &mut draft.payloads {
                    if let Body::Identification(id) = &mut payload.body {
                        (id.protocol, id.port) = (protocol, port);
                    }
                }
            })
        },
    );

    steps.then("the DUT's identity in message {int} of main mode names no port", |testbed, step| {
        let number = step.arg(0)?;
        let isakmp = message(testbed, step, ExchangeType::MAIN, number)?;
        let summary = isakmp.summary();
        let id = isakmp.identities().first().map(|id| (id.protocol, id.port));
        match id {
            Some((_, 0)) => Ok(()),
            Some((protocol, port)) => Err(StepError::failed("port 0", format!("protocol {protocol}, port {port}"))),
            None => Err(StepError::failed("an ID payload", summary)),
        }
    });
}

fn change_keys(testbed: &mut Testbed, mut change: impl FnMut(&mut Keyring)) -> StepResult {
    testbed.reconfigure_dut(|config| {
        config.isakmp.connections.iter_mut().for_each(|connection| change(&mut connection.keyring));
    })
}

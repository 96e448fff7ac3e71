//! Authentication with a pre-shared key (RFC 7296 sections 2.15 and 2.21.2).

use super::common::{instead, judge};
use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Testbed, Which};
use reference_peer::config::{Connection, CookiePolicy, Identity, IkeProposal, Secret};
use reference_peer::gateway::Event;
use reference_peer::hands::Draft;
use reference_peer::ike::v2::IkeKeys;
use std::sync::PoisonError;
use wire::ikev2::{self, AuthMethod, Body, ExchangeType, Flags, Header, IdType, NotifyType, Payload, PayloadType};

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    requests(steps);
    responses(steps);
}

// ---- The tester proves who it is ----

fn requests(steps: &mut Steps<Testbed>) {
    steps.when("the tester sends AUTH of a secret that differs in its last octet", |testbed, _| {
        authenticate(testbed, |claim| {
            if let Some(last) = claim.psk.last_mut() {
                *last ^= 0x01;
            }
        })
    });
    steps.when("the tester sends AUTH without its last octet", |testbed, _| {
        authenticate(testbed, |claim| claim.keep = claim.keep.min(claim.length - 1))
    });
    steps.when("the tester sends an empty AUTH value", |testbed, _| authenticate(testbed, |claim| claim.keep = 0));
    steps.when("the tester sends AUTH without the DUT's nonce", |testbed, _| {
        authenticate(testbed, |claim| claim.nonce.clear())
    });
    steps.when("the tester sends AUTH for another identity", |testbed, _| {
        authenticate(testbed, |claim| {
            if let Some(last) = claim.id.last_mut() {
                *last ^= 0x01;
            }
        })
    });
    steps.when("the tester sends AUTH of the right secret with method {int}", |testbed, step| {
        let method = step.arg(0)?;
        authenticate(testbed, move |claim| claim.method = AuthMethod(method))
    });
    steps.when("the tester sends NULL authentication", |testbed, _| {
        authenticate(testbed, |claim| {
            // RFC 7619 section 2.1: SK_pi takes the place of the shared secret.
            claim.method = AuthMethod(13);
            claim.psk.clone_from(&claim.sk_pi);
        })
    });
    steps.when("the tester authenticates itself with RESERVED octets in its identity", |testbed, _| {
        testbed.edits.message(Which::request(ExchangeType::IKE_AUTH), |draft| {
            for payload in draft.inner.iter_mut().flatten() {
                if let Body::IdInitiator(id) = &mut payload.body {
                    id.reserved = [0xff; 3];
                }
            }
        });
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
    steps.when("the tester authenticates itself", |testbed, _| {
        testbed.edits.clear();
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
    steps.then("the DUT answers AUTHENTICATION_FAILED", |testbed, step| {
        let answer = auth_answer(testbed, step)?;
        match answer.notify(NotifyType::AUTHENTICATION_FAILED) {
            Some(_) => Ok(()),
            None => Err(StepError::failed("N(AUTHENTICATION_FAILED)", answer.summary())),
        }
    });
    steps.then("the DUT refuses the authentication", |testbed, step| {
        let answer = auth_answer(testbed, step)?;
        let is_error = answer.notifies().any(|notify| notify.notify_type.is_error());
        match is_error && answer.payload(PayloadType::AUTHENTICATION).is_none() {
            true => Ok(()),
            false => Err(StepError::failed("an error notify and no AUTH", answer.summary())),
        }
    });
    steps.then("the failure is encrypted and says no more", |testbed, step| {
        let answer = auth_answer(testbed, step)?;
        let telling = [PayloadType::ID_RESPONDER, PayloadType::AUTHENTICATION, PayloadType::SECURITY_ASSOCIATION];
        if answer.protected && telling.iter().all(|kind| answer.payload(*kind).is_none()) {
            return Ok(());
        }
        Err(StepError::failed("SK{N(AUTHENTICATION_FAILED)} without IDr, AUTH and SA", answer.summary()))
    });
    steps.then("the DUT has no such IKE SA", is_gone);
    steps.then("an IKE SA and a Child SA come up", |testbed, _| {
        let limit = testbed.answer_limit() * 2;
        let since = testbed.since();
        let up =
            testbed.await_ike(since, limit, |ike| is_auth(ike) && ike.payload(PayloadType::TS_RESPONDER).is_some())?;
        match up {
            Some(_) => Ok(()),
            None => Err(StepError::failed("SK{IDr AUTH SA TSi TSr}", instead(testbed))),
        }
    });
    steps.then("the same with a right AUTH is accepted", |testbed, _| {
        testbed.edits.clear();
        testbed.begin_stimulus();
        testbed.establish().map_err(|error| match error {
            StepError::Inconclusive(why) => StepError::failed("an IKE SA and a Child SA", why),
            other => other,
        })
    });
}

/// What AUTH is made of, to be falsified.
struct Claim {
    method: AuthMethod,
    psk: Vec<u8>,
    sk_pi: Vec<u8>,
    nonce: Vec<u8>,
    /// The identity that AUTH is computed for, from its type on.
    id: Vec<u8>,
    /// Octets of the value.
    length: usize,
    /// How many of them are sent.
    keep: usize,
}

/// Sends the tester's IKE_AUTH request with another AUTH payload: IKE_SA_INIT is honest, and so is all else.
fn authenticate(testbed: &mut Testbed, falsify: impl Fn(&mut Claim)) -> StepResult {
    let caught = testbed.edits.catch(Which::request(ExchangeType::IKE_AUTH));
    let begin = testbed.mark();
    testbed.begin_ike_sa()?;
    let limit = testbed.answer_limit();
    let held = caught.clone();
    let ready = testbed.await_state(limit, |_| held.lock().unwrap_or_else(PoisonError::into_inner).is_some())?;
    let draft = caught.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(draft) = draft.filter(|_| ready) else {
        return Err(StepError::inconclusive(format!("no IKE_SA_INIT response to go on from within {limit:?}")));
    };
    let keys = testbed.ike_keys()?;
    let messages = || testbed.seen().get(begin..).unwrap_or_default().iter().rev();
    let of_init = |ike: &&SeenIke| ike.header.is_some_and(|header| header.exchange_type == ExchangeType::IKE_SA_INIT);
    let request = messages().filter(|seen| !seen.from_dut).filter_map(Seen::ike).find(of_init);
    let response = messages().filter(|seen| seen.from_dut).filter_map(Seen::ike).find(of_init);
    let nonce = response.and_then(|ike| ike.payload(PayloadType::NONCE)).map(|payload| &payload.body);
    let (Some(request), Some(Body::Nonce(nonce))) = (request, nonce) else {
        return Err(StepError::testbed("IKE_SA_INIT was not seen"));
    };
    let mut payloads = draft.inner.unwrap_or_default();
    let id = payloads.iter().find(|payload| payload.body.payload_type() == PayloadType::ID_INITIATOR);
    let mut claim = Claim {
        method: AuthMethod::SHARED_KEY_MIC,
        psk: testbed.profile().ike().psk.expose().to_vec(),
        sk_pi: keys.sk_pi.clone(),
        nonce: nonce.clone(),
        id: id.map(id_octets).unwrap_or_default(),
        length: keys.sk_pi.len(),
        keep: usize::MAX,
    };
    falsify(&mut claim);
    let mut data = keys.psk_auth(true, &claim.psk, &request.octets, &claim.nonce, &claim.id);
    data.truncate(claim.keep);
    for payload in &mut payloads {
        if let Body::Authentication(auth) = &mut payload.body {
            auth.method = claim.method;
            auth.data.clone_from(&data);
        }
    }
    testbed.begin_stimulus();
    let path = testbed.ike_path();
    let message = testbed.protect(draft.header, payloads, |_| {})?;
    testbed.send_ike(path, &message.to_bytes())
}

/// The octets of an ID payload that AUTH covers: all after the generic header (section 2.15).
fn id_octets(payload: &Payload) -> Vec<u8> {
    let mut octets = Vec::new();
    ikev2::emit_chain(std::slice::from_ref(payload), PayloadType::NONE, &mut octets);
    octets.split_off(octets.len().min(4))
}

fn is_auth(ike: &SeenIke) -> bool {
    ike.is_response() && ike.header.is_some_and(|header| header.exchange_type == ExchangeType::IKE_AUTH)
}

fn auth_answer<'a>(testbed: &'a mut Testbed, step: &mut Step) -> Result<&'a SeenIke, StepError> {
    let (since, limit) = (testbed.since(), testbed.answer_limit());
    let found = testbed.await_ike(since, limit, is_auth)?;
    judge(testbed, step, found, || format!("an IKE_AUTH response within {limit:?}"))
}

/// No protected answer comes to an empty INFORMATIONAL request under the newest keys. An INVALID_IKE_SPI in the clear
/// says the same as silence.
fn is_gone(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let keys: IkeKeys = testbed.ike_keys()?;
    let mark = testbed.mark();
    let silence = testbed.silence();
    let initiator = we_began(testbed, &keys);
    // The next request of ours that the DUT would expect.
    let message_id = if initiator { 2 } else { 0 };
    let flags = Flags::new(initiator, false);
    let header = Header::new(keys.spis, ExchangeType::INFORMATIONAL, flags, message_id);
    let path = testbed.ike_path();
    let message = testbed.protect(header, Vec::new(), |_: &mut Draft| {})?;
    testbed.send_ike(path, &message.to_bytes())?;
    let found = testbed.await_ike(mark, silence, |ike| {
        let same = |header: Header| {
            header.message_id == message_id && (header.initiator_spi, header.responder_spi) == keys.spis
        };
        ike.is_response() && ike.protected && ike.header.is_some_and(same)
    })?;
    match found.and_then(|index| testbed.seen().get(index)) {
        None => {
            step.observed("no protected answer");
            Ok(())
        }
        Some(seen) => Err(StepError::failed(format!("no answer under these keys for {silence:?}"), seen.summary())),
    }
}

fn we_began(testbed: &Testbed, keys: &IkeKeys) -> bool {
    testbed.seen().iter().filter(|seen| !seen.from_dut).filter_map(Seen::ike).any(|ike| {
        ike.header.is_some_and(|header| {
            header.initiator_spi == keys.spis.0 && header.flags.initiator() && !header.flags.response()
        })
    })
}

// ---- The DUT asks for proof ----

fn responses(steps: &mut Steps<Testbed>) {
    steps.given("the DUT has a name", |testbed, _| {
        if matches!(testbed.plan().dut_id, Identity::Fqdn(_)) {
            return Ok(());
        }
        let name: Identity = "dut.example".parse().map_err(StepError::testbed)?;
        change_dut(testbed, move |connections| {
            connections.iter_mut().for_each(|connection| connection.local_id = name.clone());
        })
    });
    steps.given("the DUT knows the tester as {word} alone", |testbed, step| {
        let name: Identity = step.arg(0)?;
        change_dut(testbed, move |connections| {
            connections.iter_mut().for_each(|connection| connection.remote_id = Some(name.clone()));
        })
    });
    steps.given("the DUT knows {word} by another secret", |testbed, step| {
        let name: Identity = step.arg(0)?;
        change_dut(testbed, move |connections| {
            if let Some(mut other) = connections.first().cloned() {
                "other".clone_into(&mut other.name);
                other.remote_id = Some(name.clone());
                other.psk = Secret::new(*b"another secret of another peer");
                connections.push(other);
            }
        })
    });
    steps.when("the tester authenticates itself as {word}", |testbed, step| {
        let name: Identity = step.arg(0)?;
        testbed.reconfigure_tester(|config| {
            config.ike.connections.iter_mut().for_each(|connection| connection.local_id = name.clone());
        });
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
    steps.when("the tester authenticates itself as {word} and a zero octet", |testbed, step| {
        let name: Identity = step.arg(0)?;
        testbed.reconfigure_tester(|config| {
            config.ike.connections.iter_mut().for_each(|connection| connection.local_id = name.clone());
        });
        testbed.edits.message(Which::request(ExchangeType::IKE_AUTH), |draft| {
            for payload in draft.inner.iter_mut().flatten() {
                if let Body::IdInitiator(id) = &mut payload.body {
                    id.data.push(0);
                }
            }
        });
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
    steps.when("the tester begins on port {int}", |testbed, step| {
        let port = step.arg(0)?;
        testbed.reconfigure_tester(|config| {
            config.ike.connections.iter_mut().for_each(|connection| connection.port = port);
        });
        testbed.begin_stimulus();
        testbed.begin_ike_sa()
    });
    steps.given("the tester demands a cookie", |testbed, _| {
        testbed.reconfigure_tester(|config| config.ike.cookies = CookiePolicy::Always);
        Ok(())
    });
    steps.given("the tester accepts the suite {word} alone", |testbed, step| {
        let suite: IkeProposal = step.arg(0)?;
        if !testbed.profile().ike().proposals.contains(&suite) {
            return Err(StepError::not_applicable(format!("the profile lacks {}", step.arg_text(0)?)));
        }
        testbed.reconfigure_tester(|config| {
            config.ike.connections.iter_mut().for_each(|connection| connection.ike_proposals = vec![suite.clone()]);
        });
        Ok(())
    });
    steps.when("the DUT begins an IKE SA and a Child SA", |testbed, _| {
        testbed.begin_stimulus();
        testbed.control(Hook::Initiate)?;
        Ok(())
    });
    steps.then("it has been sent {int} IKE_SA_INIT response(s) and goes on to a Child SA", |testbed, step| {
        let wanted: usize = step.arg(0)?;
        let limit = testbed.answer_limit() * 3;
        let up = testbed.await_event(0, limit, |event| matches!(event, Event::ChildInstalled(_)))?;
        let sent = testbed.seen().iter().filter(|seen| !seen.from_dut).filter_map(Seen::ike).filter(|ike| {
            ike.is_response() && ike.header.is_some_and(|header| header.exchange_type == ExchangeType::IKE_SA_INIT)
        });
        let sent = sent.count();
        step.observed(format!("{sent} IKE_SA_INIT responses"));
        if sent < wanted {
            return Err(StepError::inconclusive(format!("only {sent} IKE_SA_INIT responses were sent")));
        }
        // The tester installs it only when it has found AUTH right.
        match up {
            Some(_) => Ok(()),
            None => {
                Err(StepError::failed(format!("AUTH over the latest IKE_SA_INIT within {limit:?}"), instead(testbed)))
            }
        }
    });
    steps.given("the tester answers IKE_AUTH with a wrong AUTH value", |testbed, _| {
        testbed.edits.message(Which::response(ExchangeType::IKE_AUTH), |draft| {
            draft.repair_auth = false;
            for payload in draft.inner.iter_mut().flatten() {
                if let Body::Authentication(auth) = &mut payload.body {
                    auth.data = vec![0x5a; 32];
                }
            }
        });
        Ok(())
    });
    steps.then("the DUT's name has no terminating zero", |testbed, step| {
        let answer = auth_answer(testbed, step)?;
        match answer.payload(PayloadType::ID_RESPONDER).map(|payload| &payload.body) {
            Some(Body::IdResponder(id)) if id.id_type == IdType::FQDN && id.data.last() == Some(&0) => {
                Err(StepError::failed("an FQDN without a zero octet", format!("{:?}", id.data)))
            }
            Some(Body::IdResponder(_)) => Ok(()),
            _ => Err(StepError::failed("an IDr payload", answer.summary())),
        }
    });
}

fn change_dut(testbed: &mut Testbed, mut change: impl FnMut(&mut Vec<Connection>)) -> StepResult {
    testbed.reconfigure_dut(|config| change(&mut config.ike.connections))
}

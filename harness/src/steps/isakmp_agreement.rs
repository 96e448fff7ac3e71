//! What a quick mode agrees on and what becomes of it: forward secrecy, client identities, modes, lifetimes, bundles, the
//! commit flag, repetitions, and IPsec SAs that replace others (RFC 2409 section 5.5, RFC 2407 sections 4.5 and 4.6).

use super::isakmp::{awaited, message};
use crate::dissect::Seen;
use crate::isakmp::SeenIsakmp;
use crate::run::{StepError, StepResult, Steps};
use crate::testbed::{Hook, Keying, Protection, Testbed, WhichIsakmp};
use ipnet::IpNet;
use reference_peer::config::isakmp::{Phase1, SaLifetime, TransformSet};
use reference_peer::config::{EspProposal, Mode, Selector};
use reference_peer::gateway::Event;
use std::time::Duration;
use wire::ikev1::{
    Attribute, Body, Encapsulation, ExchangeType, Flags, IdType, Message, Notification, NotifyType, PayloadType,
    Phase2Class, Proposal, ProtocolId, SecurityAssociation, Transform,
};

/// A network that nobody here protects (RFC 5737).
const NOBODYS: [u8; 8] = [198, 51, 100, 0, 255, 255, 255, 0];

/// No lifetime is so short.
const WHILE: Duration = Duration::from_secs(60);

/// Between two packets that show whether the DUT sends.
const PAUSE: Duration = Duration::from_millis(250);

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    forward_secrecy(steps);
    identities(steps);
    commit_flag(steps);
    lifetimes(steps);
    repetitions(steps);
    modes(steps);
    bundles(steps);

    steps.then("the DUT comes to send on the newer IPsec SAs", |testbed, step| {
        let limit = testbed.answer_limit();
        testbed.await_state(limit, |testbed| testbed.children().len() > 1)?;
        let [.., old, new] = &*testbed.children() else {
            return Err(StepError::inconclusive("the tester has not had two pairs of IPsec SAs"));
        };
        let (old, new) = (old.inbound_spi, new.inbound_spi);
        let (begin, silence) = (testbed.now(), testbed.silence());
        loop {
            let mark = testbed.mark();
            testbed.ping(silence)?;
            let on = |spi| testbed.from_dut_since(mark).any(|seen| seen.esp().is_some_and(|esp| esp.spi == spi));
            if on(new) {
                step.measured("newer SA used after", format!("{:?}", testbed.now().since(begin)));
                return Ok(());
            }
            if testbed.now() >= begin + limit {
                let came = if on(old) { "ESP on the older ones" } else { "no ESP" };
                return Err(StepError::failed(format!("ESP with SPI {new:08x}"), came));
            }
            testbed.wait(PAUSE)?;
        }
    });
}

fn forward_secrecy(steps: &mut Steps<Testbed>) {
    steps.given("the DUT begins with forward secrecy", |testbed, _| {
        let group = testbed.profile().ike().pfs.iter().find_map(|pfs| pfs.0);
        let group = group.ok_or_else(|| StepError::not_applicable("the profile has no group for forward secrecy"))?;
        if !testbed.profile().is_self() {
            // What it begins with shows in its offer.
            return Ok(());
        }
        // A proposal with two transforms before its own, of one each.
        let mut several: EspProposal = "aes128-sha1".parse().map_err(StepError::testbed)?;
        let other: EspProposal = "aes256-sha1".parse().map_err(StepError::testbed)?;
        several.encryption.extend(other.encryption);
        testbed.reconfigure_dut(|config| {
            for child in config.isakmp.connections.iter_mut().flat_map(|connection| &mut connection.children) {
                child.pfs = Some(group);
                child.transform_sets.insert(0, TransformSet::new("several", vec![several.clone()]));
            }
        })
    });
    steps.then(
        "the DUT's message {int} of quick mode has a KE payload, and its group in every transform",
        |testbed, step| {
            let number = step.arg(0)?;
            let isakmp = message(testbed, step, ExchangeType::QUICK, number)?;
            if isakmp.payload(PayloadType::KEY_EXCHANGE).is_none() {
                if number == 1 {
                    return Err(StepError::not_applicable("the DUT begins without forward secrecy"));
                }
                return Err(StepError::failed("a KE payload", isakmp.summary()));
            }
            let groups: Vec<Option<u64>> =
                transforms(isakmp).map(|transform| value(transform, Phase2Class::GROUP)).collect();
            step.observed(format!("groups {groups:?}"));
            let first = groups.first().copied().flatten();
            if first.is_some() && groups.iter().all(|group| *group == first) {
                return Ok(());
            }
            Err(StepError::failed("the same group in every transform", format!("{groups:?}")))
        },
    );
    steps.then("the DUT's answer has a KE payload and a group, or neither, or there is none", |testbed, step| {
        let (since, silence) = (testbed.since(), testbed.silence());
        let found = testbed.await_isakmp(since, silence, |isakmp| isakmp.is(ExchangeType::QUICK, 2))?;
        if found.is_none() {
            step.observed("no answer");
            return Ok(());
        }
        let isakmp = message(testbed, step, ExchangeType::QUICK, 2)?;
        let public = isakmp.payload(PayloadType::KEY_EXCHANGE).is_some();
        let group = transforms(isakmp).any(|transform| value(transform, Phase2Class::GROUP).is_some());
        if public == group {
            return Ok(());
        }
        Err(StepError::failed("KE and group together", format!("KE: {public}, group: {group}; {}", isakmp.summary())))
    });
}

fn identities(steps: &mut Steps<Testbed>) {
    steps.given("another pair of IPsec SAs", |testbed, _| {
        let since = testbed.events().len();
        match testbed.quick_mode()? {
            true => Ok(()),
            false => Err(StepError::inconclusive(format!("no other IPsec SAs: {}", testbed.story(since)))),
        }
    });
    steps.when("the tester names client identities that the DUT does not protect", |testbed, _| {
        testbed.edits.isakmp(first(), name_others);
        testbed.begin_stimulus();
        testbed.begin_quick_mode()
    });
}

fn commit_flag(steps: &mut Steps<Testbed>) {
    steps.when(
        "the DUT's quick mode is answered with the commit flag, and CONNECTED comes {int} s later",
        |testbed, step| {
            let later = Duration::from_secs(step.arg(0)?);
            testbed.begin_stimulus();
            testbed
                .edits
                .isakmp(WhichIsakmp::message(ExchangeType::QUICK, 2), |draft| draft.header.flags.0 |= Flags::COMMIT);
            testbed.control(Hook::InitiateIkev1(Phase1::Main))?;
            let (since, limit) = (testbed.since(), testbed.answer_limit() * 2);
            let third = testbed.await_isakmp(since, limit, |isakmp| isakmp.is(ExchangeType::QUICK, 3))?;
            let third = third.and_then(|index| testbed.seen().get(index)).and_then(Seen::isakmp);
            let id = third.and_then(SeenIsakmp::message_id);
            let id = id.ok_or_else(|| StepError::inconclusive(format!("no whole quick mode: {}", testbed.story(0))))?;
            send_for(testbed, later)?;
            let info = testbed.isakmp_sa()?;
            let header = testbed.isakmp_header(&info, ExchangeType::INFORMATIONAL, id, true);
            let connected = Notification::isakmp(info.cookies, NotifyType::CONNECTED, []);
            let sealed: Message = testbed.seal_isakmp(header, vec![Body::Notification(connected).into()], |_| {})?;
            testbed.send_isakmp(&sealed)?;
            send_for(testbed, later)
        },
    );
    steps.then("the DUT's first ESP comes after CONNECTED", |testbed, step| {
        let seen = testbed.seen().get(testbed.since()..).unwrap_or_default();
        let says = |seen: &Seen| seen.isakmp().is_some_and(|isakmp| isakmp.notify(NotifyType::CONNECTED).is_some());
        let connected = seen.iter().position(|seen| !seen.from_dut && says(seen));
        // A DUT that may begin by itself can have made other SAs meanwhile.
        let children = testbed.tester.isakmp().children();
        let pairs = children.last().map(|child| &*child.pairs).unwrap_or_default();
        let spis: Vec<u32> = pairs.iter().map(|(_, inbound, _)| *inbound).collect();
        let on_it = |seen: &Seen| seen.esp().is_some_and(|esp| spis.contains(&esp.spi));
        let esp = seen.iter().position(|seen| seen.from_dut && on_it(seen));
        match (connected, esp) {
            (Some(connected), Some(esp)) if connected < esp => {
                step.observed("ESP after CONNECTED");
                Ok(())
            }
            (Some(_), Some(_)) => Err(StepError::failed("no ESP before CONNECTED", "ESP at once")),
            (_, None) => Err(StepError::failed("ESP after CONNECTED", "none on these SAs")),
            (None, _) => Err(StepError::testbed("CONNECTED was not sent")),
        }
    });
    steps.when("the tester sets the commit flag in its quick mode", |testbed, _| {
        testbed.begin_stimulus();
        testbed.edits.every_isakmp(WhichIsakmp::exchange(ExchangeType::QUICK), |draft| {
            draft.header.flags.0 |= Flags::COMMIT;
        });
        testbed.begin_quick_mode()
    });
    steps.then("a CONNECTED of the DUT has the Message ID of the quick mode", |testbed, step| {
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let says = |isakmp: &SeenIsakmp| isakmp.notify(NotifyType::CONNECTED).is_some();
        testbed.await_isakmp(since, limit, says)?;
        testbed.edits.clear();
        let quick = testbed.isakmp_to_dut(since).find(|isakmp| isakmp.is(ExchangeType::QUICK, 1));
        let quick = quick.and_then(SeenIsakmp::message_id);
        if !testbed.isakmp_from_dut(since).any(says) {
            return Err(StepError::not_applicable("the DUT sends no CONNECTED"));
        }
        let isakmp = awaited(testbed, step, says, "CONNECTED")?;
        if isakmp.message_id() == quick && isakmp.is_authentic() {
            return Ok(());
        }
        Err(StepError::failed(format!("Message ID {:08x}", quick.unwrap_or_default()), isakmp.summary()))
    });
}

fn lifetimes(steps: &mut Steps<Testbed>) {
    steps.given("the tester offers IPsec SAs of {int} seconds", |testbed, step| {
        let seconds = step.arg(0)?;
        testbed.reconfigure_isakmp(|connection| {
            for child in &mut connection.children {
                child.lifetime = SaLifetime { seconds: Some(seconds), kilobytes: None };
            }
        });
        Ok(())
    });
    steps.given("the tester offers IPsec SAs without a lifetime", |testbed, _| {
        testbed.reconfigure_isakmp(|connection| {
            for child in &mut connection.children {
                child.lifetime = SaLifetime { seconds: None, kilobytes: None };
            }
        });
        Ok(())
    });
    steps.then("the DUT takes no lifetime for 28800 seconds", |testbed, step| {
        let isakmp = message(testbed, step, ExchangeType::QUICK, 2)?;
        let told: Vec<_> = transforms(isakmp).flat_map(|transform| life(&transform.attributes)).collect();
        if !told.is_empty() {
            // It tells what it has assumed, if not in the way in which it should.
            step.observed(format!("its answer adds {told:?}"));
            let right = told.contains(&(Phase2Class::LIFE_DURATION.0, Some(28_800)));
            return if right { Ok(()) } else { Err(StepError::failed("28800 seconds", format!("{told:?}"))) };
        }
        let limit = testbed.answer_limit();
        if !testbed.await_state(limit, |testbed| testbed.child().is_ok())? {
            return Err(StepError::failed(format!("IPsec SAs within {limit:?}"), testbed.story(0)));
        }
        testbed.settle_isakmp()?;
        let before = testbed.pings(3, limit)?;
        testbed.wait(WHILE)?;
        let after = testbed.pings(3, limit)?;
        step.observed(format!("{} pings of 3 answered, and {} after {WHILE:?}", before.answered, after.answered));
        if before.answered + after.answered == 6 {
            return Ok(());
        }
        Err(StepError::failed("SAs that live on", format!("{} and {} pings of 3", before.answered, after.answered)))
    });
    steps.then("the DUT answers with the lifetime as offered, or refuses", |testbed, step| {
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let answers = |isakmp: &SeenIsakmp| isakmp.is(ExchangeType::QUICK, 2) || refusal(isakmp).is_some();
        testbed.await_isakmp(since, limit, answers)?;
        let offered: Vec<Vec<(u16, Option<u64>)>> = testbed
            .isakmp_to_dut(since)
            .filter(|isakmp| isakmp.is(ExchangeType::QUICK, 1))
            .flat_map(|isakmp| transforms(isakmp).map(|transform| life(&transform.attributes)).collect::<Vec<_>>())
            .collect();
        let isakmp = awaited(testbed, step, answers, "an answer")?;
        if let Some(notify) = refusal(isakmp) {
            step.observed(format!("refused: {notify}"));
            return Ok(());
        }
        let tells = isakmp.notify(NotifyType::RESPONDER_LIFETIME).map(|notify| notify.data.clone());
        step.observed(match tells {
            Some(data) => format!("as offered, with RESPONDER-LIFETIME {data:02x?}"),
            None => "as offered, without RESPONDER-LIFETIME".to_owned(),
        });
        let answered: Vec<_> = transforms(isakmp).map(|transform| life(&transform.attributes)).collect();
        if !answered.is_empty() && answered.iter().all(|life| offered.contains(life)) {
            return Ok(());
        }
        Err(StepError::failed(format!("{offered:?}"), format!("{answered:?}")))
    });
}

fn repetitions(steps: &mut Steps<Testbed>) {
    steps.when("the tester sends message 1 of its quick mode again", |testbed, _| {
        let sent = testbed.isakmp_to_dut(0).filter(|isakmp| isakmp.is(ExchangeType::QUICK, 1)).last();
        let octets = sent.map(|isakmp| isakmp.octets.clone());
        let octets = octets.ok_or_else(|| StepError::inconclusive("the tester has begun no quick mode"))?;
        let path = testbed.isakmp_sa()?.path;
        testbed.begin_stimulus();
        testbed.send_ike(path, &octets)
    });
    steps.then("at most a repetition of its answer comes", |testbed, step| {
        let (since, silence) = (testbed.since(), testbed.silence());
        testbed.wait(silence)?;
        let seen = testbed.seen().get(..since).unwrap_or_default().iter();
        let earlier: Vec<&[u8]> =
            seen.filter(|seen| seen.from_dut).filter_map(Seen::isakmp).map(|isakmp| isakmp.octets.as_slice()).collect();
        let quick = |isakmp: &&SeenIsakmp| isakmp.exchange() == Some(ExchangeType::QUICK);
        step.observed(format!("{} messages of quick mode", testbed.isakmp_from_dut(since).filter(quick).count()));
        let is_new = |isakmp: &&SeenIsakmp| !earlier.contains(&isakmp.octets.as_slice());
        match testbed.isakmp_from_dut(since).filter(quick).find(is_new) {
            None => Ok(()),
            Some(fresh) => Err(StepError::failed("nothing new", fresh.summary())),
        }
    });
    steps.when("the tester provokes {int} Informational exchanges of the DUT", |testbed, step| {
        let times: u32 = step.arg(0)?;
        testbed.begin_stimulus();
        let informs = |isakmp: &SeenIsakmp| isakmp.exchange() == Some(ExchangeType::INFORMATIONAL);
        for _ in 0..times {
            let (mark, limit) = (testbed.mark(), testbed.answer_limit());
            testbed.edits.isakmp(first(), name_others);
            testbed.begin_quick_mode()?;
            if testbed.await_isakmp(mark, limit, informs)?.is_none() {
                return Err(StepError::not_applicable("the DUT says nothing about a quick mode that it refuses"));
            }
        }
        Ok(())
    });
    steps.then("all of the DUT's own exchanges have Message IDs of their own, and none has 0", |testbed, step| {
        let since = testbed.since();
        let informational = |isakmp: &&SeenIsakmp| isakmp.exchange() == Some(ExchangeType::INFORMATIONAL);
        let mut sent: Vec<(u32, &[u8])> = testbed
            .isakmp_from_dut(since)
            .filter(informational)
            .filter_map(|isakmp| Some((isakmp.message_id()?, isakmp.octets.as_slice())))
            .collect();
        sent.sort_unstable();
        sent.dedup();
        let mut ids: Vec<u32> = sent.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        step.observed(format!("{} messages, {} Message IDs", sent.len(), ids.len()));
        if ids.len() == sent.len() && !ids.contains(&0) && ids.len() > 1 {
            return Ok(());
        }
        Err(StepError::failed("as many Message IDs as exchanges, and no 0", format!("{ids:08x?} in {}", sent.len())))
    });
}

fn modes(steps: &mut Steps<Testbed>) {
    steps.then("the DUT answers in mode {int}", |testbed, step| {
        let wanted: u64 = step.arg(0)?;
        let isakmp = message(testbed, step, ExchangeType::QUICK, 2)?;
        let modes: Vec<Option<u64>> =
            transforms(isakmp).map(|transform| value(transform, Phase2Class::ENCAPSULATION)).collect();
        if !modes.is_empty() && modes.iter().all(|mode| *mode == Some(wanted)) {
            return Ok(());
        }
        Err(StepError::failed(format!("Encapsulation Mode {wanted}"), format!("{modes:?}")))
    });
    steps.then("what the DUT makes of an offer without a mode is recorded", |testbed, step| {
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let answers = |isakmp: &SeenIsakmp| isakmp.is(ExchangeType::QUICK, 2) || refusal(isakmp).is_some();
        if testbed.await_isakmp(since, limit, answers)?.is_none() {
            step.observed("no answer");
            return Ok(());
        }
        let isakmp = awaited(testbed, step, answers, "an answer")?;
        // "If unspecified, the default value shall be assumed to be unspecified (host-dependent)."
        let mode = transforms(isakmp).find_map(|transform| value(transform, Phase2Class::ENCAPSULATION));
        let words = match (refusal(isakmp), mode) {
            (Some(notify), _) => format!("refused: {notify}"),
            (None, Some(mode)) => format!("answered, with mode {mode} added"),
            (None, None) => "answered without a mode".to_owned(),
        };
        step.measured("offer without a mode", words);
        Ok(())
    });
    steps.then("^every transform of the DUT's offer names mode (1 or 2|3 or 4)$", |testbed, step| {
        let known = match step.arg_text(0)? {
            "1 or 2" => [Encapsulation::TUNNEL, Encapsulation::TRANSPORT],
            _ => [Encapsulation::UDP_TUNNEL, Encapsulation::UDP_TRANSPORT],
        };
        let isakmp = message(testbed, step, ExchangeType::QUICK, 1)?;
        let modes: Vec<Option<u64>> =
            transforms(isakmp).map(|transform| value(transform, Phase2Class::ENCAPSULATION)).collect();
        step.observed(format!("{modes:?}"));
        let is_known = |mode: &Option<u64>| mode.is_some_and(|mode| known.iter().any(|own| u64::from(own.0) == mode));
        if !modes.is_empty() && modes.iter().all(is_known) {
            return Ok(());
        }
        Err(StepError::failed(format!("Encapsulation Mode {} in each", step.arg_text(0)?), format!("{modes:?}")))
    });
    steps.given("the tester offers transport mode in quick mode", |testbed, _| {
        if let Some(lacks) = testbed.profile().lacks("transport") {
            return Err(StepError::not_applicable(lacks));
        }
        testbed.reconfigure_isakmp(|connection| {
            for child in &mut connection.children {
                child.transform_sets.iter_mut().for_each(|set| set.mode = Mode::Transport);
                (child.local_ts, child.remote_ts) = (Selector::host(), Selector::host());
            }
        });
        testbed.want().mode = Mode::Transport;
        Ok(())
    });
}

fn bundles(steps: &mut Steps<Testbed>) {
    steps.given("the tester offers the bundle {word} between two hosts", |testbed, step| {
        let protection: Protection = step.arg(0)?;
        if !testbed.profile().is_self() && !testbed.profile().ipsec.bundles.contains(&protection.to_string()) {
            return Err(StepError::not_applicable(format!("the profile does not take {protection}")));
        }
        let protocols: Vec<_> = protection.0.iter().rev().cloned().collect();
        let set = TransformSet::new(protection.to_string(), protocols);
        let (own, other) = (testbed.plan().tester_host, testbed.plan().inside_host);
        testbed.reconfigure_isakmp(|connection| {
            for child in &mut connection.children {
                child.transform_sets = vec![set.clone()];
                child.local_ts = Selector::net(IpNet::from(own));
                child.remote_ts = Selector::net(IpNet::from(other));
            }
        });
        (testbed.want().protection, testbed.want().keying) = (Some(protection), Some(Keying::Ikev1(Phase1::Main)));
        Ok(())
    });
    steps.then("the DUT takes AH and ESP under one proposal number, each with an SPI of its own", |testbed, step| {
        let isakmp = message(testbed, step, ExchangeType::QUICK, 2)?;
        let proposals: &[Proposal] = isakmp.sa().map(|sa: &SecurityAssociation| &*sa.proposals).unwrap_or_default();
        let [one, other] = proposals else {
            return Err(StepError::failed("two protocols", format!("{} of them", proposals.len())));
        };
        step.observed(format!("{} {:02x?}, {} {:02x?}", one.protocol, one.spi, other.protocol, other.spi));
        let mut protocols = [one.protocol, other.protocol];
        protocols.sort_unstable();
        let spis = one.spi.len() == 4 && other.spi.len() == 4 && one.spi != other.spi;
        if one.number == other.number && protocols == [ProtocolId::AH, ProtocolId::ESP] && spis {
            return Ok(());
        }
        Err(StepError::failed("AH and ESP under one number, SPIs of four octets that differ", isakmp.summary()))
    });
    steps.then("four SAs of {int} seconds and {int} kilobytes are there", |testbed, step| {
        let (seconds, kilobytes): (u32, u32) = (step.arg(0)?, step.arg(1)?);
        let limit = testbed.answer_limit();
        testbed.await_event(0, limit, |event| matches!(event, Event::ChildInstalled(_)))?;
        let children = testbed.tester.isakmp().children();
        let newest = children.last().ok_or_else(|| StepError::failed("IPsec SAs", testbed.story(0)))?;
        let mut spis: Vec<u32> = newest.pairs.iter().flat_map(|(_, inbound, outbound)| [*inbound, *outbound]).collect();
        spis.sort_unstable();
        spis.dedup();
        step.observed(format!("SPIs {spis:08x?}, {:?}", newest.lifetime));
        if spis.len() == 4 && newest.lifetime.seconds == seconds && newest.lifetime.kilobytes == Some(kilobytes) {
            return Ok(());
        }
        Err(StepError::failed("four SPIs and these lifetimes", format!("{spis:08x?}, {:?}", newest.lifetime)))
    });
}

fn first() -> WhichIsakmp {
    WhichIsakmp::message(ExchangeType::QUICK, 1)
}

/// Puts networks of nobody's in the place of the client identities.
fn name_others(draft: &mut reference_peer::hands::IsakmpDraft) {
    for payload in &mut draft.payloads {
        if let Body::Identification(id) = &mut payload.body {
            (id.id_type, id.data) = (IdType::IPV4_ADDR_SUBNET, NOBODYS.to_vec());
        }
    }
}

/// All transforms of the SA payload.
pub(super) fn transforms(isakmp: &SeenIsakmp) -> impl Iterator<Item = &Transform> {
    isakmp.sa().into_iter().flat_map(|sa| &sa.proposals).flat_map(|proposal| &proposal.transforms)
}

/// The value of an attribute of a transform.
pub(super) fn value(transform: &Transform, class: Phase2Class) -> Option<u64> {
    transform.attributes.iter().find(|attribute| attribute.class == class.0).and_then(Attribute::as_number)
}

/// The attributes that speak of lifetimes, in their order.
fn life(attributes: &[Attribute]) -> Vec<(u16, Option<u64>)> {
    let speaks =
        |attribute: &&Attribute| [Phase2Class::LIFE_TYPE.0, Phase2Class::LIFE_DURATION.0].contains(&attribute.class);
    attributes.iter().filter(speaks).map(|attribute| (attribute.class, attribute.as_number())).collect()
}

/// The error that a message tells, if it does.
fn refusal(isakmp: &SeenIsakmp) -> Option<NotifyType> {
    isakmp.notifies().map(|notify| notify.notify_type).find(|notify| notify.is_error())
}

/// Lets the inside send for so long.
fn send_for(testbed: &mut Testbed, time: Duration) -> StepResult {
    let until = testbed.now() + time;
    while testbed.now() < until {
        testbed.send_ping_from_inside()?;
        testbed.wait(PAUSE)?;
    }
    Ok(())
}

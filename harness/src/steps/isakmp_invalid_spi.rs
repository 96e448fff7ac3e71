//! Packets with an unknown SPI from a peer of IKEv1: whom the DUT tells of them and how, whom it sets up an ISAKMP SA with
//! for that, and what it makes of being told itself (guide chapter 4).

use super::common::instead;
use super::informational::unknown_spi;
use super::invalid_spi::{forged, protocol, sent};
use crate::dissect::Seen;
use crate::isakmp::SeenIsakmp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Setting, Testbed};
use reference_peer::Instant;
use reference_peer::config::Remote;
use reference_peer::gateway::Event;
use reference_peer::ike::v2::ChildSa;
use std::collections::BTreeSet;
use std::net::IpAddr;
use wire::ikev1::{Body, Delete, ExchangeType, Flags, Header, Message, Notification, NotifyType, Payload, ProtocolId};
use wire::ikev2;
use wire::ip::Protocol;

/// Pings until the DUT uses its new SAs, at most.
const FIRST_PINGS: u32 = 10;

/// Pings of the guide's third step.
const PINGS: u32 = 30;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("invalid SPI recovery is {word} at the DUT", |testbed, step| {
        let on = match step.arg_text(0)? {
            "on" => true,
            "off" => false,
            other => return Err(StepError::testbed(format!("{}: on or off, not {other:?}", step.place()))),
        };
        testbed.set(Setting::InvalidSpiRecovery(on))
    });
    steps.given("invalid SPI recovery was switched on and off again at the DUT", |testbed, _| {
        testbed.set(Setting::InvalidSpiRecovery(true))?;
        testbed.set(Setting::InvalidSpiRecovery(false))
    });
    steps.given("the DUT is through with quick mode", |testbed, _| {
        // The last message has no answer, and who has taken it may still be at work on the SAs.
        let limit = testbed.silence();
        for _ in 0..FIRST_PINGS {
            if testbed.ping(limit)? {
                return Ok(());
            }
        }
        Err(StepError::inconclusive(format!("{FIRST_PINGS} pings through the new SAs, and no answer")))
    });
    steps.given("the tester sets up SAs by IKEv1 for its traffic", |testbed, _| {
        testbed.reconfigure_tester(|config| {
            config.initiate_on_traffic = true;
            // There is one way to do it.
            config.ike.connections.clear();
        });
        Ok(())
    });
    steps.given("the DUT does not know beforehand where its peers of IKEv1 are", |testbed, _| {
        testbed.reconfigure_dut(|config| {
            config.isakmp.connections.iter_mut().for_each(|connection| connection.remote = Remote::Any);
        })
    });

    steps.when("an {word} packet with an unknown SPI comes from a stranger", |testbed, step| {
        let protocol = protocol(step, 0)?;
        testbed.begin_stimulus();
        let (stranger, spi) = (testbed.stranger(), unknown_spi(testbed));
        let packet = forged(testbed, stranger, protocol, spi)?;
        testbed.send_outside(packet)
    });
    steps.when("{int} forged INVALID-SPI notifies and Deletes of IKEv1 come in the clear", forge);
    steps.when("the tester says INVALID-SPI about the newer of two pairs of IPsec SAs", |testbed, _| {
        if !testbed.quick_mode()? {
            return Err(StepError::inconclusive("no second pair of IPsec SAs came up"));
        }
        let newer = testbed.child()?;
        testbed.begin_stimulus();
        let spi = newer.inbound_spi.to_be_bytes();
        let notification = Notification::new(isakmp_protocol(&newer), spi, NotifyType::INVALID_SPI, []);
        testbed.inform(vec![Body::Notification(notification).into()])
    });

    steps.then("the DUT tells the tester of the SPI under the ISAKMP SA", |testbed, step| {
        let how = told(testbed, step, false)?;
        step.measured("unknown SPI with an ISAKMP SA", how);
        Ok(())
    });
    steps.then("the DUT deletes the SPI under the ISAKMP SA", |testbed, step| told(testbed, step, true).map(drop));
    steps.then("the DUT sets up an ISAKMP SA with the tester", sets_up);
    steps.then("the DUT has begun phase 1, and told of the AH packet under it", |testbed, step| {
        sets_up(testbed, step)?;
        let how = told(testbed, step, false)?;
        step.measured("what the originator was told", how);
        Ok(())
    });
    steps.then("the DUT has deleted the AH SA under it", |testbed, step| told(testbed, step, true).map(drop));
    steps.then("the DUT sends the stranger nothing", |testbed, _| {
        let (stranger, silence) = (testbed.stranger(), testbed.silence());
        let is_to = |seen: &Seen, address: IpAddr| seen.ip.as_ref().is_some_and(|ip| ip.destination() == address);
        match testbed.await_seen(testbed.since(), silence, |seen| seen.from_dut && is_to(seen, stranger))? {
            None => Ok(()),
            Some(index) => {
                let came = testbed.seen().get(index).map(Seen::summary).unwrap_or_default();
                Err(StepError::failed(format!("nothing to {stranger}"), came))
            }
        }
    });
    steps.then("the DUT sends on the older pair alone, and still receives on it", older_pair);
    steps.then("pings come through again on new SAs", |testbed, step| {
        let limit = testbed.answer_limit();
        let pings = testbed.pings(PINGS, limit)?;
        let (sent, answered) = (pings.sent, pings.answered);
        step.measured(format!("{sent} pings"), format!("{answered} came back, {} lost", sent - answered));
        if answered == 0 {
            return Err(StepError::failed("pings come back", "all of them were lost"));
        }
        new_spis(testbed, step)
    });
    steps.then("the tester's SPIs are others than before", new_spis);
    steps.then("at most {int} of 30 pings were lost until then", |testbed, step| {
        let most: u32 = step.arg(0)?;
        let answered = testbed.delivered().iter().filter(|(at, _)| *at > begin(testbed)).count();
        let lost = PINGS.saturating_sub(u32::try_from(answered).unwrap_or(u32::MAX));
        step.observed(format!("{lost} lost"));
        if lost <= most { Ok(()) } else { Err(StepError::failed(format!("at most {most} lost"), format!("{lost}"))) }
    });
    steps.when("the DUT has lost its SAs", |testbed, _| {
        testbed.control(Hook::ForgetSas)?;
        testbed.begin_stimulus();
        Ok(())
    });
    steps.when("the tester makes {int} pairs of IPsec SAs by quick mode", |testbed, step| {
        testbed.begin_stimulus();
        for _ in 0..step.arg::<u32>(0)? {
            // What matters is what the DUT answers; SAs with a reserved SPI do not come up.
            testbed.quick_mode()?;
        }
        Ok(())
    });
    steps.then("the DUT has chosen {int} SPIs in quick mode, none of them reserved or used twice", |testbed, step| {
        let wanted: usize = step.arg(0)?;
        let answers = testbed.isakmp_from_dut(testbed.since()).filter(|isakmp| isakmp.is(ExchangeType::QUICK, 2));
        let offers = answers.filter_map(SeenIsakmp::sa).flat_map(|sa| &sa.proposals);
        let spis = offers.filter_map(|proposal| proposal.spi.as_slice().try_into().ok().map(u32::from_be_bytes));
        let spis: BTreeSet<u32> = spis.collect();
        let lowest = spis.first().copied().unwrap_or_default();
        step.measured("IPsec SPIs", format!("{}, lowest {lowest:08x}", spis.len()));
        if lowest >= 0x100 && spis.len() == wanted {
            return Ok(());
        }
        let came = format!("{} different SPIs, lowest {lowest:#x}", spis.len());
        Err(StepError::failed(format!("{wanted} different SPIs from 0x100 on"), came))
    });
}

/// The newest SAs have other SPIs than those of before the stimulus.
fn new_spis(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let spis = |child: &ChildSa| [child.inbound_spi, child.outbound_spi];
    let begin = begin(testbed);
    let installed = testbed.events().iter().filter_map(|(at, event)| match event {
        Event::ChildInstalled(child) => Some((*at < begin, spis(child))),
        _ => None,
    });
    let (old, new): (Vec<_>, Vec<_>) = installed.partition(|(before, _)| *before);
    let words = |sas: &[(bool, [u32; 2])]| {
        sas.iter()
            .map(|(_, [from, to])| format!("from the DUT 0x{from:X}, to it 0x{to:X}"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    step.measured("SPIs before and after", format!("{} -> {}", words(&old), words(&new)));
    let known: BTreeSet<u32> = old.iter().flat_map(|(_, spis)| *spis).collect();
    match new.last() {
        None => Err(StepError::failed("new SAs", "only those of before")),
        Some((_, spis)) if spis.iter().any(|spi| known.contains(spi)) => {
            Err(StepError::failed("new SPIs", words(&new)))
        }
        Some(_) => Ok(()),
    }
}

/// When the stimulus began.
fn begin(testbed: &Testbed) -> Instant {
    testbed.seen().get(testbed.since()).map_or(testbed.now(), |seen| seen.at)
}

/// The protocol of a pair as IKEv1 numbers it.
fn isakmp_protocol(child: &ChildSa) -> ProtocolId {
    if child.protocol == ikev2::ProtocolId::AH { ProtocolId::AH } else { ProtocolId::ESP }
}

/// Notifies and Deletes that anybody could have sent, about what the DUT sends on.
fn forge(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let count: u32 = step.arg(0)?;
    testbed.begin_stimulus();
    let (info, child) = (testbed.isakmp_sa()?, testbed.child()?);
    let (protocol, spi) = (isakmp_protocol(&child), child.inbound_spi);
    for number in 0..count {
        let body = match number % 2 {
            0 => Body::Notification(Notification::new(protocol, spi.to_be_bytes(), NotifyType::INVALID_SPI, [])),
            _ => Body::Delete(Delete::ipsec(protocol, &[spi])),
        };
        // Also outside any ISAKMP SA.
        let cookies = if number % 8 < 6 { info.cookies } else { (0, 0) };
        let header = Header::new(cookies, ExchangeType::INFORMATIONAL, Flags::default(), testbed.fresh_message_id());
        testbed.send_isakmp(&Message::clear(header, vec![Payload::from(body)]))?;
    }
    Ok(())
}

/// The DUT is the initiator of phase 1, and it comes up.
fn sets_up(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let limit = testbed.answer_limit() * 3;
    let since = testbed.since();
    let first = |isakmp: &SeenIsakmp| isakmp.is(ExchangeType::MAIN, 1) || isakmp.is(ExchangeType::AGGRESSIVE, 1);
    let Some(index) = testbed.await_isakmp(since, limit, first)? else {
        return Err(StepError::failed(format!("message 1 of phase 1 within {limit:?}"), instead(testbed)));
    };
    testbed.comment(index, "judged: the DUT sets up an ISAKMP SA because of an unknown SPI");
    let begun = testbed.seen().get(index).map(|seen| seen.at).unwrap_or_default();
    let stimulus = testbed.seen().get(since).map_or(begun, |seen| seen.at);
    let cookie = testbed.seen().get(index).and_then(Seen::isakmp).and_then(|isakmp| isakmp.header);
    let cookie = cookie.map(|header| header.initiator_cookie);
    let is_up = |testbed: &Testbed| {
        let all = testbed.tester.isakmp().isakmp_sas().into_iter();
        all.filter(|info| info.state == reference_peer::ike::v1::State::Established)
            .any(|info| Some(info.cookies.0) == cookie)
    };
    let up = testbed.await_state(limit, is_up)?;
    step.measured("phase 1 of the DUT because of an unknown SPI", format!("begun after {:?}", begun.since(stimulus)));
    if up { Ok(()) } else { Err(StepError::failed("an ISAKMP SA", testbed.story(0))) }
}

/// What the DUT says of an SPI under the ISAKMP SA.
fn says(isakmp: &SeenIsakmp, protocol: ProtocolId, spi: u32) -> (bool, bool) {
    let notified = isakmp.notifies().any(|notification| {
        notification.notify_type == NotifyType::INVALID_SPI
            && notification.protocol == protocol
            && notification.ipsec_spi() == Some(spi)
    });
    let deleted =
        isakmp.deletes().any(|delete| delete.protocol == protocol && delete.ipsec_spis().any(|own| own == spi));
    (notified, deleted)
}

/// The DUT tells the tester under protection that it does not know the SPI of the first packet since the stimulus: by a
/// notify or a Delete, or by a Delete in any case. How, in words.
fn told(testbed: &mut Testbed, step: &mut Step, deletes: bool) -> Result<String, StepError> {
    let (protocol, spi) = sent(testbed)?;
    let protocol = if protocol == Protocol::AH { ProtocolId::AH } else { ProtocolId::ESP };
    let (since, limit) = (testbed.since(), testbed.answer_limit() * 3);
    let fits = |isakmp: &SeenIsakmp| {
        let (notified, deleted) = says(isakmp, protocol, spi);
        isakmp.is_authentic() && (deleted || notified && !deletes)
    };
    let wanted = if deletes { "a Delete" } else { "INVALID-SPI or a Delete" };
    let wanted = format!("{wanted} of {protocol} SPI {spi:08x} under the ISAKMP SA within {limit:?}");
    let Some(index) = testbed.await_isakmp(since, limit, fits)? else {
        return Err(StepError::failed(wanted, instead(testbed)));
    };
    testbed.comment(index, "judged: what the DUT says about the unknown SPI");
    // The other of the two may follow.
    let silence = testbed.silence();
    testbed.wait(silence)?;
    let mut both = (false, false);
    for isakmp in testbed.isakmp_from_dut(since).filter(|isakmp| isakmp.is_authentic()) {
        let (notified, deleted) = says(isakmp, protocol, spi);
        both = (both.0 || notified, both.1 || deleted);
    }
    let how = match both {
        (true, true) => "INVALID-SPI and a Delete",
        (true, false) => "INVALID-SPI",
        _ => "a Delete",
    };
    let how = format!("{how} for {protocol} 0x{spi:X}, protected");
    step.observed(how.clone());
    Ok(how)
}

/// After a notify about the newer of two pairs: a packet under the older comes in, and its answer goes out under that.
fn older_pair(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let children = testbed.children();
    let (Some(older), Some(newer)) = (children.first().cloned(), children.last().cloned()) else {
        return Err(StepError::inconclusive("the tester has no IPsec SAs"));
    };
    let ping = testbed.new_ping();
    let number = testbed.fresh_number();
    let packet = testbed.protect_packet_by(std::slice::from_ref(&older), number, &ping.packet(), false)?;
    let (mark, limit) = (testbed.mark(), testbed.answer_limit());
    testbed.send_outside(packet)?;
    let on = |seen: &Seen, spi: u32| seen.from_dut && seen.esp().is_some_and(|esp| esp.spi == spi);
    let answered =
        testbed.await_seen(mark, limit, |seen| on(seen, older.inbound_spi) || on(seen, newer.inbound_spi))?;
    let used = answered.and_then(|index| testbed.seen().get(index)).and_then(Seen::esp).map(|esp| esp.spi);
    let name = |spi: u32| if spi == newer.inbound_spi { "the newer pair" } else { "the older pair" };
    let words = used.map_or_else(|| "nothing".to_owned(), |spi| format!("an answer under {} ({spi:08x})", name(spi)));
    step.measured("after INVALID-SPI about the newer pair", words.clone());
    if used == Some(older.inbound_spi) {
        return Ok(());
    }
    Err(StepError::failed(format!("an answer under the older pair ({:08x})", older.inbound_spi), words))
}

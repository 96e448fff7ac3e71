//! ESP packets with an SPI that no SA has, and what is said about them (RFC 4303 section 3.4.2, RFC 7296 sections 1.5
//! and 2.21.4, guide chapter 4).

use super::common::sends_none;
use super::informational::{create_child, send_to_unknown_spis, unknown_spi};
use super::routers::messages;
use crate::dissect::{Seen, SeenIke};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Hook, Testbed, ip_packet, tunnel_draft};
use std::net::IpAddr;
use std::time::Duration;
use wire::ikev2::{Body, ExchangeType, Flags, Header, Message, Notify, NotifyType, ProtocolId};
use wire::ip::Protocol;
use wire::udp;

/// A flood is far more than the answers to it if at most one packet in so many is answered.
const FLOOD_RATIO: usize = 10;

/// What the answers to a flood may take.
const FLOOD_SETTLES: Duration = Duration::from_secs(1);

/// Eights of octets in a forged packet, so that it looks like a whole one.
const NOISE: usize = 8;

/// The lowest SPI that is not reserved.
const FIRST_SPI: u32 = 0x100;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("^(\\d+) (ESP|AH) packets? with unknown SPIs come from the tester$", |testbed, step| {
        let (count, protocol) = (step.arg(0)?, protocol(step, 1)?);
        testbed.begin_stimulus();
        let source = testbed.plan().tester;
        for _ in 0..count {
            let spi = unknown_spi(testbed);
            let packet = forged(testbed, source, protocol, spi)?;
            testbed.send_outside(packet)?;
        }
        Ok(())
    });
    steps.when("^an (ESP|AH) packet with the SPI (\\w+) comes from the tester$", |testbed, step| {
        let (protocol, spi) = (protocol(step, 0)?, step.number(1)?);
        testbed.begin_stimulus();
        let spi = u32::try_from(spi).map_err(StepError::testbed)?;
        let packet = forged(testbed, testbed.plan().tester, protocol, spi)?;
        testbed.send_outside(packet)
    });
    steps.when("{int} requests for unknown IKE SAs come from the tester", |testbed, step| {
        send_to_unknown_spis(testbed, false, 500, step.arg(0)?)
    });
    steps.when("an INVALID_SPI about the live Child SA comes in the clear", |testbed, _| {
        testbed.begin_stimulus();
        let data = testbed.child()?.inbound_spi.to_be_bytes().to_vec();
        let header = Header::new((0, 0), ExchangeType::INFORMATIONAL, Flags::new(true, false), 0);
        let message = Message::new(header, vec![Body::Notify(Notify::new(NotifyType::INVALID_SPI, data)).into()]);
        let path = testbed.ike_path();
        testbed.send_ike(path, &message.to_bytes())
    });
    steps.when("the tester says INVALID_SPI about the live Child SA inside the IKE SA", |testbed, _| {
        testbed.begin_stimulus();
        let data = testbed.child()?.inbound_spi.to_be_bytes().to_vec();
        let notify = Body::Notify(Notify::new(NotifyType::INVALID_SPI, data));
        testbed.request(ExchangeType::INFORMATIONAL, vec![notify.into()])?;
        Ok(())
    });
    steps.when("the tester makes {int} Child SAs", |testbed, step| {
        testbed.begin_stimulus();
        // What matters is what the DUT answers; a Child SA with a reserved SPI does not come up.
        let mut result = testbed.establish();
        for _ in 1..step.arg::<u32>(0)? {
            result = result.and_then(|()| create_child(testbed));
        }
        let answered =
            testbed.from_dut_since(testbed.since()).filter_map(Seen::ike).any(|ike| !offered(ike).is_empty());
        if answered { Ok(()) } else { result }
    });
    steps.when("the DUT has lost its SAs, and the tester goes on sending", |testbed, _| {
        testbed.control(Hook::ForgetSas)?;
        testbed.begin_stimulus();
        for sequence in 5000..5003 {
            let (_, packet) = testbed.sealed_ping(sequence)?;
            testbed.send_outside(packet)?;
        }
        Ok(())
    });

    steps.then("a packet with an unknown SPI is dropped", |testbed, step| {
        let spi = unknown_spi(testbed);
        dropped(testbed, step, spi, false)
    });
    steps.then("a packet with the SPI of the opposite direction is dropped", |testbed, step| {
        let spi = testbed.child()?.inbound_spi;
        dropped(testbed, step, spi, true)
    });
    steps.then("an AH packet with an unknown SPI is dropped", |testbed, step| {
        let spi = unknown_spi(testbed);
        ah_dropped(testbed, step, spi)
    });
    steps.then("an AH packet with the SPI of an ESP SA is dropped", |testbed, step| {
        let spi = testbed.child()?.outbound_spi;
        ah_dropped(testbed, step, spi)
    });
    steps.then("the DUT writes the guide's message about each of them", |testbed, step| {
        let silence = testbed.silence();
        testbed.wait(silence)?;
        let sent: Vec<_> = all_sent(testbed).collect();
        written(testbed, step, &sent)
    });
    steps.then("the DUT writes the guide's message about the first of them", |testbed, step| {
        let first = sent(testbed)?;
        written(testbed, step, &[first])
    });
    steps.then("the DUT is silent, or says INVALID_SPI once and in the clear", outside_ike_sa);
    steps.then("the DUT is silent, or says INVALID_SPI inside the IKE SA", |testbed, step| {
        let Some(told) = told(testbed, step)? else {
            step.measured("unknown SPI with an IKE SA", "silence");
            return Ok(());
        };
        step.measured("unknown SPI with an IKE SA", told.clone().unwrap_or_else(|bad| bad));
        told.map(|_| ())
            .map_err(|bad| StepError::failed("silence, or N(INVALID_SPI) with the SPI as its data, in SK", bad))
    });
    steps.then("the DUT tells the tester inside the IKE SA", |testbed, step| match told(testbed, step)? {
        Some(Ok(how)) => {
            step.measured("unknown SPI with an IKE SA", how);
            Ok(())
        }
        Some(Err(bad)) => Err(StepError::failed("N(INVALID_SPI) or a Delete, protected", bad)),
        None => Err(StepError::failed("N(INVALID_SPI) or a Delete, protected", "silence")),
    });
    steps.then("the DUT answers few of them", |testbed, step| {
        testbed.wait(FLOOD_SETTLES)?;
        let since = testbed.since();
        let sent = testbed.seen().get(since..).unwrap_or_default();
        let triggers = sent.iter().filter(|seen| !seen.from_dut && is_trigger(seen)).count();
        let answers = testbed.from_dut_since(since).filter_map(Seen::ike).count();
        step.measured("answers to a flood", format!("{answers} to {triggers} packets"));
        if answers <= triggers / FLOOD_RATIO {
            return Ok(());
        }
        Err(StepError::failed(format!("at most {}", triggers / FLOOD_RATIO), format!("{answers}")))
    });
    steps.then("the DUT starts no IKE exchange", |testbed, _| {
        sends_none(testbed, |ike| !ike.is_response(), "IKE request")?;
        // Silence is over by now.
        match testbed.isakmp_from_dut(testbed.since()).next() {
            None => Ok(()),
            Some(isakmp) => Err(StepError::failed("no message of IKEv1", isakmp.summary())),
        }
    });
    steps.then("the DUT sends on the same Child SA as before", |testbed, step| {
        let spi = testbed.child()?.inbound_spi;
        let last = testbed.from_dut_since(testbed.since()).filter_map(Seen::esp).last().map(|esp| esp.spi);
        step.observed(format!("last ESP with SPI {:08x}", last.unwrap_or_default()));
        match last {
            Some(last) if last == spi => Ok(()),
            Some(last) => Err(StepError::failed(format!("ESP with SPI {spi:08x}"), format!("{last:08x}"))),
            None => Err(StepError::failed(format!("ESP with SPI {spi:08x}"), "none")),
        }
    });
    steps.then("the DUT chooses {int} SPIs, none of them reserved or used twice", |testbed, step| {
        let wanted: usize = step.arg(0)?;
        let mut spis: Vec<u32> =
            testbed.from_dut_since(0).filter_map(Seen::ike).filter(|ike| ike.is_response()).flat_map(offered).collect();
        let count = spis.len();
        spis.sort_unstable();
        let lowest = spis.first().copied().unwrap_or_default();
        spis.dedup();
        step.measured("Child SA SPIs", format!("{count}, lowest {lowest:08x}"));
        if lowest >= FIRST_SPI && spis.len() == count && count == wanted {
            return Ok(());
        }
        Err(StepError::failed(
            format!("{wanted} different SPIs from 0x100 on"),
            format!("{count} SPIs, {} different, lowest {lowest:#x}", spis.len()),
        ))
    });
}

/// The protocol that a step names: 50 or 51.
pub(super) fn protocol(step: &Step, index: usize) -> Result<Protocol, StepError> {
    match step.arg_text(index)? {
        "ESP" => Ok(Protocol::ESP),
        "AH" => Ok(Protocol::AH),
        other => Err(StepError::testbed(format!("{}: ESP or AH, not {other:?}", step.place()))),
    }
}

/// A packet with an SPI, and nothing else that fits an SA: octets at random. ESP is in UDP where the DUT takes no other.
pub(super) fn forged(
    testbed: &mut Testbed,
    source: IpAddr,
    protocol: Protocol,
    spi: u32,
) -> Result<Vec<u8>, StepError> {
    let noise = |testbed: &mut Testbed| (0..NOISE).flat_map(|_| testbed.random().to_be_bytes()).collect::<Vec<u8>>();
    let (spi, sequence) = (spi.to_be_bytes(), 1_u32.to_be_bytes());
    let dut = testbed.plan().dut;
    if protocol == Protocol::AH {
        // Next Header: IP in IP; 24 octets with an ICV of 96 bits.
        let body = [&[4, 4, 0, 0][..], &spi, &sequence, &noise(testbed)].concat();
        return ip_packet(source, dut, protocol, body);
    }
    let body = [&spi[..], &sequence, &noise(testbed)].concat();
    if testbed.profile().lacks("native-esp").is_none() {
        return ip_packet(source, dut, protocol, body);
    }
    let datagram = udp::Datagram::new(4500, 4500, body).to_bytes(source, dut);
    ip_packet(source, dut, Protocol::UDP, datagram)
}

/// The first ESP or AH packet of the tester since the stimulus: protocol and outermost SPI.
pub(super) fn sent(testbed: &Testbed) -> Result<(Protocol, u32), StepError> {
    all_sent(testbed).next().ok_or_else(|| StepError::inconclusive("the tester has sent neither ESP nor AH"))
}

fn all_sent(testbed: &Testbed) -> impl Iterator<Item = (Protocol, u32)> + '_ {
    let sent = testbed.seen().get(testbed.since()..).unwrap_or_default().iter().filter(|seen| !seen.from_dut);
    sent.filter_map(|seen| match (seen.ah(), seen.esp()) {
        (Some(ah), _) => Some((Protocol::AH, ah.spi)),
        (None, Some(esp)) => Some((Protocol::ESP, esp.spi)),
        (None, None) => None,
    })
}

/// AH around a sound packet, with an ICV that nobody can verify.
fn ah_dropped(testbed: &mut Testbed, step: &mut Step, spi: u32) -> StepResult {
    let ping = testbed.new_ping();
    let (tester, dut) = (testbed.plan().tester, testbed.plan().dut);
    let icv = (testbed.random().to_be_bytes(), testbed.random().to_be_bytes());
    let icv = [&icv.0[..], &icv.1].concat();
    let ah = [&[4, 4, 0, 0][..], &spi.to_be_bytes(), &5000_u32.to_be_bytes(), icv.get(..12).unwrap_or_default()];
    let packet = ip_packet(tester, dut, Protocol::AH, [&ah.concat()[..], &ping.packet()].concat())?;
    let silence = testbed.silence();
    let came = testbed.comes_through(&ping, packet, silence)?;
    step.observed(format!("AH with SPI {spi:08x}: {}", if came { "let through" } else { "dropped" }));
    if came { Err(StepError::failed("dropped", "let through")) } else { Ok(()) }
}

/// The log has a message about packets of the tester, with their addresses, protocol and SPI.
fn written(testbed: &mut Testbed, step: &mut Step, sent: &[(Protocol, u32)]) -> StepResult {
    let (dut, tester) = (testbed.plan().dut.to_string(), testbed.plan().tester.to_string());
    let messages = messages(testbed)?;
    let mut shown = None;
    for (protocol, spi) in sent {
        let found = messages.iter().find(|message| {
            (message.protocol, message.spi) == (protocol.0, *spi)
                && (&message.destination, &message.source) == (&dut, &tester)
        });
        match found {
            Some(message) => shown = Some(message.line.clone()),
            None => {
                let last = messages.last().map_or("no such message", |message| &message.line);
                let wanted = format!("destaddr={dut}, prot={}, spi=0x{spi:X}({spi}), srcaddr={tester}", protocol.0);
                return Err(StepError::failed(wanted, last));
            }
        }
    }
    let shown = shown.ok_or_else(|| StepError::inconclusive("the tester has sent neither ESP nor AH"))?;
    step.measured("the DUT's log", shown);
    Ok(())
}

/// Without an IKE SA: silence, or one unprotected INVALID_SPI as RFC 7296 section 1.5 has it. Anything else is neither.
fn outside_ike_sa(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let silence = testbed.silence();
    testbed.wait(silence)?;
    let (_, spi) = sent(testbed)?;
    let told: Vec<&SeenIke> = testbed.from_dut_since(testbed.since()).filter_map(Seen::ike).collect();
    let one_way = |ike: &SeenIke| {
        ike.header.is_some_and(|header| (header.initiator_spi, header.responder_spi) == (0, 0))
            && ike.notify(NotifyType::INVALID_SPI).is_some_and(|notify| notify.data == spi.to_be_bytes())
    };
    let words = match told.as_slice() {
        [] => "silence".to_owned(),
        [one] if one_way(one) => "INVALID_SPI in the clear".to_owned(),
        [other, ..] => {
            let came = format!("{} messages, the first {}", told.len(), other.summary());
            return Err(StepError::unsafe_choice("silence, or one INVALID_SPI outside any IKE SA", came));
        }
    };
    step.measured("unknown SPI without an IKE SA", words.clone());
    step.observed(words.clone());
    let claimed = testbed.profile().claims.contains("invalid-spi-in-the-clear");
    if told.is_empty() || claimed { Ok(()) } else { Err(StepError::failed("silence", words)) }
}

/// Is it ESP or an IKE request: something that a DUT may answer?
fn is_trigger(seen: &Seen) -> bool {
    seen.esp().is_some() || seen.ah().is_some() || seen.ike().is_some_and(|ike| !ike.is_response())
}

/// Sends a sound packet under an SPI that the DUT does not receive on.
fn dropped(testbed: &mut Testbed, step: &mut Step, spi: u32, keys_of_inbound: bool) -> StepResult {
    let ping = testbed.new_ping();
    let draft = tunnel_draft(spi, 5000, ping.packet());
    let esp = if keys_of_inbound { testbed.seal_as_inbound(&draft)? } else { testbed.seal(&draft)? };
    let silence = testbed.silence();
    let packet = testbed.esp_packet(&esp)?;
    let came = testbed.comes_through(&ping, packet, silence)?;
    step.observed(format!("SPI {spi:08x}: {}", if came { "let through" } else { "dropped" }));
    if came { Err(StepError::failed("dropped", "let through")) } else { Ok(()) }
}

/// How the DUT has told of the packet with an unknown SPI, in words: properly or not; `None` for silence.
fn told(testbed: &mut Testbed, step: &mut Step) -> Result<Option<Result<String, String>>, StepError> {
    let since = testbed.since();
    let (_, spi) = sent(testbed)?;
    let silence = testbed.silence();
    let is_report = |ike: &SeenIke| {
        !ike.is_response() && (!ike.protected || ike.notifies().next().is_some() || deletes(ike).next().is_some())
    };
    let Some(index) = testbed.await_ike(since, silence, is_report)? else { return Ok(None) };
    testbed.comment(index, "judged: what the DUT says about the unknown SPI");
    let Some(ike) = testbed.seen().get(index).and_then(Seen::ike) else { return Ok(None) };
    step.observed(ike.summary());
    let notify = ike.notify(NotifyType::INVALID_SPI);
    if ike.protected && notify.is_some_and(|notify| notify.data == spi.to_be_bytes() && notify.spi.is_empty()) {
        return Ok(Some(Ok("protected INVALID_SPI".to_owned())));
    }
    if ike.protected && deletes(ike).any(|deleted| deleted == spi) {
        return Ok(Some(Ok("protected Delete".to_owned())));
    }
    let form = notify.map(|notify| format!(", SPI {:02x?}, data {:02x?}", notify.spi, notify.data)).unwrap_or_default();
    Ok(Some(Err(format!("{}{form}", ike.summary()))))
}

fn deletes(ike: &SeenIke) -> impl Iterator<Item = u32> {
    ike.payloads.iter().flat_map(|payload| match &payload.body {
        Body::Delete(delete) => delete.child_spis().collect(),
        _ => Vec::new(),
    })
}

/// The SPIs of Child SAs in a message's SA payload.
fn offered(ike: &SeenIke) -> Vec<u32> {
    let proposals = ike.payloads.iter().filter_map(|payload| match &payload.body {
        Body::SecurityAssociation(sa) => Some(&sa.proposals),
        _ => None,
    });
    proposals
        .flatten()
        .filter(|proposal| proposal.protocol == ProtocolId::ESP)
        .filter_map(|proposal| proposal.spi.as_slice().try_into().ok().map(u32::from_be_bytes))
        .collect()
}

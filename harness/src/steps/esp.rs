//! What ESP packets look like and which of them are taken: format, padding, sequence numbers of the sender (RFC 4303
//! sections 2 and 3.3, RFC 3602, RFC 4106, RFC 4868).

use super::common::instead;
use super::replay::through_limit;
use crate::dissect::SeenEsp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Ping, Testbed, tunnel_draft};
use reference_peer::gateway::Leg;
use reference_peer::hands::EspDraft;
use reference_peer::ipsec::keys::Opened;
use std::collections::BTreeSet;
use wire::{Derived, ipv4};

/// Octets of SPI and sequence number.
const ESP_HEADER: usize = 8;

/// Least distance, in bits, between two IVs of 128 random bits that follow each other: less comes about once in 10^9.
const LEAST_DISTANCE: u32 = 30;

/// Units of 8 octets in the first of two fragments.
const FIRST_FRAGMENT: u8 = 6;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("pings with {int} to {int} octets of data are sent through the tunnel", |testbed, step| {
        testbed.begin_stimulus();
        let (first, last): (usize, usize) = (step.arg(0)?, step.arg(1)?);
        for octets in first..=last {
            ping_with(testbed, octets)?;
        }
        Ok(())
    });
    steps.when("^packets with these faults are sent: (.+)$", |testbed, step| {
        let faults: Vec<String> = step.arg_text(0)?.split(", ").map(str::to_owned).collect();
        testbed.begin_stimulus();
        for fault in faults {
            let esp = faulty(testbed, &fault)?;
            testbed.send_esp(&esp)?;
        }
        Ok(())
    });
    steps.when("a dummy packet is sent", |testbed, _| {
        testbed.begin_stimulus();
        let mut draft = draft_of(testbed, &[0x5a; 40])?;
        draft.next_header = 59;
        let esp = testbed.seal(&draft)?;
        testbed.send_esp(&esp)
    });
    steps.when("ESP packets cut to {int} to {int} octets are sent", |testbed, step| {
        let (first, last): (usize, usize) = (step.arg(0)?, step.arg(1)?);
        testbed.begin_stimulus();
        for octets in first..=last {
            let ping = testbed.new_ping();
            let draft = draft_of(testbed, &ping.packet())?;
            let mut esp = testbed.seal(&draft)?;
            esp.truncate(octets);
            testbed.send_esp(&esp)?;
        }
        Ok(())
    });

    steps.then("nothing comes out of the tunnel", |testbed, _| nothing_comes_out(testbed));
    steps.then("a fresh packet comes out of the tunnel", |testbed, step| {
        let came = passes(testbed, 56, |_| {})?;
        judged(step, came, true)
    });
    steps.then("a packet with {int} octets of TFC padding comes out without them", tfc_padding);
    steps.then("a packet that says that more fragments follow is dropped", |testbed, step| {
        let ping = testbed.new_ping();
        let draft = draft_of(testbed, &ping.packet())?;
        let esp = testbed.seal(&draft)?;
        let mut packet = ipv4::Packet::parse(&testbed.esp_packet(&esp)?).map_err(StepError::testbed)?;
        (packet.more_fragments, packet.identification) = (true, ping.sequence);
        packet.checksum = Derived::Computed;
        let before = testbed.come_out();
        testbed.send_outside(packet.to_bytes())?;
        let limit = through_limit(testbed);
        let came = testbed.await_state(limit, |testbed| testbed.has_come_out(before, &ping))?;
        judged(step, came, false)
    });
    steps.then("a packet in two fragments comes out", |testbed, step| {
        let ping = testbed.new_ping();
        let draft = draft_of(testbed, &ping.packet())?;
        let esp = testbed.seal(&draft)?;
        let mut first = ipv4::Packet::parse(&testbed.esp_packet(&esp)?).map_err(StepError::testbed)?;
        (first.identification, first.checksum, first.total_length) =
            (ping.sequence, Derived::Computed, Derived::Computed);
        let mut second = first.clone();
        second.payload = first.payload.split_off(8 * usize::from(FIRST_FRAGMENT));
        first.more_fragments = true;
        second.fragment_offset = FIRST_FRAGMENT.into();
        let before = testbed.come_out();
        testbed.send_outside(first.to_bytes())?;
        testbed.send_outside(second.to_bytes())?;
        let limit = through_limit(testbed);
        let came = testbed.await_state(limit, |testbed| testbed.has_come_out(before, &ping))?;
        judged(step, came, true)
    });
    steps.then("packets with {int}, {int} and {int} octets of padding come out", |testbed, step| {
        for index in 0..3 {
            let padding: u8 = step.arg(index)?;
            // The inner packet ends where so much padding ends a block of 16, and of 4 as well.
            let data = (0..16).find(|data| (28 + data + usize::from(padding) + 2).is_multiple_of(16)).unwrap_or(0) + 16;
            let came = passes(testbed, data, |draft| draft.padding = Some((1..=padding).collect()))?;
            step.observed(format!("{padding} octets: {}", if came { "let through" } else { "dropped" }));
            judged(step, came, true)?;
        }
        Ok(())
    });
    steps.then("a packet whose padding is all zeros is dropped", |testbed, step| {
        // 28 + 40 octets and 10 of padding make whole blocks of 16.
        let came = passes(testbed, 40, |draft| draft.padding = Some(vec![0; 10]))?;
        judged(step, came, false)
    });
    steps.then("a packet whose pad length is {int} though there is less is dropped", |testbed, step| {
        let pad_length = step.arg(0)?;
        let came = passes(testbed, 4, |draft| draft.pad_length = Some(pad_length))?;
        judged(step, came, false)
    });

    steps.then("the DUT's ESP packets carry the tester's SPI and a sequence number", |testbed, _| {
        let spi = testbed.child()?.inbound_spi;
        let packets = from_dut(testbed)?;
        let wrong = packets.iter().find(|esp| esp.spi != spi || esp.sequence == 0);
        wrong
            .map_or(Ok(()), |esp| Err(StepError::failed(format!("SPI {spi:#010x} and a number from 1"), esp.summary())))
    });
    steps.then("the first ESP packet of the DUT has sequence number 1", |testbed, step| {
        let spi = testbed.child()?.inbound_spi;
        let first = testbed.from_dut_since(0).filter_map(|seen| seen.esp()).find(|esp| esp.spi == spi);
        let Some(first) = first else { return Err(StepError::failed("ESP from the DUT", instead(testbed))) };
        step.observed(first.summary());
        if first.sequence == 1 { Ok(()) } else { Err(StepError::failed("sequence number 1", first.summary())) }
    });
    steps.then("the DUT's sequence numbers are consecutive", |testbed, step| {
        pairs(testbed, step, "each number one more than the last", |a, b| b == a.wrapping_add(1))
    });
    steps.then("the DUT's sequence numbers grow", |testbed, step| {
        pairs(testbed, step, "each number higher than the last", |a, b| b > a)
    });
    steps.then("the DUT's sequence numbers never start again", |testbed, step| {
        pairs(testbed, step, "no number lower than the last", |a, b| b >= a)
    });
    steps.then("no IV of the DUT comes twice", |testbed, step| {
        let opened = opened_from_dut(testbed)?;
        let different: BTreeSet<&[u8]> = opened.iter().map(|(_, opened)| opened.iv.as_slice()).collect();
        step.observed(format!("{} packets, {} different IVs", opened.len(), different.len()));
        if different.len() == opened.len() {
            return Ok(());
        }
        Err(StepError::failed(format!("{} different IVs", opened.len()), format!("{}", different.len())))
    });
    steps.then("the DUT's IVs are no counter", |testbed, step| {
        let opened = opened_from_dut(testbed)?;
        let ivs: Vec<&[u8]> = opened.iter().map(|(_, opened)| opened.iv.as_slice()).collect();
        let distance = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
        let least = ivs.windows(2).filter_map(|pair| Some(distance(pair.first()?, pair.get(1)?))).min().unwrap_or(0);
        step.measured("least distance of consecutive IVs", format!("{least} bits in {} packets", ivs.len()));
        if least >= LEAST_DISTANCE {
            return Ok(());
        }
        Err(StepError::failed(format!("{LEAST_DISTANCE} bits or more that differ"), format!("{least} bits")))
    });
    steps.then("the DUT's ESP packets have an IV of {int} and an ICV of {int} octets", |testbed, step| {
        let (iv, icv): (usize, usize) = (step.arg(0)?, step.arg(1)?);
        for (esp, opened) in opened_from_dut(testbed)? {
            let around = esp.octets.len() - opened.payload.len() - opened.padding.len();
            if opened.iv.len() != iv || around != ESP_HEADER + iv + 2 + icv {
                return Err(StepError::failed(format!("an IV of {iv} and an ICV of {icv} octets"), esp.summary()));
            }
        }
        Ok(())
    });
    steps.then("the DUT's padding counts 1, 2, 3", |testbed, step| {
        let opened = opened_from_dut(testbed)?;
        let lengths: BTreeSet<usize> = opened.iter().map(|(_, opened)| opened.padding.len()).collect();
        step.observed(format!("{} packets with pad lengths {lengths:?}", opened.len()));
        let counts = |padding: &[u8]| padding.iter().zip(1_u8..).all(|(octet, number)| *octet == number);
        match opened.iter().find(|(_, opened)| !counts(&opened.padding)) {
            None => Ok(()),
            Some((_, opened)) => Err(StepError::failed("padding of 1, 2, 3, ...", format!("{:02x?}", opened.padding))),
        }
    });
    steps.then("the DUT's ESP packets are aligned to {int} octets", |testbed, step| {
        let align = step.arg(0)?;
        for (esp, opened) in opened_from_dut(testbed)? {
            let encrypted = opened.payload.len() + opened.padding.len() + 2;
            if !encrypted.is_multiple_of(align) || !esp.octets.len().is_multiple_of(4) {
                let came = format!("{encrypted} octets encrypted, {} in all", esp.octets.len());
                return Err(StepError::failed(format!("a multiple of {align} octets encrypted, of 4 in all"), came));
            }
        }
        Ok(())
    });
    steps.then("the DUT pads with fewer than {int} octets", |testbed, step| {
        let limit: usize = step.arg(0)?;
        let most = opened_from_dut(testbed)?.iter().map(|(_, opened)| opened.padding.len()).max().unwrap_or(0);
        step.observed(format!("{most} octets of padding at most"));
        if most < limit { Ok(()) } else { Err(StepError::failed(format!("fewer than {limit}"), most.to_string())) }
    });
}

/// A ping with so many octets of data, and its answer if it comes.
fn ping_with(testbed: &mut Testbed, octets: usize) -> Result<bool, StepError> {
    let mut ping = testbed.new_ping();
    ping.data = vec![0x61; octets];
    let before = testbed.delivered().len();
    testbed.send_from_tester_host(&ping.packet())?;
    let limit = testbed.answer_limit();
    testbed.await_state(limit, |testbed| {
        testbed.delivered().get(before..).unwrap_or_default().iter().any(|(_, packet)| ping.is_answered_by(packet))
    })
}

/// A draft with a sequence number that is higher than all before.
fn draft_of(testbed: &Testbed, packet: &[u8]) -> Result<EspDraft, StepError> {
    Ok(tunnel_draft(testbed.child()?.outbound_spi, testbed.fresh_number(), packet.to_vec()))
}

/// Is a ping let through whose draft has been edited?
fn passes(testbed: &mut Testbed, data: usize, edit: impl FnOnce(&mut EspDraft)) -> Result<bool, StepError> {
    let mut ping = testbed.new_ping();
    ping.data = vec![0x61; data];
    let mut draft = draft_of(testbed, &ping.packet())?;
    edit(&mut draft);
    let esp = testbed.seal(&draft)?;
    let before = testbed.come_out();
    testbed.send_esp(&esp)?;
    let limit = through_limit(testbed);
    testbed.await_state(limit, |testbed| testbed.has_come_out(before, &ping))
}

fn judged(step: &mut Step, came: bool, through: bool) -> StepResult {
    let words = |through| if through { "let through" } else { "dropped" };
    step.observed(words(came));
    if came == through { Ok(()) } else { Err(StepError::failed(words(through), words(came))) }
}

/// A sealed ping into which a forger has put a fault. Only the ICV can tell: what would come out otherwise is a sound
/// IP packet between the two hosts.
fn faulty(testbed: &mut Testbed, fault: &str) -> Result<Vec<u8>, StepError> {
    let child = testbed.child()?;
    let (_, outbound) = reference_peer::gateway::parameters(&child, &std::sync::Arc::default());
    let icv = outbound.integrity.icv_len().max(outbound.encryption.icv_len());
    let ping = testbed.new_ping();
    let (packet, bit) = forgeable(&ping)?;
    let draft = draft_of(testbed, &packet)?;
    let mut esp = testbed.seal(&draft)?;
    let end = esp.len().saturating_sub(icv);
    let flips: &[(usize, u8)] = &match fault {
        "sequence number" => vec![(6, 0x01)],
        // In CBC mode this changes identification and header checksum of the inner packet alike.
        "IV" => vec![(ESP_HEADER + 5, bit), (ESP_HEADER + 11, bit)],
        "ciphertext" => vec![(end.saturating_sub(20), 0x01)],
        "pad length" => vec![(end.saturating_sub(2), 0x01)],
        "next header" => vec![(end.saturating_sub(1), 0x01)],
        "first octet of the ICV" => vec![(end, 0x80)],
        "last octet of the ICV" => vec![(esp.len().saturating_sub(1), 0x01)],
        "ICV cut by 4 octets" => {
            esp.truncate(esp.len().saturating_sub(4));
            vec![]
        }
        _ => return Err(StepError::testbed(format!("no fault is called {fault:?}"))),
    };
    for (at, bits) in flips {
        if let Some(octet) = esp.get_mut(*at) {
            *octet ^= bits;
        }
    }
    Ok(esp)
}

/// A ping, and a bit that its identification and its header checksum have in the low octet and not alike: if both
/// change, the sum over the header stays what it is.
fn forgeable(ping: &Ping) -> Result<(Vec<u8>, u8), StepError> {
    let octets = ping.packet();
    let Ok(mut packet) = ipv4::Packet::parse(&octets) else { return Ok((octets, 0x08)) };
    for identification in 0..0x100 {
        packet.identification = identification;
        packet.checksum = Derived::Computed;
        let octets = packet.to_bytes();
        let differ = octets.get(5).zip(octets.get(11)).map_or(0, |(identification, sum)| identification ^ sum);
        if differ != 0 {
            return Ok((octets, 1 << differ.trailing_zeros()));
        }
    }
    Err(StepError::testbed("no identification makes the packet forgeable"))
}

/// For the time that counts as silence nothing comes out on the inside, and no ESP and no ICMP on the outside.
fn nothing_comes_out(testbed: &mut Testbed) -> StepResult {
    let (since, silence) = (testbed.since(), testbed.silence());
    let found =
        testbed.await_seen(since, silence, |seen| seen.from_dut && seen.is_traffic() && seen.ike().is_none())?;
    let Some(index) = found else { return Ok(()) };
    testbed.comment(index, "judged: nothing was expected here");
    Err(StepError::failed(format!("nothing for {silence:?}"), instead(testbed)))
}

/// The ping comes out on the inside as it went in; without an inside leg its answer shows how long it was.
fn tfc_padding(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let octets: usize = step.arg(0)?;
    let ping = testbed.new_ping();
    let length = ping.packet().len();
    let mut draft = draft_of(testbed, &ping.packet())?;
    draft.tfc_padding = vec![0xee; octets];
    let esp = testbed.seal(&draft)?;
    let mark = testbed.mark();
    testbed.send_esp(&esp)?;
    let limit = testbed.answer_limit();
    let found = testbed.await_seen(mark, limit, |seen| {
        let out = seen.leg == Leg::Inside && seen.ip.as_ref().is_some_and(|packet| ping.is_request(&packet.to_bytes()));
        seen.from_dut
            && (out || seen.esp().and_then(SeenEsp::inner).is_some_and(|p| ping.is_answered_by(&p.to_bytes())))
    })?;
    let Some(seen) = found.and_then(|index| testbed.seen().get(index)) else {
        return Err(StepError::failed(format!("the packet within {limit:?}"), instead(testbed)));
    };
    let came = match &seen.esp().map(|esp| &esp.opened) {
        Some(Some(Ok(opened))) => opened.payload.len(),
        _ => seen.frame.len().saturating_sub(14),
    };
    step.observed(format!("{length} octets went in, {came} came out"));
    if came == length { Ok(()) } else { Err(StepError::failed(format!("{length} octets"), format!("{came} octets"))) }
}

/// What the DUT has sent under ESP since the stimulus; one packet at least.
pub(super) fn from_dut(testbed: &Testbed) -> Result<Vec<&SeenEsp>, StepError> {
    let packets: Vec<&SeenEsp> = testbed.from_dut_since(testbed.since()).filter_map(|seen| seen.esp()).collect();
    if packets.is_empty() {
        return Err(StepError::failed("ESP from the DUT", instead(testbed)));
    }
    Ok(packets)
}

/// The same with what was inside; all of it must open.
fn opened_from_dut(testbed: &Testbed) -> Result<Vec<(&SeenEsp, &Opened)>, StepError> {
    from_dut(testbed)?
        .into_iter()
        .map(|esp| match &esp.opened {
            Some(Ok(opened)) => Ok((esp, opened)),
            _ => Err(StepError::failed("ESP that opens with the negotiated keys", esp.summary())),
        })
        .collect()
}

/// Do the sequence numbers of all neighbours fit?
fn pairs(testbed: &Testbed, step: &mut Step, expected: &str, fits: impl Fn(u32, u32) -> bool) -> StepResult {
    let numbers: Vec<u32> = from_dut(testbed)?.iter().map(|esp| esp.sequence).collect();
    step.observed(format!("{} packets, numbers {:?} to {:?}", numbers.len(), numbers.first(), numbers.last()));
    for pair in numbers.windows(2) {
        if let [a, b] = pair
            && !fits(*a, *b)
        {
            return Err(StepError::failed(expected, format!("{b} after {a}")));
        }
    }
    Ok(())
}

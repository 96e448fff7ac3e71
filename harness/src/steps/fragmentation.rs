//! Packets that do not fit when they are protected: fragmented before or after encryption, or dropped (guide chapter 3,
//! RFC 4301 section 8.2.1), and how exactly a DUT knows what fits.

use super::common::instead;
use super::df_bit::{bit_of, outer_bit};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Passage, Probe, Setting, Testbed, Treatment};
use reference_peer::gateway::TunnelInterface;
use reference_peer::ipsec::header::Header;
use wire::ip;

/// The longest datagram that the host on the inside sends in one piece.
const LONGEST: usize = 1500;

/// The shortest datagram from which the overhead is measured, and how many lengths: two blocks of any cipher.
const MEASURED: (usize, usize) = (100, 32);

/// Octets by which fragments of equal size may differ: each but the last holds a multiple of them.
const ROUNDING: usize = 8;

/// Datagrams that are looked at before anything is judged.
const BATCH: usize = 64;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the DUT's SAs belong to a tunnel interface with an IP MTU of {int}", |testbed, step| {
        testbed.set(Setting::TunnelMtu(step.arg(0)?))
    });
    steps.given("the DUT's SAs belong to a tunnel interface as it is by default", |testbed, _| {
        testbed.reconfigure_dut(|config| config.data.tunnel_interface = Some(TunnelInterface::default()))
    });

    steps.then("^packets (with|without) DF that do not fit are (dropped|fragmented before encryption|fragmented after encryption)$", |testbed, step| {
        let dont_fragment = step.arg_text(0)? == "with";
        let wanted = match step.arg_text(1)? {
            "fragmented before encryption" => Treatment::Before,
            "fragmented after encryption" => Treatment::After,
            "dropped" => Treatment::Dropped,
            other => return Err(StepError::testbed(format!("{}: {other:?} is no treatment", step.place()))),
        };
        around_the_limit(testbed, step, dont_fragment, wanted)
    });
    steps.then("what becomes of packets that do not fit is told", characterised);
    steps.then("packets without DF arrive, and nobody is told of an MTU", arrive_untold);
    steps.then("the overhead is as arithmetic has it", overhead);
    steps.then("the longest packet that is sent whole is the longest by arithmetic", longest_whole);
    steps.then("packets up to three times the MTU leave in sound fragments", all_lengths);
    steps.then("fragments are of equal size", equal_size);
    steps.then("fragments before encryption hold at most {int} octets", |testbed, step| {
        let most: usize = step.arg(0)?;
        for (probe, passage) in testbed.pass(&[(most, false), (most + 1, false), (LONGEST, false)])? {
            let wanted = if probe.octets() <= most { Treatment::Whole } else { Treatment::Before };
            judge(testbed, step, &probe, &passage, wanted)?;
            let longest = passage.protected.iter().map(|packet| packet.inner.to_bytes().len()).max().unwrap_or(0);
            if longest > most {
                return Err(StepError::failed(format!("at most {most} octets inside"), format!("{longest} octets")));
            }
        }
        Ok(())
    });
    steps.then("a long packet of the DUT's own is fragmented after encryption", own_long_packet);
}

/// "1450 octets with DF 0".
fn row(probe: &Probe) -> String {
    format!("{} octets with DF {}", probe.octets(), u8::from(probe.dont_fragment))
}

/// Was a datagram treated so, did it arrive unless it was dropped, and does each outer packet fit and have the DF bit
/// that the DUT was told?
fn judge(testbed: &Testbed, step: &mut Step, probe: &Probe, passage: &Passage, wanted: Treatment) -> StepResult {
    step.observed(format!("{}: {passage}", row(probe)));
    if passage.treatment() != wanted || passage.arrived == (wanted == Treatment::Dropped) {
        return Err(StepError::failed(format!("{}: {wanted}", row(probe)), passage.to_string()));
    }
    let mtu = testbed.settings().mtu;
    if passage.longest_piece() > mtu {
        let came = format!("one of {}", passage.longest_piece());
        return Err(StepError::failed(format!("{}: outer packets of at most {mtu} octets", row(probe)), came));
    }
    let Some(df) = testbed.settings().df_bit else { return Ok(()) };
    let bits: Vec<bool> = passage.pieces().filter_map(bit_of).collect();
    if wanted == Treatment::After && df == crate::profile::DfBit::Set {
        // The table has such a packet fragmented although its outer DF bit is to be set; what the fragments have is
        // not said.
        let set = bits.iter().filter(|bit| **bit).count();
        step.measured("outer DF of fragments with df-bit set", format!("{set} of {}", bits.len()));
        return Ok(());
    }
    let outer = outer_bit(df, probe.dont_fragment);
    if bits.iter().all(|bit| *bit == outer) {
        return Ok(());
    }
    let expected = format!("{}: outer DF {} in each packet", row(probe), u8::from(outer));
    Err(StepError::failed(expected, format!("outer DF {bits:?}")))
}

/// One octet less than fits, what fits, one octet more, and as long as the MTU.
fn around_the_limit(testbed: &mut Testbed, step: &mut Step, dont_fragment: bool, wanted: Treatment) -> StepResult {
    let (longest, mtu) = (testbed.longest_inner()?, testbed.settings().mtu.min(LONGEST));
    let lengths = [longest - 1, longest, longest + 1, mtu].map(|octets| (octets, dont_fragment));
    for (probe, passage) in testbed.pass(&lengths)? {
        let wanted = if probe.octets() <= longest { Treatment::Whole } else { wanted };
        judge(testbed, step, &probe, &passage, wanted)?;
    }
    Ok(())
}

/// The row of table 2 of the guide's chapter 3 that a treatment is of: pre-fragmentation on or off, the DF bit as the
/// DUT was told, the inner DF bit.
fn table_row(testbed: &Testbed, inner: bool, treatment: Treatment) -> Option<u8> {
    let df = match testbed.settings().df_bit? {
        crate::profile::DfBit::Clear => 1,
        crate::profile::DfBit::Set => 5,
        crate::profile::DfBit::Copy => 9,
    };
    match (df, inner, treatment) {
        (1, inner, Treatment::Before) => Some(1 + u8::from(inner)),
        (1, inner, Treatment::After) => Some(3 + u8::from(inner)),
        (5 | 9, false, Treatment::Before) => Some(df),
        (5 | 9, false, Treatment::After) => Some(df + 2),
        (5 | 9, true, Treatment::Dropped) => Some(if testbed.settings().pre_fragmentation? { df + 1 } else { df + 3 }),
        _ => None,
    }
}

/// Whatever it is: with DF and without. All but this is judged elsewhere: nothing gets lost on the way, and nothing is
/// longer than the MTU.
fn characterised(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let longest = testbed.longest_inner()?;
    for (probe, passage) in testbed.pass(&[(longest + 1, false), (LONGEST, false), (longest + 1, true)])? {
        let treatment = passage.treatment();
        let row_of_table = match table_row(testbed, probe.dont_fragment, treatment) {
            Some(number) => format!("row {number} of the guide's table"),
            None => "no row of the guide's table".to_owned(),
        };
        step.measured(row(&probe), format!("{passage}: {row_of_table}"));
        let sound = treatment == Treatment::Dropped || passage.arrived;
        if !sound || passage.longest_piece() > testbed.settings().mtu {
            let longest = passage.longest_piece();
            return Err(StepError::failed(
                format!("{} dropped, or sent in packets that fit and whole at the other end", row(&probe)),
                format!("{passage}, the longest outer packet of {longest} octets"),
            ));
        }
    }
    Ok(())
}

/// Datagrams without DF come through at every length, and no ICMP error is sent for them.
fn arrive_untold(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let longest = testbed.longest_inner()?;
    let lengths = [longest, longest + 1, longest + 8, LONGEST].map(|octets| (octets, false));
    for (probe, passage) in testbed.pass(&lengths)? {
        step.observed(format!("{}: {passage}", row(&probe)));
        if !passage.arrived || passage.told().is_some() {
            return Err(StepError::failed(
                format!("{} arrives, without an ICMP error", row(&probe)),
                passage.to_string(),
            ));
        }
    }
    Ok(())
}

/// What encapsulation adds at each of so many lengths that any cipher's padding takes all its values.
fn overhead(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (encapsulation, header) = (testbed.encapsulation()?, testbed.inner_header());
    let (first, count) = MEASURED;
    let lengths: Vec<(usize, bool)> = (first..first + count).map(|octets| (octets, false)).collect();
    let (mut least, mut most) = (usize::MAX, 0);
    let mut wrong = None;
    for (probe, passage) in testbed.pass(&lengths)? {
        let [packet] = passage.protected.as_slice() else {
            return Err(StepError::failed(format!("{} sent whole", row(&probe)), passage.to_string()));
        };
        let (added, exact) = (packet.len - probe.octets(), encapsulation.protected_len(probe.octets(), header));
        (least, most) = (added.min(least), added.max(most));
        if packet.len != exact {
            wrong =
                wrong.or(Some((format!("{}: {exact} octets outside", row(&probe)), format!("{} octets", packet.len))));
        }
    }
    let (mode, name) = (testbed.wanted().mode, testbed.protection()?);
    let octets = if least == most { format!("{least} octets") } else { format!("{least} to {most} octets") };
    let udp = if testbed.child()?.udp_encapsulation { " in UDP" } else { "" };
    let mode = format!("{mode:?}").to_lowercase();
    let over = if testbed.plan().tester.is_ipv4() { "" } else { " over IPv6" };
    step.measured(format!("overhead of {name} in {mode} mode{udp}{over}"), octets);
    wrong.map_or(Ok(()), |(expected, observed)| Err(StepError::failed(expected, observed)))
}

/// The longest datagram without DF that leaves in one packet, found by halving if it is not where it should be.
fn longest_whole(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (longest, mtu) = (testbed.longest_inner()?, testbed.settings().mtu.min(LONGEST));
    let name = {
        let over = if testbed.plan().tester.is_ipv4() { "" } else { " over IPv6" };
        let udp = if testbed.child()?.udp_encapsulation { " in UDP" } else { "" };
        format!("longest packet whole with {}{udp}{over}", testbed.protection()?)
    };
    let passages = testbed.pass(&[(longest - 1, false), (longest, false), (longest + 1, false)])?;
    let treatments: Vec<Treatment> = passages.iter().map(|(_, passage)| passage.treatment()).collect();
    let beyond = |treatment: &Treatment| match testbed.settings().pre_fragmentation {
        Some(true) => *treatment == Treatment::Before,
        Some(false) => *treatment == Treatment::After,
        None => matches!(treatment, Treatment::Before | Treatment::After),
    };
    if let [Treatment::Whole, Treatment::Whole, last] = treatments.as_slice()
        && beyond(last)
    {
        step.measured(name, format!("{longest} octets, as by arithmetic"));
        return Ok(());
    }
    let (mut low, mut high) = (MEASURED.0, mtu + 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        let (_, passage) = testbed.pass_one(middle, false)?;
        if passage.treatment() == Treatment::Whole { low = middle } else { high = middle }
    }
    step.measured(name, format!("{low} octets, by arithmetic {longest}"));
    let came: Vec<String> = treatments.iter().map(ToString::to_string).collect();
    let around = format!("{} to {} octets: {}", longest - 1, longest + 1, came.join(", "));
    Err(StepError::failed(format!("up to {longest} octets sent whole"), format!("up to {low}; {around}")))
}

/// All lengths from 100 octets below the MTU up to three times the MTU, or what the inside carries.
fn all_lengths(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let mtu = testbed.settings().mtu;
    let lengths: Vec<(usize, bool)> =
        (mtu.saturating_sub(100)..=LONGEST.min(3 * mtu)).map(|len| (len, false)).collect();
    let longest = testbed.longest_inner()?;
    let (mut outer, mut inner) = (0, 0);
    for batch in lengths.chunks(BATCH) {
        for (probe, passage) in testbed.pass(batch)? {
            let treatment = passage.treatment();
            let right = match treatment {
                Treatment::Whole => probe.octets() <= longest,
                Treatment::Before | Treatment::After => probe.octets() > longest,
                Treatment::Twice | Treatment::Dropped => false,
            };
            if !right || !passage.arrived {
                let fate = if probe.octets() <= longest { "sent whole" } else { "fragmented once" };
                return Err(StepError::failed(format!("{} {fate}", row(&probe)), passage.to_string()));
            }
            if passage.longest_piece() > mtu {
                let came = format!("one of {} octets", passage.longest_piece());
                return Err(StepError::failed(format!("{}: at most {mtu} octets outside", row(&probe)), came));
            }
            let inners: Vec<ip::Packet> = passage.protected.iter().map(|packet| packet.inner.clone()).collect();
            sound(&inners)
                .map_err(|fault| StepError::failed(format!("{}: sound inner fragments", row(&probe)), fault))?;
            for packet in &passage.protected {
                sound(&packet.pieces)
                    .map_err(|fault| StepError::failed(format!("{}: sound outer fragments", row(&probe)), fault))?;
                outer += packet.pieces.len();
            }
            inner += inners.len();
        }
    }
    let (first, last) = (mtu.saturating_sub(100), LONGEST.min(3 * mtu));
    step.measured("fragments", format!("{first} to {last} octets: {inner} protected packets in {outer} outer packets"));
    Ok(())
}

/// Do fragments, in any order, make up one packet: multiples of 8 octets but for the last, without gap or overlap, and
/// the last says so and no other (RFC 791 section 3.2)?
fn sound(pieces: &[ip::Packet]) -> Result<(), String> {
    if let [only] = pieces {
        return if only.is_fragment() { Err("a single fragment".to_owned()) } else { Ok(()) };
    }
    let place = |piece: &ip::Packet| {
        let octets = piece.to_bytes();
        let header = Header::parse(&octets).ok()?;
        let fragment = header.fragment?;
        Some((fragment.offset, octets.len() - header.insertion, fragment.more))
    };
    let mut places: Vec<(usize, usize, bool)> = pieces.iter().filter_map(place).collect();
    places.sort_unstable();
    let mut end = 0;
    let last = places.len().saturating_sub(1);
    for (index, (offset, len, more)) in places.iter().enumerate() {
        if places.len() != pieces.len() || *offset != end || *more == (index == last) || *more && len % ROUNDING != 0 {
            return Err(format!("offset, length, more: {places:?}"));
        }
        end = offset + len;
    }
    Ok(())
}

/// Inner fragments of one datagram differ by no more than what their rounding to 8 octets makes.
fn equal_size(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (longest, mtu) = (testbed.longest_inner()?, testbed.settings().mtu);
    let (first, last) = (longest + 1, LONGEST.min(3 * mtu));
    let lengths: Vec<(usize, bool)> = (first..=last).step_by(7).chain([last]).map(|octets| (octets, false)).collect();
    let mut widest = 0;
    for (probe, passage) in testbed.pass(&lengths)? {
        if passage.treatment() != Treatment::Before {
            return Err(StepError::failed(
                format!("{} fragmented before encryption", row(&probe)),
                passage.to_string(),
            ));
        }
        let sizes: Vec<usize> = passage.protected.iter().map(|packet| packet.inner.payload().len()).collect();
        let spread = sizes.iter().max().unwrap_or(&0) - sizes.iter().min().unwrap_or(&0);
        widest = widest.max(spread);
        if spread > ROUNDING {
            return Err(StepError::failed(format!("{}: fragments of equal size", row(&probe)), format!("{sizes:?}")));
        }
    }
    step.measured("difference between fragments of one packet", format!("{widest} octets at most"));
    Ok(())
}

/// In transport mode the DUT's answer to a long ping is one protected packet in several pieces.
fn own_long_packet(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    testbed.begin_stimulus();
    let mut ping = testbed.new_ping();
    ping.data = vec![0x61; testbed.settings().mtu + 100];
    let (mark, delivered) = (testbed.mark(), testbed.delivered().len());
    testbed.send_from_tester_host(&ping.packet())?;
    let limit = testbed.answer_limit();
    let answered = testbed.await_state(limit, |testbed| {
        testbed.delivered().get(delivered..).unwrap_or_default().iter().any(|(_, packet)| ping.is_answered_by(packet))
    })?;
    let protected: Vec<usize> = testbed
        .from_dut_since(mark)
        .filter(|seen| seen.numbered().is_some())
        .map(|seen| seen.fragments.len())
        .collect();
    let words = match protected.as_slice() {
        [pieces] => format!("one protected packet in {} pieces", pieces.max(&1)),
        all => format!("{} protected packets", all.len()),
    };
    step.observed(words.clone());
    match protected.as_slice() {
        [pieces] if *pieces > 1 && answered => Ok(()),
        [] => Err(StepError::failed("one protected packet in several pieces", instead(testbed))),
        _ => Err(StepError::failed("one protected packet in several pieces", words)),
    }
}

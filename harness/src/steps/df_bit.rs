//! The DF bit of outer IPv4 headers, and of inner ones (RFC 4301 section 8.1, guide chapter 7).

use super::common::instead;
use super::pair::df_bit;
use crate::profile::DfBit;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Family, Passage, Testbed, Treatment};
use reference_peer::config::Selector;
use reference_peer::gateway::GatewayConfig;
use wire::ip::{self, Protocol};
use wire::{Derived, ipv4};

/// Octets of a datagram that fits everywhere.
const SMALL: usize = 100;

/// Name of the second child of a DUT that has two.
const SECOND: &str = "second";

/// Protocol number of UDP.
const UDP: u8 = 17;
/// Protocol number of ICMP.
const ICMP: u8 = 1;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the DUT's DF bit is {word} globally and {word} on its outside", |testbed, step| {
        let (global, interface) = (df_bit(step, 0)?, df_bit(step, 1)?);
        testbed.reconfigure_dut(|config| tell(config, global, Some(interface)))
    });
    steps.given("a pair of SAs with the DF bit {word} for UDP, and one with the DF bit {word} for ICMP", two_pairs);
    steps.given("the DUT answers pings in the clear", |testbed, _| {
        if testbed.answers_ping()? {
            return Ok(());
        }
        Err(StepError::inconclusive("the DUT does not answer a ping in the clear"))
    });

    steps.then("the outer DF bit is copied from the inner", |testbed, step| walk(testbed, step, DfBit::Copy));
    steps.then("the outer DF bit is clear", |testbed, step| walk(testbed, step, DfBit::Clear));
    steps.then("the outer DF bit is set", |testbed, step| walk(testbed, step, DfBit::Set));
    steps.then("the setting of the outside overrides the global one", overrides);
    steps.then("the outer DF bit is {word} for UDP and {word} for ICMP", of_two_pairs);
    steps.then("the DUT's own packets keep their DF bit in transport mode", keeps_in_transport_mode);
    steps.then("the inner DF bit comes out as it went in", comes_out_unchanged);
    steps.then("packets with DF that do not fit are fragmented", |testbed, step| large_with_df(testbed, step, false));
    steps.then("packets with DF that do not fit go no further", |testbed, step| large_with_df(testbed, step, true));
}

/// What the outer DF bit is to be.
pub(super) fn outer_bit(df: DfBit, inner: bool) -> bool {
    match df {
        DfBit::Copy => inner,
        DfBit::Set => true,
        DfBit::Clear => false,
    }
}

/// The DF bit of an IPv4 packet; `None` of an IPv6 packet.
pub(super) fn bit_of(packet: &ip::Packet) -> Option<bool> {
    match packet {
        ip::Packet::V4(packet) => Some(packet.dont_fragment),
        ip::Packet::V6(_) => None,
    }
}

fn word(df: DfBit) -> &'static str {
    match df {
        DfBit::Copy => "copy",
        DfBit::Set => "set",
        DfBit::Clear => "clear",
    }
}

/// Does every outer packet of a datagram that was sent whole have this DF bit?
fn has_outer_bit(passage: &Passage, wanted: bool) -> bool {
    passage.treatment() == Treatment::Whole && passage.pieces().all(|piece| bit_of(piece) == Some(wanted))
}

/// Inner DF clear and set, from the least length to the longest that fits.
fn walk(testbed: &mut Testbed, step: &mut Step, df: DfBit) -> StepResult {
    let longest = testbed.longest_inner()?;
    let rows: Vec<(usize, bool)> =
        [28, SMALL, 576, longest].into_iter().flat_map(|octets| [(octets, false), (octets, true)]).collect();
    let passages = testbed.pass(&rows)?;
    let wrong = passages.iter().find(|(probe, passage)| !has_outer_bit(passage, outer_bit(df, probe.dont_fragment)));
    let right = passages.len()
        - passages
            .iter()
            .filter(|(probe, passage)| !has_outer_bit(passage, outer_bit(df, probe.dont_fragment)))
            .count();
    step.measured("outer DF", format!("{}: {right} of {} rows", word(df), rows.len()));
    let Some((probe, passage)) = wrong else { return Ok(()) };
    let row = format!("{} octets with DF {}", probe.octets(), u8::from(probe.dont_fragment));
    let expected = format!("{row}: outer DF {}", u8::from(outer_bit(df, probe.dont_fragment)));
    Err(StepError::failed(expected, describe(passage)))
}

/// What became of a datagram, and the DF bits of its outer packets.
fn describe(passage: &Passage) -> String {
    let bits: Vec<String> = passage.pieces().filter_map(bit_of).map(|bit| u8::from(bit).to_string()).collect();
    if bits.is_empty() { passage.to_string() } else { format!("{passage}, outer DF {}", bits.join(", ")) }
}

/// Tells the built-in peer both settings.
fn tell(config: &mut GatewayConfig, global: DfBit, interface: Option<DfBit>) {
    config.data.df_bit = global.into();
    config.data.interface_df_bit = interface.map(Into::into);
}

/// All global settings with all settings of the interface, none among them.
fn overrides(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let all = [DfBit::Copy, DfBit::Set, DfBit::Clear];
    let mut right = 0;
    let mut wrong = None;
    for global in all {
        for interface in [None].into_iter().chain(all.map(Some)) {
            testbed.reconfigure_dut(|config| tell(config, global, interface))?;
            testbed.bring_up()?;
            let df = interface.unwrap_or(global);
            let passages = testbed.pass(&[(SMALL, false), (SMALL, true)])?;
            let bad = passages.iter().find(|(probe, pass)| !has_outer_bit(pass, outer_bit(df, probe.dont_fragment)));
            match bad {
                None => right += 1,
                Some((_, passage)) => {
                    let interface = interface.map_or("nothing", word);
                    let row = format!("{} globally and {interface} on the outside", word(global));
                    wrong = wrong.or(Some((format!("{row}: {}", word(df)), describe(passage))));
                }
            }
        }
    }
    step.measured("DF settings", format!("{right} of 12 combinations"));
    wrong.map_or(Ok(()), |(expected, observed)| Err(StepError::failed(expected, observed)))
}

/// Datagrams with DF that do not fit, just so and by far.
fn large_with_df(testbed: &mut Testbed, step: &mut Step, dropped: bool) -> StepResult {
    let (longest, mtu) = (testbed.longest_inner()?, testbed.settings().mtu);
    let passages = testbed.pass(&[(longest, true), (longest + 1, true), (mtu, true)])?;
    for (probe, passage) in passages {
        step.observed(format!("{} octets: {passage}", probe.octets()));
        let treatment = passage.treatment();
        let right = match probe.octets() {
            octets if octets <= longest => treatment == Treatment::Whole && passage.arrived,
            _ if dropped => treatment == Treatment::Dropped,
            _ => matches!(treatment, Treatment::Before | Treatment::After) && passage.arrived,
        };
        if !right {
            let fate = match (probe.octets() <= longest, dropped) {
                (true, _) => "sent whole",
                (false, true) => "dropped",
                (false, false) => "fragmented",
            };
            return Err(StepError::failed(format!("{} octets {fate}", probe.octets()), describe(&passage)));
        }
    }
    Ok(())
}

/// Two children of the built-in peer, for one protocol each.
fn two_pairs(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (udp, icmp) = (df_bit(step, 0)?, df_bit(step, 1)?);
    let narrow = |selectors: &mut [Selector], protocol| {
        selectors.iter_mut().for_each(|selector| selector.protocol = protocol);
    };
    // Both ends have the same two, but for the DF bit.
    let split = |config: &mut GatewayConfig| {
        for connection in &mut config.ike.connections {
            let Some(first) = connection.children.first_mut() else { continue };
            let mut second = first.clone();
            second.name = SECOND.to_owned();
            for (child, protocol, df) in [(&mut *first, UDP, udp), (&mut second, ICMP, icmp)] {
                narrow(&mut child.local_ts, protocol);
                narrow(&mut child.remote_ts, protocol);
                child.df_bit = Some(df.into());
            }
            connection.children.insert(1, second);
        }
    };
    testbed.reconfigure_dut(split)?;
    testbed.reconfigure_tester(split);
    testbed.establish()?;
    let (id, since, now) = (testbed.ike_sa()?.id, testbed.events().len(), testbed.now());
    let begun = testbed.tester.command(now, |ike, rng, hands| ike.create_child(now, rng, id, SECOND, hands));
    begun.map_err(StepError::inconclusive)?;
    let limit = testbed.answer_limit();
    testbed.await_up(since, limit)
}

/// Datagrams and pings go over two SAs at the same time, each with its own treatment.
fn of_two_pairs(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (udp, icmp) = (df_bit(step, 0)?, df_bit(step, 1)?);
    for (probe, passage) in testbed.pass(&[(SMALL, false), (SMALL, true)])? {
        let wanted = outer_bit(udp, probe.dont_fragment);
        if !has_outer_bit(&passage, wanted) {
            let row = format!("UDP with DF {}", u8::from(probe.dont_fragment));
            return Err(StepError::failed(format!("{row}: outer DF {}", u8::from(wanted)), describe(&passage)));
        }
    }
    for inner in [false, true] {
        testbed.begin_stimulus();
        let mut ping = testbed.new_ping();
        (ping.source, ping.destination) = (testbed.plan().inside_host, testbed.plan().tester_host);
        let mut packet = ipv4::Packet::parse(&ping.packet()).map_err(StepError::testbed)?;
        (packet.dont_fragment, packet.checksum) = (inner, Derived::Computed);
        testbed.send_from_inside(packet.to_bytes())?;
        let (mark, limit) = (testbed.since(), testbed.answer_limit());
        let found = testbed.await_seen(mark, limit, |seen| {
            seen.from_dut && seen.inner().is_some_and(|inner| ping.is_request(&inner.to_bytes()))
        })?;
        let outer = found.and_then(|place| bit_of(testbed.seen().get(place)?.ip.as_ref()?));
        let wanted = outer_bit(icmp, inner);
        if outer != Some(wanted) {
            let row = format!("ICMP with DF {}", u8::from(inner));
            return Err(StepError::failed(format!("{row}: outer DF {}", u8::from(wanted)), instead(testbed)));
        }
    }
    step.measured("outer DF", format!("{} for UDP, {} for ICMP", word(udp), word(icmp)));
    Ok(())
}

/// The answer to a ping has the same DF bit under the SA as in the clear.
fn keeps_in_transport_mode(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let dut = testbed.plan().dut;
    let clear = testbed.from_dut_since(0).filter_map(|seen| seen.ip.as_ref()).find_map(|packet| {
        let answer = packet.source() == dut && packet.protocol() == Protocol::ICMP;
        bit_of(packet).filter(|_| answer)
    });
    let Some(clear) = clear else { return Err(StepError::inconclusive("no answer in the clear was seen")) };
    testbed.begin_stimulus();
    let limit = testbed.answer_limit();
    testbed.ping(limit)?;
    let outer = testbed.from_dut_since(testbed.since()).find(|seen| seen.numbered().is_some());
    let Some(outer) = outer.and_then(|seen| bit_of(seen.ip.as_ref()?)) else {
        return Err(StepError::failed("a protected answer", instead(testbed)));
    };
    let bits = format!("{} in the clear, {} protected", u8::from(clear), u8::from(outer));
    step.measured("DF of echo replies", bits.clone());
    if outer == clear { Ok(()) } else { Err(StepError::failed("the same DF bit as in the clear", bits)) }
}

/// Inner DF clear and set in outer DF clear and set.
fn comes_out_unchanged(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    if testbed.plan().families() != (Family::V4, Family::V4) {
        return Err(StepError::not_applicable("only IPv4 has a DF bit"));
    }
    for (inner, outer) in [(false, false), (false, true), (true, false), (true, true)] {
        let ping = testbed.new_ping();
        let mut packet = ipv4::Packet::parse(&ping.packet()).map_err(StepError::testbed)?;
        (packet.dont_fragment, packet.checksum) = (inner, Derived::Computed);
        let number = testbed.fresh_number();
        let protected = testbed.protect_packet(number, &packet.to_bytes(), false)?;
        let mut protected = ipv4::Packet::parse(&protected).map_err(StepError::testbed)?;
        (protected.dont_fragment, protected.checksum) = (outer, Derived::Computed);
        let before = testbed.inside_received().len();
        testbed.send_outside(protected.to_bytes())?;
        let limit = testbed.answer_limit();
        let row = format!("inner DF {} in outer DF {}", u8::from(inner), u8::from(outer));
        if !testbed.await_state(limit, |testbed| testbed.came_out_inside(before, |packet| ping.is_request(packet)))? {
            return Err(StepError::failed(format!("{row} comes out within {limit:?}"), instead(testbed)));
        }
        let came = testbed.inside_received().get(before..).unwrap_or_default().iter();
        let came = came.filter(|(_, packet)| ping.is_request(packet));
        let bit = came.filter_map(|(_, packet)| bit_of(&ip::Packet::parse(packet).ok()?)).next();
        if bit != Some(inner) {
            let bit = bit.map_or_else(|| "no IPv4 packet".to_owned(), |bit| format!("DF {}", u8::from(bit)));
            return Err(StepError::failed(format!("{row} comes out with DF {}", u8::from(inner)), bit));
        }
    }
    step.measured("inner DF", "unchanged: 4 of 4 rows");
    Ok(())
}

//! Path MTU: what a DUT tells the sources of packets that are too big, and what it learns of its own paths (RFC 4301
//! section 8.2, RFC 1191, RFC 8201).

use super::common::instead;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Family, Passage, Probe, Testbed, TooBig, Treatment};
use wire::ip::{self, Protocol};
use wire::{Derived, udp};

/// The longest datagram that the host on the inside sends.
const LONGEST: usize = 1500;

/// Every link of IPv6 carries so much (RFC 8200 section 5).
const LEAST_IPV6: usize = 1280;

/// Every link of IPv4 carries so much (RFC 791 section 3.2).
const LEAST_IPV4: usize = 68;

/// The shortest datagram that a search begins with.
const SHORT: usize = 100;

/// A datagram that a path of the least usual MTU of IPv4 would carry.
const SMALL: usize = 500;

/// The MTU of forged errors, IPv4 and IPv6.
const FORGED: (u32, u32) = (700, 1290);

/// Octets of the quoted packet after its IP header that an error must hold, at least (RFC 792).
const QUOTED_DATA: usize = 8;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.action("an ICMP error about a protected packet says that the way carries {int} octets", |testbed, step| {
        let mtu = step.arg(0)?;
        testbed.begin_stimulus();
        // Something to quote.
        let least = testbed.inner_header() + 8;
        testbed.pass_one(least + SHORT, false)?;
        let about = testbed.last_protected()?;
        testbed.report_mtu(mtu, &about)
    });

    steps.then("packets that must not be fragmented are dropped, and their source is told what fits", told);
    steps.then("the announced MTU is exact", exact);
    steps.then("what fits is what a way of {int} octets carries", |testbed, step| {
        let mtu = step.arg(0)?;
        fits(testbed, step, mtu)
    });
    steps.then("MTUs that no path has do no harm: {int}, {int} and {int}", |testbed, step| {
        for index in 0..3 {
            let mtu = step.arg(index)?;
            nonsense(testbed, step, mtu)?;
        }
        Ok(())
    });
    steps.then("forged ICMP errors change nothing", forged);
    steps.then("IPv6 packets of up to 1280 octets arrive, and nobody is told of less", least_ipv6);
}

/// "1450 octets".
fn octets(probe: &Probe) -> String {
    format!("{} octets", probe.octets())
}

fn name(testbed: &Testbed) -> Result<String, StepError> {
    let (outer, inner) = testbed.plan().families();
    let udp = if testbed.child()?.udp_encapsulation { " in UDP" } else { "" };
    Ok(format!("{} in tunnel mode{udp}, {inner} in {outer}", testbed.protection()?))
}

/// Is an ICMP error one that the source of a datagram can use: to it, from an address of the DUT, with a right checksum
/// and the beginning of the datagram?
fn usable(testbed: &Testbed, probe: &Probe, error: &TooBig) -> Result<(), String> {
    let (from, to) = error.addresses;
    if to != testbed.plan().inside_host {
        return Err(format!("it went to {to}"));
    }
    let own = [testbed.plan().dut_inside, testbed.plan().dut];
    let others = [testbed.plan().tester_host, testbed.plan().tester, testbed.plan().inside_host];
    if others.contains(&from) {
        return Err(format!("it came from {from}, and the DUT has {own:?}"));
    }
    if !error.intact {
        return Err("its checksum is wrong".to_owned());
    }
    let header = testbed.inner_header();
    // On its way the datagram may have lost a hop, and its header checksum may follow that.
    let same = |at: usize| error.quoted.get(at) == probe.packet.get(at);
    let changes = if header == 20 { [8, 10, 11] } else { [7, 7, 7] };
    match (0..header + QUOTED_DATA).find(|at| !same(*at) && !changes.contains(at)) {
        Some(at) => Err(format!("octet {at} of what it quotes is not that of the packet")),
        None => Ok(()),
    }
}

/// Datagrams from one octet more than fits up to what the inside carries.
fn told(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let longest = testbed.longest_inner()?;
    let beyond = [longest + 1, longest + 2, longest + 17, LONGEST].map(|octets| (octets.min(LONGEST), true));
    let lengths: Vec<(usize, bool)> = [(longest - 1, true), (longest, true)].into_iter().chain(beyond).collect();
    for (probe, passage) in testbed.pass(&lengths)? {
        step.observed(format!("{}: {passage}", octets(&probe)));
        if probe.octets() <= longest {
            if passage.treatment() != Treatment::Whole || !passage.arrived || passage.told().is_some() {
                return Err(StepError::failed(format!("{} sent whole", octets(&probe)), passage.to_string()));
            }
            continue;
        }
        let expected = format!("{} dropped, and its source told of an MTU of {longest}", octets(&probe));
        let [error] = passage.errors.as_slice() else {
            return Err(StepError::failed(expected, passage.to_string()));
        };
        if passage.treatment() != Treatment::Dropped || error.mtu != longest {
            return Err(StepError::failed(expected, passage.to_string()));
        }
        testbed.comment(error.place, format!("judged: names an MTU of {}, {longest} octets fit", error.mtu));
        usable(testbed, &probe, error)
            .map_err(|fault| StepError::failed("an ICMP error that its source can use", fault))?;
    }
    let name = name(testbed)?;
    step.measured(format!("announced MTU with {name}"), longest.to_string());
    Ok(())
}

/// Is a datagram sent on, in one piece?
fn passes(passage: &Passage) -> bool {
    passage.treatment() == Treatment::Whole && passage.arrived
}

/// The MTU that the source of the longest datagram is told, and the longest that does pass, found by halving.
fn exact(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let (name, longest) = (name(testbed)?, testbed.longest_inner()?);
    let (_, passage) = testbed.pass_one(LONGEST, true)?;
    let Some(announced) = passage.told() else {
        return Err(StepError::failed(format!("an ICMP error about {LONGEST} octets"), passage.to_string()));
    };
    let (mut low, mut high) = (testbed.inner_header() + SHORT, LONGEST);
    while high - low > 1 {
        // What was announced is tried first.
        let middle = match announced {
            limit if (low + 1..high).contains(&limit) => limit,
            limit if (low + 1..high).contains(&(limit + 1)) => limit + 1,
            _ => low + (high - low) / 2,
        };
        let (_, passage) = testbed.pass_one(middle, true)?;
        if passes(&passage) { low = middle } else { high = middle }
    }
    step.measured(
        format!("MTU with {name}"),
        format!("announced {announced}, measured {low}, by arithmetic {longest}"),
    );
    if announced == low && announced == longest {
        return Ok(());
    }
    Err(StepError::failed(format!("{longest} announced, and {longest} measured"), format!("{announced} and {low}")))
}

/// The limit is that of a way of so many octets: datagrams with DF pass up to it and draw an error beyond it, and
/// without DF none leaves in packets that are longer than the way carries.
fn fits(testbed: &mut Testbed, step: &mut Step, mtu: usize) -> StepResult {
    let longest = testbed.encapsulation()?.longest(mtu, testbed.inner_header());
    traffic_goes_on(testbed)?;
    let passages = testbed.pass(&[(longest, true), (longest + 1, true), (longest, false), (LONGEST, false)])?;
    for (probe, passage) in passages {
        let df = if probe.dont_fragment { "with" } else { "without" };
        step.observed(format!("{} {df} DF: {passage}", octets(&probe)));
        let told = passage.told();
        let (right, expected) = match (probe.octets() <= longest, probe.dont_fragment || is_v6(testbed)) {
            (true, _) => (passes(&passage) && told.is_none(), "sent whole".to_owned()),
            (false, true) => {
                let dropped = passage.treatment() == Treatment::Dropped && told == Some(longest);
                (dropped, format!("dropped, its source told of an MTU of {longest}"))
            }
            (false, false) => (
                passage.arrived && passage.longest_piece() <= mtu && told.is_none(),
                format!("sent in packets of at most {mtu} octets"),
            ),
        };
        if !right {
            let came = match passage.longest_piece() {
                0 => passage.to_string(),
                longest => format!("{passage}, the longest outer packet of {longest} octets"),
            };
            return Err(StepError::failed(format!("{} {df} DF {expected}", octets(&probe)), came));
        }
    }
    step.measured("longest packet from the inside", format!("{longest} octets, as a way of {mtu} carries"));
    Ok(())
}

/// Whatever a DUT has learned, what carried small packets before goes on to do so.
fn traffic_goes_on(testbed: &mut Testbed) -> StepResult {
    let before = testbed.last_protected().is_ok();
    if testbed.small_packet_passes()? || !before {
        return Ok(());
    }
    Err(StepError::failed("a small packet from the inside comes through, as before", instead(testbed)))
}

fn is_v6(testbed: &Testbed) -> bool {
    testbed.plan().tester_host.is_ipv6()
}

/// An ICMP error with an MTU that no path has. Over IPv6 it must change nothing; over IPv4 a DUT may take it for the
/// least that there is (RFC 1191 section 7), but traffic goes on, and nobody is told of less than that.
fn nonsense(testbed: &mut Testbed, step: &mut Step, mtu: u32) -> StepResult {
    testbed.pass_one(testbed.inner_header() + 8 + SHORT, false)?;
    let about = testbed.last_protected()?;
    testbed.report_mtu(mtu, &about)?;
    let what = format!("after an ICMP error with an MTU of {mtu}");
    if testbed.plan().families().0 == Family::V6 {
        let unchanged = testbed.settings().mtu;
        return fits(testbed, step, unchanged);
    }
    traffic_goes_on(testbed)?;
    let least = if is_v6(testbed) { LEAST_IPV6 } else { LEAST_IPV4 };
    let (_, passage) = testbed.pass_one(LONGEST, true)?;
    step.measured(what.clone(), format!("{LONGEST} octets with DF {passage}"));
    if let Some(told) = passage.told()
        && told < least
    {
        return Err(StepError::failed(format!("{what} nobody is told of less than {least}"), told.to_string()));
    }
    for (probe, passage) in testbed.pass(&[(least, true), (SMALL, false)])? {
        if !passage.arrived {
            return Err(StepError::failed(format!("{what} {} arrive", octets(&probe)), passage.to_string()));
        }
    }
    Ok(())
}

/// Packets that every link of IPv6 carries: whatever the path of the SA carries, they pass (RFC 2473 section 7.1).
fn least_ipv6(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let lengths = [SMALL, LEAST_IPV6 - 1, LEAST_IPV6, LEAST_IPV6 + 1, LONGEST].map(|octets| (octets, true));
    for (probe, passage) in testbed.pass(&lengths)? {
        step.observed(format!("{}: {passage}", octets(&probe)));
        let told = passage.told();
        let right = match probe.octets() <= LEAST_IPV6 {
            true => passage.arrived && told.is_none(),
            false => told.is_none_or(|told| told >= LEAST_IPV6) && passage.arrived == told.is_none(),
        };
        if !right {
            let expected = match probe.octets() <= LEAST_IPV6 {
                true => "arrive, and their source is told of nothing",
                false => "arrive, or their source is told of 1280 octets or more",
            };
            return Err(StepError::failed(format!("{} {expected}", octets(&probe)), passage.to_string()));
        }
        if passage.longest_piece() > testbed.settings().mtu {
            let expected = format!("outer packets of at most {} octets", testbed.settings().mtu);
            return Err(StepError::failed(expected, format!("{} octets", passage.longest_piece())));
        }
    }
    Ok(())
}

/// Errors that quote what the DUT has not sent: each alone, with the limit looked at after it.
fn forged(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let unchanged = testbed.settings().mtu;
    let v6 = testbed.plan().families().0 == Family::V6;
    let mtu = if v6 { FORGED.1 } else { FORGED.0 };
    for what in ["an unknown SPI", "a foreign destination", "a foreign source"] {
        testbed.pass_one(testbed.inner_header() + 8 + SHORT, false)?;
        let mut about = testbed.last_protected()?;
        match what {
            "an unknown SPI" => unknown_spi(&mut about, testbed)?,
            _ => neighbour(&mut about, what == "a foreign source"),
        }
        testbed.report_mtu(mtu, &about)?;
        fits(testbed, step, unchanged).map_err(|error| match error {
            StepError::Failed { expected, observed } => {
                StepError::failed(format!("{expected}, after an ICMP error that quotes {what}"), observed)
            }
            other => other,
        })?;
    }
    Ok(())
}

/// Changes the SPI of a protected packet. A checksum of UDP around it follows.
fn unknown_spi(packet: &mut ip::Packet, testbed: &Testbed) -> Result<(), StepError> {
    let at = match packet.protocol() {
        Protocol::AH => 4,
        Protocol::UDP => 8,
        _ => 0,
    };
    let spi = (testbed.child()?.inbound_spi ^ 0x0055_aa00).to_be_bytes();
    let (source, destination) = (packet.source(), packet.destination());
    let payload = match packet {
        ip::Packet::V4(packet) => &mut packet.payload,
        ip::Packet::V6(packet) => &mut packet.payload,
    };
    let place = payload.get_mut(at..at + 4).ok_or_else(|| StepError::testbed("a protected packet without an SPI"))?;
    place.copy_from_slice(&spi);
    if at == 8
        && let Ok(mut datagram) = udp::Datagram::parse(payload, source, destination)
        && datagram.checksum != Derived::Exactly(0)
    {
        datagram.checksum = Derived::Computed;
        *payload = datagram.to_bytes(source, destination);
    }
    Ok(())
}

/// Gives a packet another source or destination, next to the one that it has.
fn neighbour(packet: &mut ip::Packet, source: bool) {
    match packet {
        ip::Packet::V4(packet) => {
            let address = if source { &mut packet.source } else { &mut packet.destination };
            *address = (u32::from(*address) ^ 0x40).into();
            packet.checksum = Derived::Computed;
        }
        ip::Packet::V6(packet) => {
            let address = if source { &mut packet.source } else { &mut packet.destination };
            *address = (u128::from(*address) ^ 0x4000).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn a_neighbour_is_another_address_of_the_same_family() {
        let (a, b) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut packet = ip::Packet::V4(wire::ipv4::Packet::new(a, b, Protocol::ESP, vec![0; 8]));
        neighbour(&mut packet, true);
        assert_eq!(packet.source(), IpAddr::from([192, 0, 2, 65]));
        neighbour(&mut packet, false);
        assert_eq!(packet.destination(), IpAddr::from([192, 0, 2, 66]));
        assert!(matches!(&packet, ip::Packet::V4(packet) if packet.is_intact()));
    }
}

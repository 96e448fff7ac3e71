//! What becomes of an outbound packet that will not fit when it is protected (guide chapter 3, RFC 4301 section 8.2.1).
//!
//! The encapsulated size is known beforehand from the SA. Table 2 of the guide, for IPv4 packets in tunnel mode:
//!
//! | pre-fragmentation | df-bit    | inner DF | result                             |
//! |-------------------|-----------|----------|------------------------------------|
//! | on                | clear     | 0 or 1   | fragmented before encryption       |
//! | off               | clear     | 0 or 1   | fragmented after encryption        |
//! | on                | set, copy | 0        | fragmented before encryption       |
//! | off               | set, copy | 0        | fragmented after encryption        |
//! | on or off         | set, copy | 1        | dropped, with ICMP by RFC 4301     |
//!
//! With df-bit set, what is fragmented after encryption is cut although its DF bit is set, and the fragments keep it.
//! An IPv6 packet is never fragmented here: its source is told, unless the packet has no more than 1280 octets, which
//! always pass (RFC 2473 section 7.1). Transport mode fragments after encryption only (RFC 4303 section 3.3.4).

use super::icmp_errors::Complaint;
use super::traffic::{DataPlane, Sizing};
use super::{Gateway, Leg, df_bit};
use crate::Instant;
use crate::config::Mode;
use crate::deviation::{Deviation, DeviationSet};
use crate::ipsec::flow::UpperLayer;
use crate::ipsec::fragment::{Fragmentation, fragment};
use crate::ipsec::header::Header;
use crate::ipsec::sa::DfBit;
use crate::ipsec::sad::OutboundId;
use crate::ipsec::selector::Direction;

/// Every link of IPv6 carries so much (RFC 8200 section 5).
pub(super) const LEAST_IPV6: usize = 1280;

/// Every link of IPv4 carries so much (RFC 791 section 3.2).
pub(super) const LEAST_IPV4: usize = 68;

/// What the estimate of a peer that is faulty on purpose adds to every packet.
const FIXED_ESTIMATE: usize = 64;

/// An outbound packet and the settings that hold for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outbound<'a> {
    /// Octets.
    pub(super) len: usize,
    /// IPv4, not IPv6?
    pub(super) v4: bool,
    /// Its DF bit.
    pub(super) dont_fragment: bool,
    /// Mode of the SA.
    pub(super) mode: Mode,
    /// DF treatment of the SA.
    pub(super) df: DfBit,
    /// Deliberate faults.
    pub(super) deviations: &'a DeviationSet,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is protected as it is, and fits.
    Whole,
    /// It is cut into fragments of so many octets at most, each of which is protected.
    Before(usize),
    /// It is protected, and what comes out is cut into fragments.
    After,
    /// It is dropped; its source is told that so many octets would pass.
    TooBig(usize),
}

impl Outbound<'_> {
    /// What becomes of the packet where `limit` octets fit.
    pub(super) fn fate(&self, limit: usize, pre_fragmentation: bool) -> Fate {
        let has = |deviation| self.deviations.has(deviation);
        if self.len <= limit {
            return Fate::Whole;
        }
        let least = if self.v4 { LEAST_IPV4 } else { LEAST_IPV6 };
        let too_big = Fate::TooBig(if has(Deviation::AnnouncesMtuBelow1280) { limit } else { limit.max(least) });
        let tunnel = self.mode == Mode::Tunnel || has(Deviation::ProtectsFragmentsInTransportMode);
        let before = pre_fragmentation && !has(Deviation::AlwaysFragmentsAfterEncryption)
            || has(Deviation::AlwaysFragmentsBeforeEncryption);
        let fragments = if before && tunnel { Fate::Before(limit) } else { Fate::After };
        match self.v4 {
            _ if self.len <= least && !has(Deviation::AnnouncesMtuBelow1280) => Fate::After,
            false if has(Deviation::FragmentsInnerIpv6) && tunnel => Fate::Before(limit),
            // The source of a packet in transport mode fragments as any source does.
            false if self.mode == Mode::Transport => Fate::After,
            false => too_big,
            true if !self.dont_fragment || has(Deviation::FragmentsDespiteDf) => fragments,
            true if self.df == DfBit::Clear && tunnel && !has(Deviation::DropsDfDespiteClear) => fragments,
            true => too_big,
        }
    }
}

impl DataPlane {
    /// The longest packet with such a header that fits the path of an SA when it is protected by it and by what goes
    /// over it. For a packet that fits itself, its own length will do.
    fn limit(&self, now: Instant, id: OutboundId, header: &Header) -> usize {
        let mtu = self.path_mtu(id, now);
        let Some(sizing) = self.sizing(id) else { return mtu };
        if self.deviates(Deviation::LearnsMtuWithoutOverhead) && self.learned_path_mtu(id, now).is_some() {
            return mtu;
        }
        let fits = |len: &usize| self.estimate(&sizing, *len, header.insertion) <= mtu;
        Some(header.total_len).filter(fits).or_else(|| (0..=mtu).rev().find(fits)).unwrap_or(0)
    }

    /// The longest packet without options or extension headers that the SA sends whole (the guide's "plaintext mtu").
    pub(super) fn plaintext_mtu(&self, now: Instant, id: OutboundId) -> usize {
        let mtu = self.path_mtu(id, now);
        let header = if id.destination.is_ipv4() { 20 } else { 40 };
        let fits = |len: &usize| self.sizing(id).is_some_and(|sizing| sizing.encapsulated_len(*len, header) <= mtu);
        (0..=mtu).rev().find(fits).unwrap_or(0)
    }

    /// Octets of a packet of this length when it is protected; what stands before the place of transport mode's header
    /// has `insertion` octets.
    fn estimate(&self, sizing: &Sizing<'_>, len: usize, insertion: usize) -> usize {
        if self.deviates(Deviation::EstimatesFixedOverhead) {
            return len + FIXED_ESTIMATE;
        }
        let exact = sizing.encapsulated_len(len, insertion);
        if self.deviates(Deviation::ForgetsUdpInEstimate) && sizing.is_in_udp() {
            return exact - 8;
        }
        if self.deviates(Deviation::EstimatesWithoutPadding) {
            // Of as many lengths as a block has, one needs no padding.
            let overhead = |more| sizing.encapsulated_len(len + more, insertion) - len - more;
            return len + (0..16).map(overhead).min().unwrap_or(0);
        }
        exact
    }
}

impl Gateway {
    /// Protects a packet and sends it, in fragments where it must be, or tells its source that it is too big.
    pub(super) fn fit_and_send(&mut self, now: Instant, id: OutboundId, octets: &[u8], header: &Header) {
        let Some(sa) = self.data.sad().outbound(id) else { return };
        let (mode, df) = (sa.parameters().mode, sa.parameters().df);
        let packet = Outbound {
            len: header.total_len,
            v4: header.is_v4(),
            dont_fragment: header.dont_fragment,
            mode,
            df,
            deviations: &self.config.ike.deviations,
        };
        let limit = self.data.limit(now, id, header);
        let crypto_map = self.config.data.interface_pre_fragmentation.unwrap_or(self.config.data.pre_fragmentation);
        let interface = self.config.data.tunnel_interface;
        let interface = interface.filter(|_| !self.is_deviant(Deviation::CryptoMapDecidesOnTunnelInterface));
        let fate = match interface.map(|interface| interface.fate(&packet)) {
            Some(fate @ (Fate::Before(_) | Fate::TooBig(_))) => fate,
            Some(_) => packet.fate(limit, false),
            None => packet.fate(limit, crypto_map),
        };
        if matches!(fate, Fate::Before(_) | Fate::After) && self.is_deviant(Deviation::ReportsTooBigWithoutDf) {
            self.complain(now, Leg::Inside, octets, Complaint::TooBig(limit));
        }
        match fate {
            Fate::Whole => self.seal_and_send(now, id, octets, header, false),
            Fate::After => self.seal_and_send(now, id, octets, header, true),
            Fate::TooBig(mtu) => {
                let announced =
                    if self.is_deviant(Deviation::AnnouncesOuterMtu) { self.config.outside_mtu } else { mtu };
                self.too_big(now, id, octets, announced);
            }
            Fate::Before(mtu) => self.send_in_fragments(now, id, octets, header, mtu),
        }
    }

    /// Fragments a packet before encryption.
    fn send_in_fragments(&mut self, now: Instant, id: OutboundId, octets: &[u8], header: &Header, mtu: usize) {
        self.identification = self.identification.wrapping_add(1);
        let how = Fragmentation {
            ignore_df: true,
            evenly: !self.is_deviant(Deviation::FragmentsUnevenly),
            identification: self.identification.into(),
        };
        let fragments = match fragment(octets, mtu, how) {
            Ok(fragments) if self.carries_fragments(id, octets, header) => fragments,
            // Later fragments would not belong to this SA, or nothing fits: encryption comes first.
            _ => return self.seal_and_send(now, id, octets, header, true),
        };
        for fragment in fragments {
            if let Ok(header) = Header::parse(&fragment) {
                let after = header.total_len > self.data.limit(now, id, &header);
                self.seal_and_send(now, id, &fragment, &header, after);
            }
        }
    }

    /// May later fragments, which show no ports, go over an SA? (RFC 4301 section 7.3.)
    fn carries_fragments(&self, id: OutboundId, octets: &[u8], header: &Header) -> bool {
        let mut flow = header.flow(octets);
        if !matches!(flow.upper, UpperLayer::Absent) {
            flow.upper = UpperLayer::Hidden;
        }
        let Some(sa) = self.data.sad().outbound(id) else { return false };
        sa.parameters().selectors.admit(&flow, Direction::Outbound)
    }

    /// Drops a packet and tells its source.
    fn too_big(&mut self, now: Instant, id: OutboundId, octets: &[u8], mtu: usize) {
        let ah = id.protocol == crate::ipsec::sa::Protocol::Ah;
        let silent = self.is_deviant(Deviation::DropsTooBigSilently) || ah && self.is_deviant(Deviation::NoPmtuForAh);
        if !silent {
            self.complain(now, Leg::Inside, octets, Complaint::TooBig(mtu));
        }
        self.too_big_dropped(octets);
    }

    /// Sends what an SA has made of a packet, within the MTU of the SA's path. `fragment` where it was decided that it
    /// is fragmented after encryption, whatever its DF bit says.
    pub(super) fn send_protected(
        &mut self,
        now: Instant,
        id: OutboundId,
        mut packet: Vec<u8>,
        v4: bool,
        fragment: bool,
    ) {
        // Of an inner IPv6 packet the outer DF bit is no part: it must pass (RFC 2473 section 7.1).
        if fragment && !v4 {
            df_bit::clear(&mut packet);
        }
        let mtu = self.data.path_mtu(id, now);
        self.transmit_within(Leg::Outside, packet, mtu, fragment);
    }
}

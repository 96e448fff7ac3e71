//! The pair of SAs that a scenario works with: by IKE where the DUT speaks it, by manual keys where not, or where a
//! scenario wants what IKE cannot set up.

use super::tunnel::CHILD;
use super::{Family, Hook, Testbed};
use crate::dissect::Seen;
use crate::profile::Exchange;
use crate::run::StepError;
use reference_peer::config::isakmp::{Phase1, TransformSet};
use reference_peer::config::{Addresses, Algorithm, Esn, EspProposal, Mode, NatTraversal, Selector, Window};
use reference_peer::gateway::ManualPair;
use reference_peer::ike::v2::{ChildSa, DirectionKeys, Path, TrafficRange};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use wire::ikev2::{ProtocolId, TransformType};

/// Port of UDP encapsulation at both ends.
const NATT_PORT: u16 = 4500;

/// Algorithms that IKEv2 alone has numbers for: ChaCha20-Poly1305 and AES-CMAC (IANA, "isakmp-registry").
const WITHOUT_NUMBER: [(TransformType, u16); 2] = [(TransformType::ENCR, 28), (TransformType::INTEG, 8)];

/// How the keys come to both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keying {
    /// By IKE: IKEv2 where the DUT speaks it, else IKEv1.
    Ike,
    /// By IKEv1, through this exchange of phase 1.
    Ikev1(Phase1),
    /// By hand.
    Manual,
}

/// What protects the packets: one proposal, or a bundle with the innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection(pub Vec<EspProposal>);

impl FromStr for Protection {
    type Err = String;

    /// A bundle is written from the outside in: `sha1+des-sha1` is AH with SHA-1 over ESP.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit('+').map(|part| part.parse::<EspProposal>().map_err(|error| error.to_string()));
        parts.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, proposal) in self.0.iter().rev().enumerate() {
            write!(f, "{}{proposal}", if index > 0 { "+" } else { "" })?;
        }
        Ok(())
    }
}

/// What traffic a pair of SAs is for, beyond addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// IP protocol.
    pub protocol: u8,
    /// Ports at the DUT's end, first and last.
    pub dut: (u16, u16),
    /// Ports at the tester's end, first and last.
    pub tester: (u16, u16),
}

/// What a scenario wants of its pair of SAs.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What protects the packets; the profile's first proposal if not said.
    pub protection: Option<Protection>,
    /// Mode.
    pub mode: Mode,
    /// Extended sequence numbers.
    pub esn: bool,
    /// In UDP (RFC 3948).
    pub udp: bool,
    /// How the keys come; by IKE where the DUT speaks it, if not said.
    pub keying: Option<Keying>,
    /// For what protocol and ports; all if not said.
    pub ports: Option<Ports>,
    /// Last sequence numbers used: to the DUT, from the DUT. Only with manual keys.
    pub used: (u64, u64),
}

impl Default for Wanted {
    fn default() -> Self {
        Self { protection: None, mode: Mode::Tunnel, esn: false, udp: false, keying: None, ports: None, used: (0, 0) }
    }
}

/// SAs with manual keys, as the DUT has them: one pair, or a bundle with the innermost first.
#[derive(Debug, Clone)]
pub struct ManualSas {
    /// The pairs.
    pub pairs: Vec<ChildSa>,
    /// Algorithms of each pair.
    pub proposals: Vec<EspProposal>,
    /// Last sequence numbers used: to the DUT, from the DUT.
    pub used: (u64, u64),
}

impl ManualSas {
    /// The words that take the place of `{sa}` in a hook: `KEY=VALUE`, with `--` between the pairs of a bundle.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        for (sa, proposal) in self.pairs.iter().zip(&self.proposals) {
            if !words.is_empty() {
                words.push("--".to_owned());
            }
            let mut word = |key: &str, value: String| words.push(format!("{key}={value}"));
            word("protocol", if sa.protocol == ProtocolId::AH { "ah" } else { "esp" }.to_owned());
            word("mode", format!("{:?}", sa.mode).to_lowercase());
            word("spi_to_dut", format!("0x{:08x}", sa.inbound_spi));
            word("spi_from_dut", format!("0x{:08x}", sa.outbound_spi));
            if let Some(cipher) = proposal.encryption.first() {
                word("encryption", cipher.to_string());
                word("encryption_key_to_dut", hex(&sa.inbound.encryption));
                word("encryption_key_from_dut", hex(&sa.outbound.encryption));
            }
            if sa.integrity.is_some()
                && let Some(integrity) = proposal.integrity.first()
            {
                word("integrity", integrity.to_string());
                word("integrity_key_to_dut", hex(&sa.inbound.integrity));
                word("integrity_key_from_dut", hex(&sa.outbound.integrity));
            }
            word("esn", if sa.esn { "yes" } else { "no" }.to_owned());
            match sa.replay_window {
                Some(Window::Packets(packets)) => word("replay_window", packets.to_string()),
                Some(Window::Off) => word("replay_window", "off".to_owned()),
                None => {}
            }
            word("dut", sa.path.local.ip().to_string());
            word("tester", sa.path.remote.ip().to_string());
            if sa.udp_encapsulation {
                word("udp", format!("{}:{}", sa.path.local.port(), sa.path.remote.port()));
            }
            let (dut, tester) = (sa.local_ts.first(), sa.remote_ts.first());
            for (key, range) in [("dut_ts", dut), ("tester_ts", tester)] {
                if let Some(net) = range.and_then(network) {
                    word(key, net.to_string());
                }
            }
            if let (Some(dut), Some(tester)) = (dut, tester)
                && dut.protocol != 0
            {
                word("protocol_selector", dut.protocol.to_string());
                for (key, ports) in [("dut_port", dut.ports), ("tester_port", tester.ports)] {
                    if ports != (0, u16::MAX) {
                        word(key, ports.0.to_string());
                    }
                }
            }
            for (key, used) in [("sequence_to_dut", self.used.0), ("sequence_from_dut", self.used.1)] {
                if used > 0 {
                    word(key, used.to_string());
                }
            }
        }
        words
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold("0x".to_owned(), |text, octet| text + &format!("{octet:02x}"))
}

/// The network that a range of addresses is, if it is one.
fn network(range: &TrafficRange) -> Option<ipnet::IpNet> {
    let longest = if range.start.is_ipv4() { 32 } else { 128 };
    let net = |prefix| ipnet::IpNet::new(range.start, prefix).ok().filter(|net| net.network() == range.start);
    (0..=longest).filter_map(net).find(|net| net.broadcast() == range.end)
}

fn range((start, end): (IpAddr, IpAddr), protocol: u8, ports: (u16, u16)) -> TrafficRange {
    TrafficRange { start, end, protocol, ports }
}

impl Testbed {
    /// What the scenario wants of its SAs; to be changed before they are made.
    pub fn want(&mut self) -> &mut Wanted {
        &mut self.wanted
    }

    /// What the scenario wants of its SAs.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Takes these versions of IP, outside and in the protected networks, from now on.
    ///
    /// # Errors
    /// Not applicable when the profile has none.
    pub fn use_families(&mut self, outer: Family, inner: Family) -> Result<(), StepError> {
        self.plan = self.plan.with(outer, inner).map_err(StepError::NotApplicable)?;
        let plan = self.plan.clone();
        self.reconfigure_tester(|config| super::lab::aim_all(config, &plan));
        Ok(())
    }

    /// Brings up the pair of SAs that is wanted, or the bundle.
    ///
    /// # Errors
    /// Not applicable when the DUT can have none such, inconclusive when it does not come up.
    pub fn bring_up(&mut self) -> Result<(), StepError> {
        self.check_wanted()?;
        match self.keying()? {
            Keying::Manual => self.install_pair(),
            _ if self.wanted.used != (0, 0) => Err(StepError::testbed("IKE can set up no such SAs")),
            Keying::Ike if self.profile.ike().speaks(2) => {
                self.prepare_child()?;
                self.establish()
            }
            Keying::Ike => {
                let aggressive_alone = !self.profile.ike().exchanges.contains(&Exchange::Main);
                self.prepare_child()?;
                self.establish_isakmp(if aggressive_alone { Phase1::Aggressive } else { Phase1::Main })
            }
            Keying::Ikev1(exchange) => {
                self.prepare_child()?;
                self.establish_isakmp(exchange)
            }
        }
    }

    /// How the keys come to both ends: as is wanted, else by IKE where it can set up such SAs.
    fn keying(&self) -> Result<Keying, StepError> {
        if let Some(keying) = self.wanted.keying {
            return Ok(keying);
        }
        let ike = self.profile.ike();
        let able = if ike.speaks(2) {
            // IKEv2 knows no bundles.
            self.protection()?.0.len() == 1
        } else {
            ike.speaks(1) && self.is_for_ikev1()?
        };
        Ok(if able && self.wanted.used == (0, 0) { Keying::Ike } else { Keying::Manual })
    }

    /// Can quick mode say what is wanted? It has no extended sequence numbers here, no number for some algorithms, and of
    /// ports one or all (RFC 2407 sections 4.4, 4.5 and 4.6.2).
    fn is_for_ikev1(&self) -> Result<bool, StepError> {
        let named = |algorithm: &Algorithm| !WITHOUT_NUMBER.contains(&(algorithm.kind, algorithm.id));
        let ports = self.wanted.ports.iter().flat_map(|ports| [ports.dut, ports.tester]);
        let whole = |(first, last): (u16, u16)| first == last || (first, last) == (0, u16::MAX);
        let protection = self.protection()?;
        let mut algorithms = protection.0.iter().flat_map(|one| one.encryption.iter().chain(&one.integrity));
        Ok(!self.wanted.esn && ports.into_iter().all(whole) && algorithms.all(named))
    }

    /// What protects the packets.
    ///
    /// # Errors
    /// Not applicable when the profile names no proposal.
    pub fn protection(&self) -> Result<Protection, StepError> {
        let first = || self.profile.ipsec.proposals.first().cloned().map(|first| Protection(vec![first]));
        self.wanted.protection.clone().or_else(first).ok_or_else(|| StepError::not_applicable("no proposal is named"))
    }

    /// Does the DUT claim to do what is wanted?
    fn check_wanted(&self) -> Result<(), StepError> {
        let name = &self.profile.name;
        let lacks = |need: &str| self.profile.lacks(need).map_or(Ok(()), |why| Err(StepError::NotApplicable(why)));
        if self.wanted.mode == Mode::Transport {
            lacks("transport")?;
        }
        if self.wanted.esn {
            lacks("esn")?;
        }
        lacks(if self.wanted.udp { "udp-encap" } else { "native-esp" }).or_else(|why| {
            // A DUT that only encapsulates does so by itself.
            if self.wanted.udp || self.profile.ike().versions.is_empty() { Err(why) } else { Ok(()) }
        })?;
        if self.profile.is_self() {
            return Ok(());
        }
        let protection = self.protection()?;
        let known = match protection.0.as_slice() {
            [one] => self.profile.ipsec.proposals.iter().any(|known| known.algorithms().eq(one.algorithms())),
            _ => self.profile.ipsec.bundles.contains(&protection.to_string()),
        };
        if known {
            Ok(())
        } else {
            Err(StepError::not_applicable(format!("profile {name} does not take {protection}")))
        }
    }

    /// Tells the tester what to negotiate.
    fn prepare_child(&mut self) -> Result<(), StepError> {
        let wanted = self.wanted.clone();
        let mut proposal = self.protection()?.0.into_iter().next();
        if let Some(proposal) = &mut proposal
            && wanted.esn
        {
            proposal.esn = Esn::Only;
        }
        let ((dut, tester), plan) = (self.ranges(), self.plan.clone());
        let protection = self.protection()?;
        self.reconfigure_tester(|config| {
            super::lab::aim_all(config, &plan);
            for connection in &mut config.isakmp.connections {
                if wanted.udp {
                    connection.nat_traversal = NatTraversal::Forced;
                }
                for child in connection.children.iter_mut().filter(|child| child.name == CHILD) {
                    child.transform_sets = vec![transform_set(&protection, wanted.mode)];
                    (child.local_ts, child.remote_ts) = (tester.selector(), dut.selector());
                }
            }
            for connection in &mut config.ike.connections {
                if wanted.udp {
                    connection.nat_traversal = NatTraversal::Forced;
                }
                for child in connection.children.iter_mut().filter(|child| child.name == CHILD) {
                    child.mode = wanted.mode;
                    child.esp_proposals = proposal.clone().into_iter().collect();
                    if wanted.mode == Mode::Transport {
                        (child.local_ts, child.remote_ts) = (vec![Selector::host()], vec![Selector::host()]);
                    } else {
                        (child.local_ts, child.remote_ts) = (vec![tester.selector()], vec![dut.selector()]);
                    }
                    if let Some(ports) = wanted.ports {
                        narrow(&mut child.local_ts, ports.protocol, ports.tester);
                        narrow(&mut child.remote_ts, ports.protocol, ports.dut);
                    }
                }
            }
        });
        Ok(())
    }

    /// Traffic at the DUT's end and at the tester's.
    fn ranges(&self) -> (TrafficRange, TrafficRange) {
        let plan = &self.plan;
        let ends = match self.wanted.mode {
            Mode::Transport => ((plan.dut, plan.dut), (plan.tester, plan.tester)),
            Mode::Tunnel => (
                (plan.dut_net.network(), plan.dut_net.broadcast()),
                (plan.tester_net.network(), plan.tester_net.broadcast()),
            ),
        };
        let any = Ports { protocol: 0, dut: (0, u16::MAX), tester: (0, u16::MAX) };
        let ports = self.wanted.ports.unwrap_or(any);
        (range(ends.0, ports.protocol, ports.dut), range(ends.1, ports.protocol, ports.tester))
    }

    /// Gives both ends SAs with manual keys.
    fn install_pair(&mut self) -> Result<(), StepError> {
        if let Some(fixed) = self.profile.manual.as_ref().and_then(|manual| manual.fixed.clone()) {
            return self.use_fixed_pair(&fixed);
        }
        if let Some(why) = self.profile.lacks("manual-keys") {
            return Err(StepError::NotApplicable(why));
        }
        let proposals = self.protection()?.0;
        let window = self.settings.replay_window.map(Window::from);
        let mut pairs = Vec::with_capacity(proposals.len());
        for (index, proposal) in proposals.iter().enumerate() {
            let pair = self.manual_pair(proposal.clone(), index > 0);
            let spis = (self.free_spi(), self.free_spi());
            pairs.push(pair.with_random_keys(spis, &mut self.rng));
        }
        let theirs = pairs.iter().map(|pair| ChildSa { replay_window: window, ..pair.mirrored() }).collect();
        let sas = ManualSas { pairs: theirs, proposals, used: self.wanted.used };
        self.manual = true;
        self.meet()?;
        self.control(Hook::InstallSa(Arc::new(sas)))?;
        self.take_pairs(pairs)
    }

    /// Both ends learn the other's hardware address while nothing is protected yet. With IKE the first message does
    /// that; here it would be the first protected packets, and there may be more of them at once than wait for an answer.
    fn meet(&mut self) -> Result<(), StepError> {
        let mut ping = self.new_ping();
        (ping.source, ping.destination) = (self.plan.tester, self.plan.dut);
        let mark = self.mark();
        self.send_outside(ping.packet())?;
        let (dut, limit) = (self.plan.dut, self.answer_limit());
        self.await_state(limit, |testbed| testbed.outside.neighbour(testbed.now(), dut).is_some())?;
        // Its answer, if the DUT gives any, is not to come among what the scenario looks at.
        let silence = self.silence();
        let answer = |seen: &Seen| seen.ip.as_ref().is_some_and(|packet| ping.is_answered_by(&packet.to_bytes()));
        self.await_seen(mark, silence, answer).map(drop)
    }

    /// The pair that the DUT has been given beforehand.
    fn use_fixed_pair(&mut self, fixed: &crate::profile::Fixed) -> Result<(), StepError> {
        let wanted = &self.wanted;
        let proposal = fixed.proposal.clone();
        let plain = wanted.mode == Mode::Tunnel && !wanted.udp && wanted.ports.is_none() && wanted.used == (0, 0);
        let same = self.protection()?.0 == [proposal.clone()];
        if !plain || !same || wanted.esn != (proposal.esn == Esn::Only) {
            let what = format!("the static SAs are of {proposal}, in tunnel mode, for everything between the networks");
            return Err(StepError::not_applicable(what));
        }
        if !self.unused {
            let name = &self.profile.name;
            return Err(StepError::inconclusive(format!(
                "the static SAs of every tester of profile {name} have been used in this run: give more testers, or a \
                 hook control.install_sa that makes SAs anew"
            )));
        }
        let number = self.plan.number;
        let keys = |keys: &crate::profile::Keys| {
            let (encryption, integrity) = keys.octets();
            DirectionKeys { encryption, integrity }
        };
        let spis = (fixed.spi.from_dut.wrapping_add(number), fixed.spi.to_dut.wrapping_add(number));
        let keys = [keys(&fixed.keys.from_dut), keys(&fixed.keys.to_dut)];
        let pair = self.manual_pair(proposal, false).with_keys(spis, keys);
        self.take_pairs(vec![pair])
    }

    /// A pair as the tester has it. What goes over another is in transport mode, between the two gateways.
    fn manual_pair(&self, proposal: EspProposal, over: bool) -> ManualPair {
        let plan = &self.plan;
        let (dut, tester) = if over {
            let any = (0, u16::MAX);
            (range((plan.dut, plan.dut), 0, any), range((plan.tester, plan.tester), 0, any))
        } else {
            self.ranges()
        };
        ManualPair {
            name: CHILD.to_owned(),
            proposal,
            esn: self.wanted.esn,
            mode: if over { Mode::Transport } else { self.wanted.mode },
            path: Path { local: SocketAddr::new(plan.tester, NATT_PORT), remote: SocketAddr::new(plan.dut, NATT_PORT) },
            udp_encapsulation: self.wanted.udp,
            local_ts: vec![tester],
            remote_ts: vec![dut],
            replay_window: None,
        }
    }

    fn take_pairs(&mut self, pairs: Vec<ChildSa>) -> Result<(), StepError> {
        let (to_dut, from_dut) = self.wanted.used;
        let spis: Vec<u32> = pairs.iter().map(|pair| pair.inbound_spi).collect();
        let now = self.now();
        self.tester.install_manual(now, pairs).map_err(StepError::testbed)?;
        for spi in spis.into_iter().filter(|_| (to_dut, from_dut) != (0, 0)) {
            self.tester.preset_sequences(spi, to_dut, from_dut);
        }
        self.flush()
    }

    /// An SPI that nobody has: random, not reserved.
    fn free_spi(&mut self) -> u32 {
        loop {
            let spi = self.random() as u32;
            if spi > 0xffff && self.tester.data().child(spi).is_none() {
                return spi;
            }
        }
    }

    /// The DUT's peer at the tester's address of this version of IP is spoken of from now on: its SAs carry what is
    /// sent, and new ones are for it.
    ///
    /// # Errors
    /// Not applicable when the profile has no such addresses outside.
    pub fn speak_over(&mut self, outer: Family) -> Result<(), StepError> {
        let inner = Family::of(self.plan.tester_host);
        self.plan = self.plan.with(outer, inner).map_err(StepError::NotApplicable)?;
        Ok(())
    }

    /// What has made the newest SAs between the present addresses: the pairs of a bundle with the innermost first.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn newest_bundle(&self) -> Result<Vec<ChildSa>, StepError> {
        let mut all = self.children();
        all.retain(|child| child.path.remote.ip() == self.plan.dut);
        let newest = all.last().ok_or_else(|| StepError::inconclusive("the tester has no Child SA"))?;
        let by_ikev2 = newest.ike_sa.is_some_and(|id| self.tester.isakmp().isakmp_sa(id).is_none());
        let layers = if by_ikev2 { 1 } else { self.protection()?.0.len() };
        Ok(all.get(all.len().saturating_sub(layers)..).unwrap_or_default().to_vec())
    }
}

/// A transform set of IKEv1: AH stands before ESP, which is the order from the outside in.
fn transform_set(protection: &Protection, mode: Mode) -> TransformSet {
    let protocols: Vec<EspProposal> = protection.0.iter().rev().cloned().collect();
    TransformSet { mode, ..TransformSet::new(protection.to_string(), protocols) }
}

/// Narrows selectors to a protocol and ports.
fn narrow(selectors: &mut [Selector], protocol: u8, ports: (u16, u16)) {
    for selector in selectors {
        selector.protocol = protocol;
        selector.ports = ports;
        if matches!(selector.addresses, Addresses::Host) && protocol == 0 {
            selector.ports = (0, u16::MAX);
        }
    }
}

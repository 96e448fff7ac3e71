//! Two engines joined by a queue, on a virtual clock: for tests.

use super::*;
use crate::Instant;
use crate::config::isakmp::*;
use crate::config::{Remote, Secret};
use crate::deviation::{DeviantHands, Deviation, DeviationSet};
use crate::hands::{Disposition, Hands, Honest, IsakmpContext, IsakmpDraft};
pub(super) use crate::ike::road::*;
use crypto::{Encryption, Group, Hash, KeyBits};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::net::SocketAddr;
use std::time::Duration;
use wire::ikev1::{ExchangeType, Message};

/// Decides what becomes of a datagram, by its sender, its place among all, and octets.
pub(super) type Road = Box<dyn FnMut(usize, usize, &[u8]) -> Fate>;

pub(super) struct Pair {
    pub(super) engines: [Engine; 2],
    pub(super) rng: ChaCha20Rng,
    pub(super) now: Instant,
    pub(super) road: Vec<Flying>,
    /// All that was sent, with its sender, the path and when.
    pub(super) sent: Vec<(usize, Path, Vec<u8>, Instant)>,
    pub(super) events: [Vec<Event>; 2],
    pub(super) installed: [Vec<ChildSa>; 2],
    pub(super) fate: Road,
    /// Address and port that a NAT gives A on the way to B.
    pub(super) nat: Option<SocketAddr>,
    pub(super) hands: [Box<dyn Hands>; 2],
}

pub(super) fn set(protocols: &[&str]) -> TransformSet {
    TransformSet::new("set", protocols.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
}

pub(super) fn policy() -> IsakmpPolicy {
    IsakmpPolicy { encryption: Encryption::AesCbc(KeyBits::B128), group: Group::Curve25519, ..IsakmpPolicy::new(10) }
}

pub(super) fn connection(end: usize) -> IsakmpConnection {
    let nets = ["10.1.0.0/16", "10.2.0.0/16"];
    let net = |end: usize| nets[end].parse().unwrap();
    let other = 1 - end;
    let child = IsakmpChild::new("net", net(end), net(other), [set(&["aes128-sha1"])]);
    let second = IsakmpChild { name: "second".into(), ..child.clone() };
    let keyring = Keyring::shared(Secret::new(*b"correct horse"));
    IsakmpConnection {
        policies: vec![policy()],
        children: vec![child, second],
        accept_aggressive: true,
        keepalive: Some(IsakmpKeepalive::on_demand(Duration::from_secs(10))),
        ..IsakmpConnection::new("peer", address(end), Remote::Address(address(other)), keyring)
    }
}

pub(super) fn config(connection: IsakmpConnection) -> IsakmpConfig {
    IsakmpConfig { connections: vec![connection], ..IsakmpConfig::default() }
}

impl Pair {
    pub(super) fn new(a: IsakmpConfig, b: IsakmpConfig) -> Self {
        Self {
            engines: [Engine::new(a), Engine::new(b)],
            rng: ChaCha20Rng::seed_from_u64(7),
            now: Instant::START,
            road: vec![],
            sent: vec![],
            events: [vec![], vec![]],
            installed: [vec![], vec![]],
            fate: Box::new(|_, _, _| Fate::Pass),
            nat: None,
            hands: [Box::new(Honest), Box::new(Honest)],
        }
    }

    pub(super) fn plain() -> Self {
        Self::new(config(connection(A)), config(connection(B)))
    }

    /// With one end's connection changed.
    pub(super) fn change(mut self, end: usize, change: impl FnOnce(&mut IsakmpConnection)) -> Self {
        self.change_now(end, change);
        self
    }

    pub(super) fn change_now(&mut self, end: usize, change: impl FnOnce(&mut IsakmpConnection)) {
        let mut config = self.engines[end].config().clone();
        change(&mut config.connections[0]);
        self.engines[end].configure(config);
    }

    /// With both ends' connections changed.
    pub(super) fn both(self, change: impl Fn(&mut IsakmpConnection)) -> Self {
        self.change(A, &change).change(B, &change)
    }

    pub(super) fn aggressive(self) -> Self {
        self.both(|connection| connection.exchange = Phase1::Aggressive)
    }

    pub(super) fn deviate(&mut self, end: usize, deviation: Deviation) {
        let mut config = self.engines[end].config().clone();
        config.deviations = DeviationSet::from_iter([deviation]);
        self.engines[end].configure(config);
    }

    /// Does something with one engine, and sends off what it wants sent.
    pub(super) fn at<T>(
        &mut self,
        end: usize,
        act: impl FnOnce(&mut Engine, Instant, &mut ChaCha20Rng, &mut dyn Hands) -> T,
    ) -> T {
        let deviations = self.engines[end].config().deviations.clone();
        let mut hands = DeviantHands::new(&deviations, &mut *self.hands[end]);
        let result = act(&mut self.engines[end], self.now, &mut self.rng, &mut hands);
        self.collect(end);
        result
    }

    fn collect(&mut self, from: usize) {
        while let Some(action) = self.engines[from].poll_action() {
            match action {
                Action::Send { path, datagram } => {
                    let fate = (self.fate)(from, self.sent.len(), &datagram);
                    self.road.extend(Flying::copies(fate, self.now, from, path, &datagram));
                    self.sent.push((from, path, datagram, self.now));
                }
                Action::InstallChildren(children) => self.installed[from].extend(children),
                Action::RemoveChild { inbound_spi, .. } => {
                    self.installed[from].retain(|child| child.inbound_spi != inbound_spi);
                }
                Action::Event(event) => self.events[from].push(event),
                Action::UpdatePath { .. } => {}
            }
        }
    }

    fn deliver(&mut self, flying: Flying) {
        let path = flying.arrival(self.nat);
        self.at(1 - flying.from, |engine, now, rng, hands| engine.handle(now, rng, path, &flying.datagram, hands));
    }

    /// Puts a datagram of nobody's into one end.
    pub(super) fn inject(&mut self, to: usize, datagram: &[u8]) {
        self.inject_from(to, SocketAddr::new(address(1 - to), 500), datagram);
    }

    /// The same from another address, to port 500.
    pub(super) fn inject_from(&mut self, to: usize, remote: SocketAddr, datagram: &[u8]) {
        let path = Path { local: SocketAddr::new(address(to), 500), remote };
        self.at(to, |engine, now, rng, hands| engine.handle(now, rng, path, datagram, hands));
    }

    /// One step: the next datagram or timer. False if nothing is left to happen before `until`.
    fn step(&mut self, until: Instant) -> bool {
        let timers = self.engines.each_ref().map(Engine::poll_timeout);
        match next_step(&self.road, timers, until) {
            Some(Step::Arrival(index, at)) => {
                self.now = self.now.max(at);
                let flying = self.road.remove(index);
                self.deliver(flying);
                true
            }
            Some(Step::Timer(end, at)) => {
                self.now = self.now.max(at);
                self.at(end, |engine, now, rng, hands| engine.handle_timeout(now, rng, hands));
                true
            }
            None => false,
        }
    }

    pub(super) fn run(&mut self, seconds: f64) {
        let until = self.now + Duration::from_secs_f64(seconds);
        let mut steps = 0;
        while self.step(until) {
            steps += 1;
            assert!(steps < 20_000, "nothing comes to rest");
        }
        self.now = until;
    }

    pub(super) fn initiate(&mut self) -> IkeSaId {
        self.at(A, |engine, now, rng, hands| engine.initiate(now, rng, "peer", "net", hands)).unwrap()
    }

    /// A tunnel that is up: the ISAKMP SA at both ends.
    pub(super) fn up(&mut self) -> [IkeSaId; 2] {
        let a = self.initiate();
        self.run(1.0);
        self.check();
        assert!(!self.installed[A].is_empty(), "{:#?}", self.events);
        let b = self.engines[B].isakmp_sas().last().unwrap().id;
        [a, b]
    }

    /// The SAs of both ends are the same, with each other's keys.
    pub(super) fn check(&self) {
        assert_eq!(self.installed[A].len(), self.installed[B].len(), "{:#?}", self.events);
        for ours in &self.installed[A] {
            let theirs = self.installed[B].iter().find(|theirs| theirs.inbound_spi == ours.outbound_spi).unwrap();
            assert_eq!(
                (theirs.outbound_spi, theirs.protocol, theirs.mode),
                (ours.inbound_spi, ours.protocol, ours.mode)
            );
            assert!(theirs.inbound == ours.outbound && theirs.outbound == ours.inbound, "keys");
            assert!(theirs.inbound != theirs.outbound, "one key for each direction");
            if self.nat.is_none() {
                assert_eq!((&theirs.local_ts, &theirs.remote_ts), (&ours.remote_ts, &ours.local_ts));
            }
            assert_eq!((theirs.encryption, theirs.integrity), (ours.encryption, ours.integrity));
            assert_ne!(theirs.initiator, ours.initiator);
        }
    }

    /// ISAKMP SAs that are established at one end.
    pub(super) fn established(&self, end: usize) -> Vec<IsakmpSaInfo> {
        self.engines[end].isakmp_sas().into_iter().filter(|sa| sa.state == State::Established).collect()
    }

    pub(super) fn count(&self, end: usize, test: impl Fn(&Event) -> bool) -> usize {
        self.events[end].iter().filter(|event| test(event)).count()
    }

    /// Why messages were dropped at one end.
    pub(super) fn rejections(&self, end: usize) -> Vec<RejectReason> {
        let reason = |event: &Event| match event {
            Event::Rejected { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        self.events[end].iter().filter_map(reason).collect()
    }

    /// The first public value that one end has sent in the clear.
    pub(super) fn public_value(&self, from: usize) -> Vec<u8> {
        let public = |payload: &wire::ikev1::Payload| match &payload.body {
            wire::ikev1::Body::KeyExchange(public) => Some(public.clone()),
            _ => None,
        };
        self.messages(from).iter().flat_map(|message| message.payloads()).find_map(public).unwrap_or_default()
    }

    /// Messages that one end has sent.
    pub(super) fn messages(&self, from: usize) -> Vec<Message> {
        let all = self.sent.iter().filter(|(sender, ..)| *sender == from);
        all.map(|(_, _, datagram, _)| Message::parse(datagram).unwrap()).collect()
    }
}

/// Every hash, cipher and group of phase 1 once at least.
pub(super) fn suites() -> Vec<(Encryption, Hash, Group)> {
    vec![
        (Encryption::Des, Hash::Md5, Group::Modp768),
        (Encryption::TripleDes, Hash::Sha1, Group::Modp1024),
        (Encryption::AesCbc(KeyBits::B128), Hash::Sha256, Group::Modp1536),
        (Encryption::AesCbc(KeyBits::B192), Hash::Sha384, Group::Ecp256),
        (Encryption::AesCbc(KeyBits::B256), Hash::Sha512, Group::Curve25519),
        (Encryption::AesCbc(KeyBits::B256), Hash::Md5, Group::Modp2048),
    ]
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Edits messages by place: exchange type and number.
pub(super) struct Edit<F>(ExchangeType, u8, F);

impl<F: FnMut(&mut IsakmpDraft) + Send> Hands for Edit<F> {
    fn isakmp(&mut self, context: &IsakmpContext, draft: &mut IsakmpDraft) -> Disposition {
        if (context.exchange, context.number) == (self.0, self.1) {
            (self.2)(draft);
        }
        Disposition::Send
    }
}

pub(super) fn edit(
    pair: &mut Pair,
    end: usize,
    exchange: ExchangeType,
    number: u8,
    change: impl FnMut(&mut IsakmpDraft) + Send + 'static,
) {
    pair.hands[end] = Box::new(Edit(exchange, number, change));
}

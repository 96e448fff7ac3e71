//! Two engines joined by a queue, on a virtual clock: for tests.

use super::*;
use crate::Instant;
use crate::config::*;
use crate::deviation::{DeviantHands, Deviation, DeviationSet};
use crate::hands::{Hands, Honest};
pub(super) use crate::ike::road::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::net::SocketAddr;
use std::time::Duration;
use wire::ikev2::{ExchangeType, Message, Payload};

/// Decides what becomes of a datagram, by its sender and octets.
pub(super) type Road = Box<dyn FnMut(usize, &[u8]) -> Fate>;

pub(super) struct Pair {
    pub(super) engines: [Engine; 2],
    pub(super) rng: ChaCha20Rng,
    pub(super) now: Instant,
    pub(super) road: Vec<Flying>,
    /// All that was sent, with its sender.
    pub(super) sent: Vec<(usize, Vec<u8>)>,
    /// And to which port.
    pub(super) ports: Vec<u16>,
    pub(super) events: [Vec<Event>; 2],
    pub(super) installed: [Vec<ChildSa>; 2],
    pub(super) fate: Road,
    /// Address and port that a NAT gives A on the way to B.
    pub(super) nat: Option<SocketAddr>,
    pub(super) hands: [Box<dyn Hands>; 2],
}

pub(super) fn connection(end: usize, ike: &str, esp: &str) -> Connection {
    let nets = ["10.1.0.0/16", "10.2.0.0/16"];
    let net = |end: usize| vec![nets[end].parse().unwrap()];
    let other = 1 - end;
    let child = Child::new("net", net(end), net(other), vec![esp.parse().unwrap()]);
    let second = Child { name: "second".into(), ..child.clone() };
    Connection {
        ike_proposals: vec![ike.parse().unwrap()],
        children: vec![child, second],
        local_id: ["a.example", "b.example"][end].parse().unwrap(),
        remote_id: Some(["a.example", "b.example"][other].parse().unwrap()),
        ..Connection::new("peer", address(end), Remote::Address(address(other)), Secret::new(*b"correct horse"))
    }
}

pub(super) fn config(connection: Connection) -> IkeConfig {
    IkeConfig { connections: vec![connection], ..IkeConfig::default() }
}

impl Pair {
    pub(super) fn new(a: IkeConfig, b: IkeConfig) -> Self {
        Self {
            engines: [Engine::new(a), Engine::new(b)],
            rng: ChaCha20Rng::seed_from_u64(7),
            now: Instant::START,
            road: vec![],
            sent: vec![],
            ports: vec![],
            events: [vec![], vec![]],
            installed: [vec![], vec![]],
            fate: Box::new(|_, _| Fate::Pass),
            nat: None,
            hands: [Box::new(Honest), Box::new(Honest)],
        }
    }

    pub(super) fn plain() -> Self {
        Self::with("aes128-sha256-x25519", "aes128-sha256")
    }

    pub(super) fn with(ike: &str, esp: &str) -> Self {
        Self::new(config(connection(A, ike, esp)), config(connection(B, ike, esp)))
    }

    /// With these connections changed.
    pub(super) fn change(mut self, end: usize, change: impl FnOnce(&mut Connection)) -> Self {
        let mut config = self.engines[end].config().clone();
        change(&mut config.connections[0]);
        self.engines[end].configure(config);
        self
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
                    self.sent.push((from, datagram.clone()));
                    self.ports.push(path.remote.port());
                    let fate = (self.fate)(from, &datagram);
                    self.road.extend(Flying::copies(fate, self.now, from, path, &datagram));
                }
                Action::InstallChild(child) => self.installed[from].push(*child),
                Action::RemoveChild { inbound_spi, .. } => {
                    self.installed[from].retain(|child| child.inbound_spi != inbound_spi);
                }
                Action::Event(event) => self.events[from].push(event),
                Action::UpdatePath { .. } | Action::MoveChildren { .. } => {}
            }
        }
    }

    pub(super) fn deliver(&mut self, flying: Flying) {
        let path = flying.arrival(self.nat);
        self.at(1 - flying.from, |engine, now, rng, hands| engine.handle(now, rng, path, &flying.datagram, hands));
    }

    /// Puts a datagram of nobody's into one end.
    pub(super) fn inject(&mut self, to: usize, datagram: &[u8]) {
        let end = |end: usize| SocketAddr::new(address(end), 500);
        let path = Path { local: end(to), remote: end(1 - to) };
        self.at(to, |engine, now, rng, hands| engine.handle(now, rng, path, datagram, hands));
    }

    /// One step: the next datagram or timer. False if nothing is left to happen before `until`.
    pub(super) fn step(&mut self, until: Instant) -> bool {
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

    /// A tunnel that is up: the IKE SA at both ends.
    pub(super) fn up(&mut self) -> [IkeSaId; 2] {
        let a = self.initiate();
        self.run(1.0);
        self.check();
        assert_eq!(self.installed[A].len(), 1, "{:?}", self.events);
        let b = self.engines[B].ike_sas().last().unwrap().id;
        [a, b]
    }

    /// The children of both ends are the same, with each other's keys.
    pub(super) fn check(&self) {
        assert_eq!(self.installed[A].len(), self.installed[B].len(), "{:#?}", self.events);
        for ours in &self.installed[A] {
            let theirs = self.installed[B].iter().find(|theirs| theirs.inbound_spi == ours.outbound_spi).unwrap();
            assert_eq!(theirs.outbound_spi, ours.inbound_spi);
            assert!(theirs.inbound == ours.outbound && theirs.outbound == ours.inbound, "keys");
            assert_eq!((&theirs.local_ts, &theirs.remote_ts), (&ours.remote_ts, &ours.local_ts));
            assert_eq!((theirs.encryption, theirs.integrity, theirs.esn), (ours.encryption, ours.integrity, ours.esn));
            assert_ne!(theirs.initiator, ours.initiator);
        }
    }

    /// IKE SAs that are established at one end.
    pub(super) fn established(&self, end: usize) -> Vec<IkeSaInfo> {
        self.engines[end].ike_sas().into_iter().filter(|sa| sa.state == State::Established).collect()
    }

    pub(super) fn count(&self, end: usize, test: impl Fn(&Event) -> bool) -> usize {
        self.events[end].iter().filter(|event| test(event)).count()
    }

    /// Messages of one exchange and direction that one end has sent.
    pub(super) fn messages(&self, from: usize, exchange: ExchangeType, response: bool) -> Vec<Message> {
        let all = self.sent.iter().filter(|(sender, _)| *sender == from);
        all.filter_map(|(_, datagram)| Message::parse(datagram).ok())
            .filter(|message| message.header.exchange_type == exchange && message.header.flags.response() == response)
            .collect()
    }

    /// Sends any request from A and gives the payloads of the response.
    pub(super) fn ask(&mut self, id: IkeSaId, exchange: ExchangeType, payloads: Vec<Payload>) -> Option<Vec<Payload>> {
        let before = self.events[A].len();
        self.at(A, |engine, now, rng, hands| engine.request_exchange(now, rng, id, exchange, payloads, hands)).unwrap();
        self.run(0.5);
        self.events[A].iter().skip(before).find_map(|event| match event {
            Event::ResponseReceived { payloads, .. } => Some(payloads.clone()),
            _ => None,
        })
    }
}

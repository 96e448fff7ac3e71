//! Echo requests of the gateway's own, one after the other, as the guide's procedures send them (chapter 4).
//!
//! The next one goes out when the answer to the last has come, or its time is over.

use super::Gateway;
use crate::Instant;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use wire::ip::{self, Protocol};
use wire::{icmpv4, icmpv6, ipv4, ipv6};

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingRequest {
    /// Where to.
    pub destination: IpAddr,
    /// Own address to send from; one of its own of that family if not given, the outside first.
    pub source: Option<IpAddr>,
    /// How many.
    pub repeat: u32,
    /// Octets of each IP packet.
    pub size: usize,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

impl PingRequest {
    /// Five of 100 octets, each with two seconds for its answer: the guide's defaults.
    pub fn new(destination: IpAddr) -> Self {
        Self { destination, source: None, repeat: 5, size: 100, timeout: Duration::from_secs(2) }
    }
}

/// Why nothing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PingError {
    /// The source is not an address of the gateway.
    #[error("{0} is no address of this router")]
    NotOwn(IpAddr),
    /// The gateway has no address of the destination's family.
    #[error("this router has no address of the family of {0}")]
    NoAddress(IpAddr),
    /// Source and destination are of different families.
    #[error("{0} and {1} are of different families")]
    Families(IpAddr, IpAddr),
}

/// Names a run of echo requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PingId(u16);

/// A run of echo requests: what became of it so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// What is sent.
    pub request: PingRequest,
    /// The address that they are sent from.
    pub source: IpAddr,
    /// What became of each: its round-trip time, or `None` where no answer came in time.
    pub results: Vec<Option<Duration>>,
    identifier: u16,
    /// When the last one was sent.
    sent: Instant,
}

impl Ping {
    /// Is there nothing to be waited for any more?
    pub fn is_done(&self) -> bool {
        u32::try_from(self.results.len()).is_ok_and(|done| done >= self.request.repeat)
    }

    /// A mark for each that is done: `!` answered, `.` not.
    pub fn marks(&self) -> String {
        self.results.iter().map(|result| if result.is_some() { '!' } else { '.' }).collect()
    }

    /// The lines that come before the marks, in the guide's form.
    pub fn heading(&self) -> String {
        let PingRequest { destination, source, repeat, size, timeout } = self.request;
        let mut text = format!(
            "Sending {repeat}, {size}-byte ICMP Echos to {destination}, timeout is {} seconds:\n",
            timeout.as_secs()
        );
        if let Some(source) = source {
            text.push_str(&format!("Packet sent with a source address of {source}\n"));
        }
        text
    }

    /// The line that comes after the marks, in the guide's form.
    pub fn summary(&self) -> PingSummary {
        let times: Vec<u128> = self.results.iter().flatten().map(|time| time.as_millis()).collect();
        let answered = times.len();
        let average = u128::try_from(answered).ok().and_then(|count| times.iter().sum::<u128>().checked_div(count));
        let round_trip = match (times.iter().min(), average, times.iter().max()) {
            (Some(least), Some(average), Some(most)) => Some((*least, average, *most)),
            _ => None,
        };
        PingSummary { answered, sent: self.results.len(), round_trip }
    }

    /// The sequence number of the one under way.
    fn sequence(&self) -> u16 {
        self.results.len() as u16
    }

    fn due(&self) -> Option<Instant> {
        (!self.is_done()).then(|| self.sent + self.request.timeout)
    }

    /// The packet of the one under way.
    fn packet(&self, identification: u16) -> Vec<u8> {
        const IPV4_HEADER: usize = 20;
        const IPV6_HEADER: usize = 40;
        const HEADER: usize = 8;
        let data = |header: usize| -> Vec<u8> {
            (0..self.request.size.saturating_sub(header + HEADER)).map(|octet| octet as u8).collect()
        };
        match (self.source, self.request.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let echo = icmpv4::Packet::echo_request(self.identifier, self.sequence(), data(IPV4_HEADER));
                let mut packet = ipv4::Packet::new(source, destination, Protocol::ICMP, echo.to_bytes());
                packet.identification = identification;
                packet.to_bytes()
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let echo = icmpv6::Packet::echo_request(self.identifier, self.sequence(), data(IPV6_HEADER));
                let octets = echo.to_bytes(source, destination);
                ipv6::Packet::new(source, destination, Protocol::ICMPV6, octets).to_bytes()
            }
            // Not of one family: refused at the beginning.
            _ => Vec::new(),
        }
    }
}

/// How many echo requests were answered, and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PingSummary {
    /// Answered.
    pub answered: usize,
    /// Sent.
    pub sent: usize,
    /// Shortest, mean and longest round trip, milliseconds; `None` where nothing was answered.
    pub round_trip: Option<(u128, u128, u128)>,
}

impl fmt::Display for PingSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = (self.answered * 100).checked_div(self.sent).unwrap_or(0);
        write!(f, "Success rate is {percent} percent ({}/{})", self.answered, self.sent)?;
        match self.round_trip {
            Some((least, average, most)) => write!(f, ", round-trip min/avg/max = {least}/{average}/{most} ms"),
            None => Ok(()),
        }
    }
}

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Pings {
    runs: Vec<Ping>,
    last: u16,
}

impl Pings {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.runs.iter().filter_map(Ping::due).min()
    }
}

impl Gateway {
    /// Begins to send echo requests. It goes on with [`handle`](Self::handle) and
    /// [`handle_timeout`](Self::handle_timeout); [`ping`](Self::ping) says how far it is.
    ///
    /// # Errors
    /// There is no own address to send them from.
    pub fn start_ping(&mut self, now: Instant, request: PingRequest) -> Result<PingId, PingError> {
        let destination = request.destination;
        let mut own = self.config.outside.iter().chain(&self.config.inside);
        let source = match request.source {
            Some(source) if !own.any(|own| *own == source) => return Err(PingError::NotOwn(source)),
            Some(source) => source,
            None => {
                let fits = own.find(|own| own.is_ipv4() == destination.is_ipv4());
                *fits.ok_or(PingError::NoAddress(destination))?
            }
        };
        if source.is_ipv4() != destination.is_ipv4() {
            return Err(PingError::Families(source, destination));
        }
        self.pings.last = self.pings.last.wrapping_add(1);
        let identifier = self.pings.last;
        self.pings.runs.push(Ping { request, source, results: Vec::new(), identifier, sent: now });
        self.send_echo(now, identifier);
        Ok(PingId(identifier))
    }

    /// A run of echo requests, under way or done.
    pub fn ping(&self, id: PingId) -> Option<&Ping> {
        self.pings.runs.iter().find(|run| run.identifier == id.0)
    }

    /// Ends a run of echo requests and forgets it. Gives what became of it.
    pub fn end_ping(&mut self, id: PingId) -> Option<Ping> {
        let at = self.pings.runs.iter().position(|run| run.identifier == id.0)?;
        Some(self.pings.runs.swap_remove(at))
    }

    /// Gives up what was not answered in time, and sends the next ones.
    pub(super) fn ping_timeouts(&mut self, now: Instant) {
        let due = |run: &&mut Ping| run.due().is_some_and(|at| at <= now);
        let mut late = Vec::new();
        for run in self.pings.runs.iter_mut().filter(due) {
            run.results.push(None);
            late.push(run.identifier);
        }
        for identifier in late {
            self.send_echo(now, identifier);
        }
    }

    /// Looks whether a packet for the gateway itself is an answer that is waited for.
    pub(super) fn echo_answered(&mut self, now: Instant, packet: &ip::Packet) {
        let Some((identifier, sequence)) = echo_of(packet) else { return };
        let waits = |run: &&mut Ping| {
            let ends = (run.request.destination, run.source) == (packet.source(), packet.destination());
            run.identifier == identifier && run.sequence() == sequence && ends && !run.is_done()
        };
        let Some(run) = self.pings.runs.iter_mut().find(waits) else { return };
        run.results.push(Some(now.since(run.sent)));
        self.send_echo(now, identifier);
    }

    /// Sends the next one of a run, if there is one.
    fn send_echo(&mut self, now: Instant, identifier: u16) {
        self.identification = self.identification.wrapping_add(1);
        let Some(run) = self.pings.runs.iter_mut().find(|run| run.identifier == identifier) else { return };
        if run.is_done() {
            return;
        }
        run.sent = now;
        let packet = run.packet(self.identification);
        self.originate(now, &packet);
    }
}

/// Identifier and sequence number of an echo reply that is intact.
fn echo_of(packet: &ip::Packet) -> Option<(u16, u16)> {
    match packet {
        ip::Packet::V4(outer) if outer.protocol == Protocol::ICMP => {
            let icmp = icmpv4::Packet::parse(&outer.payload).ok().filter(icmpv4::Packet::is_intact)?;
            match icmp.message {
                icmpv4::Message::EchoReply(echo) => Some((echo.identifier, echo.sequence)),
                _ => None,
            }
        }
        ip::Packet::V6(outer) if packet.protocol() == Protocol::ICMPV6 => {
            let icmp = icmpv6::Packet::parse(packet.payload(), outer.source, outer.destination).ok()?;
            let intact = icmp.is_intact(outer.source, outer.destination);
            match icmp.message {
                icmpv6::Message::EchoReply(echo) if intact => Some((echo.identifier, echo.sequence)),
                _ => None,
            }
        }
        _ => None,
    }
}

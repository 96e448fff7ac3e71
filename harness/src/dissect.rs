//! One record a packet: what was seen is decoded and decrypted here once, and the expectation of a step, the verdict,
//! the comment in the capture, the ladder and `decode` all look at the same [`Seen`].

use crate::isakmp::{Observers, SeenIsakmp, is_isakmp};
use reference_peer::Instant;
use reference_peer::gateway::{Leg, parameters};
use reference_peer::ike::v1::IsakmpKeys;
use reference_peer::ike::v2::protect;
use reference_peer::ike::v2::{ChildSa, IkeKeys, Path};
use reference_peer::ipsec::header::Header as IpHeader;
use reference_peer::ipsec::keys::{AhKeys, EspKeys, Opened as OpenedEsp, OpenedAh};
use reference_peer::ipsec::sa;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use wire::ethernet::EtherType;
use wire::ikev2::{Body, Header, Message, Notify, NotifyType, Payload, PayloadType};
use wire::ip::Protocol;
use wire::natt::{self, Natt};
use wire::{arp, ethernet, icmpv4, icmpv6, ip, udp};

/// One packet as it was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Place in the scenario's sequence of packets.
    pub index: usize,
    /// When.
    pub at: Instant,
    /// Where.
    pub leg: Leg,
    /// Did it come from the DUT?
    pub from_dut: bool,
    /// The Ethernet frame.
    pub frame: Vec<u8>,
    /// The IP packet, if there is a sound one in it; with the last fragment of a packet that one, put together.
    pub ip: Option<ip::Packet>,
    /// What it carries; with the last fragment what the whole packet does.
    pub content: Content,
    /// With the last fragment of a packet the places of all its fragments, in the order in which they came.
    pub fragments: Vec<usize>,
    /// What is to be said about it in the capture.
    pub comments: Vec<String>,
}

/// What a packet carries.
#[derive(Debug, Clone)]
pub enum Content {
    /// An IKEv2 message, or one of a version that is not known.
    Ike(Box<SeenIke>),
    /// An IKEv1 message.
    Isakmp(Box<SeenIsakmp>),
    /// An ESP packet, in UDP or not.
    Esp(Box<SeenEsp>),
    /// An AH packet.
    Ah(Box<SeenAh>),
    /// A NAT keepalive.
    Keepalive(Path),
    /// An ICMP message of IPv4.
    Icmp(icmpv4::Packet),
    /// A UDP datagram that is none of these.
    Udp(udp::Datagram),
    /// Address resolution.
    Arp,
    /// Something else, or malformed: in words.
    Other(String),
}

/// An IKE message as it was seen.
#[derive(Debug, Clone)]
pub struct SeenIke {
    /// Addresses and ports, the sender's as `local`.
    pub path: Path,
    /// Did the non-ESP marker stand before it?
    pub marker: bool,
    /// The message from the header on.
    pub octets: Vec<u8>,
    /// The header; `None` if not even that can be read.
    pub header: Option<Header>,
    /// The message as it stands on the wire.
    pub message: Result<Message, wire::Error>,
    /// Was there an Encrypted payload?
    pub protected: bool,
    /// What was inside it, or why it cannot be opened.
    pub opened: Option<Result<protect::Opened, String>>,
    /// All payloads that can be read: those in the clear, then those inside.
    pub payloads: Vec<Payload>,
}

impl SeenIke {
    /// Is the R flag set?
    pub fn is_response(&self) -> bool {
        self.header.is_some_and(|header| header.flags.response())
    }

    /// The first payload of a type.
    pub fn payload(&self, payload_type: PayloadType) -> Option<&Payload> {
        self.payloads.iter().find(|payload| payload.body.payload_type() == payload_type)
    }

    /// All notifies.
    pub fn notifies(&self) -> impl Iterator<Item = &Notify> {
        self.payloads.iter().filter_map(|payload| match &payload.body {
            Body::Notify(notify) => Some(notify),
            _ => None,
        })
    }

    /// The first notify of a type.
    pub fn notify(&self, notify_type: NotifyType) -> Option<&Notify> {
        self.notifies().find(|notify| notify.notify_type == notify_type)
    }

    /// Exchange, direction and payloads in one line, as in `IKE_AUTH response, ID 1: SK{IDr AUTH N(TS_UNACCEPTABLE)}`.
    pub fn summary(&self) -> String {
        let Some(header) = self.header else { return format!("IKE, {} octets, no header", self.octets.len()) };
        let kind = if header.flags.response() { "response" } else { "request" };
        let mut text = format!("{} {kind}, ID {}", header.exchange_type, header.message_id);
        match (&self.message, &self.opened) {
            (Err(error), _) => {
                let _ = write!(text, ", malformed: {error}");
            }
            (Ok(_), Some(Err(error))) => {
                let _ = write!(text, ": SK (not opened: {error})");
            }
            (Ok(_), opened) => {
                let names: Vec<_> = self.payloads.iter().map(name).collect();
                let names = names.join(" ");
                let _ = if opened.is_some() { write!(text, ": SK{{{names}}}") } else { write!(text, ": {names}") };
                if let Some(Ok(opened)) = opened
                    && let Err(error) = &opened.payloads
                {
                    let _ = write!(text, ", malformed inside: {error}");
                }
            }
        }
        text
    }
}

/// A payload's name, with the type of a notify.
fn name(payload: &Payload) -> String {
    match &payload.body {
        Body::Notify(notify) => format!("N({})", notify.notify_type),
        Body::Encrypted(_) => "SK".to_owned(),
        body => body.payload_type().to_string(),
    }
}

/// An ESP packet as it was seen.
#[derive(Debug, Clone)]
pub struct SeenEsp {
    /// Outer addresses, the sender's first.
    pub addresses: (IpAddr, IpAddr),
    /// The UDP header around it.
    pub udp: Option<udp::Datagram>,
    /// SPI.
    pub spi: u32,
    /// The 32 bits of the sequence number that are on the wire.
    pub sequence: u32,
    /// SPI to ICV.
    pub octets: Vec<u8>,
    /// What was inside, or why it cannot be opened; `None` without keys.
    pub opened: Option<Result<OpenedEsp, String>>,
}

impl SeenEsp {
    /// The IP packet inside, in tunnel mode.
    pub fn inner(&self) -> Option<ip::Packet> {
        match &self.opened {
            Some(Ok(opened)) if matches!(opened.next_header, 4 | 41) => ip::Packet::parse(&opened.payload).ok(),
            _ => None,
        }
    }

    /// SPI, sequence number and contents in one line.
    pub fn summary(&self) -> String {
        let encapsulation = if self.udp.is_some() { "ESP in UDP" } else { "ESP" };
        let mut text = format!("{encapsulation} SPI 0x{:08x} seq {}", self.spi, self.sequence);
        let _ = match &self.opened {
            None => Ok(()),
            Some(Err(error)) => write!(text, " (not opened: {error})"),
            Some(Ok(opened)) => match self.inner() {
                Some(inner) => write!(text, ": {}", ip_summary(&inner)),
                None => write!(text, ": next header {}, {} octets", opened.next_header, opened.payload.len()),
            },
        };
        text
    }
}

/// An AH packet as it was seen.
#[derive(Debug, Clone)]
pub struct SeenAh {
    /// Outer addresses, the sender's first.
    pub addresses: (IpAddr, IpAddr),
    /// SPI.
    pub spi: u32,
    /// The 32 bits of the sequence number that are on the wire.
    pub sequence: u32,
    /// Next Header, Payload Len and RESERVED as they stand there.
    pub head: (u8, u8, u16),
    /// What it held if it verified, or why not; `None` without keys.
    pub opened: Option<Result<OpenedAh, String>>,
    /// The ESP packet in it, where AH goes over ESP.
    pub inside: Option<Box<SeenEsp>>,
}

impl SeenAh {
    /// The IP packet inside, in tunnel mode.
    pub fn inner(&self) -> Option<ip::Packet> {
        match &self.opened {
            Some(Ok(opened)) if matches!(opened.next_header, 4 | 41) => ip::Packet::parse(&opened.payload).ok(),
            _ => self.inside.as_ref().and_then(|esp| esp.inner()),
        }
    }

    /// SPI, sequence number and contents in one line.
    pub fn summary(&self) -> String {
        let mut text = format!("AH SPI 0x{:08x} seq {}", self.spi, self.sequence);
        let _ = match (&self.opened, &self.inside) {
            (None, _) => Ok(()),
            (Some(Err(error)), _) => write!(text, " (not verified: {error})"),
            (_, Some(esp)) => write!(text, ": {}", esp.summary()),
            (Some(Ok(opened)), None) => match self.inner() {
                Some(inner) => write!(text, ": {}", ip_summary(&inner)),
                None => write!(text, ": next header {}, {} octets", opened.next_header, opened.payload.len()),
            },
        };
        text
    }
}

impl Seen {
    /// The AH packet in it.
    pub fn ah(&self) -> Option<&SeenAh> {
        match &self.content {
            Content::Ah(ah) => Some(ah),
            _ => None,
        }
    }

    /// The IP packet inside ESP or AH, in tunnel mode.
    pub fn inner(&self) -> Option<ip::Packet> {
        self.ah().and_then(SeenAh::inner).or_else(|| self.esp().and_then(SeenEsp::inner))
    }

    /// SPI and the 32 bits of the sequence number of an ESP or AH packet; of a bundle those of the outermost.
    pub fn numbered(&self) -> Option<(u32, u32)> {
        let ah = self.ah().map(|ah| (ah.spi, ah.sequence));
        ah.or_else(|| self.esp().map(|esp| (esp.spi, esp.sequence)))
    }

    /// The IKEv1 message in it.
    pub fn isakmp(&self) -> Option<&SeenIsakmp> {
        match &self.content {
            Content::Isakmp(isakmp) => Some(isakmp),
            _ => None,
        }
    }

    /// The IKEv2 message in it.
    pub fn ike(&self) -> Option<&SeenIke> {
        match &self.content {
            Content::Ike(ike) => Some(ike),
            _ => None,
        }
    }

    /// The ESP packet in it, also under AH.
    pub fn esp(&self) -> Option<&SeenEsp> {
        match &self.content {
            Content::Esp(esp) => Some(esp),
            Content::Ah(ah) => ah.inside.as_deref(),
            _ => None,
        }
    }

    /// Is it anything but address resolution and neighbour discovery?
    pub fn is_traffic(&self) -> bool {
        match &self.content {
            Content::Arp => false,
            Content::Other(_) => self.ip.as_ref().is_none_or(|packet| packet.protocol() != Protocol::ICMPV6),
            _ => true,
        }
    }

    /// The IP packet in the frame itself, which may be a fragment of [`ip`](Self::ip).
    pub fn piece(&self) -> Option<ip::Packet> {
        let frame = ethernet::Frame::parse(&self.frame).ok()?;
        ip::Packet::parse_prefix(&frame.payload).ok().map(|(packet, _)| packet)
    }

    /// What it is, in one line.
    pub fn summary(&self) -> String {
        let mut text = self.content_summary();
        if !self.fragments.is_empty() {
            let _ = write!(text, ", in {} fragments", self.fragments.len());
        }
        text
    }

    fn content_summary(&self) -> String {
        match (&self.content, &self.ip) {
            (Content::Ike(ike), _) => ike.summary(),
            (Content::Isakmp(isakmp), _) => isakmp.summary(),
            (Content::Esp(esp), _) => esp.summary(),
            (Content::Ah(ah), _) => ah.summary(),
            (Content::Keepalive(_), _) => "NAT keepalive".to_owned(),
            (Content::Other(what), _) => what.clone(),
            (Content::Arp, _) => "ARP".to_owned(),
            (Content::Icmp(_) | Content::Udp(_), Some(packet)) => ip_summary(packet),
            (Content::Icmp(_) | Content::Udp(_), None) => "IP".to_owned(),
        }
    }
}

/// An IP packet in one line.
pub fn ip_summary(packet: &ip::Packet) -> String {
    let (source, destination) = (packet.source(), packet.destination());
    if packet.is_fragment() {
        return fragment_summary(packet);
    }
    match packet.protocol() {
        Protocol::ICMP => match icmpv4::Packet::parse(packet.payload()) {
            Ok(icmp) => format!("{source} > {destination} ICMP {}", icmp_summary(&icmp)),
            Err(error) => format!("{source} > {destination} ICMP, malformed: {error}"),
        },
        Protocol::UDP => match udp::Datagram::parse(packet.payload(), source, destination) {
            Ok(datagram) => format!(
                "{source}:{} > {destination}:{} UDP, {} octets",
                datagram.source_port,
                datagram.destination_port,
                datagram.payload.len()
            ),
            Err(error) => format!("{source} > {destination} UDP, malformed: {error}"),
        },
        protocol => format!("{source} > {destination} {protocol}, {} octets", packet.payload().len()),
    }
}

/// A fragment in one line, as in `10.0.0.1 > 10.0.0.2 ESP, fragment: octets 0 to 1479, more follow`.
fn fragment_summary(packet: &ip::Packet) -> String {
    let octets = packet.to_bytes();
    let header = IpHeader::parse(&octets).ok();
    let (offset, more) =
        header.and_then(|header| header.fragment).map_or((0, false), |fragment| (fragment.offset, fragment.more));
    let end = (offset + packet.payload().len()).saturating_sub(1);
    let (source, destination, protocol) = (packet.source(), packet.destination(), packet.protocol());
    let place = if more { "more follow" } else { "the last" };
    format!("{source} > {destination} {protocol}, fragment: octets {offset} to {end}, {place}")
}

fn icmp_summary(icmp: &icmpv4::Packet) -> String {
    match &icmp.message {
        icmpv4::Message::EchoRequest(echo) => format!("echo request {}", echo.sequence),
        icmpv4::Message::EchoReply(echo) => format!("echo reply {}", echo.sequence),
        icmpv4::Message::DestinationUnreachable { next_hop_mtu, .. } if icmp.code == icmpv4::FRAGMENTATION_NEEDED => {
            format!("fragmentation needed, MTU {next_hop_mtu}")
        }
        message => format!("type {} code {}", message.icmp_type(), icmp.code),
    }
}

/// Decodes and decrypts packets with the keys that it has been given. Messages of IKEv1 follow from one another: they are
/// to be shown in the order in which they were seen.
#[derive(Debug, Clone, Default)]
pub struct Dissector {
    ike: Vec<IkeKeys>,
    isakmp: Observers,
    esp: Vec<EspKeys>,
    ah: Vec<AhKeys>,
}

impl Dissector {
    /// Adds the keys of an IKE SA. Keys of the same SPIs replace the earlier ones.
    pub fn add_ike(&mut self, keys: IkeKeys) {
        self.ike.retain(|have| have.spis != keys.spis);
        self.ike.push(keys);
    }

    /// Adds all keys of an ISAKMP SA.
    pub fn add_isakmp(&mut self, keys: IsakmpKeys) {
        self.isakmp.learn(keys);
    }

    /// Adds the key of the cipher of the ISAKMP SA with this initiator's cookie: enough to open its messages, not to
    /// check their hashes.
    pub fn add_isakmp_cipher_key(&mut self, initiator_cookie: u64, key: Vec<u8>) {
        self.isakmp.learn_cipher_key(initiator_cookie, key);
    }

    /// Adds the keys of one ESP SA.
    pub fn add_esp(&mut self, keys: EspKeys) {
        let id = |keys: &EspKeys| (keys.parameters().spi, keys.parameters().destination);
        self.esp.retain(|have| id(have) != id(&keys));
        self.esp.push(keys);
    }

    /// Adds both SAs of a pair, as the peer sees it that has it.
    pub fn add_child(&mut self, child: &ChildSa) {
        let (inbound, outbound) = parameters(child, &Arc::default());
        // Keys of the wrong length would not have made an SA.
        for sa in [inbound, outbound] {
            match sa.protocol {
                sa::Protocol::Esp => EspKeys::new(sa).ok().flatten().into_iter().for_each(|keys| self.add_esp(keys)),
                sa::Protocol::Ah => self.ah.extend(AhKeys::new(sa).ok().flatten()),
            }
        }
    }

    /// Keys of the IKE SAs.
    pub fn ike_keys(&self) -> &[IkeKeys] {
        &self.ike
    }

    /// The ISAKMP SAs that were seen.
    pub fn isakmp(&self) -> &Observers {
        &self.isakmp
    }

    /// Keys of the ESP SAs.
    pub fn esp_keys(&self) -> &[EspKeys] {
        &self.esp
    }

    /// Looks into an Ethernet frame.
    pub fn frame(&mut self, frame: &[u8]) -> (Option<ip::Packet>, Content) {
        match ethernet::Frame::parse(frame) {
            Ok(ethernet) if ethernet.ether_type == EtherType::ARP => {
                let content = match arp::Packet::parse_prefix(&ethernet.payload) {
                    Ok(_) => Content::Arp,
                    Err(error) => Content::Other(format!("ARP, malformed: {error}")),
                };
                (None, content)
            }
            Ok(ethernet) => match ip::Packet::parse_prefix(&ethernet.payload) {
                Ok((packet, _padding)) => self.packet(packet),
                Err(error) => (None, Content::Other(format!("IP, malformed: {error}"))),
            },
            Err(error) => (None, Content::Other(format!("Ethernet, malformed: {error}"))),
        }
    }

    /// Looks into an IP packet.
    pub fn packet(&mut self, packet: ip::Packet) -> (Option<ip::Packet>, Content) {
        let content = self.contents(&packet);
        (Some(packet), content)
    }

    fn contents(&mut self, packet: &ip::Packet) -> Content {
        let (source, destination) = (packet.source(), packet.destination());
        match packet.protocol() {
            _ if packet.is_fragment() => Content::Other(ip_summary(packet)),
            Protocol::UDP => match udp::Datagram::parse(packet.payload(), source, destination) {
                Ok(datagram) => self.udp(source, destination, datagram),
                Err(error) => Content::Other(format!("UDP, malformed: {error}")),
            },
            Protocol::ESP => Content::from_esp(self.esp((source, destination), None, packet.payload())),
            Protocol::AH => self.ah(packet),
            Protocol::ICMP => match icmpv4::Packet::parse(packet.payload()) {
                Ok(icmp) => Content::Icmp(icmp),
                Err(error) => Content::Other(format!("ICMP, malformed: {error}")),
            },
            Protocol::ICMPV6 => Content::Other(icmpv6_summary(packet)),
            _ => Content::Other(ip_summary(packet)),
        }
    }

    fn udp(&mut self, source: IpAddr, destination: IpAddr, datagram: udp::Datagram) -> Content {
        let path = Path {
            local: SocketAddr::new(source, datagram.source_port),
            remote: SocketAddr::new(destination, datagram.destination_port),
        };
        let has = |port| datagram.source_port == port || datagram.destination_port == port;
        if has(4500) {
            return match natt::classify(&datagram.payload) {
                Natt::Ike(message) => self.ike(path, true, message),
                Natt::Esp(esp) => {
                    let octets = esp.to_vec();
                    Content::from_esp(self.esp((source, destination), Some(datagram), &octets))
                }
                Natt::Keepalive => Content::Keepalive(path),
                Natt::Malformed(error) => Content::Other(format!("UDP 4500, malformed: {error}")),
            };
        }
        if has(500) { self.ike(path, false, &datagram.payload) } else { Content::Udp(datagram) }
    }

    fn ike(&mut self, path: Path, marker: bool, octets: &[u8]) -> Content {
        if is_isakmp(octets) {
            return Content::Isakmp(Box::new(self.isakmp.see(path, marker, octets)));
        }
        let header = Header::parse(octets).ok();
        let message = Message::parse(octets);
        let mut payloads = Vec::new();
        let mut opened = None;
        let mut protected = false;
        if let Ok(message) = &message {
            payloads.clone_from(&message.payloads);
            if let Some(place) = payloads.iter().position(is_protected) {
                protected = true;
                let result = self.open_ike(message, octets);
                if let Ok(inside) = &result {
                    payloads.truncate(place);
                    payloads.extend(inside.payloads.iter().flatten().cloned());
                }
                opened = Some(result);
            }
        }
        let octets = octets.to_vec();
        Content::Ike(Box::new(SeenIke { path, marker, octets, header, message, protected, opened, payloads }))
    }

    fn open_ike(&self, message: &Message, octets: &[u8]) -> Result<protect::Opened, String> {
        let spis = (message.header.initiator_spi, message.header.responder_spi);
        let Some(keys) = self.ike.iter().find(|keys| keys.spis == spis) else {
            return Err(format!("no keys for IKE SA {:016x}/{:016x}", spis.0, spis.1));
        };
        protect::open(keys, message.header.flags.initiator(), message, octets).map_err(|error| error.to_string())
    }

    fn ah(&self, packet: &ip::Packet) -> Content {
        let (octets, addresses) = (packet.payload(), (packet.source(), packet.destination()));
        let Some((&[next_header, len, r0, r1, s0, s1, s2, s3, n0, n1, n2, n3], _)) = octets.split_first_chunk() else {
            return Content::Other(format!("AH, {} octets: no header", octets.len()));
        };
        let spi = u32::from_be_bytes([s0, s1, s2, s3]);
        let keys = self.ah.iter().rev().find(|keys| {
            let sa = keys.parameters();
            sa.spi == spi && sa.destination == addresses.1
        });
        let opened = keys.map(|keys| keys.open(&packet.to_bytes()).map_err(|reason| reason.to_string()));
        let inside = match &opened {
            Some(Ok(opened)) if opened.next_header == Protocol::ESP.0 => {
                self.esp(addresses, None, &opened.payload).ok()
            }
            _ => None,
        };
        Content::Ah(Box::new(SeenAh {
            addresses,
            spi,
            sequence: u32::from_be_bytes([n0, n1, n2, n3]),
            head: (next_header, len, u16::from_be_bytes([r0, r1])),
            opened,
            inside: inside.map(Box::new),
        }))
    }

    fn esp(&self, addresses: (IpAddr, IpAddr), udp: Option<udp::Datagram>, octets: &[u8]) -> Result<SeenEsp, String> {
        let Some((header, _)) = octets.split_first_chunk::<8>() else {
            return Err(format!("ESP, {} octets: no header", octets.len()));
        };
        let [s0, s1, s2, s3, n0, n1, n2, n3] = *header;
        let spi = u32::from_be_bytes([s0, s1, s2, s3]);
        let sequence = u32::from_be_bytes([n0, n1, n2, n3]);
        let keys =
            self.esp.iter().find(|keys| keys.parameters().spi == spi && keys.parameters().destination == addresses.1);
        // Through a NAT the outer address is not the one that was negotiated.
        let keys = keys.or_else(|| self.esp.iter().find(|keys| keys.parameters().spi == spi));
        let opened = keys.map(|keys| keys.open(octets).map_err(|error| error.to_string()));
        Ok(SeenEsp { addresses, udp, spi, sequence, octets: octets.to_vec(), opened })
    }
}

impl Content {
    fn from_esp(esp: Result<SeenEsp, String>) -> Self {
        esp.map_or_else(Self::Other, |esp| Self::Esp(Box::new(esp)))
    }
}

fn is_protected(payload: &Payload) -> bool {
    matches!(payload.body, Body::Encrypted(_) | Body::EncryptedFragment(_))
}

fn icmpv6_summary(packet: &ip::Packet) -> String {
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (packet.source(), packet.destination()) else {
        return ip_summary(packet);
    };
    match icmpv6::Packet::parse(packet.payload(), source, destination) {
        Ok(icmp) => format!("{source} > {destination} ICMPv6 type {} code {}", icmp.message.icmp_type(), icmp.code),
        Err(error) => format!("{source} > {destination} ICMPv6, malformed: {error}"),
    }
}

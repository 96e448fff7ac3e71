//! IKEv1 messages as they were seen: decrypted, their hashes checked.
//!
//! Every ISAKMP SA has an [`Observer`], which follows its IVs through phase 1 and all exchanges of phase 2.

pub mod names;
pub mod tree;

use reference_peer::ike::v1::IsakmpKeys;
use reference_peer::ike::v1::observer::{HashCheck, Observed, Observer};
use reference_peer::ike::v1::protect;
use reference_peer::ike::v2::Path;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use wire::ikev1::{
    Body, Delete, ExchangeType, Header, Identification, Message, Notification, NotifyType, Payload, PayloadType,
    SecurityAssociation,
};

/// An IKEv1 message as it was seen.
#[derive(Debug, Clone)]
pub struct SeenIsakmp {
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
    /// Is the E flag set?
    pub protected: bool,
    /// What was inside, if it is encrypted, or why it cannot be opened. There is no integrity check but the hash: with a
    /// wrong key the payloads cannot be read.
    pub opened: Option<Result<protect::Opened, String>>,
    /// Its HASH payload.
    pub hash: HashCheck,
    /// Was it encrypted with the IV that comes next in its exchange (RFC 2409 appendix B)?
    pub in_order: bool,
    /// Its place in its exchange, from 1: 1 to 6 in Main Mode, 1 to 3 in Aggressive and Quick Mode; `None` where nothing
    /// tells.
    pub number: Option<u8>,
    /// All payloads that can be read, in the clear or inside.
    pub payloads: Vec<Payload>,
}

impl SeenIsakmp {
    /// Is it message `number` of an exchange? What cannot be opened is no message of Quick Mode.
    pub fn is(&self, exchange: ExchangeType, number: u8) -> bool {
        self.exchange() == Some(exchange) && self.number == Some(number)
    }

    /// Its exchange type.
    pub fn exchange(&self) -> Option<ExchangeType> {
        self.header.map(|header| header.exchange_type)
    }

    /// Its Message ID; 0 in phase 1.
    pub fn message_id(&self) -> Option<u32> {
        self.header.map(|header| header.message_id)
    }

    /// Is it encrypted, and can its payloads be read?
    pub fn is_open(&self) -> bool {
        matches!(&self.opened, Some(Ok(opened)) if opened.payloads.is_ok())
    }

    /// Is it encrypted, readable, and its hash right? Then its sender has the keys.
    pub fn is_authentic(&self) -> bool {
        self.is_open() && self.hash == HashCheck::Right
    }

    /// The first payload of a type.
    pub fn payload(&self, payload_type: PayloadType) -> Option<&Payload> {
        wire::ikev1::find(&self.payloads, payload_type)
    }

    /// Types of all payloads, in their order.
    pub fn types(&self) -> Vec<PayloadType> {
        self.payloads.iter().map(|payload| payload.body.payload_type()).collect()
    }

    /// The SA payload.
    pub fn sa(&self) -> Option<&SecurityAssociation> {
        match &self.payload(PayloadType::SECURITY_ASSOCIATION)?.body {
            Body::SecurityAssociation(sa) => Some(sa),
            _ => None,
        }
    }

    /// All ID payloads, in their order.
    pub fn identities(&self) -> Vec<&Identification> {
        let identity = |payload: &'_ Payload| matches!(payload.body, Body::Identification(_));
        let bodies = self.payloads.iter().filter(|payload| identity(payload)).map(|payload| &payload.body);
        bodies.filter_map(|body| if let Body::Identification(id) = body { Some(id) } else { None }).collect()
    }

    /// All notifies.
    pub fn notifies(&self) -> impl Iterator<Item = &Notification> {
        wire::ikev1::notifications(&self.payloads)
    }

    /// The first notify of a type.
    pub fn notify(&self, notify_type: NotifyType) -> Option<&Notification> {
        self.notifies().find(|notification| notification.notify_type == notify_type)
    }

    /// All Delete payloads.
    pub fn deletes(&self) -> impl Iterator<Item = &Delete> {
        self.payloads.iter().filter_map(|payload| match &payload.body {
            Body::Delete(delete) => Some(delete),
            _ => None,
        })
    }

    /// Exchange, place in it and payloads in one line, as in `Main Mode 5: E{ID HASH N(INITIAL-CONTACT)}` and `Quick
    /// Mode 2, ID 5a2b01f0: E{HASH SA NONCE ID ID}`.
    pub fn summary(&self) -> String {
        let Some(header) = self.header else { return format!("ISAKMP, {} octets, no header", self.octets.len()) };
        let mut text = header.exchange_type.to_string();
        if let Some(number) = self.number.filter(|_| header.exchange_type != ExchangeType::INFORMATIONAL) {
            let _ = write!(text, " {number}");
        }
        if header.message_id != 0 {
            let _ = write!(text, ", ID {:08x}", header.message_id);
        }
        let names: Vec<_> = self.payloads.iter().map(names::payload).collect();
        let names = names.join(" ");
        let _ = match (&self.message, &self.opened) {
            (Err(error), _) => write!(text, ", malformed: {error}"),
            (_, None) => write!(text, ": {names}"),
            (_, Some(Err(error))) => write!(text, ": E (not opened: {error})"),
            (_, Some(Ok(opened))) => match &opened.payloads {
                Ok(_) => write!(text, ": E{{{names}}}"),
                Err(error) => write!(text, ": E, malformed inside or of another key or IV: {error}"),
            },
        };
        if self.hash == HashCheck::Wrong {
            text.push_str(", wrong hash");
        }
        if !self.in_order && self.is_open() {
            text.push_str(", IV out of order");
        }
        text
    }
}

/// All ISAKMP SAs that were seen, each followed by its observer.
#[derive(Debug, Clone, Default)]
pub struct Observers {
    /// By cookies; the responder's is 0 until its first message has come.
    sas: BTreeMap<(u64, u64), Observer>,
    /// Keys of ciphers by initiator's cookie, as Wireshark's table has them.
    cipher_keys: Vec<(u64, Vec<u8>)>,
}

impl Observers {
    /// Takes all keys of an ISAKMP SA.
    pub fn learn(&mut self, keys: IsakmpKeys) {
        self.of_mut(keys.cookies).learn(keys);
    }

    /// Takes the key of the cipher of the ISAKMP SAs with this initiator's cookie.
    pub fn learn_cipher_key(&mut self, initiator_cookie: u64, key: Vec<u8>) {
        for (_, observer) in self.sas.iter_mut().filter(|(cookies, _)| cookies.0 == initiator_cookie) {
            observer.learn_cipher_key(key.clone());
        }
        self.cipher_keys.push((initiator_cookie, key));
    }

    /// All keys that are known in full.
    pub fn keys(&self) -> impl Iterator<Item = &IsakmpKeys> {
        self.sas.values().filter_map(Observer::keys)
    }

    /// The observer of the ISAKMP SA with these cookies.
    pub fn of(&self, cookies: (u64, u64)) -> Option<&Observer> {
        self.sas.get(&cookies)
    }

    /// Looks into an IKEv1 message.
    pub fn see(&mut self, path: Path, marker: bool, octets: &[u8]) -> SeenIsakmp {
        let header = Header::parse(octets).ok();
        let message = Message::parse(octets);
        let observed = match &message {
            Ok(message) => self.of_mut(message.header.cookies()).see(message, path.local.ip()),
            Err(_) => {
                Observed { from_initiator: true, number: None, opened: None, hash: HashCheck::Absent, in_order: true }
            }
        };
        let payloads = match (&message, &observed.opened) {
            (Ok(message), None) => message.payloads().to_vec(),
            (_, Some(Ok(opened))) => opened.payloads.clone().unwrap_or_default(),
            _ => Vec::new(),
        };
        SeenIsakmp {
            path,
            marker,
            octets: octets.to_vec(),
            header,
            protected: message.as_ref().is_ok_and(Message::is_encrypted),
            message,
            opened: observed.opened.map(|opened| opened.map_err(|error| error.to_string())),
            hash: observed.hash,
            in_order: observed.in_order,
            number: observed.number,
            payloads,
        }
    }

    /// The observer of these cookies. The first message of phase 1, whose responder's cookie is 0, belongs to every SA
    /// that comes of it.
    fn of_mut(&mut self, cookies: (u64, u64)) -> &mut Observer {
        let known = || self.sas.get(&(cookies.0, 0)).cloned();
        let begun = if self.sas.contains_key(&cookies) { None } else { known() };
        self.sas.entry(cookies).or_insert_with(|| {
            let mut observer = begun.unwrap_or_default();
            if let Some((_, key)) = self.cipher_keys.iter().rev().find(|(cookie, _)| *cookie == cookies.0) {
                observer.learn_cipher_key(key.clone());
            }
            observer
        })
    }
}

/// Is this an IKEv1 message, by the major version in its header?
pub fn is_isakmp(octets: &[u8]) -> bool {
    octets.get(17).is_some_and(|version| version >> 4 == 1)
}

//! Following one ISAKMP SA from outside: every message of it is opened and its hash checked, as far as keys are known.
//!
//! An observer sees what neither peer takes: repetitions, forgeries, messages with a wrong hash, exchanges that run side
//! by side. So it keeps the IVs of all that has come, and tries the one that RFC 2409 appendix B demands first.

use super::keys::{self, IsakmpKeys, Transcript};
use super::negotiate::{phase1_cipher, phase1_hash};
use super::protect::{self, OpenError, Opened};
use crypto::{Cipher, Encryption, Hash, Zeroizing};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use wire::ikev1::{Body, Content, ExchangeType, Header, Message, Payload, PayloadType, Phase1Class, Transform, find};

/// Most IVs of an exchange that are kept beside the one that comes next.
const MOST_IVS: usize = 32;

/// What a HASH payload is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashCheck {
    /// There is none.
    #[default]
    Absent,
    /// What it is computed from is not known.
    Unchecked,
    /// As RFC 2409 sections 5 and 5.5 have it.
    Right,
    /// Not so.
    Wrong,
}

/// A message, observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Was it sent by who began the exchange: in phase 1 the initiator, in phase 2 whoever sent its first message?
    pub from_initiator: bool,
    /// Its place in its exchange, from 1; `None` where nothing tells.
    pub number: Option<u8>,
    /// What was inside, if it is encrypted.
    pub opened: Option<Result<Opened, OpenError>>,
    /// Its HASH payload.
    pub hash: HashCheck,
    /// Was it encrypted with the IV that comes next in its exchange? False with that of an earlier message.
    pub in_order: bool,
}

/// IVs that a message of an exchange may have.
#[derive(Debug, Clone, Default)]
struct Ivs {
    /// That of the next message.
    next: Vec<u8>,
    /// Those of before, and those that messages which nobody takes would give.
    others: Vec<Vec<u8>>,
}

impl Ivs {
    fn all(&self) -> impl Iterator<Item = &Vec<u8>> {
        std::iter::once(&self.next).chain(self.others.iter().rev())
    }

    /// A message has come whose last block is this.
    fn push(&mut self, last: Vec<u8>, taken: bool) {
        let other = if taken { std::mem::replace(&mut self.next, last) } else { last };
        self.others.retain(|known| *known != other);
        if self.others.len() >= MOST_IVS {
            self.others.remove(0);
        }
        self.others.push(other);
    }
}

/// An exchange of phase 2.
#[derive(Debug, Clone)]
struct Exchange {
    starter: IpAddr,
    nonces: (Vec<u8>, Vec<u8>),
    ivs: Ivs,
}

/// One ISAKMP SA, followed.
#[derive(Debug, Clone, Default)]
pub struct Observer {
    cipher_key: Option<Zeroizing<Vec<u8>>>,
    keys: Option<IsakmpKeys>,
    /// Hash and cipher, once the responder's choice was seen.
    suite: Option<(Hash, Encryption)>,
    initiator: Option<IpAddr>,
    /// What both have said in phase 1, the initiator's first.
    public: (Vec<u8>, Vec<u8>),
    nonces: (Vec<u8>, Vec<u8>),
    offer: Vec<u8>,
    /// Body of the initiator's ID payload, where it was in the clear.
    initiator_id: Vec<u8>,
    phase1: Ivs,
    phase2: BTreeMap<u32, Exchange>,
    /// What has been opened, by message ID and ciphertext: repetitions are opened as the first was.
    seen: HashMap<(u32, Vec<u8>), Observed>,
}

impl Observer {
    /// Takes all keys of the SA: hashes are checked from here on.
    pub fn learn(&mut self, keys: IsakmpKeys) {
        self.suite = Some((keys.hash, keys.encryption));
        self.cipher_key = Some(keys.cipher_key.clone());
        self.keys = Some(keys);
        // What was opened without them is looked at again.
        self.seen.retain(|_, observed| observed.hash != HashCheck::Unchecked);
    }

    /// Takes the key of the cipher alone, as Wireshark's table has it.
    pub fn learn_cipher_key(&mut self, key: impl Into<Vec<u8>>) {
        self.cipher_key = Some(Zeroizing::new(key.into()));
    }

    /// All keys, if they are known.
    pub fn keys(&self) -> Option<&IsakmpKeys> {
        self.keys.as_ref()
    }

    /// IV of the next message of this exchange of phase 2 as appendix B has it, new or under way; `None` while nothing is
    /// known of phase 1.
    pub fn phase2_iv(&self, message_id: u32) -> Option<Vec<u8>> {
        let known = self.phase2.get(&message_id).map(|exchange| exchange.ivs.next.clone());
        known.or_else(|| Some(self.fresh_ivs(self.suite?, message_id)?.next))
    }

    /// IV of the next message of phase 1; `None` while the public values are not known.
    pub fn phase1_iv(&self) -> Option<Vec<u8>> {
        self.phase1_ivs(self.suite?).map(|ivs| ivs.next)
    }

    /// Sees a message of this SA, which `sender` has sent.
    pub fn see(&mut self, message: &Message, sender: IpAddr) -> Observed {
        let header = &message.header;
        let phase1 = matches!(header.exchange_type, ExchangeType::MAIN | ExchangeType::AGGRESSIVE);
        if phase1 && (self.initiator.is_none() || header.responder_cookie == 0) {
            self.initiator = Some(sender);
        }
        match &message.content {
            Content::Clear(payloads) => {
                let from_initiator = self.is_initiator(header, sender, phase1);
                if phase1 {
                    self.listen(header, payloads, from_initiator);
                }
                let number = number(header, payloads, from_initiator, false);
                let hash = self.check(header, number, payloads, None, from_initiator);
                Observed { from_initiator, number, opened: None, hash, in_order: true }
            }
            Content::Encrypted { data, .. } => self.see_encrypted(message, data, sender, phase1),
        }
    }

    fn is_initiator(&self, header: &Header, sender: IpAddr, phase1: bool) -> bool {
        let starter = self.phase2.get(&header.message_id).map(|exchange| exchange.starter);
        match (phase1, starter) {
            (true, _) => self.initiator == Some(sender),
            (false, Some(starter)) => starter == sender,
            (false, None) => true,
        }
    }

    fn see_encrypted(&mut self, message: &Message, data: &[u8], sender: IpAddr, phase1: bool) -> Observed {
        let header = &message.header;
        let key = (header.message_id, data.to_vec());
        if let Some(observed) = self.seen.get(&key) {
            return observed.clone();
        }
        let from_initiator = self.is_initiator(header, sender, phase1);
        let shut = |error| Observed {
            from_initiator,
            number: number(header, &[], from_initiator, true),
            opened: Some(Err(error)),
            hash: HashCheck::Absent,
            in_order: true,
        };
        let Some(cipher_key) = self.cipher_key.clone() else { return shut(OpenError::NoKeys) };
        let Some((hash, encryption)) = self.suite else { return shut(OpenError::NoIv) };
        let Some(cipher) = keys::cipher(encryption, &cipher_key) else { return shut(OpenError::NoKeys) };
        if self.phase1.next.is_empty() {
            let Some(ivs) = self.phase1_ivs((hash, encryption)) else { return shut(OpenError::NoIv) };
            self.phase1 = ivs;
        }
        if !phase1 && !self.phase2.contains_key(&header.message_id) {
            let Some(ivs) = self.fresh_ivs((hash, encryption), header.message_id) else {
                return shut(OpenError::NoIv);
            };
            let exchange = Exchange { starter: sender, nonces: (vec![], vec![]), ivs };
            self.phase2.insert(header.message_id, exchange);
        }
        let observed = match self.open(&cipher, message, from_initiator, phase1) {
            Ok(observed) => observed,
            Err(error) => return shut(error),
        };
        self.take(header, &observed, phase1);
        if matches!(&observed.opened, Some(Ok(opened)) if opened.payloads.is_ok()) {
            self.seen.insert(key, observed.clone());
        }
        observed
    }

    fn phase1_ivs(&self, (hash, encryption): (Hash, Encryption)) -> Option<Ivs> {
        if !self.phase1.next.is_empty() {
            return Some(self.phase1.clone());
        }
        let known = !self.public.0.is_empty() && !self.public.1.is_empty();
        let next = known.then(|| keys::phase1_iv(hash, encryption, (&self.public.0, &self.public.1)))?;
        Some(Ivs { next, others: vec![] })
    }

    fn fresh_ivs(&self, suite: (Hash, Encryption), message_id: u32) -> Option<Ivs> {
        let phase1 = self.phase1_ivs(suite)?;
        let iv = |last: &Vec<u8>| keys::phase2_iv(suite.0, suite.1, last, message_id);
        Some(Ivs { next: iv(&phase1.next), others: phase1.others.iter().map(iv).collect() })
    }

    /// Tries the IVs that the message may have. A right hash decides; then payloads that can be read do.
    fn open(
        &self,
        cipher: &Cipher,
        message: &Message,
        from_initiator: bool,
        phase1: bool,
    ) -> Result<Observed, OpenError> {
        let header = &message.header;
        let exchange = self.phase2.get(&header.message_id).filter(|_| !phase1);
        let ivs = exchange.map_or(&self.phase1, |exchange| &exchange.ivs);
        let mut best: Option<Observed> = None;
        for (index, iv) in ivs.all().enumerate() {
            let opened = protect::open(cipher, iv, message)?;
            let payloads = opened.payloads.as_deref().unwrap_or_default();
            let number = number(header, payloads, from_initiator, true);
            let hash = self.check(header, number, payloads, Some(&opened), from_initiator);
            let readable = opened.payloads.is_ok();
            let observed = Observed { from_initiator, number, opened: Some(Ok(opened)), hash, in_order: index == 0 };
            let better = match &best {
                None => true,
                Some(best) => readable && !matches!(&best.opened, Some(Ok(opened)) if opened.payloads.is_ok()),
            };
            if hash == HashCheck::Right {
                return Ok(observed);
            }
            if better {
                best = Some(observed);
            }
        }
        best.ok_or(OpenError::NoIv)
    }

    /// Takes note of what a message means for those that follow it.
    fn take(&mut self, header: &Header, observed: &Observed, phase1: bool) {
        let Some(Ok(opened)) = &observed.opened else { return };
        let taken = opened.payloads.is_ok() && observed.hash != HashCheck::Wrong;
        if phase1 {
            self.phase1.push(opened.next_iv.clone(), taken);
            return;
        }
        let Some(exchange) = self.phase2.get_mut(&header.message_id) else { return };
        exchange.ivs.push(opened.next_iv.clone(), taken);
        let nonce = match find(opened.payloads.as_deref().unwrap_or_default(), PayloadType::NONCE).map(|p| &p.body) {
            Some(Body::Nonce(nonce)) if taken => nonce,
            _ => return,
        };
        match observed.number {
            Some(1) => exchange.nonces.0.clone_from(nonce),
            Some(2) => exchange.nonces.1.clone_from(nonce),
            _ => {}
        }
    }

    /// Hears what is said in the clear in phase 1. What comes first counts.
    fn listen(&mut self, header: &Header, payloads: &[Payload], from_initiator: bool) {
        fn hear(place: &mut Vec<u8>, octets: &[u8]) {
            if place.is_empty() {
                octets.clone_into(place);
            }
        }
        for payload in payloads {
            match &payload.body {
                Body::KeyExchange(public) if from_initiator => hear(&mut self.public.0, public),
                Body::KeyExchange(public) => hear(&mut self.public.1, public),
                Body::Nonce(nonce) if from_initiator => hear(&mut self.nonces.0, nonce),
                Body::Nonce(nonce) => hear(&mut self.nonces.1, nonce),
                body @ Body::SecurityAssociation(_) if from_initiator => hear(&mut self.offer, &body.to_bytes()),
                Body::SecurityAssociation(sa) if self.suite.is_none() => {
                    let transform = sa.proposals.first().and_then(|proposal| proposal.transforms.first());
                    self.suite = transform.and_then(suite);
                }
                body @ Body::Identification(_)
                    if from_initiator && header.exchange_type == ExchangeType::AGGRESSIVE =>
                {
                    hear(&mut self.initiator_id, &body.to_bytes());
                }
                _ => {}
            }
        }
    }

    /// Checks the HASH payload of a message.
    fn check(
        &self,
        header: &Header,
        number: Option<u8>,
        payloads: &[Payload],
        opened: Option<&Opened>,
        from_initiator: bool,
    ) -> HashCheck {
        let Some(Body::Hash(hash)) = find(payloads, PayloadType::HASH).map(|payload| &payload.body) else {
            return HashCheck::Absent;
        };
        let Some(keys) = &self.keys else { return HashCheck::Unchecked };
        let right = match header.exchange_type {
            ExchangeType::MAIN | ExchangeType::AGGRESSIVE => self.phase1_hash(keys, payloads, from_initiator),
            _ => self.phase2_hash(keys, header, number, opened),
        };
        match right {
            None => HashCheck::Unchecked,
            Some(right) if right == *hash => HashCheck::Right,
            Some(_) => HashCheck::Wrong,
        }
    }

    fn phase1_hash(&self, keys: &IsakmpKeys, payloads: &[Payload], from_initiator: bool) -> Option<Vec<u8>> {
        let id = find(payloads, PayloadType::IDENTIFICATION).map(|payload| payload.body.to_bytes());
        let id = id.unwrap_or_else(|| self.initiator_id.clone());
        let transcript = Transcript {
            nonces: (&self.nonces.0, &self.nonces.1),
            public: (&self.public.0, &self.public.1),
            offer: &self.offer,
        };
        let heard = [&self.public.0, &self.public.1, &self.offer, &id].iter().all(|part| !part.is_empty());
        heard.then(|| keys.phase1_hash(from_initiator, &transcript, &id))
    }

    fn phase2_hash(
        &self,
        keys: &IsakmpKeys,
        header: &Header,
        number: Option<u8>,
        opened: Option<&Opened>,
    ) -> Option<Vec<u8>> {
        let exchange = self.phase2.get(&header.message_id)?;
        let message_id = header.message_id;
        let covered = protect::after_hash(opened?)?;
        match (header.exchange_type, number) {
            (ExchangeType::QUICK, Some(2)) => {
                let nonce = Some(&exchange.nonces.0).filter(|nonce| !nonce.is_empty())?;
                Some(keys.phase2_hash(message_id, nonce, covered))
            }
            (ExchangeType::QUICK, Some(3)) => {
                let nonces = (exchange.nonces.0.as_slice(), exchange.nonces.1.as_slice());
                (!nonces.0.is_empty() && !nonces.1.is_empty()).then(|| keys.phase2_last_hash(message_id, nonces))
            }
            _ => Some(keys.phase2_hash(message_id, &[], covered)),
        }
    }
}

/// Cipher and hash of a transform of phase 1.
fn suite(transform: &Transform) -> Option<(Hash, Encryption)> {
    let of = |class: Phase1Class| {
        transform.attributes.iter().find(|attribute| attribute.class == class.0)?.as_number()?.try_into().ok()
    };
    let encryption = phase1_cipher(of(Phase1Class::ENCRYPTION)?, of(Phase1Class::KEY_LENGTH))?;
    Some((phase1_hash(of(Phase1Class::HASH)?)?, encryption))
}

/// The place of a message in its exchange, by what it carries and who sends it (RFC 2409 sections 5.4 and 5.5).
fn number(header: &Header, payloads: &[Payload], from_initiator: bool, encrypted: bool) -> Option<u8> {
    let has = |wanted| find(payloads, wanted).is_some();
    let (offer, public) = (has(PayloadType::SECURITY_ASSOCIATION), has(PayloadType::KEY_EXCHANGE));
    let side = |first: u8| Some(if from_initiator { first } else { first + 1 });
    match header.exchange_type {
        ExchangeType::MAIN if encrypted || has(PayloadType::HASH) => side(5),
        ExchangeType::MAIN if offer => side(1),
        ExchangeType::MAIN if public => side(3),
        ExchangeType::AGGRESSIVE if offer => side(1),
        ExchangeType::AGGRESSIVE if from_initiator => Some(3),
        ExchangeType::QUICK if offer => side(1),
        ExchangeType::QUICK if from_initiator && has(PayloadType::HASH) => Some(3),
        ExchangeType::INFORMATIONAL => Some(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use wire::ikev1::IdType;

    const ENDS: [IpAddr; 2] =
        [IpAddr::V4(std::net::Ipv4Addr::new(10, 66, 0, 1)), IpAddr::V4(std::net::Ipv4Addr::new(10, 66, 0, 2))];
    const MAIN_KEY: &str = "c10d50dc31f936e46354f08494456e78";
    const AGGRESSIVE_KEY: &str = "6b2b21ec15ce827b522252b40c8ec31b";

    fn with_key(key: &str) -> Observer {
        let mut observer = Observer::default();
        observer.learn_cipher_key(hex(key));
        observer
    }

    fn sender(name: &str) -> IpAddr {
        ENDS[usize::from(!name.ends_with(['1', '3', '5']))]
    }

    fn hex(digits: &str) -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    fn captured() -> Vec<(&'static str, Message)> {
        let lines = include_str!("testdata/captured.txt").lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.split_once(' ').unwrap()).map(|(n, d)| (n, Message::parse(&hex(d)).unwrap())).collect()
    }

    /// Main mode and a quick mode with PFS, aggressive mode and one without, of two strongSwan: what is inside is what
    /// RFC 2409 says, so that IVs, key and padding are right.
    #[test]
    fn captures_of_a_daemon_are_opened() {
        use PayloadType as P;
        let id = (P::IDENTIFICATION, P::IDENTIFICATION);
        let expected: &[(&str, &[PayloadType])] = &[
            ("main-5", &[P::IDENTIFICATION, P::HASH, P::NOTIFICATION]),
            ("main-6", &[P::IDENTIFICATION, P::HASH]),
            ("quick-pfs-1", &[P::HASH, P::SECURITY_ASSOCIATION, P::NONCE, P::KEY_EXCHANGE, id.0, id.1]),
            ("quick-pfs-2", &[P::HASH, P::SECURITY_ASSOCIATION, P::NONCE, P::KEY_EXCHANGE, id.0, id.1]),
            ("quick-pfs-3", &[P::HASH]),
            ("aggressive-3", &[P::HASH, P::NAT_DETECTION, P::NAT_DETECTION]),
            ("quick-1", &[P::HASH, P::SECURITY_ASSOCIATION, P::NONCE, id.0, id.1]),
            ("quick-2", &[P::HASH, P::SECURITY_ASSOCIATION, P::NONCE, id.0, id.1]),
            ("quick-3", &[P::HASH]),
        ];
        let mut opened = vec![];
        for (initiator, key) in [(0xcc3f_7745_9eb7_6791, MAIN_KEY), (0x0d75_3ccc_4e1d_84de, AGGRESSIVE_KEY)] {
            let mut observer = with_key(key);
            for (name, message) in captured() {
                if message.header.initiator_cookie != initiator {
                    continue;
                }
                let observed = observer.see(&message, sender(name));
                // A repetition is opened as the first was, and changes nothing.
                assert_eq!(observer.see(&message, sender(name)), observed);
                assert!(observed.in_order, "{name}");
                assert!(name.ends_with(&observed.number.unwrap().to_string()), "{name}: {observed:?}");
                if let Some(inside) = observed.opened {
                    let inside = inside.unwrap();
                    let types: Vec<_> =
                        inside.payloads.unwrap().iter().map(|payload| payload.body.payload_type()).collect();
                    // This daemon adds a whole block to what fills its blocks.
                    assert!(inside.padding.len() <= 16 && inside.padding.iter().all(|octet| *octet == 0), "{name}");
                    opened.push((name, types));
                }
            }
        }
        let expected: Vec<_> = expected.iter().map(|(name, types)| (*name, types.to_vec())).collect();
        assert_eq!(opened, expected);
    }

    #[test]
    fn the_captured_identities() {
        let mut observer = with_key(MAIN_KEY);
        for (name, message) in captured().into_iter().take(5) {
            if let Some(opened) = observer.see(&message, sender(name)).opened {
                let payloads = opened.unwrap().payloads.unwrap();
                let Body::Identification(id) = &payloads[0].body else { panic!("no ID") };
                assert_eq!(id.id_type, IdType::IPV4_ADDR);
                assert_eq!((id.protocol, id.port, &id.data[..]), (0, 0, &[10, 66, 0, 1][..]));
            }
        }
    }

    /// Forgeries and repetitions between the messages of an exchange change nothing for those that follow.
    #[test]
    fn what_nobody_takes_does_not_move_the_iv() {
        let mut observer = with_key(MAIN_KEY);
        for (name, message) in captured().into_iter().take_while(|(name, _)| !name.starts_with("aggressive")) {
            if message.is_encrypted() {
                let Content::Encrypted { first, data } = &message.content else { panic!("clear") };
                let noise = data.iter().map(|octet| octet ^ 0x55).collect::<Vec<_>>();
                let forged = Message::encrypted(message.header, *first, noise);
                let observed = observer.see(&forged, sender(name));
                assert!(matches!(observed.opened, Some(Ok(opened)) if opened.payloads.is_err()), "{name}");
            }
            let observed = observer.see(&message, sender(name));
            let readable = observed.opened.is_none_or(|opened| opened.unwrap().payloads.is_ok());
            assert!(readable && observed.in_order, "{name}");
        }
    }

    #[test]
    fn without_keys_and_without_what_went_before_nothing_is_opened() {
        let main5 = captured().into_iter().find(|(name, _)| *name == "main-5").unwrap().1;
        let opened = |mut observer: Observer| observer.see(&main5, ENDS[0]).opened.unwrap();
        assert_eq!(opened(Observer::default()), Err(OpenError::NoKeys));
        assert_eq!(opened(with_key(MAIN_KEY)), Err(OpenError::NoIv));
    }
}

//! The three hands: the only places where something dishonest is put into what the peer sends.
//!
//! The honest path builds a message, protects it, writes it. A crafting scenario, a deviation in what is sent or a
//! fuzzer's mutation is a [`Hands`] that edits it at one of three places: the typed message before protection
//! ([`Hands::message`], [`Hands::isakmp`], [`Hands::esp`], [`Hands::ah`]), the protected message
//! ([`Hands::protected`], [`Hands::isakmp_protected`], [`Hands::sealed`]), and the octets of the IP packet
//! ([`Hands::packet`]). Retransmissions pass the third hand only, so that they stay bitwise identical to what was first
//! sent unless a hand wants otherwise.

use wire::ikev1;
use wire::ikev2::{ExchangeType, Header, Message, Payload};

/// Whether what a hand has looked at goes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disposition {
    /// It goes on.
    #[default]
    Send,
    /// It is not sent; the sender believes that it was.
    Drop,
}

/// What a hand may know of the IKE message that it edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageContext {
    /// Exchange type of the honest message.
    pub exchange: ExchangeType,
    /// Is it a response?
    pub response: bool,
    /// Is the sender the original initiator of the IKE SA?
    pub initiator: bool,
    /// Message ID of the honest message.
    pub message_id: u32,
    /// SPIs of the IKE SA, initiator's first.
    pub spis: (u64, u64),
    /// How many messages of this kind (exchange type and direction) this IKE SA has sent before.
    pub earlier: u32,
}

/// An IKE message before protection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The header, shared by the protected and the unprotected form.
    pub header: Header,
    /// Payloads in the clear; those before the Encrypted payload of a protected message.
    pub clear: Vec<Payload>,
    /// Payloads to be protected; `None` for a message without an Encrypted payload.
    pub inner: Option<Vec<Payload>>,
    /// Octets put between the last inner payload and the padding, as they are.
    pub inner_trailing: Vec<u8>,
    /// Padding octets (without the Pad Length octet); `None` for the least that aligns, all zero.
    pub padding: Option<Vec<u8>>,
    /// Pad Length octet; `None` for the length of the padding.
    pub pad_length: Option<u8>,
    /// IV; `None` for a fresh one.
    pub iv: Option<Vec<u8>>,
    /// Compute the AUTH payload again over what is really sent, after the hand (RFC 7296 section 2.15).
    pub repair_auth: bool,
}

/// What a hand may know of the IKEv1 message that it edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsakmpContext {
    /// Exchange type of the honest message.
    pub exchange: ikev1::ExchangeType,
    /// Did the sender begin phase 1?
    pub initiator: bool,
    /// Place of the message in its exchange, from 1.
    pub number: u8,
    /// Message ID of the honest message.
    pub message_id: u32,
    /// Cookies of the ISAKMP SA, initiator's first.
    pub cookies: (u64, u64),
    /// How many messages of this kind (exchange type and number) this ISAKMP SA has sent before.
    pub earlier: u32,
}

/// An IKEv1 message before encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsakmpDraft {
    /// The header, whose E flag says no more than itself.
    pub header: ikev1::Header,
    /// Payloads.
    pub payloads: Vec<ikev1::Payload>,
    /// Are they to be encrypted?
    pub encrypt: bool,
    /// Octets put between the last payload and the padding, as they are.
    pub trailing: Vec<u8>,
    /// Padding; `None` for the least that fills a block, all zero (RFC 2409 appendix B).
    pub padding: Option<Vec<u8>>,
    /// IV; `None` for the right one.
    pub iv: Option<Vec<u8>>,
    /// Compute the HASH payload again over what is really sent, after the hand.
    pub repair_hash: bool,
    /// Flip a bit of the HASH payload after that.
    pub flip_hash: bool,
    /// Compute HASH(2) again without the initiator's nonce (RFC 2409 section 5.5).
    pub leave_nonce_out: bool,
}

impl IsakmpDraft {
    /// An honest message, whose hash is computed when the hand has gone.
    pub fn new(header: ikev1::Header, payloads: Vec<ikev1::Payload>, encrypt: bool) -> Self {
        Self {
            header,
            payloads,
            encrypt,
            trailing: vec![],
            padding: None,
            iv: None,
            repair_hash: true,
            flip_hash: false,
            leave_nonce_out: false,
        }
    }
}

/// What a hand may know of the ESP or AH packet that it edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EspContext {
    /// SPI of the SA.
    pub spi: u32,
    /// Packets that this SA has protected before.
    pub earlier: u64,
}

/// An ESP packet before protection (RFC 4303 section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspDraft {
    /// SPI.
    pub spi: u32,
    /// Sequence number, all 64 bits with ESN.
    pub sequence: u64,
    /// The protected data: an IP packet in tunnel mode, an upper-layer packet in transport mode.
    pub payload: Vec<u8>,
    /// Traffic flow confidentiality padding, octets after the payload.
    pub tfc_padding: Vec<u8>,
    /// Padding octets; `None` for the least that aligns, counting 1, 2, 3.
    pub padding: Option<Vec<u8>>,
    /// Pad Length octet; `None` for the length of the padding.
    pub pad_length: Option<u8>,
    /// Next Header octet.
    pub next_header: u8,
    /// IV; `None` for a fresh one.
    pub iv: Option<Vec<u8>>,
}

/// An Authentication Header before it is signed (RFC 4302 section 2). The ICV covers what the draft says, so a field
/// that was set wrong is the only thing wrong.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AhDraft {
    /// SPI.
    pub spi: u32,
    /// Sequence number, all 64 bits with ESN.
    pub sequence: u64,
    /// RESERVED: zero, covered by the ICV.
    pub reserved: u16,
    /// Payload Len octet; `None` for the length of the header in units of 4 octets, less 2.
    pub payload_len: Option<u8>,
    /// Next Header octet; `None` for that of what follows.
    pub next_header: Option<u8>,
    /// ICV, of any length; `None` for the right one.
    pub icv: Option<Vec<u8>>,
    /// Padding octets after the ICV; `None` for the least that aligns, all zero (section 3.3.3.2.1).
    pub padding: Option<Vec<u8>>,
    /// Identification of the outer IPv4 header, in tunnel mode.
    pub identification: u16,
}

/// Edits of what the peer sends. Every method's default is honest.
pub trait Hands: Send {
    /// Hand 1: an IKE message before protection.
    fn message(&mut self, _context: &MessageContext, _draft: &mut Draft) -> Disposition {
        Disposition::Send
    }
    /// Hand 2: an IKE message after protection, before it becomes octets. Unprotected messages pass here too.
    fn protected(&mut self, _context: &MessageContext, _message: &mut Message) -> Disposition {
        Disposition::Send
    }
    /// Hand 1 for IKEv1.
    fn isakmp(&mut self, _context: &IsakmpContext, _draft: &mut IsakmpDraft) -> Disposition {
        Disposition::Send
    }
    /// Hand 2 for IKEv1: the message after encryption, before it becomes octets.
    fn isakmp_protected(&mut self, _context: &IsakmpContext, _message: &mut ikev1::Message) -> Disposition {
        Disposition::Send
    }
    /// Hand 1 for ESP.
    fn esp(&mut self, _context: &EspContext, _draft: &mut EspDraft) -> Disposition {
        Disposition::Send
    }
    /// Hand 2 for ESP: the octets from the SPI to the ICV, after protection.
    fn sealed(&mut self, _context: &EspContext, _esp: &mut Vec<u8>) -> Disposition {
        Disposition::Send
    }
    /// Hand 1 for AH.
    fn ah(&mut self, _context: &EspContext, _draft: &mut AhDraft) -> Disposition {
        Disposition::Send
    }
    /// Hand 3: the IP packet, from the version to the last octet.
    fn packet(&mut self, _packet: &mut Vec<u8>) -> Disposition {
        Disposition::Send
    }
}

/// Hands that change nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Honest;

impl Hands for Honest {}

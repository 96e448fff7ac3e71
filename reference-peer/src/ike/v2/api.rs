//! What goes into the engine and what comes out of it.

use crate::config::{Addresses, Mode};
use crate::{Instant, ike::v2::keys::IkeKeys};
use crypto::{Encryption, Integrity};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;
use wire::ikev2::{ExchangeType, Notify, NotifyType, Payload, PayloadType, ProtocolId};

/// An IKE SA of one engine, from the first message to its end. A rekeyed IKE SA gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IkeSaId(pub u64);

/// Addresses and UDP ports at both ends, as the outer packet has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Path {
    /// Our address and port.
    pub local: SocketAddr,
    /// The peer's address and port.
    pub remote: SocketAddr,
}

/// What the engine wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send an IKE message. The non-ESP marker of port 4500 is not part of it.
    Send {
        /// From where to where.
        path: Path,
        /// The IKE message from the header on.
        datagram: Vec<u8>,
    },
    /// Use a new pair of Child SAs: receive on it before the next [`Action::Send`] is obeyed (RFC 7296 section 2.8).
    InstallChild(Box<ChildSa>),
    /// Forget a pair of Child SAs.
    RemoveChild {
        /// ESP or AH.
        protocol: ProtocolId,
        /// SPI of the SA that we receive on.
        inbound_spi: u32,
        /// SPI of the SA that we send on.
        outbound_spi: u32,
        /// Why it ends.
        reason: DownReason,
    },
    /// The peer is to be reached on another path from now on: IKE, and the UDP encapsulated Child SAs of this IKE SA.
    UpdatePath {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// The new path.
        path: Path,
    },
    /// The child pairs of this IKE SA belong to another IKE SA now, after a rekey.
    MoveChildren {
        /// The IKE SA that they had.
        from: IkeSaId,
        /// The IKE SA that has them.
        to: IkeSaId,
    },
    /// Something that is worth knowing has happened.
    Event(Event),
}

/// A pair of Child SAs as it has been negotiated (RFC 7296 section 2.17).
#[derive(Clone, PartialEq, Eq)]
pub struct ChildSa {
    /// The IKE SA that it belongs to; `None` for SAs with manual keys.
    pub ike_sa: Option<IkeSaId>,
    /// Name of the connection.
    pub connection: String,
    /// Name of the child in that connection.
    pub child: String,
    /// ESP or AH.
    pub protocol: ProtocolId,
    /// Mode.
    pub mode: Mode,
    /// SPI that we receive on.
    pub inbound_spi: u32,
    /// SPI that we send on.
    pub outbound_spi: u32,
    /// Cipher; `None` for AH.
    pub encryption: Option<Encryption>,
    /// Integrity algorithm; `None` with an AEAD cipher (and, against RFC 8221, for encryption alone).
    pub integrity: Option<Integrity>,
    /// Keys of the SA that we receive on.
    pub inbound: DirectionKeys,
    /// Keys of the SA that we send on.
    pub outbound: DirectionKeys,
    /// Tunnel ends, with the UDP ports of encapsulation.
    pub path: Path,
    /// Are packets encapsulated in UDP (RFC 3948)?
    pub udp_encapsulation: bool,
    /// Traffic at our end, negotiated.
    pub local_ts: Vec<TrafficRange>,
    /// Traffic at the peer's end, negotiated.
    pub remote_ts: Vec<TrafficRange>,
    /// Our own and the peer's address before any NAT changed them, in transport mode behind a NAT; for the checksum
    /// fix-up of RFC 3948 section 3.1.2.
    pub original_addresses: Option<(IpAddr, IpAddr)>,
    /// Extended sequence numbers.
    pub esn: bool,
    /// Anti-replay window of this child; `None` for the one that holds for all SAs.
    pub replay_window: Option<crate::config::Window>,
    /// Did we start the exchange that made it?
    pub initiator: bool,
    /// Inbound SPI of the pair that it replaces. That one stays until it is removed.
    pub rekeys: Option<u32>,
    /// Key exchange method of the exchange that made it, if it had one of its own (perfect forward secrecy).
    pub group: Option<u16>,
}

impl fmt::Debug for ChildSa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSa")
            .field("child", &self.child)
            .field("protocol", &self.protocol)
            .field("mode", &self.mode)
            .field("inbound_spi", &format_args!("{:08x}", self.inbound_spi))
            .field("outbound_spi", &format_args!("{:08x}", self.outbound_spi))
            .field("encryption", &self.encryption)
            .field("integrity", &self.integrity)
            .field("esn", &self.esn)
            .finish_non_exhaustive()
    }
}

/// Keys of one direction. Never printed.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct DirectionKeys {
    /// Encryption key, with the salt of AEAD and counter mode ciphers at its end.
    pub encryption: Vec<u8>,
    /// Integrity key.
    pub integrity: Vec<u8>,
}

impl fmt::Debug for DirectionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DirectionKeys(..)")
    }
}

/// A negotiated traffic selector: addresses, protocol and ports of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TrafficRange {
    /// First address.
    pub start: IpAddr,
    /// Last address, of the same family.
    pub end: IpAddr,
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// First and last port (ICMP: type and code); (65535, 0) is OPAQUE.
    pub ports: (u16, u16),
}

impl TrafficRange {
    /// This range as a selector of the configuration.
    pub fn selector(&self) -> crate::config::Selector {
        let addresses = Addresses::Range(self.start, self.end);
        crate::config::Selector { addresses, protocol: self.protocol, ports: self.ports }
    }
}

impl fmt::Display for TrafficRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.selector().fmt(f)
    }
}

/// Something that is worth knowing.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Keys of an IKE SA have been derived; it need not be authenticated yet.
    IkeKeys {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Its keys, for evidence.
        keys: Box<IkeKeys>,
    },
    /// An IKE SA is authenticated and usable.
    IkeSaUp {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Name of its connection.
        connection: String,
        /// The IKE SA that it replaces.
        rekeys: Option<IkeSaId>,
    },
    /// An IKE SA has ended, or its setup has failed.
    IkeSaDown {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Name of its connection.
        connection: String,
        /// Why.
        reason: DownReason,
    },
    /// A pair of Child SAs is up. Follows its [`Action::InstallChild`].
    ChildUp {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Name of the child.
        child: String,
        /// SPI that we receive on.
        inbound_spi: u32,
        /// SPI that we send on.
        outbound_spi: u32,
    },
    /// A pair of Child SAs has ended. Follows its [`Action::RemoveChild`].
    ChildDown {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Name of the child.
        child: String,
        /// SPI that we received on.
        inbound_spi: u32,
        /// Why.
        reason: DownReason,
    },
    /// One of our requests has failed without ending the IKE SA, or we have refused one of the peer's.
    ExchangeFailed {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Exchange type.
        exchange: ExchangeType,
        /// Message ID of the request.
        message_id: u32,
        /// Was the request ours?
        ours: bool,
        /// What went wrong.
        error: ExchangeError,
    },
    /// A response to one of our requests has come, its payloads in the clear. Sent for every exchange but IKE_SA_INIT.
    ResponseReceived {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Exchange type.
        exchange: ExchangeType,
        /// Message ID.
        message_id: u32,
        /// Payloads of the response.
        payloads: Vec<Payload>,
    },
    /// A new request of the peer has been authenticated, before it is processed.
    RequestReceived {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Exchange type.
        exchange: ExchangeType,
        /// Message ID.
        message_id: u32,
        /// Payloads of the request.
        payloads: Vec<Payload>,
    },
    /// A notify inside a protected message that changes nothing (INVALID_SPI, unknown status types, ...).
    Notified {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// What the peer said.
        notify: Notify,
    },
    /// An unprotected notify that concerns this IKE SA: a hint and no more (section 2.21.4).
    Hint {
        /// The IKE SA that it names.
        ike_sa: IkeSaId,
        /// What it says.
        notify: NotifyType,
    },
    /// A NAT has been looked for.
    NatDetected {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// What was found.
        nat: Nat,
    },
    /// A request has been retransmitted by timer.
    Retransmitted {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Exchange type.
        exchange: ExchangeType,
        /// Message ID.
        message_id: u32,
        /// How many retransmissions that makes.
        count: u32,
    },
    /// A stored response has been repeated for a retransmitted request.
    ResponseRepeated {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Message ID.
        message_id: u32,
    },
    /// All retransmissions of a request have gone unanswered; the IKE SA ends.
    PeerUnreachable {
        /// The IKE SA.
        ike_sa: IkeSaId,
        /// Exchange type of the request.
        exchange: ExchangeType,
    },
    /// A datagram has been dropped.
    Rejected {
        /// The IKE SA that it was taken to belong to.
        ike_sa: Option<IkeSaId>,
        /// Where it came from.
        path: Path,
        /// Why it was dropped.
        reason: RejectReason,
    },
}

/// Why an SA has ended or never came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownReason {
    /// We were told to delete it.
    Deleted,
    /// The peer deleted it.
    DeletedByPeer,
    /// It was replaced by a new one.
    Rekeyed,
    /// The IKE SA that it belonged to has ended.
    IkeSaClosed,
    /// Its lifetime is over.
    Expired,
    /// The peer has not answered a request and all its retransmissions.
    Unreachable,
    /// The peer has proved to be somebody else, or not at all who it says.
    AuthenticationFailed,
    /// The peer has refused it with this notify.
    Refused(NotifyType),
    /// The same in IKEv1.
    RefusedV1(wire::ikev1::NotifyType),
    /// A malformed or senseless message of the peer has ended it.
    ProtocolError,
    /// A new IKE SA of the same peer said INITIAL_CONTACT.
    InitialContact,
    /// A half-open IKE SA that IKE_AUTH never came for.
    HalfOpenTimeout,
    /// It lost in a simultaneous rekey (section 2.8.1).
    Redundant,
    /// It was forgotten on command, without a word to the peer.
    Forgotten,
}

/// Why an exchange has failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// An error notify: received for a request of ours, sent for one of the peer's.
    #[error("notify {}", .0.notify_type)]
    Notify(Notify),
    /// The response is not a proper answer.
    #[error("bad response: {0}")]
    BadResponse(&'static str),
}

/// Why a datagram has been dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RejectReason {
    /// Not an IKE message at all.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A major version other than 2.
    #[error("major version {0}")]
    MajorVersion(u8),
    /// No IKE SA has this SPI.
    #[error("unknown IKE SPI")]
    UnknownSpi,
    /// The I flag contradicts the roles of the IKE SA.
    #[error("wrong initiator flag")]
    InitiatorFlag,
    /// The integrity check has failed, or the Encrypted payload is malformed.
    #[error("integrity check failed")]
    Integrity,
    /// It should have been protected.
    #[error("not protected")]
    NotProtected,
    /// A request older than the window.
    #[error("message ID {0} is older than the window")]
    MessageIdTooOld(u32),
    /// A request beyond the window.
    #[error("message ID {0} is beyond the window")]
    MessageIdBeyondWindow(u32),
    /// A response that no request waits for.
    #[error("response {0} to no outstanding request")]
    UnexpectedResponse(u32),
    /// The exchange type has no place at this point.
    #[error("unexpected exchange {0}")]
    UnexpectedExchange(ExchangeType),
    /// The payloads have no place at this point, or a mandatory one is missing.
    #[error("unexpected or missing payload: {0}")]
    Payloads(&'static str),
    /// A payload that is critical and unknown.
    #[error("unsupported critical payload {0}")]
    CriticalPayload(PayloadType),
    /// An IKE_SA_INIT request without a valid cookie, which has been answered with one.
    #[error("cookie wanted")]
    CookieWanted,
    /// No connection is configured for this peer.
    #[error("no connection for this peer")]
    NoConnection,
    /// No proposal is acceptable.
    #[error("no acceptable proposal")]
    NoProposal,
    /// Too many half-open IKE SAs.
    #[error("too many half-open IKE SAs")]
    HalfOpenLimit,
    /// The key exchange value is not a valid one.
    #[error("invalid key exchange value")]
    KeyExchange,
    /// An unauthenticated error notify in IKE_SA_INIT, which is not acted on (section 2.21.1).
    #[error("unauthenticated {0}")]
    UnauthenticatedError(NotifyType),
}

/// Which end is behind a NAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Nat {
    /// Both ends have sent NAT_DETECTION notifies.
    pub supported: bool,
    /// We are behind a NAT (and send keepalives).
    pub local: bool,
    /// The peer is behind a NAT.
    pub remote: bool,
}

impl Nat {
    /// Is there any NAT, so that Child SAs are encapsulated in UDP?
    pub fn detected(&self) -> bool {
        self.local || self.remote
    }
}

/// State of an IKE SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Our IKE_SA_INIT request waits for its response.
    InitSent,
    /// We have answered IKE_SA_INIT; IKE_AUTH has not come.
    HalfOpen,
    /// Keys are there, but IKE_AUTH is held back on command.
    Held,
    /// Our IKE_AUTH request waits for its response.
    AuthSent,
    /// Authenticated.
    Established,
    /// Replaced by a new IKE SA, and only waiting for its Delete.
    Rekeyed,
    /// Our Delete waits for its response.
    Deleting,
    /// Ended; it only repeats its last response.
    Closed,
}

/// A pair of Child SAs, as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildInfo {
    /// Name of the child.
    pub name: String,
    /// ESP or AH.
    pub protocol: ProtocolId,
    /// SPI that we receive on.
    pub inbound_spi: u32,
    /// SPI that we send on.
    pub outbound_spi: u32,
    /// Traffic at our end.
    pub local_ts: Vec<TrafficRange>,
    /// Traffic at the peer's end.
    pub remote_ts: Vec<TrafficRange>,
}

/// An IKE SA, as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IkeSaInfo {
    /// Its id.
    pub id: IkeSaId,
    /// Name of its connection.
    pub connection: String,
    /// SPIs, the initiator's first.
    pub spis: (u64, u64),
    /// State.
    pub state: State,
    /// Are we the original initiator?
    pub initiator: bool,
    /// Where the peer is.
    pub path: Path,
    /// What was found out about NATs.
    pub nat: Nat,
    /// Message ID of our next request.
    pub next_request: u32,
    /// Message ID of the next request that we expect.
    pub next_expected: u32,
    /// Requests of ours that wait for their responses.
    pub outstanding: usize,
    /// Who the peer has proved to be.
    pub peer_id: Option<crate::config::Identity>,
    /// Child SAs.
    pub children: Vec<ChildInfo>,
    /// When the last fresh authenticated message or packet of the peer came.
    pub last_heard: Instant,
}

/// Why a command was not obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CommandError {
    /// No connection has this name.
    #[error("no connection `{0}`")]
    NoConnection(String),
    /// The connection has no child of this name.
    #[error("no child `{0}`")]
    NoChild(String),
    /// There is no such IKE SA.
    #[error("no such IKE SA")]
    NoIkeSa,
    /// No Child SA has this SPI.
    #[error("no Child SA with SPI {0:08x}")]
    NoSpi(u32),
    /// The IKE SA is not in a state that allows it.
    #[error("not possible in state {0:?}")]
    State(State),
    /// The peer's address is not known.
    #[error("connection `{0}` does not say where the peer is")]
    NoAddress(String),
    /// The configuration asks for something that cannot be done.
    #[error("{0}")]
    Configuration(String),
}

//! What goes into the engine and what comes out of it.

use super::keys::IsakmpKeys;
use crate::Instant;
use crate::config::isakmp::{NatVersion, Phase1};
pub use crate::ike::v2::{ChildSa, DirectionKeys, DownReason, IkeSaId, Nat, Path, TrafficRange};
use thiserror::Error;
use wire::ikev1::{ExchangeType, Notification, NotifyType, Payload, PayloadType, ProtocolId};

/// What the engine wants done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send an ISAKMP message. The non-ESP marker of port 4500 is not part of it.
    Send {
        /// From where to where.
        path: Path,
        /// The message from the header on.
        datagram: Vec<u8>,
    },
    /// Use new pairs of IPsec SAs: one, or a bundle, innermost first: what the first has protected is protected by the
    /// next once more.
    InstallChildren(Vec<ChildSa>),
    /// Forget a pair of IPsec SAs.
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
    /// The peer is to be reached on another path from now on: IKE, and the UDP encapsulated SAs of this ISAKMP SA.
    UpdatePath {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// The new path.
        path: Path,
    },
    /// Something that is worth knowing has happened.
    Event(Event),
}

/// Something that is worth knowing.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Keys of an ISAKMP SA have been derived; it need not be authenticated yet.
    Keys {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Its keys, for evidence.
        keys: Box<IsakmpKeys>,
    },
    /// An ISAKMP SA is authenticated and usable.
    IsakmpSaUp {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Name of its connection.
        connection: String,
    },
    /// An ISAKMP SA has ended, or its setup has failed.
    IsakmpSaDown {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Name of its connection.
        connection: String,
        /// Why.
        reason: DownReason,
    },
    /// IPsec SAs are up. Follows their [`Action::InstallChildren`].
    ChildUp {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Name of the child.
        child: String,
        /// SPIs that we receive on: one for each protocol.
        inbound_spis: Vec<u32>,
        /// SPIs that we send on.
        outbound_spis: Vec<u32>,
        /// Lifetime that holds for both.
        lifetime: Negotiated,
    },
    /// IPsec SAs have ended. Follows their [`Action::RemoveChild`].
    ChildDown {
        /// Name of the child.
        child: String,
        /// SPIs that we received on.
        inbound_spis: Vec<u32>,
        /// Why.
        reason: DownReason,
    },
    /// A quick mode has failed, ours or the peer's.
    QuickModeFailed {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Its message ID.
        message_id: u32,
        /// Name of the child, if that is known.
        child: Option<String>,
        /// Did we begin it?
        ours: bool,
        /// Why.
        error: QuickError,
    },
    /// A message of phase 2 has been authenticated, before it is processed.
    Received {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Exchange type.
        exchange: ExchangeType,
        /// Message ID.
        message_id: u32,
        /// Payloads.
        payloads: Vec<Payload>,
    },
    /// A notify under protection that changes nothing.
    Notified {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// What the peer said.
        notification: Notification,
    },
    /// A message without protection that speaks of this ISAKMP SA: a hint and no more.
    Hint {
        /// The ISAKMP SA that it names.
        ike_sa: IkeSaId,
        /// What it says; nothing for a Delete.
        notify: Option<NotifyType>,
    },
    /// A NAT has been looked for.
    NatDetected {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// What was found.
        nat: Nat,
        /// By which version of NAT traversal.
        version: NatVersion,
    },
    /// A message has been retransmitted by timer.
    Retransmitted {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Exchange type.
        exchange: ExchangeType,
        /// Message ID.
        message_id: u32,
        /// How many retransmissions that makes.
        count: u32,
    },
    /// The last message of an exchange has been sent once more, since the peer has repeated its own.
    Repeated {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Message ID.
        message_id: u32,
    },
    /// The peer has been asked whether it lives (RFC 3706).
    PeerAsked {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Sequence number of the question.
        sequence: u32,
    },
    /// The peer has answered that it lives.
    PeerAlive {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Sequence number of the answer.
        sequence: u32,
    },
    /// The peer does not answer any more; what was set up with it ends.
    PeerUnreachable {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
    },
    /// The peer wanted mode config or XAUTH, which it has been refused.
    TransactionRefused {
        /// The ISAKMP SA.
        ike_sa: IkeSaId,
        /// Classes of the attributes that it wanted.
        classes: Vec<u16>,
    },
    /// A datagram has been dropped.
    Rejected {
        /// The ISAKMP SA that it was taken to belong to.
        ike_sa: Option<IkeSaId>,
        /// Where it came from.
        path: Path,
        /// Why it was dropped.
        reason: RejectReason,
    },
}

/// Lifetime of IPsec SAs as negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Negotiated {
    /// Seconds.
    pub seconds: u32,
    /// Kilobytes of protected traffic; `None` for no limit.
    pub kilobytes: Option<u32>,
}

/// Why a quick mode has failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuickError {
    /// The peer has refused it, or we have, with this notify.
    #[error("{0}")]
    Notify(NotifyType),
    /// All retransmissions have gone unanswered.
    #[error("no answer")]
    NoAnswer,
    /// It could not be begun: the configuration asks for what IKEv1 cannot say.
    #[error("{0}")]
    Unfit(&'static str),
    /// The answer is no proper one.
    #[error("bad answer: {0}")]
    BadAnswer(&'static str),
    /// The ISAKMP SA that it needs has ended or did not come up.
    #[error("no ISAKMP SA")]
    NoIsakmpSa,
}

/// Why a datagram has been dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RejectReason {
    /// Not an ISAKMP message at all.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A minor version that we do not know (RFC 2408 section 5.2).
    #[error("minor version {0}")]
    MinorVersion(u8),
    /// No ISAKMP SA has these cookies.
    #[error("unknown cookies")]
    UnknownCookies,
    /// Undefined flags are set.
    #[error("flags {0:#04x}")]
    Flags(u8),
    /// The exchange type is unknown, or has no place at this point.
    #[error("unexpected exchange {0}")]
    UnexpectedExchange(ExchangeType),
    /// The message ID has no place at this point, or was used before.
    #[error("message ID {0:08x}")]
    MessageId(u32),
    /// A payload type that is not known.
    #[error("payload type {0}")]
    PayloadType(PayloadType),
    /// A RESERVED field is not zero.
    #[error("RESERVED is not zero")]
    Reserved,
    /// A domain of interpretation other than IPsec's.
    #[error("domain of interpretation is not supported")]
    Doi,
    /// A situation with labels.
    #[error("situation is not supported")]
    Situation,
    /// The payloads have no place at this point, or a mandatory one is missing.
    #[error("unexpected or missing payload: {0}")]
    Payloads(&'static str),
    /// It should have been encrypted.
    #[error("not encrypted")]
    NotEncrypted,
    /// It is encrypted and nothing is known to decrypt it with.
    #[error("encrypted, and there are no keys")]
    NoKeys,
    /// What comes out of decryption is no chain of payloads: damaged, or the pre-shared keys differ.
    #[error("cannot be decrypted: damaged, or the pre-shared keys differ")]
    Undecryptable,
    /// The HASH payload is wrong.
    #[error("wrong hash: damaged, or the pre-shared keys differ")]
    Hash,
    /// No connection is configured for this peer.
    #[error("no connection for this peer")]
    NoConnection,
    /// No pre-shared key is known for this peer.
    #[error("no pre-shared key for this peer")]
    NoPreSharedKey,
    /// The peer is not who it should be.
    #[error("unexpected identity")]
    Identity,
    /// No offer is acceptable.
    #[error("no acceptable offer")]
    NoProposal,
    /// The answer is none of our offers.
    #[error("the answer is none of our offers")]
    ForeignAnswer,
    /// Too many ISAKMP SAs that are only beginning.
    #[error("too many half-open ISAKMP SAs")]
    HalfOpenLimit,
    /// The public value is not a valid one.
    #[error("invalid public value")]
    KeyExchange,
    /// Aggressive mode is not allowed.
    #[error("aggressive mode is not allowed")]
    Aggressive,
    /// A fragment that fits nowhere.
    #[error("fragment: {0}")]
    Fragment(&'static str),
    /// A sequence number of dead peer detection that is not the next one.
    #[error("sequence number {0} of dead peer detection")]
    DpdSequence(u32),
}

/// State of an ISAKMP SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The first message is sent (MM_NO_STATE, AG_NO_STATE).
    NoState,
    /// The offer is answered (MM_SA_SETUP, AG_INIT_EXCH).
    SaSetup,
    /// Public values are exchanged (MM_KEY_EXCH).
    KeyExchange,
    /// Authenticated (QM_IDLE).
    Established,
    /// Ended.
    Closed,
}

/// IPsec SAs that were made together, as the engine knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildInfo {
    /// Name of the connection.
    pub connection: String,
    /// Name of the child.
    pub name: String,
    /// The ISAKMP SA that they were made under, which may be gone.
    pub ike_sa: IkeSaId,
    /// Protocol, inbound and outbound SPI of each pair, the innermost first.
    pub pairs: Vec<(ProtocolId, u32, u32)>,
    /// Traffic at our end.
    pub local_ts: TrafficRange,
    /// Traffic at the peer's end.
    pub remote_ts: TrafficRange,
    /// Lifetime.
    pub lifetime: Negotiated,
    /// When they end at the latest.
    pub expires: Instant,
}

/// An ISAKMP SA, as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IsakmpSaInfo {
    /// Its id.
    pub id: IkeSaId,
    /// Name of its connection.
    pub connection: String,
    /// Cookies, the initiator's first.
    pub cookies: (u64, u64),
    /// State.
    pub state: State,
    /// Exchange of phase 1.
    pub exchange: Phase1,
    /// Did we begin it?
    pub initiator: bool,
    /// Where the peer is.
    pub path: Path,
    /// What was found out about NATs.
    pub nat: Nat,
    /// Version of NAT traversal, if both have one.
    pub nat_version: Option<NatVersion>,
    /// Do both sides do dead peer detection?
    pub dead_peer_detection: bool,
    /// Who the peer has proved to be.
    pub peer_id: Option<crate::config::Identity>,
    /// Quick modes that are under way.
    pub quick_modes: usize,
    /// When it ends.
    pub expires: Option<Instant>,
    /// When the last authenticated message or packet of the peer came.
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
    /// There is no such ISAKMP SA.
    #[error("no such ISAKMP SA")]
    NoIsakmpSa,
    /// No IPsec SA has this SPI.
    #[error("no IPsec SA with SPI {0:08x}")]
    NoSpi(u32),
    /// The ISAKMP SA is not in a state that allows it.
    #[error("not possible in state {0:?}")]
    State(State),
    /// The peer's address is not known.
    #[error("connection `{0}` does not say where the peer is")]
    NoAddress(String),
    /// The peer does not do dead peer detection.
    #[error("the peer does no dead peer detection")]
    NoDeadPeerDetection,
    /// The configuration asks for something that cannot be done.
    #[error("{0}")]
    Configuration(String),
}

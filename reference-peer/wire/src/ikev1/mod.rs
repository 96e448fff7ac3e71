//! IKEv1: ISAKMP (RFC 2408) with the IPsec DOI (RFC 2407) and IKE (RFC 2409), and what came to it later: dead peer
//! detection (RFC 3706), NAT traversal (RFC 3947 and its drafts), mode config, the fragmentation of vendors.
//!
//! A [`Message`] is a [`Header`] and [`Content`]: [`Payload`]s in the clear, or octets that are still encrypted. These
//! are a chain of their own once they are decrypted, for [`parse_chain`] and [`emit_chain`]; padding may follow it.
//!
//! ```
//! use wire::Derived;
//! use wire::ikev1::*;
//!
//! let header = Header::new((0x0123, 0x4567), ExchangeType::INFORMATIONAL, Flags::default(), 2);
//! let mut message = Message::clear(header, [Payload::from(Body::Delete(Delete::ipsec(ProtocolId::ESP, &[0x1001])))]);
//! assert_eq!(Message::parse(&message.to_bytes()), Ok(message.clone()));
//!
//! let Content::Clear(payloads) = &mut message.content else { unreachable!() };
//! payloads[0].length = Derived::Exactly(3);
//! let error = Message::parse(&message.to_bytes()).unwrap_err();
//! assert_eq!(error.to_string(), "offset 28: payload length 3 is less than 4 (RFC 2408 3.2)");
//! ```

mod attribute;
mod body;
mod chain;
mod message;
mod notification;
mod numbers;
mod security_association;
pub mod vendor;

pub use crate::ikev2::ProtocolId;
pub use attribute::*;
pub use body::*;
pub use chain::*;
pub use message::*;
pub use notification::*;
pub use numbers::*;
pub use security_association::*;

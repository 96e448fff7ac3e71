//! IKEv2, RFC 7296, with the Encrypted Fragment payload of RFC 7383.
//!
//! A [`Message`] is a [`Header`] and [`Payload`]s; each payload has a [`Body`] by its type. The contents of an Encrypted
//! payload are a chain of their own, for [`parse_chain`] and [`emit_chain`] once they are decrypted.
//!
//! ```
//! use wire::Derived;
//! use wire::ikev2::*;
//!
//! let header = Header::new((0x0123, 0x4567), ExchangeType::INFORMATIONAL, Flags::new(true, false), 2);
//! let mut message = Message::new(header, [Payload::from(Body::Delete(Delete::child(ProtocolId::ESP, &[0x1001])))]);
//! assert_eq!(Message::parse(&message.to_bytes()), Ok(message.clone()));
//!
//! message.payloads[0].length = Derived::Exactly(3);
//! let error = Message::parse(&message.to_bytes()).unwrap_err();
//! assert_eq!(error.to_string(), "offset 28: payload length 3 is less than 4 (RFC 7296 3.2)");
//! ```

mod body;
mod chain;
mod configuration;
mod message;
mod notify;
mod numbers;
mod security_association;
mod traffic_selectors;

pub use body::*;
pub use chain::*;
pub use configuration::*;
pub use message::*;
pub use notify::*;
pub use numbers::*;
pub use security_association::*;
pub use traffic_selectors::*;

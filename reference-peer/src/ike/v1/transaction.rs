//! Mode config and XAUTH, refused (draft-dukes-ike-mode-cfg-02 section 3, draft-beaulieu-ike-xauth-02).
//!
//! A peer that wants them gets a proper answer that gives it nothing: no attributes to a request, none accepted of what
//! it sets, and a failed XAUTH.

use super::api::*;
use super::engine::{Cx, Engine, Received};
use super::sa::IsakmpSa;
use super::send::{Hashed, Outgoing};
use wire::ikev1::{Attribute, Body, Configuration, ExchangeType, Payload};

/// The first and the last class of XAUTH, which is its status.
const XAUTH_TYPE: u16 = 16520;
const XAUTH_STATUS: u16 = 16527;

impl Engine {
    /// A message of a Transaction exchange.
    pub(super) fn transaction(
        &mut self,
        cx: &mut Cx<'_>,
        sa: &mut IsakmpSa,
        received: &Received<'_>,
    ) -> Result<(), RejectReason> {
        let header = &received.message.header;
        let message_id = header.message_id;
        if sa.state != State::Established {
            return Err(RejectReason::UnexpectedExchange(header.exchange_type));
        }
        let Some(keys) = &sa.keys else { return Err(RejectReason::NoKeys) };
        let iv = match sa.transactions.get(&message_id) {
            Some(iv) => iv.clone(),
            None if sa.used_ids.contains(&message_id) => return Err(RejectReason::MessageId(message_id)),
            None => self.phase2_iv(sa, keys, message_id),
        };
        let opened = self.open_hashed(sa, received, &iv, &[])?;
        sa.used_ids.insert(message_id);
        let payloads = opened.payloads.unwrap_or_default();
        self.heard(cx, sa, received.path);
        let configuration = payloads.iter().find_map(|payload| match &payload.body {
            Body::Attributes(configuration) => Some(configuration.clone()),
            _ => None,
        });
        let exchange = ExchangeType::TRANSACTION;
        self.event(Event::Received { ike_sa: sa.id, exchange, message_id, payloads });
        let configuration = configuration.ok_or(RejectReason::Payloads("ATTR is missing"))?;
        let cfg_type = match configuration.cfg_type {
            Configuration::REQUEST => Configuration::REPLY,
            Configuration::SET => Configuration::ACK,
            _ => return Err(RejectReason::Payloads("an answer that nobody waits for")),
        };
        let classes: Vec<u16> = configuration.attributes.iter().map(|attribute| attribute.class).collect();
        let xauth = classes.iter().any(|class| (XAUTH_TYPE..XAUTH_STATUS).contains(class));
        let attributes = match xauth && cfg_type == Configuration::REPLY {
            true => vec![Attribute::basic(XAUTH_STATUS, 0)],
            false => vec![],
        };
        let identifier = configuration.identifier;
        let answer = Configuration { cfg_type, reserved: 0, identifier, attributes };
        let payloads: Vec<Payload> = vec![Body::Hash(vec![]).into(), Body::Attributes(answer).into()];
        let (hashed, iv) = (Hashed::Rest(vec![]), Some(opened.next_iv));
        let made = self.make(cx, sa, Outgoing { exchange, message_id, number: 2, payloads, hashed, iv });
        if sa.transactions.len() < self.config.limits.children {
            sa.transactions.insert(message_id, made.next_iv);
        }
        if let Some(datagram) = made.datagram {
            self.transmit(cx, sa, sa.path, &datagram);
        }
        self.event(Event::TransactionRefused { ike_sa: sa.id, classes });
        Ok(())
    }
}

//! What a scenario puts into the tester's three hands.
//!
//! An edit waits for the first message that it fits, is used once (or as often as it says) and is gone. Edits are
//! looked at in the order in which they were given.

use reference_peer::hands::{
    Disposition, Draft, EspContext, EspDraft, Hands, IsakmpContext, IsakmpDraft, MessageContext,
};
use std::sync::{Arc, Mutex, PoisonError};
use wire::ikev1;
use wire::ikev2::{ExchangeType, Message};

/// Which IKE messages an edit fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which {
    /// Exchange type, or any.
    pub exchange: Option<ExchangeType>,
    /// Request (`false`) or response (`true`).
    pub response: bool,
}

impl Which {
    /// Requests of an exchange.
    pub fn request(exchange: ExchangeType) -> Self {
        Self { exchange: Some(exchange), response: false }
    }

    /// Responses of an exchange.
    pub fn response(exchange: ExchangeType) -> Self {
        Self { exchange: Some(exchange), response: true }
    }

    fn fits(self, context: &MessageContext) -> bool {
        self.response == context.response && self.exchange.is_none_or(|exchange| exchange == context.exchange)
    }
}

/// Which IKEv1 messages an edit fits: all, as far as nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WhichIsakmp {
    /// Exchange type.
    pub exchange: Option<ikev1::ExchangeType>,
    /// Place in the exchange, from 1.
    pub number: Option<u8>,
    /// Did the tester begin phase 1?
    pub initiator: Option<bool>,
    /// Message ID.
    pub message_id: Option<u32>,
}

impl WhichIsakmp {
    /// All messages of an exchange.
    pub fn exchange(exchange: ikev1::ExchangeType) -> Self {
        Self { exchange: Some(exchange), ..Self::default() }
    }

    /// Message `number` of an exchange, from 1.
    pub fn message(exchange: ikev1::ExchangeType, number: u8) -> Self {
        Self { number: Some(number), ..Self::exchange(exchange) }
    }

    fn fits(self, context: &IsakmpContext) -> bool {
        self.exchange.is_none_or(|exchange| exchange == context.exchange)
            && self.number.is_none_or(|number| number == context.number)
            && self.initiator.is_none_or(|initiator| initiator == context.initiator)
            && self.message_id.is_none_or(|id| id == context.message_id)
    }
}

/// An IKEv1 message that is to be caught, ready to be sent.
pub type CaughtIsakmp = Arc<Mutex<Option<ikev1::Message>>>;

/// A message that is to be caught.
pub type Caught = Arc<Mutex<Option<Draft>>>;

type MessageEdit = Box<dyn FnMut(&mut Draft) -> Disposition + Send>;
type ProtectedEdit = Box<dyn FnMut(&mut Message) -> Disposition + Send>;
type IsakmpEdit = Box<dyn FnMut(&mut IsakmpDraft) -> Disposition + Send>;
type IsakmpProtectedEdit = Box<dyn FnMut(&mut ikev1::Message) -> Disposition + Send>;
type EspEdit = Box<dyn FnMut(&mut EspDraft) -> Disposition + Send>;
type SealedEdit = Box<dyn FnMut(&mut Vec<u8>) -> Disposition + Send>;
type PacketEdit = Box<dyn FnMut(&mut Vec<u8>) -> Disposition + Send>;

enum Edit {
    Message(Which, MessageEdit),
    Protected(Which, ProtectedEdit),
    Isakmp(WhichIsakmp, IsakmpEdit),
    IsakmpProtected(WhichIsakmp, IsakmpProtectedEdit),
    Esp(EspEdit),
    Sealed(SealedEdit),
    Packet(PacketEdit),
}

struct Waiting {
    edit: Edit,
    /// How often it may still be used; `None` for always.
    left: Option<u32>,
}

/// The edits of one scenario: a handle that the scenario keeps, and the [`Hands`] that the tester is given.
#[derive(Clone, Default)]
pub struct Edits(Arc<Mutex<Vec<Waiting>>>);

impl Edits {
    /// Edits the next message before protection.
    pub fn message(&self, which: Which, edit: impl FnMut(&mut Draft) + Send + 'static) {
        self.add(Edit::Message(which, sending(edit)), Some(1));
    }

    /// Edits every message before protection from now on.
    pub fn every_message(&self, which: Which, edit: impl FnMut(&mut Draft) + Send + 'static) {
        self.add(Edit::Message(which, sending(edit)), None);
    }

    /// Edits the next message after protection.
    pub fn protected(&self, which: Which, edit: impl FnMut(&mut Message) + Send + 'static) {
        self.add(Edit::Protected(which, sending(edit)), Some(1));
    }

    /// Keeps the next `times` messages from being sent, retransmissions not counted.
    pub fn hold(&self, which: Which, times: Option<u32>) {
        self.add(Edit::Message(which, Box::new(|_| Disposition::Drop)), times);
    }

    /// Keeps the next message from being sent, and gives it away: AUTH is not computed yet.
    pub fn catch(&self, which: Which) -> Caught {
        let caught = Caught::default();
        let into = caught.clone();
        let take = move |draft: &mut Draft| {
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some(draft.clone());
            Disposition::Drop
        };
        self.add(Edit::Message(which, Box::new(take)), Some(1));
        caught
    }

    /// Edits the next IKEv1 message before encryption. Its hash is computed after that, unless the edit clears
    /// `repair_hash`.
    pub fn isakmp(&self, which: WhichIsakmp, edit: impl FnMut(&mut IsakmpDraft) + Send + 'static) {
        self.add(Edit::Isakmp(which, sending(edit)), Some(1));
    }

    /// Edits every IKEv1 message before encryption from now on.
    pub fn every_isakmp(&self, which: WhichIsakmp, edit: impl FnMut(&mut IsakmpDraft) + Send + 'static) {
        self.add(Edit::Isakmp(which, sending(edit)), None);
    }

    /// Edits the next IKEv1 message after encryption.
    pub fn isakmp_protected(&self, which: WhichIsakmp, edit: impl FnMut(&mut ikev1::Message) + Send + 'static) {
        self.add(Edit::IsakmpProtected(which, sending(edit)), Some(1));
    }

    /// Keeps the next `times` IKEv1 messages from being sent; they are not retransmitted either. The IV of what follows
    /// is as if they had never been.
    pub fn hold_isakmp(&self, which: WhichIsakmp, times: Option<u32>) {
        let hold = |draft: &mut IsakmpDraft| {
            draft.encrypt = false;
            Disposition::Drop
        };
        self.add(Edit::Isakmp(which, Box::new(hold)), times);
    }

    /// Keeps the next IKEv1 message from being sent, and gives it away as it would have been sent.
    pub fn catch_isakmp(&self, which: WhichIsakmp) -> CaughtIsakmp {
        let caught = CaughtIsakmp::default();
        let into = caught.clone();
        let take = move |message: &mut ikev1::Message| {
            *into.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.clone());
            Disposition::Drop
        };
        self.add(Edit::IsakmpProtected(which, Box::new(take)), Some(1));
        caught
    }

    /// Edits the next ESP packet before protection.
    pub fn esp(&self, edit: impl FnMut(&mut EspDraft) + Send + 'static) {
        self.add(Edit::Esp(sending(edit)), Some(1));
    }

    /// Edits the next ESP packet after protection: SPI to ICV.
    pub fn sealed(&self, edit: impl FnMut(&mut Vec<u8>) + Send + 'static) {
        self.add(Edit::Sealed(sending(edit)), Some(1));
    }

    /// Edits the next IP packet, or all of them with `times` = `None`.
    pub fn packet(&self, times: Option<u32>, edit: impl FnMut(&mut Vec<u8>) -> Disposition + Send + 'static) {
        self.add(Edit::Packet(Box::new(edit)), times);
    }

    /// Forgets all that wait.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn add(&self, edit: Edit, left: Option<u32>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Waiting { edit, left });
    }

    /// Applies the first waiting edit for which `apply` has an answer.
    fn use_first(&self, mut apply: impl FnMut(&mut Edit) -> Option<Disposition>) -> Disposition {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut disposition = Disposition::Send;
        for entry in waiting.iter_mut() {
            if entry.left == Some(0) {
                continue;
            }
            if let Some(result) = apply(&mut entry.edit) {
                let lasting = entry.left.is_none();
                entry.left = entry.left.map(|left| left - 1);
                if result == Disposition::Drop {
                    disposition = Disposition::Drop;
                }
                if !lasting || disposition == Disposition::Drop {
                    break;
                }
            }
        }
        waiting.retain(|entry| entry.left != Some(0));
        disposition
    }
}

/// An edit after which the message goes on its way.
fn sending<T>(mut edit: impl FnMut(&mut T) + Send + 'static) -> Box<dyn FnMut(&mut T) -> Disposition + Send> {
    Box::new(move |draft| {
        edit(draft);
        Disposition::Send
    })
}

impl Hands for Edits {
    fn message(&mut self, context: &MessageContext, draft: &mut Draft) -> Disposition {
        self.use_first(|edit| match edit {
            Edit::Message(which, apply) if which.fits(context) => Some(apply(draft)),
            _ => None,
        })
    }

    fn protected(&mut self, context: &MessageContext, message: &mut Message) -> Disposition {
        self.use_first(|edit| match edit {
            Edit::Protected(which, apply) if which.fits(context) => Some(apply(message)),
            _ => None,
        })
    }

    fn isakmp(&mut self, context: &IsakmpContext, draft: &mut IsakmpDraft) -> Disposition {
        self.use_first(|edit| match edit {
            Edit::Isakmp(which, apply) if which.fits(context) => Some(apply(draft)),
            _ => None,
        })
    }

    fn isakmp_protected(&mut self, context: &IsakmpContext, message: &mut ikev1::Message) -> Disposition {
        self.use_first(|edit| match edit {
            Edit::IsakmpProtected(which, apply) if which.fits(context) => Some(apply(message)),
            _ => None,
        })
    }

    fn esp(&mut self, _context: &EspContext, draft: &mut EspDraft) -> Disposition {
        self.use_first(|edit| match edit {
            Edit::Esp(apply) => Some(apply(draft)),
            _ => None,
        })
    }

    fn sealed(&mut self, _context: &EspContext, esp: &mut Vec<u8>) -> Disposition {
        self.use_first(|edit| match edit {
            Edit::Sealed(apply) => Some(apply(esp)),
            _ => None,
        })
    }

    fn packet(&mut self, packet: &mut Vec<u8>) -> Disposition {
        self.use_first(|edit| match edit {
            Edit::Packet(apply) => Some(apply(packet)),
            _ => None,
        })
    }
}

//! What a scenario puts into the tester's three hands.
//!
//! An edit waits for the first message that it fits, is used once (or as often as it says) and is gone. Edits are
//! looked at in the order in which they were given.

use reference_peer::hands::{Disposition, Draft, EspContext, EspDraft, Hands, MessageContext};
use std::sync::{Arc, Mutex, PoisonError};
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

/// A message that is to be caught.
pub type Caught = Arc<Mutex<Option<Draft>>>;

type MessageEdit = Box<dyn FnMut(&mut Draft) -> Disposition + Send>;
type ProtectedEdit = Box<dyn FnMut(&mut Message) -> Disposition + Send>;
type EspEdit = Box<dyn FnMut(&mut EspDraft) -> Disposition + Send>;
type SealedEdit = Box<dyn FnMut(&mut Vec<u8>) -> Disposition + Send>;
type PacketEdit = Box<dyn FnMut(&mut Vec<u8>) -> Disposition + Send>;

enum Edit {
    Message(Which, MessageEdit),
    Protected(Which, ProtectedEdit),
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
    pub fn message(&self, which: Which, mut edit: impl FnMut(&mut Draft) + Send + 'static) {
        self.add(
            Edit::Message(
                which,
                Box::new(move |draft| {
                    edit(draft);
                    Disposition::Send
                }),
            ),
            Some(1),
        );
    }

    /// Edits every message before protection from now on.
    pub fn every_message(&self, which: Which, mut edit: impl FnMut(&mut Draft) + Send + 'static) {
        self.add(
            Edit::Message(
                which,
                Box::new(move |draft| {
                    edit(draft);
                    Disposition::Send
                }),
            ),
            None,
        );
    }

    /// Edits the next message after protection.
    pub fn protected(&self, which: Which, mut edit: impl FnMut(&mut Message) + Send + 'static) {
        self.add(
            Edit::Protected(
                which,
                Box::new(move |message| {
                    edit(message);
                    Disposition::Send
                }),
            ),
            Some(1),
        );
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

    /// Edits the next ESP packet before protection.
    pub fn esp(&self, mut edit: impl FnMut(&mut EspDraft) + Send + 'static) {
        self.add(
            Edit::Esp(Box::new(move |draft| {
                edit(draft);
                Disposition::Send
            })),
            Some(1),
        );
    }

    /// Edits the next ESP packet after protection: SPI to ICV.
    pub fn sealed(&self, mut edit: impl FnMut(&mut Vec<u8>) + Send + 'static) {
        self.add(
            Edit::Sealed(Box::new(move |esp| {
                edit(esp);
                Disposition::Send
            })),
            Some(1),
        );
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

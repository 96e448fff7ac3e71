//! The hands of a gateway: its own deviations before those that it was given.

use crate::deviation::{DeviantHands, DeviationSet};
use crate::hands::{
    AhDraft, Disposition, Draft, EspContext, EspDraft, Hands, IsakmpContext, IsakmpDraft, MessageContext,
};
use wire::ikev2::Message;

/// The edits of the gateway's own deviations, and then those of the hands that it was given.
pub(super) struct OwnHands {
    pub(super) deviations: DeviationSet,
    pub(super) outer: Box<dyn Hands>,
}

impl OwnHands {
    fn both(&mut self) -> DeviantHands<'_> {
        DeviantHands::new(&self.deviations, self.outer.as_mut())
    }
}

impl Hands for OwnHands {
    fn message(&mut self, context: &MessageContext, draft: &mut Draft) -> Disposition {
        self.both().message(context, draft)
    }

    fn protected(&mut self, context: &MessageContext, message: &mut Message) -> Disposition {
        self.both().protected(context, message)
    }

    fn isakmp(&mut self, context: &IsakmpContext, draft: &mut IsakmpDraft) -> Disposition {
        self.both().isakmp(context, draft)
    }

    fn isakmp_protected(&mut self, context: &IsakmpContext, message: &mut wire::ikev1::Message) -> Disposition {
        self.both().isakmp_protected(context, message)
    }

    fn esp(&mut self, context: &EspContext, draft: &mut EspDraft) -> Disposition {
        self.both().esp(context, draft)
    }

    fn sealed(&mut self, context: &EspContext, esp: &mut Vec<u8>) -> Disposition {
        self.both().sealed(context, esp)
    }

    fn ah(&mut self, context: &EspContext, draft: &mut AhDraft) -> Disposition {
        self.both().ah(context, draft)
    }

    fn packet(&mut self, packet: &mut Vec<u8>) -> Disposition {
        self.both().packet(packet)
    }
}

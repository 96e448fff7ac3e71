//! Bringing SAs up, and exchanges on them.

use super::{Hook, Testbed, Which};
use crate::dissect::SeenIke;
use crate::run::StepError;
use rand_core::Rng;
use reference_peer::gateway::Event;
use reference_peer::hands::Draft;
use reference_peer::ike::v2::{self, ChildSa, IkeKeys, IkeSaInfo, Path, State, protect};
use std::time::Duration;
use wire::ikev2::{ExchangeType, Flags, Header, Message, Payload};

/// Name of the tester's connections to the DUT, and of the DUT's to the tester, by IKEv2 and by IKEv1.
pub const CONNECTION: &str = "peer";
/// Name of the child in it, and of those of IKEv1.
pub const CHILD: &str = "net";

impl Testbed {
    /// Brings up an IKE SA and a Child SA, with the tester as initiator.
    ///
    /// # Errors
    /// Inconclusive when they do not come up.
    pub fn establish(&mut self) -> Result<(), StepError> {
        let since = self.events.len();
        self.begin_ike_sa()?;
        let limit = self.answer_limit() * 2;
        self.await_up(since, limit)
    }

    /// Lets the tester send an IKE_SA_INIT request, and does not wait.
    ///
    /// # Errors
    /// When the tester cannot begin at all.
    pub fn begin_ike_sa(&mut self) -> Result<(), StepError> {
        let now = self.now();
        self.tester.initiate(now, CONNECTION, CHILD).map_err(StepError::testbed)?;
        self.flush()
    }

    /// Lets the DUT begin, and waits until IKE SA and Child SA are up.
    ///
    /// # Errors
    /// Not applicable without the hook, inconclusive when they do not come up.
    pub fn let_dut_establish(&mut self) -> Result<(), StepError> {
        let since = self.events.len();
        self.control(Hook::Initiate)?;
        let limit = self.answer_limit() * 3;
        self.await_up(since, limit)?;
        // Our IKE_AUTH response may still be at work in the DUT: whoever answers the next request is through with it.
        if self.is_alive()? {
            return Ok(());
        }
        Err(StepError::inconclusive("the DUT answers nothing on the IKE SA that it has begun"))
    }

    /// Waits until a Child SA is up.
    ///
    /// # Errors
    /// Inconclusive when it is not, with what happened instead.
    pub fn await_up(&mut self, since: usize, limit: Duration) -> Result<(), StepError> {
        let up = self.await_event(since, limit, |event| matches!(event, Event::ChildInstalled(_)))?;
        if up.is_some() {
            // Let the last message of the exchange reach the DUT.
            return self.wait(Duration::from_millis(5));
        }
        Err(StepError::inconclusive(format!("no Child SA came up within {limit:?}: {}", self.story(since))))
    }

    /// What went wrong in the tester since a length of [`events`](Self::events), in words.
    pub fn story(&self, since: usize) -> String {
        let told: Vec<String> = self
            .events
            .get(since..)
            .unwrap_or_default()
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Ike(v2::Event::IkeSaDown { reason, .. }) => Some(format!("IKE SA down: {reason:?}")),
                Event::Ike(v2::Event::ExchangeFailed { exchange, error, .. }) => Some(format!("{exchange}: {error}")),
                Event::Ike(v2::Event::PeerUnreachable { exchange, .. }) => Some(format!("{exchange}: no answer")),
                Event::Ike(v2::Event::Rejected { reason, .. }) => Some(format!("tester rejected: {reason}")),
                Event::Isakmp(event) => Self::isakmp_story(event),
                _ => None,
            })
            .collect();
        let last =
            self.seen.iter().rev().find(|seen| seen.from_dut && (seen.ike().is_some() || seen.isakmp().is_some()));
        let last = last.map_or_else(
            || "the DUT sent no IKE message".to_owned(),
            |seen| format!("last from the DUT: {}", seen.summary()),
        );
        if told.is_empty() { last } else { format!("{}; {last}", told.join("; ")) }
    }

    /// The tester's newest IKE SA that is up.
    ///
    /// # Errors
    /// Inconclusive when there is none.
    pub fn ike_sa(&self) -> Result<IkeSaInfo, StepError> {
        let up = self
            .tester
            .ike()
            .ike_sas()
            .into_iter()
            .filter(|info| info.state == State::Established)
            .max_by_key(|info| info.id);
        up.ok_or_else(|| StepError::inconclusive("the tester has no IKE SA"))
    }

    /// The keys of the tester's newest IKE SA, whatever its state.
    ///
    /// # Errors
    /// Inconclusive when there is none.
    pub fn ike_keys(&self) -> Result<IkeKeys, StepError> {
        let spis = self.tester.ike().ike_sas().into_iter().max_by_key(|info| info.id).map(|info| info.spis);
        let keys = spis.and_then(|spis| self.dissector.ike_keys().iter().find(|keys| keys.spis == spis));
        keys.or(self.dissector.ike_keys().last())
            .cloned()
            .ok_or_else(|| StepError::inconclusive("the tester has no IKE keys"))
    }

    /// All Child SAs that have been installed, oldest first, whether they still are or not.
    pub fn children(&self) -> Vec<ChildSa> {
        let installed = |(_, event): &(reference_peer::Instant, Event)| match event {
            Event::ChildInstalled(child) => Some((**child).clone()),
            _ => None,
        };
        self.events.iter().filter_map(installed).collect()
    }

    /// The Child SA that was installed last.
    ///
    /// # Errors
    /// Inconclusive when there was none.
    pub fn child(&self) -> Result<ChildSa, StepError> {
        let installed = self.events.iter().rev().find_map(|(_, event)| match event {
            Event::ChildInstalled(child) => Some((**child).clone()),
            _ => None,
        });
        installed.ok_or_else(|| StepError::inconclusive("the tester has no Child SA"))
    }

    /// Sends a protected request on the tester's IKE SA through its engine, and waits for the response of the DUT.
    /// Gives its place in [`seen`](Self::seen).
    ///
    /// # Errors
    /// Inconclusive without an IKE SA.
    pub fn request(&mut self, exchange: ExchangeType, payloads: Vec<Payload>) -> Result<Option<usize>, StepError> {
        let mark = self.mark();
        let info = self.ike_sa()?;
        let message_id = info.next_request;
        let now = self.now();
        self.tester
            .command(now, |ike, rng, hands| ike.request_exchange(now, rng, info.id, exchange, payloads, hands))
            .map_err(|error| StepError::inconclusive(format!("the tester's IKE SA takes no request: {error}")))?;
        self.flush()?;
        let limit = self.answer_limit();
        self.await_ike(mark, limit, |ike| {
            ike.is_response()
                && matches!(ike.opened, Some(Ok(_)))
                && ike.header.is_some_and(|header| header.message_id == message_id)
        })
    }

    /// An empty INFORMATIONAL request of the tester. Was it answered? Where there is no IKE SA but an ISAKMP SA, what IKEv1
    /// has for it: see [`is_isakmp_alive`](Self::is_isakmp_alive).
    ///
    /// # Errors
    /// Inconclusive without either.
    pub fn is_alive(&mut self) -> Result<bool, StepError> {
        if self.ike_sa().is_err() && self.isakmp_sa().is_ok() {
            return self.is_isakmp_alive();
        }
        Ok(self.request(ExchangeType::INFORMATIONAL, Vec::new())?.is_some())
    }

    /// The header of a request (or response) that the tester would send on an IKE SA.
    pub fn header(&self, info: &IkeSaInfo, exchange: ExchangeType, message_id: u32, response: bool) -> Header {
        Header::new(info.spis, exchange, Flags::new(info.initiator, response), message_id)
    }

    /// Protects a message with the tester's keys of an IKE SA, past the engine. Sequence and state are the scenario's
    /// business.
    ///
    /// # Errors
    /// Our own fault when it cannot be protected.
    pub fn protect(
        &mut self,
        header: Header,
        payloads: Vec<Payload>,
        edit: impl FnOnce(&mut Draft),
    ) -> Result<Message, StepError> {
        let keys = self.ike_keys()?;
        let mut draft = Draft {
            header,
            clear: Vec::new(),
            inner: Some(payloads),
            inner_trailing: Vec::new(),
            padding: None,
            pad_length: None,
            iv: None,
            repair_auth: false,
        };
        edit(&mut draft);
        protect::seal(&keys, header.flags.initiator(), &draft, &mut self.rng).map_err(StepError::testbed)
    }

    /// Where the tester sends messages of an IKE SA.
    pub fn ike_path(&self) -> Path {
        self.tester.ike().ike_sas().into_iter().max_by_key(|info| info.id).map_or_else(|| self.path(), |info| info.path)
    }

    /// Sends an IKE_SA_INIT request of another, fresh IKE SA. Was it answered with SA, KE and Nonce (or a cookie)? The
    /// control for every "nothing is sent": a dead DUT passes nothing.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn answers_ike_sa_init(&mut self) -> Result<bool, StepError> {
        let mark = self.mark();
        let since = self.events.len();
        self.edits.hold(Which::request(ExchangeType::IKE_AUTH), Some(1));
        self.begin_ike_sa()?;
        let id = self.tester.ike().ike_sas().into_iter().map(|info| info.id).max();
        let limit = self.answer_limit();
        let answer = self.await_ike(mark, limit, is_good_init)?;
        self.await_event(since, Duration::from_millis(1), |_| false)?;
        if let Some(id) = id {
            let now = self.now();
            // It was a probe: the tester forgets it, and the DUT's half-open state times out.
            let _ = self.tester.command(now, |ike, _, _| ike.clear(id));
        }
        Ok(answer.is_some())
    }

    /// Closes what the scenario has left open, so that nothing of it is in the way of the next tester with this
    /// address.
    pub(super) fn say_goodbye(&mut self) {
        self.edits.clear();
        let now = self.now();
        for info in self.tester.ike().ike_sas() {
            // What cannot be closed any more is forgotten.
            let _ = self.tester.command(now, |ike, rng, hands| ike.delete_ike(now, rng, info.id, hands));
        }
        self.leave_isakmp();
        if self.manual || self.settings.changed {
            // A DUT that has no such hook keeps what it was told until its next scenario with this tester.
            let _ = self.control(Hook::RemoveSa);
        }
        // The verdict is given; a link that fails now changes nothing.
        let _ = self.wait(Duration::from_millis(30));
    }

    /// A random number of the scenario's own.
    pub fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }
}

/// An IKE_SA_INIT response that goes on: SA, KE and Nonce.
fn is_good_init(ike: &SeenIke) -> bool {
    use wire::ikev2::PayloadType as P;
    ike.is_response()
        && ike.header.is_some_and(|header| header.exchange_type == ExchangeType::IKE_SA_INIT)
        && [P::SECURITY_ASSOCIATION, P::KEY_EXCHANGE, P::NONCE].into_iter().all(|wanted| ike.payload(wanted).is_some())
}

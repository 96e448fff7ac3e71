//! IKEv1 at the testbed: ISAKMP SAs and IPsec SAs brought up, exchange by exchange or as a whole.
//!
//! The tester has a connection of IKEv1 to the DUT beside that of IKEv2. What it sends is edited as with IKEv2, by
//! [`Edits`](super::Edits): `isakmp` and `isakmp_protected`, `hold_isakmp`, `catch_isakmp`. What is sent past its engine
//! is in [`craft`](self::craft).

pub(super) mod config;
mod craft;
pub mod offer;

use super::tunnel::{CHILD, CONNECTION};
use super::{Hook, Testbed, WhichIsakmp};
use crate::dissect::Seen;
use crate::isakmp::SeenIsakmp;
use crate::run::StepError;
use reference_peer::config::isakmp::{IsakmpConfig, IsakmpConnection, Phase1};
use reference_peer::gateway::Event;
use reference_peer::ike::v1::{self, IsakmpKeys, IsakmpSaInfo, State};
use std::time::Duration;
use wire::ikev1::{ExchangeType, NotifyType, Payload};

/// Between the last message of a quick mode and the question whether it has been read.
const APART: Duration = Duration::from_millis(50);

/// The exchange type of an exchange of phase 1.
pub fn exchange_type(phase1: Phase1) -> ExchangeType {
    match phase1 {
        Phase1::Main => ExchangeType::MAIN,
        Phase1::Aggressive => ExchangeType::AGGRESSIVE,
    }
}

impl Testbed {
    // ---- Bringing up ----

    /// Brings up an ISAKMP SA and a pair of IPsec SAs, with the tester as initiator of both.
    ///
    /// # Errors
    /// Inconclusive when they do not come up.
    pub fn establish_isakmp(&mut self, phase1: Phase1) -> Result<(), StepError> {
        let since = self.events.len();
        self.begin_isakmp(phase1)?;
        let limit = self.answer_limit() * 3;
        self.await_up(since, limit)?;
        self.settle_isakmp()
    }

    /// Waits until the DUT is through with the quick modes of the tester, whose last message has no answer: who answers
    /// R-U-THERE has read what came before. Where it does no dead peer detection, the time that counts as silence must do.
    /// Nothing is waited for where nothing has come up since the last time.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn settle_isakmp(&mut self) -> Result<(), StepError> {
        let fresh = self.events.get(self.isakmp_settled..).unwrap_or_default();
        let came_up = fresh.iter().any(|(_, event)| matches!(event, Event::Isakmp(v1::Event::ChildUp { .. })));
        self.isakmp_settled = self.events.len();
        if came_up {
            // Some keep the IVs of a few exchanges only, and read messages on several threads.
            self.wait(APART)?;
        }
        match self.isakmp_sa() {
            Ok(info) if came_up && info.dead_peer_detection => self.is_isakmp_alive().map(drop),
            Ok(_) if came_up => self.wait(self.silence()),
            _ => Ok(()),
        }
    }

    /// Lets the tester begin phase 1, with a quick mode to follow, and does not wait.
    ///
    /// # Errors
    /// When the tester cannot begin at all.
    pub fn begin_isakmp(&mut self, phase1: Phase1) -> Result<(), StepError> {
        self.use_exchange(phase1);
        let now = self.now();
        self.tester
            .isakmp_command(now, |engine, rng, hands| engine.initiate(now, rng, CONNECTION, CHILD, hands))
            .map_err(StepError::testbed)?;
        self.flush()
    }

    /// Lets the tester begin phase 1 with nothing to follow, also if there is an ISAKMP SA already, and does not wait.
    ///
    /// # Errors
    /// When the tester cannot begin at all.
    pub fn begin_phase1(&mut self, phase1: Phase1) -> Result<(), StepError> {
        self.use_exchange(phase1);
        let now = self.now();
        self.tester
            .isakmp_command(now, |engine, rng, hands| engine.initiate_phase1(now, rng, CONNECTION, hands))
            .map_err(StepError::testbed)?;
        self.flush()
    }

    /// Brings up an ISAKMP SA with nothing under it, with the tester as initiator.
    ///
    /// # Errors
    /// Inconclusive when it does not come up.
    pub fn establish_phase1(&mut self, phase1: Phase1) -> Result<(), StepError> {
        let since = self.events.len();
        self.begin_phase1(phase1)?;
        let limit = self.answer_limit() * 2;
        self.await_isakmp_up(since, limit)
    }

    /// Lets the DUT begin, and waits until ISAKMP SA and IPsec SAs are up.
    ///
    /// # Errors
    /// Not applicable without the hook, inconclusive when they do not come up.
    pub fn let_dut_establish_isakmp(&mut self, phase1: Phase1) -> Result<(), StepError> {
        let since = self.events.len();
        self.control(Hook::InitiateIkev1(phase1))?;
        let limit = self.answer_limit() * 3;
        self.await_up(since, limit)?;
        // Message 3 of quick mode has no answer: whoever answers what comes next is through with it.
        if self.is_isakmp_alive()? {
            return Ok(());
        }
        Err(StepError::inconclusive("the DUT answers nothing under the ISAKMP SA that it has begun"))
    }

    /// Waits until an ISAKMP SA is up.
    ///
    /// # Errors
    /// Inconclusive when it is not, with what happened instead.
    pub fn await_isakmp_up(&mut self, since: usize, limit: Duration) -> Result<(), StepError> {
        let is_up = |event: &Event| matches!(event, Event::Isakmp(v1::Event::IsakmpSaUp { .. }));
        if self.await_event(since, limit, is_up)?.is_some() {
            // Let the last message of the exchange reach the DUT.
            return self.wait(Duration::from_millis(5));
        }
        Err(StepError::inconclusive(format!("no ISAKMP SA came up within {limit:?}: {}", self.story(since))))
    }

    /// Changes what the tester is told of IKEv1, its connection to the DUT. Its SAs stay, and go on as they were made.
    pub fn reconfigure_isakmp(&mut self, change: impl FnOnce(&mut IsakmpConnection)) {
        let now = self.now();
        // It cannot fail: nothing is asked of the engine.
        let _ = self.tester.isakmp_command(now, |engine, _, _| {
            let mut config: IsakmpConfig = engine.config().clone();
            if let Some(connection) = config.connections.iter_mut().find(|known| known.name == CONNECTION) {
                change(connection);
            }
            engine.configure(config);
            Ok(())
        });
    }

    fn use_exchange(&mut self, phase1: Phase1) {
        self.reconfigure_isakmp(|connection| connection.exchange = phase1);
    }

    // ---- What there is ----

    /// The tester's newest ISAKMP SA that is up.
    ///
    /// # Errors
    /// Inconclusive when there is none.
    pub fn isakmp_sa(&self) -> Result<IsakmpSaInfo, StepError> {
        let all = self.tester.isakmp().isakmp_sas().into_iter();
        let newest = all.filter(|info| info.state == State::Established).max_by_key(|info| info.id);
        newest.ok_or_else(|| StepError::inconclusive("the tester has no ISAKMP SA"))
    }

    /// The tester's newest ISAKMP SA, whatever its state.
    ///
    /// # Errors
    /// Inconclusive when there is none.
    pub fn newest_isakmp(&self) -> Result<IsakmpSaInfo, StepError> {
        let newest = self.tester.isakmp().isakmp_sas().into_iter().max_by_key(|info| info.id);
        newest.ok_or_else(|| StepError::inconclusive("the tester has begun no ISAKMP SA"))
    }

    /// The keys of the tester's newest ISAKMP SA, whatever its state.
    ///
    /// # Errors
    /// Inconclusive when there are none.
    pub fn isakmp_keys(&self) -> Result<IsakmpKeys, StepError> {
        let info = self.newest_isakmp()?;
        let keys = self.tester.isakmp().isakmp_keys(info.id).cloned();
        keys.ok_or_else(|| StepError::inconclusive("the tester's ISAKMP SA has no keys"))
    }

    // ---- Exchanges through the engine ----

    /// Lets the tester begin another quick mode under its ISAKMP SA, and does not wait.
    ///
    /// # Errors
    /// Inconclusive without an ISAKMP SA.
    pub fn begin_quick_mode(&mut self) -> Result<(), StepError> {
        let (id, now) = (self.isakmp_sa()?.id, self.now());
        self.tester
            .isakmp_command(now, |engine, rng, hands| engine.create_child(now, rng, id, CHILD, hands))
            .map_err(StepError::inconclusive)?;
        self.flush()
    }

    /// Another quick mode of the tester. Did it make SAs?
    ///
    /// # Errors
    /// Inconclusive without an ISAKMP SA.
    pub fn quick_mode(&mut self) -> Result<bool, StepError> {
        let since = self.events.len();
        self.begin_quick_mode()?;
        let limit = self.answer_limit();
        let up = self.await_event(since, limit, |event| matches!(event, Event::ChildInstalled(_)))?;
        if up.is_some() {
            self.settle_isakmp()?;
        }
        Ok(up.is_some())
    }

    /// Sends payloads in an Informational exchange under the tester's ISAKMP SA, after a right hash.
    ///
    /// # Errors
    /// Inconclusive without an ISAKMP SA.
    pub fn inform(&mut self, payloads: Vec<Payload>) -> Result<(), StepError> {
        let (id, now) = (self.isakmp_sa()?.id, self.now());
        self.tester
            .isakmp_command(now, |engine, rng, hands| engine.informational_exchange(now, rng, id, payloads, hands))
            .map_err(StepError::inconclusive)?;
        self.flush()
    }

    /// Does the DUT answer under the tester's ISAKMP SA? R-U-THERE where both do dead peer detection, else another quick
    /// mode.
    ///
    /// # Errors
    /// Inconclusive without an ISAKMP SA.
    pub fn is_isakmp_alive(&mut self) -> Result<bool, StepError> {
        let info = self.isakmp_sa()?;
        if !info.dead_peer_detection {
            return self.quick_mode();
        }
        let (mark, now) = (self.mark(), self.now());
        self.tester
            .isakmp_command(now, |engine, rng, hands| engine.liveness(now, rng, info.id, hands))
            .map_err(StepError::inconclusive)?;
        self.flush()?;
        let limit = self.answer_limit();
        let cookies = info.cookies;
        let acknowledges = |isakmp: &SeenIsakmp| {
            isakmp.is_authentic()
                && isakmp.header.is_some_and(|header| header.cookies() == cookies)
                && isakmp.notify(NotifyType::R_U_THERE_ACK).is_some()
        };
        Ok(self.await_isakmp(mark, limit, acknowledges)?.is_some())
    }

    /// Begins phase 1 of another, fresh ISAKMP SA. Was message 1 answered with a choice? The control for every "nothing
    /// is sent" before there are keys: a dead DUT passes nothing.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn answers_phase1(&mut self, phase1: Phase1) -> Result<bool, StepError> {
        let (mark, since) = (self.mark(), self.events.len());
        let exchange = exchange_type(phase1);
        self.edits.hold_isakmp(WhichIsakmp::message(exchange, 3), Some(1));
        self.begin_phase1(phase1)?;
        let info = self.newest_isakmp()?;
        let limit = self.answer_limit();
        let cookie = info.cookies.0;
        let answer = self.await_isakmp(mark, limit, |isakmp| {
            isakmp.is(exchange, 2)
                && isakmp.header.is_some_and(|header| header.initiator_cookie == cookie)
                && isakmp.sa().is_some_and(|sa| !sa.proposals.is_empty())
        })?;
        self.await_event(since, Duration::from_millis(1), |_| false)?;
        let now = self.now();
        // It was a probe: the tester forgets it, and the DUT's half-open state times out.
        let _ = self.tester.isakmp_command(now, |engine, _, _| engine.clear(info.id));
        Ok(answer.is_some())
    }

    // ---- Waiting ----

    /// As [`await_ike`](Self::await_ike), for messages of IKEv1.
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn await_isakmp(
        &mut self,
        mark: usize,
        limit: Duration,
        fits: impl Fn(&SeenIsakmp) -> bool,
    ) -> Result<Option<usize>, StepError> {
        self.await_seen(mark, limit, |seen| seen.from_dut && seen.isakmp().is_some_and(&fits))
    }

    /// All IKEv1 messages of the DUT since a mark.
    pub fn isakmp_from_dut(&self, mark: usize) -> impl Iterator<Item = &SeenIsakmp> {
        self.from_dut_since(mark).filter_map(Seen::isakmp)
    }

    /// All IKEv1 messages of the tester since a mark.
    pub fn isakmp_to_dut(&self, mark: usize) -> impl Iterator<Item = &SeenIsakmp> {
        let sent = self.seen.get(mark..).unwrap_or_default().iter().filter(|seen| !seen.from_dut);
        sent.filter_map(Seen::isakmp)
    }

    /// What an event of IKEv1 says of a failure, in words.
    pub(super) fn isakmp_story(event: &v1::Event) -> Option<String> {
        Some(match event {
            v1::Event::IsakmpSaDown { reason, .. } => format!("ISAKMP SA down: {reason:?}"),
            v1::Event::QuickModeFailed { error, .. } => format!("quick mode: {error}"),
            v1::Event::PeerUnreachable { .. } => "phase 1: no answer".to_owned(),
            v1::Event::Hint { notify: Some(notify), .. } => format!("unprotected {notify}"),
            v1::Event::Rejected { reason, .. } => format!("tester rejected: {reason}"),
            _ => return None,
        })
    }

    /// Tells the DUT that the tester's SAs of IKEv1 end.
    pub(super) fn leave_isakmp(&mut self) {
        let now = self.now();
        for child in self.tester.isakmp().children() {
            if let Some((_, inbound, _)) = child.pairs.first().copied() {
                // What cannot be closed any more is forgotten.
                let _ =
                    self.tester.isakmp_command(now, |engine, rng, hands| engine.delete_child(now, rng, inbound, hands));
            }
        }
        for info in self.tester.isakmp().isakmp_sas() {
            let _ =
                self.tester.isakmp_command(now, |engine, rng, hands| engine.delete_isakmp_sa(now, rng, info.id, hands));
        }
    }
}

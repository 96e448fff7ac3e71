//! Real links as medium: many testers side by side, each with addresses of its own, and one DUT.

use super::hub::{Hub, Seat, tester_mac};
use super::medium::{Arrival, Control, Hook, Medium, MediumError};
use super::{Plan, Testbed};
use crate::dissect::{Content, Seen};
use crate::dut::Dut;
use crate::evidence::{Clock, Evidence};
use crate::profile::Exchange;
use crate::run::{Lab, ScenarioInfo, Setup, StepError};
use crate::verdict::Place;
use packet_io::Clock as Stopwatch;
use reference_peer::Instant;
use reference_peer::config::isakmp::Phase1;
use reference_peer::gateway::Leg;
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Longest that a wait on a link goes without a look at whether the DUT still lives.
const LOOK: Duration = Duration::from_millis(250);

/// Most testers at work at once, whatever the profile has addresses for.
const MOST_TESTERS: u32 = 250;

/// A DUT on real links.
pub(super) struct WireLab {
    setup: Setup,
    shared: Arc<Shared>,
    /// Has the DUT been asked whether it answers?
    answered: AtomicBool,
}

struct Shared {
    hub: Hub,
    dut: Dut,
    clock: Stopwatch,
    /// Tester numbers that no scenario has, the one longest unused first.
    numbers: Mutex<VecDeque<u32>>,
    returned: Condvar,
    /// Tester numbers that some scenario of this run has had.
    used: Mutex<BTreeSet<u32>>,
}

impl WireLab {
    pub(super) fn open(setup: &Setup) -> Result<Self, String> {
        let clock = Stopwatch::start();
        let (dut, links) = Dut::start(&setup.profile, clock)?;
        let hub = Hub::new(links).map_err(|error| format!("cannot start receiving: {error}"))?;
        let most = u32::try_from(setup.profile.testers()).unwrap_or(MOST_TESTERS).min(MOST_TESTERS);
        // Number 0 would be the network address.
        let numbers = (1..most).collect::<VecDeque<_>>();
        if numbers.is_empty() {
            return Err(format!("profile {}: outside.testers has no address for a tester", setup.profile.name));
        }
        let shared =
            Shared { hub, dut, clock, numbers: Mutex::new(numbers), returned: Condvar::new(), used: Mutex::default() };
        Ok(Self { setup: setup.clone(), shared: Arc::new(shared), answered: AtomicBool::new(false) })
    }
}

impl WireLab {
    /// Before the first scenario: does the DUT answer at all?
    fn probe(&self) -> Result<(), String> {
        let scenario = ScenarioInfo {
            index: 0,
            name: "probe".to_owned(),
            feature: "probe".to_owned(),
            place: Place { file: "probe".to_owned(), line: 1 },
            tags: Vec::new(),
            seed: self.setup.seed,
        };
        let mut testbed = self.begin(&scenario).map_err(|error| error.to_string())?;
        let ike = self.setup.profile.ike();
        let phase1 = if ike.exchanges.contains(&Exchange::Main) { Phase1::Main } else { Phase1::Aggressive };
        let (answers, request, wanted) = if ike.speaks(2) {
            (testbed.answers_ike_sa_init(), "IKE_SA_INIT request", ike.proposals.first().map(ToString::to_string))
        } else if ike.speaks(1) {
            let policy = ike.policies.first().map(ToString::to_string);
            (testbed.answers_phase1(phase1), "message 1 of phase 1", policy)
        } else {
            (testbed.answers_ping(), "ping", None)
        };
        if answers.map_err(|error| error.to_string())? {
            return Ok(());
        }
        let (dut, name) = (testbed.plan().dut, &self.setup.profile.name);
        let limit = testbed.answer_limit();
        let is_its = |seen: &Seen| {
            matches!(seen.content, Content::Arp) || seen.ip.as_ref().is_some_and(|packet| packet.source() == dut)
        };
        Err(if wanted.is_some() && testbed.seen().iter().any(|seen| seen.from_dut && is_its(seen)) {
            format!(
                "profile {name}: {dut} is there, but answers no {request} within {limit:?}: check that its IKE daemon runs \
                 and takes {} from {}",
                wanted.unwrap_or_default(),
                testbed.plan().tester
            )
        } else {
            format!(
                "profile {name}: nothing comes from {dut} within {limit:?}, not even ARP: check outside.interface and \
                 outside.dut, and that the DUT is up"
            )
        })
    }
}

impl Lab for WireLab {
    type World = Testbed;

    fn begin(&self, scenario: &ScenarioInfo) -> Result<Testbed, StepError> {
        let number = self.shared.take_number();
        let unused = self.shared.used.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        let number = Number { shared: Arc::clone(&self.shared), number };
        let plan = Plan::new(&self.setup.profile, number.number).map_err(StepError::testbed)?;
        let has_inside = self.shared.hub.has(Leg::Inside);
        let macs = [Leg::Outside, Leg::Inside].map(|leg| tester_mac(leg, plan.number)).to_vec();
        let seat = self.shared.hub.seat(macs);
        let medium = Wire { shared: Arc::clone(&self.shared), seat, plan: plan.clone(), _number: number };
        let mut testbed = Testbed::new(&self.setup, plan, Box::new(medium), has_inside, scenario);
        testbed.unused = unused;
        Ok(testbed)
    }

    fn step_begins(&self, world: &mut Testbed, step: &str) {
        world.note(step);
    }

    fn finish(&self, mut world: Testbed) -> Evidence {
        world.say_goodbye();
        let began = world.seen().first().map_or(Duration::ZERO, |seen| seen.at.since_start());
        let clock = Clock::Wall(self.shared.clock.calendar(began));
        world.into_evidence(clock)
    }

    fn check(&self) -> Result<(), String> {
        if let Some(how) = self.shared.dut.died() {
            return Err(format!("the DUT has died: {how}"));
        }
        if self.answered.swap(true, Ordering::Relaxed) { Ok(()) } else { self.probe() }
    }

    fn close(&self) {
        self.shared.dut.stop();
    }
}

impl Shared {
    /// A tester number that no scenario has; waits for one to come back when all are taken.
    fn take_number(&self) -> u32 {
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(number) = numbers.pop_front() {
                return number;
            }
            numbers = self.returned.wait(numbers).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A tester number in use.
struct Number {
    shared: Arc<Shared>,
    number: u32,
}

impl Drop for Number {
    fn drop(&mut self) {
        // At the end of the queue, so that a late packet of the old scenario does not reach the next one.
        let mut numbers = self.shared.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.push_back(self.number);
        self.shared.returned.notify_one();
    }
}

/// One tester's place on real links.
struct Wire {
    shared: Arc<Shared>,
    seat: Seat,
    plan: Plan,
    _number: Number,
}

impl Wire {
    fn alive(&self) -> Result<(), MediumError> {
        match self.shared.dut.died() {
            Some(how) => Err(MediumError::DutDied(how)),
            None => Ok(()),
        }
    }
}

impl Medium for Wire {
    fn now(&self) -> Instant {
        Instant::after_start(self.shared.clock.now())
    }

    fn send(&mut self, leg: Leg, frame: &[u8]) -> Result<(), MediumError> {
        self.shared.hub.send(leg, frame).map_err(|error| match self.alive() {
            Err(died) => died,
            Ok(()) => MediumError::Link(error),
        })
    }

    fn receive(&mut self, until: Instant) -> Result<Option<Arrival>, MediumError> {
        loop {
            let left = until.since(self.now());
            let received = self.seat.receive(left.min(LOOK)).map_err(|error| match self.alive() {
                Err(died) => died,
                Ok(()) => MediumError::Link(error),
            })?;
            if received.is_none() && self.shared.hub.lost() > 0 {
                // Whoever waits in vain must not take it for silence of the DUT.
                return Err(MediumError::Link("this machine has lost frames of the DUT: it is too busy".to_owned()));
            }
            if received.is_some() || self.now() >= until {
                return Ok(received);
            }
            self.alive()?;
        }
    }

    fn control(&mut self, hook: Hook) -> Control {
        let (sender, result) = channel();
        let (shared, plan) = (Arc::clone(&self.shared), self.plan.clone());
        // Whoever waits for the result may have given up meanwhile.
        std::thread::spawn(move || drop(sender.send(shared.dut.control(hook, &plan))));
        Control::Running(result)
    }
}

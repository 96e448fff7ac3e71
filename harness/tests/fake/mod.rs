//! A testbed that is none: its DUT does what the steps say, so that runner, verdicts and reports can be tested.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use counterpeer::evidence::{Clock, Direction, EspKeys, Event, Evidence, IkeKeys, Leg, Record};
use counterpeer::run::{Bench, DeviationInfo, Lab, ScenarioInfo, Setup, StepError, Steps};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What the labs of a bench have seen.
#[derive(Default)]
pub struct Log {
    pub opened: AtomicUsize,
    pub closed: AtomicUsize,
    pub begun: AtomicUsize,
    pub finished: AtomicUsize,
    pub most_at_once: AtomicUsize,
    /// The DUT is gone.
    pub gone: AtomicBool,
}

#[derive(Default)]
pub struct FakeBench {
    pub log: Arc<Log>,
    /// Why no lab can be opened.
    pub no_lab: Option<String>,
}

struct FakeLab {
    log: Arc<Log>,
    setup: Setup,
}

pub struct World {
    log: Arc<Log>,
    setup: Setup,
    steps: Vec<String>,
    sent: u64,
    seed: u64,
}

impl World {
    fn has(&self, deviation: &str) -> bool {
        self.setup.deviation.as_deref() == Some(deviation)
    }
}

impl Bench for FakeBench {
    type World = World;

    fn steps(&self) -> Steps<World> {
        let mut steps = Steps::new();
        register(&mut steps);
        steps
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Lab<World = World>>, String> {
        if let Some(why) = &self.no_lab {
            return Err(why.clone());
        }
        self.log.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(FakeLab { log: Arc::clone(&self.log), setup: setup.clone() }))
    }

    fn deviations(&self) -> Vec<DeviationInfo> {
        let info = |name: &str, requirements: &[&str], description: &str| DeviationInfo {
            name: name.into(),
            requirements: requirements.iter().map(ToString::to_string).collect(),
            description: description.into(),
        };
        vec![
            info("drops-good-packets", &["ESP-SEQ-001"], "Drops what it should let through."),
            info("other-choice", &["IKE2-INFO-009"], "Makes the other choice."),
            info("unseen", &["ESP-SEQ-001"], "Does nothing that anybody sees."),
            info("nobody-looks", &["ESP-SEQ-005"], "Breaks what no scenario is about."),
        ]
    }
}

impl Lab for FakeLab {
    type World = World;

    fn begin(&self, scenario: &ScenarioInfo) -> Result<World, StepError> {
        if scenario.has_tag("no-begin") {
            return Err(StepError::inconclusive("the DUT does not answer at all"));
        }
        if scenario.has_tag("panic-begin") {
            panic!("begin went wrong");
        }
        let begun = self.log.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let at_once = begun - self.log.finished.load(Ordering::SeqCst);
        self.log.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        Ok(World {
            log: Arc::clone(&self.log),
            setup: self.setup.clone(),
            steps: Vec::new(),
            sent: 0,
            seed: scenario.seed,
        })
    }

    fn step_begins(&self, world: &mut World, step: &str) {
        world.steps.push(step.to_owned());
    }

    fn finish(&self, world: World) -> Evidence {
        self.log.finished.fetch_add(1, Ordering::SeqCst);
        let record = |index: usize, step: &String| Record {
            time: Duration::from_millis(10 * index as u64),
            leg: if index.is_multiple_of(2) { Leg::Outside } else { Leg::Inside },
            direction: if index.is_multiple_of(2) { Direction::ToDut } else { Direction::FromDut },
            frame: vec![0x02; 60],
            summary: format!("packet {index}"),
            comments: vec![step.clone()],
        };
        let events = vec![Event { time: Duration::ZERO, text: format!("seed {}", world.seed) }];
        Evidence {
            records: world.steps.iter().enumerate().map(|(index, step)| record(index, step)).collect(),
            ike_keys: vec![IkeKeys {
                spis: (1, 2),
                encryption_keys: (vec![1; 16], vec![2; 16]),
                integrity_keys: (vec![3; 20], vec![4; 20]),
                encryption: 12,
                integrity: 2,
            }],
            isakmp_keys: Vec::new(),
            esp_keys: vec![EspKeys {
                source: "192.0.2.1".parse().unwrap(),
                destination: "192.0.2.2".parse().unwrap(),
                spi: 0x100,
                encryption: 20,
                integrity: 0,
                encryption_key: vec![5; 20],
                integrity_key: vec![],
                esn: false,
            }],
            events,
            elapsed: Duration::from_secs(1),
            clock: Clock::Virtual,
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.log.gone.load(Ordering::SeqCst) { Err("the DUT is gone: exit status 9".into()) } else { Ok(()) }
    }

    fn close(&self) {
        self.log.closed.fetch_add(1, Ordering::SeqCst);
    }
}

fn register(steps: &mut Steps<World>) {
    steps.given("a tunnel is up", |_, _| Ok(()));
    steps.given("no tunnel comes up", |_, _| Err(StepError::failed("a tunnel within 2 s", "nothing")));
    steps.when("the tester sends {int} packet(s)", |world, step| {
        world.sent += step.arg::<u64>(0)?;
        Ok(())
    });
    steps.when("the DUT dies", |world, _| {
        world.log.gone.store(true, Ordering::SeqCst);
        Ok(())
    });
    steps.when("the scenario waits until it is told to end", |world, _| {
        while !world.setup.interrupt.is_raised() {
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(StepError::inconclusive(world.setup.interrupt.reason()))
    });
    steps.when("two scenarios are here at once", |world, _| {
        // Either both get here, or the test hangs and fails.
        while world.log.most_at_once.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
        Ok(())
    });
    steps.then("{int} packet(s) come(s) through", |world, step| {
        let came = if world.has("drops-good-packets") { 0 } else { world.sent };
        step.measured("packets through", format!("{came} of {}", world.sent));
        match came == step.arg::<u64>(0)? {
            true => Ok(()),
            false => {
                Err(StepError::failed(format!("{} packets within 2 s", step.arg_text(0)?), format!("{came} packets")))
            }
        }
    });
    steps.then("the DUT says what it chose", |world, step| {
        step.observed(if world.has("other-choice") { "INVALID_SPI is sent" } else { "nothing is sent" });
        Ok(())
    });
    steps.then("it holds", |_, step| {
        step.observed("as it should be");
        Ok(())
    });
    steps.then("it does not hold", |_, step| {
        step.observed("seen at 1.5 s");
        Err(StepError::failed("the answer within 2 s", "\u{1b}[31mnothing\u{1b}[0m ]]> <&>"))
    });
    steps.then("a safety rule is broken", |_, _| {
        Err(StepError::unsafe_choice("an SA that stays", "an SA that is gone"))
    });
    steps.then("the control fails", |_, _| Err(StepError::inconclusive("the good packet did not get through either")));
    steps.then("it turns out to be absent", |_, _| Err(StepError::not_applicable("the DUT has no such feature")));
    steps.then("the testbed breaks", |_, _| Err(StepError::testbed("no buffer space available")));
    steps.then("the step panics", |_, _| panic!("index out of order"));
}

/// Writes feature files into a folder: name and text.
pub fn features(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// A DUT that lacks something; the built-in peer lacks nothing.
const PROFILE: &str = "\
name: edge
outside: {interface: nowhere, dut: 192.0.2.1, testers: 192.0.2.16/28}
ike: {versions: [2], psk: {text: x}, proposals: [aes128-sha256-modp2048]}
ipsec: {proposals: [aes128gcm16], protected: {dut: 10.77.0.0/16, testers: 10.2.0.0/16}}
";

/// Runs the command line; gives status, standard output and standard error. A run without a profile judges a DUT without
/// IKEv1.
pub fn counterpeer(bench: FakeBench, args: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("edge.yaml");
    std::fs::write(&profile, PROFILE).unwrap();
    let mut args = args.to_vec();
    if args.first() == Some(&"run") && !args.contains(&"--profile") && !args.contains(&"--deviation") {
        args.extend(["--profile", path(&profile)]);
        if !args.contains(&"--seed") {
            args.extend(["--seed", "1"]);
        }
    }
    let args = std::iter::once("counterpeer").chain(args).map(Into::into);
    let status = counterpeer::cli::execute(Arc::new(bench), args, &mut out, &mut err);
    (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

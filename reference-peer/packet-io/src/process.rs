//! A child process that is looked after: it has a process group of its own, its output is read, its death is noticed,
//! and nothing of it is left behind.

use crate::dut::{Death, KEPT_LINES};
use crate::error::Error;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A line of output that begins with this says that the DUT has died although the process lives: the rest of the line
/// tells how.
const DEAD: &str = "COUNTERPEER-DEAD ";

/// The longest piece of output that is taken as one line, octets.
const MAX_LINE: usize = 4096;

/// How long to wait for the rest of the output of a process that has ended.
const REST_OF_OUTPUT: Duration = Duration::from_millis(500);

/// Who is told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// The process that was started; it takes its children down itself.
    Leader,
    /// Every process of the group.
    Group,
}

/// A child process that is looked after. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Supervised {
    name: String,
    pid: Pid,
    stop_signal: StopSignal,
    stop_within: Duration,
    stdin: Mutex<Option<ChildStdin>>,
    watch: Arc<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    ready: bool,
    output_ended: bool,
    /// What the output said about the death of the DUT.
    announced_death: Option<String>,
    /// The process has ended and was reaped, with its whole group.
    exit: Option<ExitStatus>,
    stopping: bool,
}

impl Supervised {
    /// Starts `command` with a process group and an output pipe of its own. It is ready when a line of its output
    /// contains `ready`. Its standard input is a pipe that stays open as long as this value lives, if
    /// `keep_stdin_open`, otherwise empty.
    pub(crate) fn start(
        mut command: Command,
        name: String,
        ready: String,
        keep_stdin_open: bool,
        stop_signal: StopSignal,
        stop_within: Duration,
    ) -> Result<Self, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |source| Error::Start { program: program.clone(), source };
        let (output, far) = io::pipe().map_err(failed)?;
        command.process_group(0);
        command.stdin(if keep_stdin_open { Stdio::piped() } else { Stdio::null() });
        command.stderr(far.try_clone().map_err(failed)?).stdout(far);
        let mut child = command.spawn().map_err(failed)?;
        // Holds our copies of the pipe's far end, which would keep it open.
        drop(command);

        let stdin = Mutex::new(child.stdin.take());
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other).map_err(failed)?);
        let watch = Arc::new(Watch::default());
        thread::spawn({
            let watch = Arc::clone(&watch);
            move || watch.read(output, &ready)
        });
        thread::spawn({
            let watch = Arc::clone(&watch);
            move || watch.wait_for_exit(child, pid)
        });
        Ok(Self { name, pid, stop_signal, stop_within, stdin, watch })
    }

    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Waits until it is ready.
    pub(crate) fn wait_ready(&self, limit: Duration) -> Result<(), Error> {
        let state = self.watch.wait(limit, |state| state.ready || state.dead());
        if let Some(death) = self.death_in(&state) {
            return Err(death.into());
        }
        if state.ready {
            return Ok(());
        }
        Err(Error::NotReady { name: self.name.clone(), limit, last_output: state.last_lines() })
    }

    /// Why it is dead, unless it was stopped on purpose.
    pub(crate) fn death(&self) -> Option<Death> {
        self.death_in(&self.watch.lock())
    }

    /// The same, for one who has seen a sign of death and gives it a moment to be noticed here.
    pub(crate) fn death_soon(&self, limit: Duration) -> Option<Death> {
        self.death_in(&self.watch.wait(limit, State::dead))
    }

    fn death_in(&self, state: &State) -> Option<Death> {
        if state.stopping {
            return None;
        }
        let reason = match (&state.announced_death, state.exit) {
            (Some(announced), _) => announced.clone(),
            (None, Some(exit)) => in_words(exit),
            (None, None) => return None,
        };
        Some(Death { name: self.name.clone(), reason, last_output: state.last_lines() })
    }

    pub(crate) fn last_output(&self) -> Vec<String> {
        self.watch.lock().last_lines()
    }

    /// Waits until it ends by itself; `None` if it has not when the limit runs out.
    pub(crate) fn wait_exit(&self, limit: Duration) -> Option<ExitStatus> {
        self.watch.wait(limit, |state| state.exit.is_some()).exit
    }

    /// From now on its end is no death. One that came first stays one.
    pub(crate) fn expect_exit(&self) {
        let mut state = self.watch.lock();
        state.stopping |= !state.dead();
    }

    /// Asks it to stop, waits, ends its whole group by force when it does not, and waits until it has gone.
    pub(crate) fn stop(&self) {
        self.expect_exit();
        drop(self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.signal(&self.watch.lock(), self.stop_signal, Signal::SIGTERM);
        if self.wait_exit(self.stop_within).is_none() {
            self.signal(&self.watch.lock(), StopSignal::Group, Signal::SIGKILL);
            // Nothing outlives SIGKILL but a process that hangs in the kernel, and that is not to hang us.
            let _ = self.wait_exit(Duration::from_secs(5));
        }
    }

    /// Sends a signal, as long as the process id is surely its own: until it was reaped.
    fn signal(&self, state: &State, whom: StopSignal, signal: Signal) {
        if state.exit.is_none() {
            let _ = match whom {
                StopSignal::Leader => kill(self.pid, signal),
                StopSignal::Group => killpg(self.pid, signal),
            };
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `done`, or the limit runs out.
    fn wait(&self, limit: Duration, done: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now().checked_add(limit);
        let mut state = self.lock();
        while !done(&state) {
            let left = deadline.map_or(limit, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    /// Reads the output to its end.
    fn read(&self, output: PipeReader, ready: &str) {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        // A read error ends it like the end of output does.
        while let Ok(1..) = read_line(&mut output, &mut line) {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            self.change(|state| {
                state.ready |= text.contains(ready);
                if let Some(how) = text.strip_prefix(DEAD) {
                    state.announced_death.get_or_insert_with(|| how.to_owned());
                }
                state.lines.truncate(KEPT_LINES - 1);
                state.lines.push_front(text.to_owned());
            });
            line.clear();
        }
        self.change(|state| state.output_ended = true);
    }

    /// Waits for the end of the process, ends what is left of its group, and reaps it.
    fn wait_for_exit(&self, mut child: Child, pid: Pid) {
        // As long as it is not reaped, its id and that of its group belong to nobody else.
        wait_without_reaping(pid);
        let mut state = self.lock();
        let _ = killpg(pid, Signal::SIGKILL);
        let exit = child.wait().unwrap_or_else(|_| ExitStatus::from_raw(Signal::SIGKILL as i32));
        drop(state);
        // The last lines are worth a moment; whoever else holds the pipe open is not waited for.
        state = self.wait(REST_OF_OUTPUT, |state| state.output_ended);
        state.exit = Some(exit);
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    fn dead(&self) -> bool {
        self.exit.is_some() || self.announced_death.is_some()
    }

    fn last_lines(&self) -> Vec<String> {
        self.lines.iter().rev().cloned().collect()
    }
}

/// Waits until a child process has ended, and leaves it to be reaped: until then its id belongs to nobody else.
pub(crate) fn wait_without_reaping(pid: Pid) {
    while let Ok(WaitStatus::StillAlive) | Err(Errno::EINTR) =
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    {}
}

/// Reads up to the end of a line or [`MAX_LINE`] octets.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
    input.by_ref().take(limit).read_until(b'\n', line)
}

/// How a process ended.
fn in_words(exit: ExitStatus) -> String {
    match (exit.code(), exit.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => match Signal::try_from(signal) {
            Ok(signal) => format!("was ended by {signal}"),
            Err(_) => format!("was ended by signal {signal}"),
        },
        (None, None) => "ended".to_owned(),
    }
}

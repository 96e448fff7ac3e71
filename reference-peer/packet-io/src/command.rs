//! A DUT that is started by a command and runs as long as the command does; and commands that control a DUT.

use crate::dut::{Death, OUTPUT_LIMIT, Output, StartedDut, last_lines_of};
use crate::error::Error;
use crate::process::{StopSignal, Supervised, wait_without_reaping};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{self, Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How to start a DUT by a command that stays in the foreground.
#[derive(Clone, Debug)]
pub struct CommandConfig {
    /// What the DUT is called in messages.
    pub name: String,
    /// The program and its arguments, no shell. A program named with a slash is looked for from `folder`.
    pub words: Vec<String>,
    /// Where it runs, and where commands that control it run.
    pub folder: PathBuf,
    /// It is ready when a line of its output contains this.
    pub ready: String,
    /// How long it may take until it is ready.
    pub ready_within: Duration,
    /// How long it may take to stop after SIGTERM.
    pub stop_within: Duration,
}

/// A running DUT that was started by a command. It is the leader of a process group of its own, all of which is told
/// to stop by SIGTERM. Its standard input stays open and silent as long as it is wanted: where SIGTERM cannot reach
/// it, because Counterpeer itself was killed, the end of its input does.
#[derive(Debug)]
pub struct ForegroundCommand {
    process: Supervised,
    name: String,
    folder: PathBuf,
}

impl ForegroundCommand {
    /// Starts the command and waits until it is ready.
    ///
    /// # Errors
    /// [`Error::Start`], [`Error::Dead`] when it ended before it was ready, [`Error::NotReady`] when it took too long;
    /// in each case nothing is left of it.
    pub fn start(config: &CommandConfig) -> Result<Self, Error> {
        let command = command_in(&config.words, &config.folder)?;
        let process = Supervised::start(
            command,
            config.name.clone(),
            config.ready.clone(),
            true,
            StopSignal::Group,
            config.stop_within,
        )?;
        process.wait_ready(config.ready_within)?;
        Ok(Self { process, name: config.name.clone(), folder: config.folder.clone() })
    }

    /// Id of its process, which is also that of its process group.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl StartedDut for ForegroundCommand {
    fn death(&self) -> Option<Death> {
        self.process.death()
    }

    fn run(&self, words: &[String], limit: Duration) -> Result<Output, Error> {
        run_command(words, &self.folder, limit)
    }

    fn last_output(&self) -> Vec<String> {
        self.process.last_output()
    }

    fn stop(&self) {
        self.process.stop();
    }

    fn description(&self) -> String {
        self.name.clone()
    }
}

/// Runs a program on this machine, in `folder`, with nothing to read, and waits until it ends: for hooks into a DUT
/// that was not started here. A program named with a slash is looked for from `folder`.
///
/// # Errors
/// [`Error::Start`] when it cannot be started, [`Error::TimeLimit`] when the limit ran out: its process group was
/// killed.
pub fn run_command(words: &[String], folder: &Path, limit: Duration) -> Result<Output, Error> {
    let mut command = command_in(words, folder)?;
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source| Error::Start { program: program.clone(), source };
    // A file and not a pipe: what the program leaves running in the background does not hold it open.
    let mut output = tempfile::tempfile().map_err(|error| Error::system("making a temporary file", error))?;
    command.process_group(0).stdin(Stdio::null());
    command.stderr(output.try_clone().map_err(failed)?).stdout(output.try_clone().map_err(failed)?);
    let mut child = command.spawn().map_err(failed)?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other).map_err(failed)?);

    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        wait_without_reaping(pid);
        // Nobody listens any more when killing it failed.
        let _ = done.send(());
    });
    let in_time = ended.recv_timeout(limit).is_ok();
    if !in_time {
        // It was not reaped yet, so the group is surely its own.
        let _ = killpg(pid, Signal::SIGKILL);
    }
    let exit = child.wait().map_err(failed)?;
    let mut text = Vec::new();
    let room = u64::try_from(OUTPUT_LIMIT).unwrap_or(u64::MAX);
    output.rewind().and_then(|()| output.take(room).read_to_end(&mut text)).map_err(failed)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    if !in_time {
        return Err(Error::TimeLimit { command: words.join(" "), limit, last_output: last_lines_of(&text) });
    }
    let status = exit.code().unwrap_or_else(|| 128 + exit.signal().unwrap_or_default());
    Ok(Output { status, text })
}

/// The command for these words. A relative path of a program is made absolute, since it would be looked for from
/// either folder otherwise.
fn command_in(words: &[String], folder: &Path) -> Result<Command, Error> {
    let [program, arguments @ ..] = words else {
        return Err(Error::Config("a command has no program".to_owned()));
    };
    let folder = std::path::absolute(folder).map_err(|error| Error::system("finding the current folder", error))?;
    let mut command = match program.contains('/') {
        true => Command::new(folder.join(program)),
        false => Command::new(program),
    };
    command.args(arguments).current_dir(folder);
    Ok(command)
}

//! A Linux kernel as DUT, in an ordinary process (User-mode Linux): no rights, no tap device, no kernel of ours in
//! the path.

mod agent;
mod files;

use crate::clock::Clock;
use crate::dut::{Death, Output, StartedDut};
use crate::error::Error;
use crate::process::{StopSignal, Supervised};
use crate::socket_pair::SocketPair;
use agent::Agent;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use command_fds::CommandFdExt;
use std::collections::BTreeMap;
use std::net::{IpAddr, Shutdown};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::TempDir;

pub use files::default_guest_directory;

/// What the guest's init script says when all is set up.
const READY: &str = "COUNTERPEER-READY";

/// The MTU of the guest's legs.
const MTU: usize = 1500;

/// How long it may take to switch itself off.
const SWITCH_OFF: Duration = Duration::from_secs(2);

/// How long it may take to copy a file into the guest.
const COPY_LIMIT: Duration = Duration::from_secs(10);

/// A guest kernel with its root tree, and what is to be done before it is ready.
#[derive(Clone, Debug)]
pub struct GuestConfig {
    /// What the DUT is called in messages.
    pub name: String,
    /// Where the kernel (`linux`) and the root trees are; `ci/guest/get` fills such a folder.
    pub directory: PathBuf,
    /// The root tree, a folder in `directory`. It is only read, and shared by all guests.
    pub tree: String,
    /// Memory, a number of octets with K, M or G behind it: `128M`.
    pub memory: String,
    /// The leg to the testers.
    pub outside: GuestLeg,
    /// The leg to the hosts behind the DUT; a DUT with one leg has none.
    pub inside: Option<GuestLeg>,
    /// Files that are copied into the guest: absolute path in the guest to path here. They can be executed.
    pub files: BTreeMap<String, PathBuf>,
    /// Programs that are run in the guest, in this order, after the files were copied; each must end with 0.
    pub run: Vec<Vec<String>>,
    /// How long all this may take.
    pub ready_within: Duration,
    /// How long it may take to stop after SIGTERM.
    pub stop_within: Duration,
}

/// One network interface of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestLeg {
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Its addresses with the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// A running guest. Its process has a group of its own, and ends when Counterpeer does, however that ends.
#[derive(Debug)]
pub struct Guest {
    name: String,
    outside: Arc<SocketPair>,
    inside: Option<Arc<SocketPair>>,
    agent: Mutex<Agent>,
    /// Another handle of the agent's channel, to close it while a command is running.
    channel: UnixStream,
    process: Supervised,
    /// The kernel's memory and sockets are files here; removed last.
    _work: TempDir,
}

impl Guest {
    /// Starts the guest, waits for its kernel, copies the files and runs the programs. Frames on its legs are timed by
    /// `clock`.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::Config`] before anything was started; [`Error::Dead`], [`Error::NotReady`],
    /// [`Error::Failed`] and [`Error::TimeLimit`] with the last lines of output afterwards. Nothing is left of it then.
    pub fn start(config: &GuestConfig, clock: Clock) -> Result<Self, Error> {
        let deadline = clock.now().saturating_add(config.ready_within);
        let memory = files::memory(&config.memory)?;
        let kernel = files::kernel(&config.directory)?;
        let tree = files::tree(&config.directory, &config.tree)?;
        let copies = files::read_all(&config.files)?;
        let work = files::work_directory(memory)?;

        let failed = |error| Error::system("joining the guest", error);
        let (outside, outside_far) =
            SocketPair::with_far_end(clock, MTU, format!("outside leg of {}", config.name)).map_err(failed)?;
        let inside = config
            .inside
            .as_ref()
            .map(|_| SocketPair::with_far_end(clock, MTU, format!("inside leg of {}", config.name)).map_err(failed));
        let (inside, inside_far) = inside.transpose()?.unzip();
        let (channel, channel_far) = UnixStream::pair().map_err(failed)?;
        let other_handle = channel.try_clone().map_err(failed)?;

        let mut command = Command::new(&kernel);
        let far_ends = FarEnds { channel: channel_far.into(), outside: outside_far, inside: inside_far };
        command.args(kernel_words(config, memory, &tree, work.path(), &far_ends));
        // Its own environment decides nothing but where the files of the work folder are.
        command.env_clear().env("TMPDIR", work.path()).env("HOME", work.path()).env("PATH", "/usr/bin:/bin");
        command.preserved_fds([far_ends.channel, far_ends.outside].into_iter().chain(far_ends.inside).collect());

        let process = Supervised::start(
            command,
            config.name.clone(),
            READY.to_owned(),
            false,
            StopSignal::Leader,
            config.stop_within,
        )?;
        let left = || deadline.saturating_sub(clock.now());
        process.wait_ready(left())?;
        let guest = Self {
            name: config.name.clone(),
            outside: Arc::new(outside),
            inside: inside.map(Arc::new),
            agent: Mutex::new(Agent::new(channel)),
            channel: other_handle,
            process,
            _work: work,
        };
        for (path, bytes) in &copies {
            guest.put_file(path, bytes)?;
        }
        for words in &config.run {
            let output = guest.run(words, left())?;
            if output.status != 0 {
                let last_output = output.last_lines();
                return Err(Error::Failed { command: words.join(" "), status: output.status, last_output });
            }
        }
        Ok(guest)
    }

    /// The link to the DUT's outside.
    pub fn outside(&self) -> Arc<SocketPair> {
        Arc::clone(&self.outside)
    }

    /// The link to the DUT's inside, if it has two legs.
    pub fn inside(&self) -> Option<Arc<SocketPair>> {
        self.inside.clone()
    }

    /// Id of the kernel's process, which is also that of its process group.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Writes a file in the guest, makes the folders on its way, and lets it be executed.
    ///
    /// # Errors
    /// [`Error::Failed`] when the guest cannot write it, otherwise as [`run`](StartedDut::run).
    pub fn put_file(&self, path: &str, bytes: &[u8]) -> Result<(), Error> {
        let name = agent::quoted(path);
        let text = BASE64.encode(bytes);
        let script =
            format!("mkdir -p \"$(dirname {name})\" && base64 -d >{name} <<'END' && chmod 755 {name}\n{text}\nEND\n");
        let output = self.script(&script, &format!("copying {path}"), COPY_LIMIT)?;
        match output.status {
            0 => Ok(()),
            status => {
                Err(Error::Failed { command: format!("copying {path}"), status, last_output: output.last_lines() })
            }
        }
    }

    /// Runs a script of the guest's shell; `what` names it in messages.
    fn script(&self, script: &str, what: &str, limit: Duration) -> Result<Output, Error> {
        let result = self.agent.lock().unwrap_or_else(PoisonError::into_inner).run(script, what, limit);
        match result {
            // The channel breaks when the guest dies; that is what the user needs to know.
            Err(Error::ChannelLost(reason)) => match self.process.death_soon(Duration::from_secs(1)) {
                Some(death) => Err(death.into()),
                None => Err(Error::ChannelLost(reason)),
            },
            result => result,
        }
    }
}

impl StartedDut for Guest {
    fn death(&self) -> Option<Death> {
        self.process.death()
    }

    /// One command at a time: another one waits for its turn. Rounded up to whole seconds, the limit counts from there.
    fn run(&self, words: &[String], limit: Duration) -> Result<Output, Error> {
        let quoted: Vec<String> = words.iter().map(|word| agent::quoted(word)).collect();
        self.script(&format!("exec {}\n", quoted.join(" ")), &words.join(" "), limit)
    }

    fn last_output(&self) -> Vec<String> {
        self.process.last_output()
    }

    /// The guest switches itself off when its command channel closes. SIGTERM comes second: at a bad moment the
    /// kernel only spins on it.
    fn stop(&self) {
        self.process.expect_exit();
        // Fails only when the guest has closed it already.
        let _ = self.channel.shutdown(Shutdown::Both);
        let _ = self.process.wait_exit(SWITCH_OFF);
        self.process.stop();
    }

    fn description(&self) -> String {
        self.name.clone()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the guest's kernel gets of the socket pairs. The descriptors have the same numbers there.
struct FarEnds {
    channel: OwnedFd,
    outside: OwnedFd,
    inside: Option<OwnedFd>,
}

/// The kernel's command line. What begins with `cp.` is for the init script.
fn kernel_words(config: &GuestConfig, memory: u64, tree: &Path, work: &Path, far: &FarEnds) -> Vec<String> {
    let mut words: Vec<String> = ["root=/dev/root", "rootfstype=hostfs", "ro", "init=/sbin/counterpeer-init", "quiet"]
        .into_iter()
        .chain(["con=null", "con0=null,fd:1", "con1=null", "ssl=null"])
        .map(str::to_owned)
        .collect();
    words.push(format!("rootflags={}", tree.display()));
    words.push(format!("uml_dir={}/", work.display()));
    words.push("umid=guest".to_owned());
    words.push(format!("mem={memory}"));
    let channel = far.channel.as_raw_fd();
    words.push(format!("ssl0=fd:{channel},fd:{channel}"));
    let mut leg = |number: u8, name: &str, fd: &OwnedFd, leg: &GuestLeg| {
        let fd = fd.as_raw_fd();
        words.push(format!("vec{number}:transport=fd,fd={fd},depth=64,gro=0"));
        words.push(format!("cp.{name}_mac={}", leg.mac.map(|octet| format!("{octet:02x}")).join(":")));
        let addresses: Vec<String> =
            leg.addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect();
        words.push(format!("cp.{name}={}", addresses.join(",")));
    };
    leg(0, "outside", &far.outside, &config.outside);
    if let (Some(inside), Some(fd)) = (&config.inside, &far.inside) {
        leg(1, "inside", fd, inside);
    }
    words
}

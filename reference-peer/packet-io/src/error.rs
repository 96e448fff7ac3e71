//! What can go wrong when a link is opened or a DUT is started, told so that the user knows what to do.

use crate::dut::Death;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A link that cannot be opened, or a DUT that cannot be started or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The interface does not exist in the namespace.
    #[error("there is no interface {name}{}; there {}", in_words(.namespace), are(.present))]
    NoInterface {
        /// The name that was asked for.
        name: String,
        /// The network namespace that was searched; `None` for the process's own.
        namespace: Option<String>,
        /// Those that exist there.
        present: Vec<String>,
    },
    /// The interface exists but is not up.
    #[error("the interface {name}{} is down: bring it up with `ip link set {name} up`", in_words(.namespace))]
    InterfaceDown {
        /// The interface.
        name: String,
        /// Its network namespace; `None` for the process's own.
        namespace: Option<String>,
    },
    /// The named network namespace does not exist.
    #[error("there is no network namespace {name}; there {}", are(.present))]
    NoNamespace {
        /// The name or path that was asked for.
        name: String,
        /// Those that have a name on this machine.
        present: Vec<String>,
    },
    /// The process lacks a right.
    #[error("{action} needs {capability}: run as root, or use a guest as DUT, which needs no rights")]
    NoPrivilege {
        /// What was tried.
        action: String,
        /// The capability that is missing, such as `CAP_NET_RAW`.
        capability: &'static str,
    },
    /// A value of the configuration cannot be used.
    #[error("{0}")]
    Config(String),
    /// A part of the guest (kernel, root tree, a file to copy) is not there.
    #[error("{}: {source}{}", .path.display(), .hint)]
    Missing {
        /// What was looked for.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
        /// What to do about it, with a separator before it, or empty.
        hint: String,
    },
    /// The program could not be started.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The DUT was started but did not say in time that it is ready.
    #[error("{name} was not ready within {}{}", seconds(.limit), last_lines(.last_output))]
    NotReady {
        /// The DUT.
        name: String,
        /// The limit.
        limit: Duration,
        /// The last lines of its output.
        last_output: Vec<String>,
    },
    /// The DUT has died.
    #[error(transparent)]
    Dead(#[from] Death),
    /// A command did not end in time. It was ended.
    #[error("`{command}` did not end within {}{}", seconds(.limit), last_lines(.last_output))]
    TimeLimit {
        /// The command.
        command: String,
        /// The limit.
        limit: Duration,
        /// The last lines of its output.
        last_output: Vec<String>,
    },
    /// A command that must succeed to start the DUT ended with another status than 0.
    #[error("`{command}` ended with status {status}{}", last_lines(.last_output))]
    Failed {
        /// The command.
        command: String,
        /// Its exit status.
        status: i32,
        /// The last lines of its output.
        last_output: Vec<String>,
    },
    /// The guest's command channel no longer answers as it should.
    #[error("the command channel of the guest is lost: {0}")]
    ChannelLost(String),
    /// Anything else that the system refused.
    #[error("{action}: {source}")]
    System {
        /// What was tried.
        action: String,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn system(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System { action: action.into(), source: source.into() }
    }
}

fn in_words(namespace: &Option<String>) -> String {
    namespace.as_ref().map(|name| format!(" in the network namespace {name}")).unwrap_or_default()
}

fn are(present: &[String]) -> String {
    match present {
        [] => "are none".to_owned(),
        [one] => format!("is {one}"),
        many => format!("are {}", many.join(", ")),
    }
}

fn seconds(limit: &Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

/// The last lines of a program's output as the end of a message.
pub(crate) fn last_lines(lines: &[String]) -> String {
    match lines {
        [] => "; it said nothing".to_owned(),
        lines => format!("; its last words:\n  {}", lines.join("\n  ")),
    }
}

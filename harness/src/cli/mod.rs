//! The command line.

mod decode;
mod import;
mod ios;
mod mutants;
mod peer;
mod profile;
mod requirements;
mod run;
mod signals;

use crate::features::{LoadError, Plan, Selection, gather, load};
use crate::report::status;
use crate::requirements::Catalogue;
use crate::run::Bench;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Conformance tests for IPsec gateways: plays the other end of a tunnel, runs scenarios, and gives a verdict per
/// requirement, with evidence.
#[derive(Debug, Parser)]
#[command(name = "counterpeer", version, after_help = STATUS_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const STATUS_HELP: &str = "Exit status: 0 all as required or as expected, 1 a verdict fell short, 2 wrong usage or a fault in \
a profile or feature, 3 the testbed itself failed, 125 nothing could be judged, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios against the built-in peer or a DUT.
    #[command(
        after_help = "Examples:\n  counterpeer run\n  counterpeer run ike-header --tags '@ikev2 and not @slow'\n  \
        counterpeer run --profile edge.yaml --expectations edge-known.yaml --out report\n  \
        counterpeer run features/esp/sequence.feature:12 --seed 7"
    )]
    Run(run::RunArgs),
    /// Run scenarios against each deliberate fault of the built-in peer: which are found?
    #[command(
        after_help = "Examples:\n  counterpeer mutants\n  counterpeer mutants --only accepts-replayed-request\n  \
        counterpeer mutants --format json > kills.json"
    )]
    Mutants(mutants::MutantsArgs),
    /// The catalogue of requirements, and which of them the scenarios cover.
    #[command(after_help = "Examples:\n  counterpeer requirements\n  counterpeer requirements --uncovered\n  \
        counterpeer requirements --format json")]
    Requirements(requirements::RequirementsArgs),
    /// Read a capture (pcap or pcapng), decrypt it with its keys, and print what is in it.
    #[command(after_help = "Examples:\n  counterpeer decode trace.pcapng\n  \
        counterpeer decode counterpeer-report/captures/x/capture.pcapng --format json\n  \
        counterpeer decode trace.pcap --keys folder-with-wireshark-tables")]
    Decode(decode::DecodeArgs),
    /// Be a router: the built-in peer alone, on real interfaces, as a running-config says.
    #[command(after_help = "Examples:\n  counterpeer peer --config router-a.cfg --outside veth-a\n  \
        counterpeer peer --config router-a.cfg --outside veth-a --inside lan0 --control a.sock\n  \
        counterpeer peer ctl --control a.sock show crypto ipsec sa\n  \
        counterpeer peer ctl --control a.sock 'ping 10.0.2.2 source 10.0.0.1 repeat 30'\n\n\
        It answers ARP, pings and IKE itself, at addresses of its own that this machine need not have. At a terminal it \
        has a prompt; `?` lists the commands. SIGTERM or `exit` ends it, and its SAs with it.")]
    Peer(peer::PeerArgs),
    /// Profiles of DUTs.
    #[command(subcommand)]
    Profile(ProfileCommand),
}

#[derive(Debug, Subcommand)]
enum ProfileCommand {
    /// Read a profile and print what was understood, or what is wrong with it.
    #[command(after_help = "Example:\n  counterpeer profile check edge.yaml")]
    Check(profile::CheckArgs),
    /// Make a profile of a router from its running-config (Cisco IOS), without its keys.
    #[command(after_help = "Examples:\n  counterpeer profile import router-a.cfg --out router-a.yaml\n  \
        counterpeer profile import router-a.cfg --outside veth-out --inside veth-in --psk-file router-a.key\n  \
        counterpeer profile import router-a.cfg --verbose > router-a.yaml\n\n\
        Exit status: 0 a profile was made, 2 the configuration has faults or is not enough for one.")]
    Import(import::ImportArgs),
}

/// Which scenarios.
#[derive(Debug, Args)]
struct ScenarioArgs {
    /// Feature files or folders, on disk or as `run --list` names them, with an optional `:LINE`; all if none is given.
    #[arg(value_name = "FEATURE")]
    features: Vec<String>,
    /// Take the features from this folder instead of those that are built in.
    #[arg(long, value_name = "DIR")]
    features_dir: Option<PathBuf>,
    /// Only scenarios with these tags, as in '@ikev2 and not @slow'.
    #[arg(long, value_name = "EXPR")]
    tags: Option<String>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// An error that ends the program.
#[derive(Debug)]
struct Failure {
    status: u8,
    message: String,
}

impl Failure {
    fn usage(message: impl Display) -> Self {
        Self { status: status::USAGE, message: message.to_string() }
    }

    fn testbed(message: impl Display) -> Self {
        Self { status: status::TESTBED, message: message.to_string() }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        // Whoever reads our output may stop reading: that is no failure worth a word.
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self { status: status::GOOD, message: String::new() }
        } else {
            Self::testbed(error)
        }
    }
}

/// Runs the program: reads the command line, prints, and gives back the exit status.
pub fn main<B: Bench>(bench: B) -> ExitCode {
    let mut stdout = std::io::stdout();
    let mut stderr = std::io::stderr();
    ExitCode::from(execute(Arc::new(bench), std::env::args_os(), &mut stdout, &mut stderr))
}

/// Runs the program with these arguments (the first is its name), printing to `out` and `err`.
pub fn execute<B: Bench>(
    bench: Arc<B>,
    args: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; anything else is wrong usage.
            let text = error.render();
            let _ = if error.use_stderr() { write!(err, "{text}") } else { write!(out, "{text}") };
            return if error.use_stderr() { status::USAGE } else { status::GOOD };
        }
    };
    let result = match cli.command {
        Command::Run(args) => run::run(bench.as_ref(), &args, out),
        Command::Mutants(args) => mutants::run(bench.as_ref(), &args, out, err),
        Command::Requirements(args) => requirements::run(bench.as_ref(), &args, out),
        Command::Decode(args) => decode::run(&args, out),
        Command::Peer(args) => peer::run(&args, out, err),
        Command::Profile(ProfileCommand::Check(args)) => profile::check(&args, out),
        Command::Profile(ProfileCommand::Import(args)) => import::import(&args, out, err),
    };
    result.unwrap_or_else(|failure| {
        if !failure.message.is_empty() {
            let _ = writeln!(err, "counterpeer: {}", failure.message);
        }
        failure.status
    })
}

/// Reads and checks features, and chooses scenarios by tags.
fn plans<B: Bench>(bench: &B, args: &ScenarioArgs) -> Result<Vec<Arc<Plan<B::World>>>, Failure> {
    let selection = Selection { folder: args.features_dir.clone(), names: args.features.clone() };
    let sources = gather(&selection).map_err(Failure::usage)?;
    let plans = load(&sources, &bench.steps(), Catalogue::embedded()).map_err(|errors| load_failure(&errors))?;
    let plans = plans.into_iter().map(Arc::new);
    let Some(expression) = &args.tags else { return Ok(plans.collect()) };
    let operation: cucumber::gherkin::tagexpr::TagOperation = expression.parse().map_err(|_| {
        Failure::usage(format!(
            "--tags {expression:?}: write tags with @, joined by and, or, not, as in '@esp and not @slow'"
        ))
    })?;
    use cucumber::tag::Ext as _;
    let chosen: Vec<_> = plans.filter(|plan| operation.eval(&plan.tags)).collect();
    if chosen.is_empty() {
        return Err(Failure::usage(format!(
            "--tags {expression:?} fits no scenario: `counterpeer run --list` shows all tags"
        )));
    }
    Ok(chosen)
}

fn load_failure(errors: &[LoadError]) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let count = crate::text::count(errors.len(), "fault");
    Failure::usage(format!("{count} in the features, nothing was run:\n{}", lines.join("\n")))
}

/// How many scenarios may run side by side against the built-in peer: one a processor.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

//! DUTs that are commands: from start to death.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use packet_io::{CommandConfig, Error, ForegroundCommand, StartedDut, run_command};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

fn words(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn config(script: &str) -> CommandConfig {
    CommandConfig {
        name: "the box".to_owned(),
        words: words(script),
        folder: "/".into(),
        ready: "READY".to_owned(),
        ready_within: LONG,
        stop_within: LONG,
    }
}

fn start(script: &str) -> Result<ForegroundCommand, Error> {
    ForegroundCommand::start(&config(script))
}

/// One that is ready, and then does the rest of the script when the file `go` appears in the folder.
fn start_and_wait(folder: &Path, before: &str, after: &str) -> ForegroundCommand {
    let script = format!("{before} echo READY; until test -e go; do sleep 0.01; done; {after}");
    let config = CommandConfig { folder: folder.to_owned(), ..config(&script) };
    ForegroundCommand::start(&config).unwrap()
}

/// Whether a process is there that is no zombie.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until something holds; fails the test when it does not.
#[track_caller]
fn eventually(what: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !what() {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_is_ready_takes_commands_and_stops_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let mut config =
        config("trap 'touch stopped; exit 0' TERM; echo starting; echo READY; while :; do sleep 0.01; done");
    config.folder = folder.path().to_owned();
    let dut = ForegroundCommand::start(&config).unwrap();
    assert_eq!(dut.death(), None);
    assert_eq!(dut.last_output(), ["starting", "READY"]);
    let output = dut.run(&words("pwd; echo no >&2; exit 3"), LONG).unwrap();
    assert_eq!((output.status, output.text), (3, format!("{}\nno\n", folder.path().display())));
    dut.stop();
    assert!(folder.path().join("stopped").exists(), "SIGTERM came");
    assert!(!lives(&dut.process_id().to_string()));
    assert_eq!(dut.death(), None, "stopped on purpose");
    dut.stop();
}

#[test]
fn its_death_is_noticed_with_its_last_words() {
    let dut = start("echo READY; read word; echo out of memory >&2; exit 7").unwrap();
    assert_eq!(dut.death(), None, "its standard input stays open");
    let pid = dut.process_id().to_string();
    assert!(run_command(&words(&format!("kill -KILL {pid}")), Path::new("/"), LONG).unwrap().status == 0);
    eventually(|| dut.death().is_some());
    let death = dut.death().unwrap();
    assert_eq!(death.to_string(), "the box was ended by SIGKILL; its last words:\n  READY");
    dut.stop();
    assert_eq!(dut.death(), Some(death), "stopping comes too late");

    let folder = tempfile::tempdir().unwrap();
    let dut = start_and_wait(folder.path(), "", "echo out of memory >&2; exit 7");
    std::fs::write(folder.path().join("go"), "").unwrap();
    eventually(|| dut.death().is_some());
    let death = dut.death().unwrap();
    assert_eq!(
        (death.reason.as_str(), death.last_output.last().unwrap().as_str()),
        ("ended with status 7", "out of memory")
    );
}

#[test]
fn a_death_that_only_the_output_tells_counts() {
    let folder = tempfile::tempdir().unwrap();
    let dut = start_and_wait(folder.path(), "", "echo COUNTERPEER-DEAD the daemon ended with status 1; read word");
    std::fs::write(folder.path().join("go"), "").unwrap();
    eventually(|| dut.death().is_some());
    assert_eq!(dut.death().unwrap().reason, "the daemon ended with status 1");
    dut.stop();
    assert!(!lives(&dut.process_id().to_string()));
}

#[test]
fn one_that_ends_or_lingers_before_it_is_ready_is_an_error() {
    let error = start("echo no such plugin; exit 1").unwrap_err();
    assert_eq!(error.to_string(), "the box ended with status 1; its last words:\n  no such plugin");
    let mut lingering = config("echo $$; read word");
    lingering.ready_within = Duration::from_millis(300);
    match ForegroundCommand::start(&lingering).unwrap_err() {
        Error::NotReady { last_output, .. } => assert!(!lives(&last_output[0]), "nothing is left of it"),
        other => panic!("{other:?}"),
    }
    let missing = CommandConfig { words: vec!["./no-such-program".to_owned()], ..config("") };
    let error = ForegroundCommand::start(&missing).unwrap_err();
    assert!(error.to_string().starts_with("/./no-such-program cannot be started: No such file"), "{error}");
    let empty = CommandConfig { words: Vec::new(), ..config("") };
    assert!(matches!(ForegroundCommand::start(&empty), Err(Error::Config(_))));
}

#[test]
fn what_will_not_stop_is_killed_with_all_its_children() {
    let mut stubborn = config("trap '' TERM; sleep 1000 & echo child $!; echo READY; while :; do sleep 0.01; done");
    stubborn.stop_within = Duration::from_millis(200);
    let dut = ForegroundCommand::start(&stubborn).unwrap();
    let child = dut.last_output()[0].replace("child ", "");
    assert!(lives(&child));
    drop(dut);
    eventually(|| !lives(&child));
}

#[test]
fn children_that_a_dead_one_leaves_are_swept_up() {
    let folder = tempfile::tempdir().unwrap();
    let dut = start_and_wait(folder.path(), "sleep 1000 & echo child $!;", "kill -KILL $$");
    std::fs::write(folder.path().join("go"), "").unwrap();
    eventually(|| dut.death().is_some());
    let child = dut.last_output()[0].replace("child ", "");
    eventually(|| !lives(&child));
}

#[test]
fn endless_output_is_not_kept() {
    let dut = start("echo READY; while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done").unwrap();
    eventually(|| dut.last_output().len() == 20);
    let dut = start("head -c 100000 /dev/zero; echo; echo READY; read word").unwrap();
    assert!(dut.last_output().iter().all(|line| line.len() <= 4096));
}

#[test]
fn a_program_is_looked_for_from_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bin")).unwrap();
    std::os::unix::fs::symlink("/bin/echo", folder.path().join("bin/say")).unwrap();
    for program in ["bin/say", "./bin/say", "../../bin/echo", "echo"] {
        let folder = if program.starts_with("..") { Path::new("/usr/bin") } else { folder.path() };
        let output = run_command(&[program.to_owned(), "a b".to_owned()], folder, LONG).unwrap();
        assert_eq!((output.status, output.text.as_str()), (0, "a b\n"), "{program}");
    }
}

#[test]
fn a_command_has_a_limit_and_may_leave_something_running() {
    let error = run_command(&words("echo begun; sleep 1000"), Path::new("/"), Duration::from_millis(300)).unwrap_err();
    assert!(matches!(&error, Error::TimeLimit { last_output, .. } if last_output == &["begun"]), "{error}");
    let output = run_command(&words("sleep 1000 & echo $!"), Path::new("/"), LONG).unwrap();
    assert!(lives(&output.text), "and it was not waited for");
    run_command(&words(&format!("kill {}", output.text)), Path::new("/"), LONG).unwrap();
    assert_eq!(run_command(&words("kill -KILL $$"), Path::new("/"), LONG).unwrap().status, 128 + 9);
}

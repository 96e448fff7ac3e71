//! Packet sockets on real interfaces: veth pairs between namespaces that the test makes and that end with it.
//!
//! The tests run again in a process of their own that has new user, network and mount namespaces, so that they need no
//! rights and leave nothing behind. Where the system allows no such namespaces, they say so and pass.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use packet_io::{Clock, Error, FrameLink, PacketSocket, in_namespace};
use std::io::{ErrorKind, Write};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

/// Whether this is the process with namespaces of its own; else runs `test` in one.
fn in_lab(test: &str) -> bool {
    if std::env::var_os("COUNTERPEER_TEST_LAB").is_some() {
        return true;
    }
    let lab = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "--map-root-user", "--"]).args(arguments).env("COUNTERPEER_TEST_LAB", "1");
        command.output()
    };
    let possible = lab(&["sh", "-c", "mount -t tmpfs tmpfs /run && ip netns add probe"]);
    match possible {
        Ok(output) if output.status.success() => {}
        other => {
            let reason = other.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
            skipped(&format!("{test}: no namespaces can be made here: {reason:?}"));
            return false;
        }
    }
    let program = std::env::current_exe().unwrap();
    let script = "mount -t tmpfs tmpfs /run && exec \"$@\"";
    let output = lab(&["sh", "-c", script, "sh", program.to_str().unwrap(), "--exact", test, "--nocapture"]).unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
    false
}

/// Straight to standard error, since what a passing test prints is not shown.
#[expect(clippy::explicit_write, reason = "the macro is what the test harness captures")]
fn skipped(reason: &str) {
    writeln!(std::io::stderr(), "SKIPPED {reason}").unwrap();
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A veth pair `left` - `right` between the namespaces `a` and `b`.
fn cable() {
    ip("netns add a");
    ip("netns add b");
    ip(
        "-n a link add left address 02:00:00:00:00:0a mtu 1400 type veth peer name right address 02:00:00:00:00:0b netns b",
    );
    for name in ["a", "b"] {
        in_namespace(Some(name), || {
            let quiet = Command::new("sysctl").args(["-qw", "net.ipv6.conf.all.disable_ipv6=1"]).status().unwrap();
            assert!(quiet.success());
            Ok(())
        })
        .unwrap();
    }
    ip("-n a link set left up");
    ip("-n b link set right up");
}

fn frame(n: u16, length: usize) -> Vec<u8> {
    let mut frame = vec![0x5a; length];
    // To nobody, from nobody, of an experimental type (IEEE Std 802).
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 0x77, 2, 0, 0, 0, 0, 0x66, 0x88, 0xb5]);
    if let Some(number) = frame.get_mut(14..16) {
        number.copy_from_slice(&n.to_be_bytes());
    }
    frame
}

#[test]
fn frames_cross_a_veth_pair_as_they_are() {
    if !in_lab("frames_cross_a_veth_pair_as_they_are") {
        return;
    }
    cable();
    let clock = Clock::start();
    let left = PacketSocket::open("left", Some("a"), clock).unwrap();
    let right = PacketSocket::open("right", Some("b"), clock).unwrap();
    assert_eq!(left.mac(), Some([2, 0, 0, 0, 0, 0x0a]));
    assert_eq!((left.mtu(), right.mtu()), (1400, 1500));
    assert_eq!(left.description(), "interface left in the network namespace a");

    for (n, length) in [14, 15, 60, 600, 1414].into_iter().enumerate() {
        let sent = frame(u16::try_from(n).unwrap(), length);
        let before = clock.now();
        left.send(&sent).unwrap();
        let got = right.receive(LONG).unwrap().unwrap();
        assert_eq!(got.bytes, sent, "promiscuous, and neither padded nor cut");
        assert!(got.received <= clock.now());
        assert!(got.received + Duration::from_millis(1) >= before, "{before:?}, {:?}", got.received);
    }
    right.send(&frame(9, 100)).unwrap();
    assert_eq!(left.receive(LONG).unwrap().unwrap().bytes, frame(9, 100), "the first that the left side receives");
    for length in [13, 1414 + 5] {
        assert_eq!(left.send(&vec![0; length]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!((left.lost(), right.lost()), (0, 0));
}

#[test]
fn what_this_machine_sends_is_not_received() {
    if !in_lab("what_this_machine_sends_is_not_received") {
        return;
    }
    cable();
    let clock = Clock::start();
    let open = |name, namespace| PacketSocket::open(name, Some(namespace), clock).unwrap();
    let (one, two, right) = (open("left", "a"), open("left", "a"), open("right", "b"));
    one.send(&frame(1, 60)).unwrap();
    right.send(&frame(2, 60)).unwrap();
    assert_eq!(right.receive(LONG).unwrap().unwrap().bytes, frame(1, 60));
    for socket in [one, two] {
        assert_eq!(socket.receive(LONG).unwrap().unwrap().bytes, frame(2, 60), "not what another socket here sent");
        assert_eq!(socket.receive(SHORT).unwrap(), None);
    }
}

#[test]
fn losses_are_counted() {
    if !in_lab("losses_are_counted") {
        return;
    }
    cable();
    let left = PacketSocket::open("left", Some("a"), Clock::start()).unwrap();
    let right = PacketSocket::open("right", Some("b"), Clock::start()).unwrap();
    // More than any receive buffer takes.
    for n in 0..60_000 {
        left.send(&frame(n, 1400)).unwrap();
    }
    let mut received = 0;
    while right.receive(SHORT).unwrap().is_some() {
        received += 1;
    }
    // The count comes with the next frame.
    left.send(&frame(1, 60)).unwrap();
    assert!(right.receive(LONG).unwrap().is_some());
    assert!(right.lost() > 0);
    assert_eq!(received + right.lost(), 60_000);
}

#[test]
fn a_receiver_is_woken_and_a_dead_interface_is_noticed() {
    if !in_lab("a_receiver_is_woken_and_a_dead_interface_is_noticed") {
        return;
    }
    cable();
    let left = Arc::new(PacketSocket::open("left", Some("a"), Clock::start()).unwrap());
    let receiver = thread::spawn({
        let left = Arc::clone(&left);
        move || left.receive(LONG)
    });
    left.wake();
    assert_eq!(receiver.join().unwrap().unwrap(), None);

    ip("-n a link set left down");
    assert_eq!(left.receive(LONG).unwrap_err().kind(), ErrorKind::NetworkDown);
    assert!(left.send(&frame(1, 60)).is_err());
}

#[test]
fn what_cannot_be_opened_says_why() {
    if !in_lab("what_cannot_be_opened_says_why") {
        return;
    }
    cable();
    let open = |name, namespace| PacketSocket::open(name, namespace, Clock::start()).unwrap_err();
    let error = open("lift", Some("a"));
    assert!(matches!(error, Error::NoInterface { .. }));
    assert_eq!(error.to_string(), "there is no interface lift in the network namespace a; there are lo, left");
    ip("-n a link set left down");
    let error = open("left", Some("a"));
    assert!(matches!(error, Error::InterfaceDown { .. }), "{error}");
    let error = open("left", Some("c"));
    assert_eq!(error.to_string(), "there is no network namespace c; there are a, b");
    assert_eq!(open("left", None).to_string(), "there is no interface left; there is lo");
}

#[test]
fn without_rights_the_missing_one_is_named() {
    // The loopback interface is up everywhere.
    match PacketSocket::open("lo", None, Clock::start()) {
        Ok(_) => skipped("without_rights_the_missing_one_is_named: this process has them"),
        Err(error) => {
            assert!(matches!(error, Error::NoPrivilege { capability: "CAP_NET_RAW", .. }), "{error:?}");
            assert!(error.to_string().contains("run as root, or use a guest"), "{error}");
        }
    }
}

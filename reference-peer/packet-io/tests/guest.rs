//! A real guest kernel. These tests need one: `ci/guest/get`, then `cargo test -p counterpeer-packet-io -- --ignored`.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use packet_io::{
    Clock, Error, Frame, FrameLink, Guest, GuestConfig, GuestLeg, StartedDut, default_guest_directory, run_command,
};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(60);
const OUTSIDE_MAC: [u8; 6] = [2, 0, 0, 0x66, 0, 1];
const INSIDE_MAC: [u8; 6] = [2, 0, 0, 0x77, 0, 1];
const HOST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

fn config() -> GuestConfig {
    GuestConfig {
        name: "the guest".to_owned(),
        directory: default_guest_directory(),
        tree: "strongswan".to_owned(),
        memory: "96M".to_owned(),
        outside: GuestLeg {
            mac: OUTSIDE_MAC,
            addresses: vec![("10.66.0.1".parse().unwrap(), 16), ("fd66::1".parse().unwrap(), 64)],
        },
        inside: Some(GuestLeg { mac: INSIDE_MAC, addresses: vec![("10.77.0.1".parse().unwrap(), 16)] }),
        files: BTreeMap::new(),
        run: Vec::new(),
        ready_within: LONG,
        stop_within: Duration::from_secs(10),
    }
}

fn sh(script: &str) -> Vec<String> {
    ["bash", "-c", script].map(str::to_owned).to_vec()
}

/// Waits until no process of the guest is left, not even one that it forked. A zombie is none: it only waits for a
/// parent that may be slow.
#[track_caller]
fn nothing_is_left(group: u32) {
    let of_the_group = |stat: String| {
        // The name of the program, in brackets, can hold anything.
        let (_, rest) = stat.rsplit_once(')')?;
        let words: Vec<&str> = rest.split_whitespace().collect();
        (words[0] != "Z" && words[2] == group.to_string()).then_some(stat.clone())
    };
    let deadline = Instant::now() + LONG;
    loop {
        let processes = std::fs::read_dir("/proc").unwrap();
        let stats = processes.filter_map(|process| std::fs::read_to_string(process.ok()?.path().join("stat")).ok());
        let left: Vec<String> = stats.filter_map(of_the_group).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{left:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn echo_request(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    fn checksum(bytes: &[u8]) -> [u8; 2] {
        let sum: u32 = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        (!u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap()).to_be_bytes()
    }
    let mut ip = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0];
    ip.extend(from);
    ip.extend(to);
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum);
    let mut icmp = vec![8, 0, 0, 0, 0, 7, 0, 1];
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum);
    let mut frame = Vec::new();
    frame.extend(OUTSIDE_MAC);
    frame.extend(HOST_MAC);
    frame.extend([8, 0]);
    frame.extend(ip);
    frame.extend(icmp);
    frame
}

fn next_ipv4(link: &dyn FrameLink) -> Frame {
    loop {
        let frame = link.receive(LONG).unwrap().unwrap();
        if frame.bytes[12..14] == [8, 0] {
            return frame;
        }
    }
}

#[test]
#[ignore = "needs a guest: ci/guest/get"]
fn a_guest_boots_routes_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let binary: Vec<u8> = (0..20_000u32).map(|n| u8::try_from(n * 7 % 256).unwrap()).collect();
    std::fs::write(folder.path().join("binary"), &binary).unwrap();
    let mut config = config();
    config.files.insert("/opt/some where/it's binary".to_owned(), folder.path().join("binary"));
    config.run.push(sh("ip neigh replace 10.77.1.7 lladdr 02:00:00:00:00:07 dev vec1 nud permanent"));
    config.run.push(sh("echo done >/tmp/done"));
    let clock = Clock::start();
    let guest = Guest::start(&config, clock).unwrap();
    eprintln!("ready after {:?}", clock.now());
    assert_eq!(guest.death(), None);

    // Files are the same, output is whole, status and limit are right.
    let output = guest
        .run(&sh("cat /tmp/done; cmp <(cat '/opt/some where/it'\\''s binary') - </dev/null; exit 9"), LONG)
        .unwrap();
    assert_eq!(output.status, 9);
    assert!(output.text.starts_with("done\n"), "{output:?}");
    let output = guest.run(&["md5sum".into(), "/opt/some where/it's binary".into()], LONG).unwrap();
    let here = run_command(&["md5sum".into(), "binary".into()], folder.path(), LONG).unwrap();
    assert_eq!(output.text.split(' ').next(), here.text.split(' ').next());
    assert_eq!(guest.run(&sh("yes | head -c 300000"), LONG).unwrap().text.len(), 300_000);
    let limit = guest.run(&sh("echo begun; sleep 1000"), Duration::from_secs(5)).unwrap_err();
    assert!(matches!(&limit, Error::TimeLimit { last_output, .. } if last_output == &["begun"]), "{limit}");
    let output = guest.run(&sh("sleep 1000 & echo left"), LONG).unwrap();
    assert_eq!(output.text, "left\n", "what is left running is not waited for");
    assert_eq!(guest.run(&["no-such-program".into()], LONG).unwrap().status, 127);

    // A packet goes in outside and comes out inside, one hop older.
    let (outside, inside) = (guest.outside(), guest.inside().unwrap());
    let sent = echo_request([10, 66, 1, 7], [10, 77, 1, 7]);
    outside.send(&sent).unwrap();
    let got = next_ipv4(inside.as_ref());
    assert_eq!(got.bytes[..12], [HOST_MAC, INSIDE_MAC].concat());
    assert_eq!(got.bytes[22], 63, "time to live");
    assert_eq!(got.bytes[26..], sent[26..]);
    assert!(got.received <= clock.now());

    let pid = guest.process_id();
    let began = Instant::now();
    guest.stop();
    eprintln!("stopped within {:?}", began.elapsed());
    nothing_is_left(pid);
    assert_eq!(guest.death(), None, "stopped on purpose");
    assert_eq!(outside.send(&sent).unwrap_err().kind(), ErrorKind::BrokenPipe);
}

#[test]
#[ignore = "needs a guest: ci/guest/get"]
fn the_death_of_a_guest_is_noticed() {
    let guest = Guest::start(&config(), Clock::start()).unwrap();
    let pid = guest.process_id();
    run_command(&sh(&format!("kill -KILL {pid}")), Path::new("/"), LONG).unwrap();
    let error = guest.run(&sh("true"), LONG).unwrap_err();
    assert!(matches!(&error, Error::Dead(death) if death.reason == "was ended by SIGKILL"), "{error:?}");
    assert!(guest.death().is_some());
    // What the guest sent before can still be read.
    let error = loop {
        match guest.outside().receive(LONG) {
            Ok(frame) => assert!(frame.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    drop(guest);
    nothing_is_left(pid);

    let guest = Guest::start(&config(), Clock::start()).unwrap();
    guest.run(&sh("echo COUNTERPEER-DEAD the daemon is no more >/dev/console"), LONG).unwrap();
    let deadline = Instant::now() + LONG;
    while guest.death().is_none() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(guest.death().unwrap().reason, "the daemon is no more");
}

#[test]
#[ignore = "needs a guest: ci/guest/get"]
fn a_guest_that_cannot_be_made_ready_leaves_nothing() {
    let mut failing = config();
    failing.run.push(sh("echo no daemon; exit 5"));
    let error = Guest::start(&failing, Clock::start()).unwrap_err();
    assert_eq!(error.to_string(), "`bash -c echo no daemon; exit 5` ended with status 5; its last words:\n  no daemon");

    let mut slow = config();
    slow.ready_within = Duration::from_millis(100);
    let error = Guest::start(&slow, Clock::start()).unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error}");

    let mut elsewhere = config();
    elsewhere.tree = "no-such-tree".to_owned();
    assert!(matches!(Guest::start(&elsewhere, Clock::start()).unwrap_err(), Error::Missing { .. }));
}

#[test]
#[ignore = "needs a guest: ci/guest/get"]
fn guests_run_side_by_side_and_one_leg_is_enough() {
    let mut one_leg = config();
    one_leg.inside = None;
    let guests: Vec<Guest> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (0..3).map(|_| scope.spawn(|| Guest::start(&one_leg, Clock::start()).unwrap())).collect();
        starting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (n, guest) in guests.iter().enumerate() {
        guest.run(&sh(&format!("test ! -e /etc/mark && echo {n} >/etc/mark")), LONG).unwrap();
        assert_eq!(guest.run(&sh("cat /etc/mark; ls /sys/class/net"), LONG).unwrap().text, format!("{n}\nlo\nvec0\n"));
        assert!(guest.inside().is_none());
    }
}

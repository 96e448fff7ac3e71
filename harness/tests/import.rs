//! `counterpeer profile import` on the router configurations that the vendor's documents print.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

mod fake;

use counterpeer::profile::Profile;
use fake::{FakeBench, counterpeer, path};
use std::path::{Path, PathBuf};

fn router(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../reference-peer/tests/ios").join(name)
}

/// Imports a text: exit status, what is printed, and the messages. Folders are left out of both.
fn import(text: &str, args: &[&str]) -> (u8, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("router.cfg");
    std::fs::write(&file, text).unwrap();
    let all: Vec<&str> = ["profile", "import", path(&file)].into_iter().chain(args.iter().copied()).collect();
    let (status, out, err) = counterpeer(FakeBench::default(), &all);
    let plain = |text: String| text.replace(&format!("{}/", path(folder.path())), "");
    (status, plain(out), plain(err))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(router(name)).unwrap()
}

#[test]
fn the_guides_routers_become_profiles() {
    for name in ["invalid-spi-a", "invalid-spi-b", "anti-replay-global", "anti-replay-map"] {
        let text = read(&format!("{name}.cfg"));
        let (status, out, err) = import(&text, &["--outside", "veth-out", "--inside", "veth-in"]);
        assert_eq!(status, 0, "{err}");
        insta::assert_snapshot!(format!("{name}-profile"), format!("{out}---\n{err}"));
    }
}

#[test]
fn ignored_lines_are_listed_when_asked_for() {
    let (status, _, err) = import(&read("invalid-spi-a.cfg"), &["--verbose"]);
    assert_eq!(status, 0);
    insta::assert_snapshot!("verbose", err);
}

#[test]
fn a_profile_can_be_read_and_the_key_is_kept_apart() {
    for (name, key) in [("invalid-spi-a.cfg", "1234"), ("anti-replay-global.cfg", "cisco123")] {
        let folder = tempfile::tempdir().unwrap();
        let (profile, psk) = (folder.path().join("a.yaml"), folder.path().join("a.key"));
        let config = router(name);
        let args = ["profile", "import", path(&config), "--out", path(&profile), "--psk-file", path(&psk), "--verbose"];
        let (status, out, err) = counterpeer(FakeBench::default(), &args);
        assert_eq!(status, 0, "{err}");
        let written = std::fs::read_to_string(&profile).unwrap();
        // The guide's key is also the number of years, lines and the like: look for it as a word.
        let shown = format!("{out}{err}{written}");
        assert!(!shown.split(|c: char| !c.is_alphanumeric()).any(|word| word == key), "{shown}");
        assert_eq!(std::fs::read_to_string(&psk).unwrap(), key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&psk).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let read = Profile::load(&profile).unwrap();
        assert_eq!(read.ike().psk.expose(), key.as_bytes());
        assert!(read.ike().versions.contains(&1));
        assert_eq!(read.lacks("bundle").is_none(), name.starts_with("invalid-spi"));
        let (status, out, err) = counterpeer(FakeBench::default(), &["profile", "check", path(&profile)]);
        assert_eq!(status, 0, "{err}");
        assert!(out.contains(": sound"), "{out}");
        // Nothing that is there is overwritten.
        let (status, _, err) = counterpeer(FakeBench::default(), &args);
        assert_eq!(status, 2);
        assert!(err.contains("remove it first"), "{err}");
    }
}

#[test]
fn interfaces_that_differ_are_to_be_chosen_from() {
    let rest = "\naccess-list 101 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n\
                access-list 102 permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255\n";
    let text = read("df-bit.cfg") + rest;
    let (status, out, err) = import(&text, &[]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("differ in df-bit") && err.ends_with("--on NAME chooses the interface\n"), "{err}");
    let df_bit = |name: &str| {
        let (status, out, err) = import(&text, &["--on", name]);
        assert_eq!(status, 0, "{err}");
        out.lines().find(|line| line.contains("df_bit")).unwrap().trim().to_owned()
    };
    assert_eq!(df_bit("FastEthernet"), "df_bit: copy");
    assert_eq!(df_bit("FastEthernet1"), "df_bit: clear");
}

#[test]
fn faults_are_told_with_their_places() {
    let text =
        "crypto isakmp policy 1\n hash sha9\ncrypto isakmp key swordfish adress 10.0.0.1\ncrypto ipsec df-bit maybe\n";
    let (status, out, err) = import(text, &[]);
    assert_eq!((status, out.as_str()), (2, ""));
    insta::assert_snapshot!("faulty", err);
    let (status, _, err) = import("hostname a\n", &[]);
    assert_eq!(status, 2);
    assert!(err.contains("router.cfg:1:1: no interface that is up has a crypto map"), "{err}");
    let (status, _, err) = counterpeer(FakeBench::default(), &["profile", "import", "/nonexistent.cfg"]);
    assert_eq!(status, 2);
    assert!(err.contains("/nonexistent.cfg: No such file"), "{err}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("binary.cfg");
    std::fs::write(&file, b"hostname a\n\xff\n").unwrap();
    let (status, _, err) = counterpeer(FakeBench::default(), &["profile", "import", path(&file)]);
    assert_eq!(status, 2);
    assert!(err.contains("binary.cfg:2: not UTF-8"), "{err}");
}

#[test]
fn help_has_an_example() {
    let (status, out, _) = counterpeer(FakeBench::default(), &["profile", "import", "--help"]);
    assert_eq!(status, 0);
    insta::assert_snapshot!("help", out);
}

//! `counterpeer peer`: what it refuses, and the guide's two routers as two processes on a veth pair.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_counterpeer");

fn config(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../reference-peer/tests/ios").join(name)
}

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program).args(words).stdin(Stdio::null()).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Exit status and standard error of a peer that is not to start.
fn refused(words: &[&str]) -> (i32, String) {
    let output = run(PROGRAM, &[&["peer"], words].concat());
    (output.status.code().unwrap(), text(&output.stderr))
}

#[test]
fn what_cannot_be_is_refused_with_the_reason() {
    let router = config("invalid-spi-a.cfg");
    let router = router.to_str().unwrap();
    let (status, err) = refused(&["--config", "/no/such/router.cfg"]);
    assert_eq!(status, 2);
    assert!(err.contains("/no/such/router.cfg: No such file"), "{err}");
    let (status, err) = refused(&[]);
    assert_eq!(status, 2);
    assert!(err.contains("--config <FILE>"), "{err}");
    let (status, err) = refused(&["--config", router]);
    assert_eq!(status, 2);
    assert!(err.contains("outside FastEthernet0/0 is no interface of this machine: give --outside INTERFACE"), "{err}");
    let (status, err) = refused(&["--config", router, "--outside", "no-such0"]);
    assert_eq!(status, 2);
    assert!(err.contains("there is no interface no-such0; there "), "{err}");
    let (_, err) = refused(&["--config", router, "--verbose"]);
    assert!(err.contains("ignored: ") && err.contains("not used: "), "{err}");
    let (status, err) = refused(&["--config", router, "--psk-file", "/no/such/key"]);
    assert_eq!(status, 2);
    assert!(err.contains("--psk-file /no/such/key: No such file"), "{err}");
    let (status, err) = refused(&["--config", router, "--psk-file", &format!("nobody={router}")]);
    assert_eq!(status, 2);
    assert!(err.contains("`nobody` is no address or network"), "{err}");

    let folder = tempfile::tempdir().unwrap();
    let faulty = folder.path().join("faulty.cfg");
    std::fs::write(&faulty, "hostname r\ncrypto isakmp policy 1\n encryption rot13\n").unwrap();
    let (status, err) = refused(&["--config", faulty.to_str().unwrap()]);
    assert_eq!(status, 2);
    assert!(err.contains("faulty.cfg:3:13: ") && err.contains("rot13"), "{err}");

    let socket = folder.path().join("nobody.sock");
    let output = run(PROGRAM, &["peer", "ctl", "--control", socket.to_str().unwrap(), "show", "logging"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("is this the --control of a `counterpeer peer` that runs?"));
}

/// A network namespace with one end of a veth pair; it goes with this.
struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        run("ip", &["netns", "delete", &self.0]);
    }
}

/// Two namespaces joined by a veth pair, whose ends are `outside` in both; or why there are none.
fn joined() -> Result<[Namespace; 2], String> {
    let done = |words: &[&str]| {
        let output = Command::new("ip").args(words).output().map_err(|error| format!("ip: {error}"))?;
        if output.status.success() { Ok(()) } else { Err(text(&output.stderr).trim().to_owned()) }
    };
    let names = ["a", "b"].map(|end| format!("cp-peer-{end}-{}", std::process::id()));
    let [a, b] = &names;
    done(&["netns", "add", a])?;
    let first = Namespace(a.clone());
    done(&["netns", "add", b])?;
    let second = Namespace(b.clone());
    done(&["-n", a, "link", "add", "outside", "type", "veth", "peer", "name", "outside", "netns", b])?;
    done(&["-n", a, "link", "set", "outside", "up"])?;
    done(&["-n", b, "link", "set", "outside", "up"])?;
    Ok([first, second])
}

/// A router that runs. It is ended with this.
struct Router {
    process: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Router {
    fn start(namespace: &Namespace, config: &Path, folder: &Path, name: &str) -> Self {
        let (socket, log) = (folder.join(format!("{name}.sock")), folder.join(format!("{name}.log")));
        let process = Command::new("ip")
            .args(["netns", "exec", &namespace.0, PROGRAM, "peer", "--outside", "outside", "--config"])
            .args([config, Path::new("--control"), &socket])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let router = Self { process, socket, log };
        router.wait_for("READY");
        router
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn wait_for(&self, words: &str) {
        let begin = Instant::now();
        while !self.log().contains(words) {
            assert!(begin.elapsed() < Duration::from_secs(20), "no {words:?} in {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Exit status of `peer ctl`, and what it prints.
    fn ctl(&self, line: &str) -> (i32, String) {
        let output = run(PROGRAM, &["peer", "ctl", "--control", self.socket.to_str().unwrap(), line]);
        assert_eq!(text(&output.stderr), "");
        (output.status.code().unwrap(), text(&output.stdout))
    }

    fn spis(&self) -> Vec<String> {
        let (_, shown) = self.ctl("show crypto ipsec sa");
        let spis = shown.lines().filter_map(|line| line.trim().strip_prefix("spi: "));
        let mut spis: Vec<_> = spis.map(str::to_owned).collect();
        spis.sort();
        spis
    }

    /// Ends it as a user would, and gives its exit status.
    fn end(&mut self) -> Option<i32> {
        // `ip netns exec` has become the program itself.
        run("kill", &["-TERM", &self.process.id().to_string()]);
        self.process.wait().unwrap().code()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The guide's procedure (chapter 4) over a real link, told and asked through the control sockets.
#[test]
fn the_guides_two_routers_on_a_veth_pair() {
    let namespaces = match joined() {
        Ok(namespaces) => namespaces,
        Err(why) => return println!("skipped: no network namespaces here: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = &namespaces;
    let mut a = Router::start(first, &config("invalid-spi-a.cfg"), folder.path(), "a");
    let mut b = Router::start(second, &config("invalid-spi-b.cfg"), folder.path(), "b");
    assert!(a.log().contains("peer: 10.2.2.2, by testtag1-10"), "{}", a.log());

    let (status, pings) = a.ctl("ping 10.0.2.2 source 10.0.0.1 repeat 10");
    assert!(pings.contains("Success rate is 100 percent (10/10)"), "{pings}");
    assert_eq!(status, 0);
    let spis = a.spis();
    assert_eq!((spis.len(), &spis), (4, &b.spis()));
    for router in [&a, &b] {
        let (_, shown) = router.ctl("show crypto ipsec sa");
        assert!(shown.contains("#pkts encaps: 10, #pkts encrypt: 10, #pkts digest: 10"), "{shown}");
        assert!(shown.contains("#pkts decaps: 10, #pkts decrypt: 10, #pkts verify: 10"), "{shown}");
        assert!(router.ctl("show crypto isakmp sa").1.contains("QM_IDLE"));
        router.wait_for("%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP.");
        assert!(!router.ctl("show running-config").1.contains("1234"));
    }

    assert_eq!(b.ctl("clear crypto isakmp"), (0, String::new()));
    assert_eq!(b.ctl("clear crypto sa"), (0, String::new()));
    assert_eq!(a.spis(), spis, "Router A has not been told");
    let (_, pings) = a.ctl("ping 10.0.2.2 source 10.0.0.1 repeat 30");
    let answered = pings.matches('!').count();
    assert!((25..30).contains(&answered), "{pings}");
    assert!(a.spis().iter().all(|spi| !spis.contains(spi)), "new SAs");
    assert_eq!(a.spis(), b.spis());
    b.wait_for(
        "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr=10.2.2.2, prot=51",
    );

    let (status, text) = a.ctl("show crpto");
    assert_eq!((status, text.as_str()), (1, "     ^\n% Invalid input detected at '^' marker.\n"));
    // One that ends tells its peer.
    assert_eq!(b.end(), Some(0));
    a.wait_for("%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN.");
    assert_eq!((a.spis().len(), b.socket.exists()), (0, false));
    assert_eq!(a.end(), Some(0));
}

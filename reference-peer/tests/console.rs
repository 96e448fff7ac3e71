//! The guide's two routers (chapter 4), asked and told by their consoles: what they print is what is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use reference_peer::Instant;
use reference_peer::config::ios;
use reference_peer::gateway::console::{Console, Reply};
use reference_peer::gateway::show::Names;
use reference_peer::gateway::{Gateway, Leg};
use reference_peer::ike::v1;
use std::time::Duration;

const DELAY: Duration = Duration::from_millis(1);

/// A router and its console.
struct Router {
    gateway: Gateway,
    console: Console,
}

/// Router A and Router B, their outsides joined.
struct Lab {
    routers: [Router; 2],
    now: Instant,
    /// Does the cable carry packets?
    joined: bool,
}

const A: usize = 0;
const B: usize = 1;

fn router(name: &str, seed: u64, edit: impl Fn(String) -> String) -> Router {
    let path = format!("{}/tests/ios/{name}.cfg", env!("CARGO_MANIFEST_DIR"));
    let text = edit(std::fs::read_to_string(path).unwrap());
    let reading = ios::read(&text).sound().unwrap();
    let interface = |own: &ios::Interface| (own.name.clone(), own.addresses.iter().map(|net| net.addr()).collect());
    let names = Names {
        hostname: reading.router.hostname.clone().unwrap(),
        interfaces: reading.router.interfaces.iter().map(interface).collect(),
        running_config: reading.running_config(&text),
        started: None,
    };
    let config = reading.router.gateway(None).unwrap().gateway;
    Router { gateway: Gateway::new(config, seed), console: Console::new(names) }
}

impl Lab {
    fn new() -> Self {
        Self::with(|text| text)
    }

    /// With a change to the configuration of Router B.
    fn with(edit: impl Fn(String) -> String) -> Self {
        let routers = [router("invalid-spi-a", 1, |text| text), router("invalid-spi-b", 2, edit)];
        Self { routers, now: Instant::after_start(Duration::from_secs(1)), joined: true }
    }

    /// Lets this much time pass.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let mut packets = Vec::new();
            for (index, router) in self.routers.iter_mut().enumerate() {
                while let Some(transmit) = router.gateway.poll_transmit() {
                    if transmit.leg == Leg::Outside {
                        packets.push((1 - index, transmit.packet));
                    }
                }
                while router.gateway.poll_event().is_some() {}
            }
            if !packets.is_empty() {
                self.now += DELAY;
                for (to, packet) in packets.into_iter().filter(|_| self.joined) {
                    self.routers[to].gateway.handle(self.now, Leg::Outside, &packet);
                }
                continue;
            }
            let next = self.routers.iter().filter_map(|router| router.gateway.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next < end) else { break };
            self.now = self.now.max(next);
            for router in &mut self.routers {
                if router.gateway.poll_timeout().is_some_and(|at| at <= self.now) {
                    router.gateway.handle_timeout(self.now);
                }
            }
        }
        self.now = self.now.max(end);
    }

    /// What a router prints to a line.
    fn say(&mut self, router: usize, line: &str) -> String {
        let Router { gateway, console } = &mut self.routers[router];
        match console.run(gateway, self.now, line) {
            Reply::Done(text) => {
                self.pass(DELAY * 10);
                text
            }
            Reply::Pinging(id, heading) => {
                while !self.routers[router].gateway.ping(id).unwrap().is_done() {
                    self.pass(Duration::from_millis(100));
                }
                let ping = self.routers[router].gateway.end_ping(id).unwrap();
                format!("{heading}{}\n{}\n", ping.marks(), ping.summary())
            }
            Reply::Refused(text) => text,
            Reply::Exit => "exit".to_owned(),
        }
    }

    /// The numbers after a word of what a router shows.
    fn spis(&mut self, router: usize) -> Vec<String> {
        let shown = self.say(router, "show crypto ipsec sa");
        let mut spis: Vec<_> =
            shown.lines().filter_map(|line| line.trim().strip_prefix("spi: ")).map(str::to_owned).collect();
        spis.sort();
        spis
    }
}

/// What is drawn at random is left out of snapshots.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"spi: 0x[0-9A-F]+\(\d+\)", "spi: 0xSPI(SPI)");
    settings.add_filter(r"outbound spi: [1-9A-F][0-9A-F]*", "outbound spi: SPI");
    settings
}

#[test]
fn the_guides_routers_show_what_there_is() {
    let mut lab = Lab::new();
    settings().bind(|| {
        insta::assert_snapshot!("nothing_isakmp", lab.say(A, "show crypto isakmp sa"));
        insta::assert_snapshot!("nothing_session", lab.say(A, "show crypto session"));
        let pings = lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 10");
        insta::assert_snapshot!("ten_pings", pings);
        insta::assert_snapshot!("isakmp_a", lab.say(A, "show crypto isakmp sa"));
        insta::assert_snapshot!("isakmp_b", lab.say(B, "show crypto isakmp sa"));
        insta::assert_snapshot!("ipsec_a", lab.say(A, "show crypto ipsec sa interface fastethernet0/0"));
        insta::assert_snapshot!("ipsec_b_detail", lab.say(B, "sh cry ips sa peer 10.1.1.1 detail"));
        insta::assert_snapshot!("session_b", lab.say(B, "show crypto session"));
        insta::assert_snapshot!("running_config_a", lab.say(A, "show running-config"));
    });
    let spis = lab.spis(A);
    assert_eq!(spis.len(), 4, "a bundle of AH and ESP, in both directions");
    assert_eq!(spis, lab.spis(B), "both routers show the same SAs");
    assert!(!lab.say(A, "show running-config").contains("1234"), "the key is masked");
    assert_eq!(lab.say(B, "show crypto ipsec sa peer 10.9.9.9"), "No SAs found\n");
    assert!(lab.say(B, "show crypto ipsec sa interface Serial9/9").starts_with("% There is no interface Serial9/9"));
    assert_eq!(lab.routers[A].console.prompt(), "ipseca-71a# ");
}

/// Steps 1 and 2 of the guide's procedure: afterwards, Router A still has its IPsec SAs, and no ISAKMP SA.
#[test]
fn after_both_clears_the_peer_still_sends_on_its_sas() {
    let mut lab = Lab::new();
    lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 10");
    let before = lab.spis(A);
    assert_eq!(lab.say(B, "clear crypto isakmp"), "");
    assert_eq!(lab.say(B, "clear crypto sa"), "");
    settings().bind(|| {
        insta::assert_snapshot!("cleared_isakmp_b", lab.say(B, "show crypto isakmp sa"));
        insta::assert_snapshot!("cleared_ipsec_b", lab.say(B, "show crypto ipsec sa"));
        insta::assert_snapshot!("cleared_isakmp_a", lab.say(A, "show crypto isakmp sa"));
    });
    assert_eq!(lab.spis(A), before, "nobody has told Router A");
    assert_eq!(lab.spis(B), Vec::<String>::new());
    // Those that have ended are shown for a minute.
    lab.pass(Duration::from_secs(60));
    assert_eq!(lab.say(B, "show crypto isakmp sa").lines().count(), 1);
}

#[test]
fn each_clear_tells_the_peer_what_it_says() {
    for (line, isakmp, ipsec) in [
        ("clear crypto isakmp", 0, 4),
        ("clear crypto isakmp 1", 0, 4),
        ("clear crypto sa", 1, 0),
        ("clear crypto sa peer 10.1.1.1", 1, 0),
        ("clear crypto sa peer 10.9.9.9", 1, 4),
        ("clear crypto session", 0, 0),
        ("clear crypto session remote 10.1.1.1", 0, 0),
        ("clear crypto session remote 10.9.9.9", 1, 4),
        ("clear crypto sa counters", 1, 4),
    ] {
        let mut lab = Lab::new();
        lab.say(A, "ping 10.0.2.2 source 10.0.0.1");
        assert_eq!(lab.say(B, line), "", "{line}");
        for router in [A, B] {
            assert_eq!(lab.routers[router].gateway.isakmp().isakmp_sas().len(), isakmp, "{line}");
            assert_eq!(lab.spis(router).len(), ipsec, "{line}");
        }
    }
    let mut lab = Lab::new();
    assert_eq!(lab.say(B, "clear crypto isakmp 7"), "% There is no ISAKMP SA 7\n");
}

/// Counters are those of the flow: they go on over new SAs, and begin anew when they are cleared.
#[test]
fn counters_are_of_the_flow() {
    let mut lab = Lab::new();
    let counted = |lab: &mut Lab, router| {
        let shown = lab.say(router, "show crypto ipsec sa");
        let lines = shown.lines().filter(|line| line.contains("#pkts encaps") || line.contains("#pkts decaps"));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let all = |out: u32, back: u32| {
        vec![
            format!("#pkts encaps: {out}, #pkts encrypt: {out}, #pkts digest: {out}"),
            format!("#pkts decaps: {back}, #pkts decrypt: {back}, #pkts verify: {back}"),
        ]
    };
    lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 10");
    assert_eq!(counted(&mut lab, A), all(10, 10));
    // New SAs, of the same flow.
    let spi = lab.routers[A].gateway.isakmp().children()[0].pairs[0].1;
    let now = lab.now;
    lab.routers[A].gateway.isakmp_command(now, |engine, rng, hands| engine.rekey_child(now, rng, spi, hands)).unwrap();
    lab.pass(Duration::from_secs(1));
    lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 7");
    assert_eq!(counted(&mut lab, A), all(17, 17));
    assert_eq!(counted(&mut lab, B), all(17, 17));
    lab.say(A, "clear crypto sa counters");
    assert_eq!(counted(&mut lab, A), all(0, 0));
    lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 3");
    assert_eq!((counted(&mut lab, A), counted(&mut lab, B)), (all(3, 3), all(20, 20)));
    lab.say(A, "clear crypto sa");
    assert_eq!((counted(&mut lab, A), counted(&mut lab, B)), (all(0, 0), all(20, 20)));
    lab.say(B, "ping 10.0.0.1 source 10.0.2.2 repeat 28");
    assert_eq!((counted(&mut lab, A), counted(&mut lab, B)), (all(28, 28), all(48, 48)));
}

#[test]
fn pings_without_an_answer_are_dots() {
    let mut lab = Lab::new();
    lab.say(A, "ping 10.0.2.2 source 10.0.0.1");
    lab.joined = false;
    let lost = lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 3 timeout 1 size 200");
    insta::assert_snapshot!("lost_pings", lost);
    lab.joined = true;
    assert_eq!(lab.say(A, "ping 10.0.2.2 source 10.7.7.7"), "% 10.7.7.7 is no address of this router\n");
    assert_eq!(lab.say(A, "ping fd00::1"), "% this router has no address of the family of fd00::1\n");
    let families = lab.say(A, "ping fd00::1 source 10.0.0.1");
    assert_eq!(families, "% 10.0.0.1 and fd00::1 are of different families\n");
}

/// What both routers write when their keys differ. No key is in it.
#[test]
fn keys_that_differ_are_told_on_both_sides() {
    let mut lab = Lab::with(|text| text.replace("key 0 1234 ", "key 0 NotTheSame99 "));
    for mode in ["main", "aggressive"] {
        if mode == "aggressive" {
            let mut config = lab.routers[A].gateway.config().isakmp.clone();
            config.connections[0].exchange = reference_peer::config::isakmp::Phase1::Aggressive;
            let now = lab.now;
            let configure = |engine: &mut v1::Engine, config| {
                engine.configure(config);
                Ok(())
            };
            lab.routers[A].gateway.isakmp_command(now, |engine, _, _| configure(engine, config)).unwrap();
        }
        let pings = lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 1");
        assert!(pings.contains("Success rate is 0 percent (0/1)"), "{pings}");
        lab.pass(Duration::from_secs(400));
        for (router, name) in [(A, "a"), (B, "b")] {
            let log = lab.say(router, "show logging");
            assert!(!log.contains("1234") && !log.contains("NotTheSame"), "{log}");
            let mut lines: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once(": %")?.1)).collect();
            lines.dedup();
            insta::assert_snapshot!(format!("keys_differ_{mode}_{name}"), lines.join("\n"));
        }
    }
}

/// The guide's procedure in its four steps (chapter 4): few of thirty pings are lost, and the SAs are new ones.
#[test]
fn the_guides_four_steps() {
    let mut lab = Lab::new();
    lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 10");
    let before = lab.spis(A);
    lab.say(B, "clear crypto isakmp");
    lab.say(B, "clear crypto sa");
    let pings = lab.say(A, "ping 10.0.2.2 source 10.0.0.1 repeat 30");
    let answered = pings.matches('!').count();
    assert!((27..30).contains(&answered), "{pings}");
    let after = lab.spis(A);
    assert_eq!(after.len(), 4);
    assert!(after.iter().all(|spi| !before.contains(spi)), "{before:?} {after:?}");
    assert_eq!(after, lab.spis(B));
    let shown = lab.say(B, "show crypto ipsec sa");
    assert!(
        shown.contains(&format!("#pkts decaps: {answered}, #pkts decrypt: {answered}, #pkts verify: {answered}")),
        "{shown}"
    );
    settings().bind(|| insta::assert_snapshot!("recovered_isakmp_b", lab.say(B, "show crypto isakmp sa")));
    let log = lab.say(B, "show logging");
    assert!(log.contains("%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr=10.2.2.2, prot=51, spi=0x"), "{log}");
}

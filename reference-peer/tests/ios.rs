//! The router configurations that the vendor's documents print: each is read, and each line is accounted for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use reference_peer::config::ios::{self, Mapping, Reading};
use reference_peer::config::isakmp::IsakmpConnection;
use reference_peer::config::{Mode, Remote, Window};
use reference_peer::gateway::DpdMode;
use reference_peer::ipsec::sa::DfBit;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// All configurations by name.
fn configurations() -> BTreeMap<String, String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/ios");
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

/// Each line with what became of it: `+` understood, `-` ignored, `±` both, ` ` a comment.
fn account(text: &str, reading: &Reading) -> String {
    let mut account = String::new();
    for (line, number) in text.lines().zip(1u32..) {
        let ignored = reading.ignored.iter().any(|ignored| ignored.line == number);
        let mark = match (reading.understood.contains(&number), ignored) {
            (true, true) => '±',
            (true, false) => '+',
            (false, true) => '-',
            (false, false) => ' ',
        };
        writeln!(account, "{number:3} {mark} {}", ios::redact(line.split_whitespace())).unwrap();
    }
    account
}

#[test]
fn every_line_is_understood_or_ignored() {
    for (name, text) in configurations() {
        let reading = ios::read(&text);
        assert_eq!(reading.faults, [], "{name}");
        for (line, number) in text.lines().zip(1u32..) {
            let comment = line.trim().is_empty() || line.trim().starts_with('!');
            let ignored = reading.ignored.iter().any(|ignored| ignored.line == number);
            assert_eq!(comment, !ignored && !reading.understood.contains(&number), "{name}, line {number}: {line}");
        }
        insta::assert_snapshot!(name.clone(), account(&text, &reading));
        if ["anti-replay-map", "qos-llq-group", "ipv6-vti"].contains(&name.as_str()) {
            insta::assert_snapshot!(format!("{name}-router"), format!("{:#?}", reading.router));
        }
    }
}

#[test]
fn indentation_is_not_needed() {
    let all = configurations();
    // Every printed configuration with its indentation taken away says the same.
    for (name, text) in &all {
        let flat: String = text.lines().map(|line| format!("{}\n", line.trim_start())).collect();
        let (flat, text) = (ios::read(&flat), ios::read(text));
        assert_eq!(flat.faults, [], "{name}");
        assert_eq!(flat.router, text.router, "{name}");
    }
    // Two documents print the same router, once with its interfaces under other names.
    let a = |name: &str| ios::read(&all[name]).router;
    assert_eq!(a("invalid-spi-a"), a("invalid-spi-a-flat"));
}

#[test]
fn keys_and_passwords_are_never_shown() {
    let secrets = ["cisco123", "cisco170", "cisco180", "cisco190", "kd94j1ksldz", "myPreshareKey0", "Delaware"];
    let hashes = ["L2YOmnenOCNAu0jgFxebT", "L2Y0mnenOCNAu0jgFxebT", "5Th5Qhw1ubDkkK90KWFxi1", "cbqKsZtQTLJLGNP"];
    let shown = |text: &str| {
        let reading = ios::read(text);
        let faults: Vec<_> = reading.faults.iter().map(ToString::to_string).collect();
        format!("{reading:?}{faults:?}")
    };
    for (name, text) in configurations() {
        let shown = shown(&text);
        for secret in secrets.iter().chain(&hashes) {
            assert!(!shown.contains(secret), "{name}: {secret}");
        }
        assert!(!shown.contains("password lab") && !shown.contains("password ww"), "{name}");
    }
    for line in [
        "crypto isakmp key open sesame address 10.0.0.1",
        "crypto isakmp key 0 sesame adress 10.0.0.1",
        "crypto isakmp key sesame",
        "crypto keyring k\n pre-shared-key address 10.0.0.1 key open sesame",
        "crypto isakmp peer address 10.0.0.1\n set aggressive-mode password open sesame",
        "username admin privilege 15 secret 0 sesame",
        "interface Serial0\n ppp chap password 0 sesame",
        "router bgp 1\n neighbor 10.0.0.1 password sesame",
        "snmp-server host 10.0.0.1 sesame",
        "enable pass sesame",
    ] {
        assert!(!shown(line).contains("sesame"), "{line}: {}", shown(line));
    }
}

#[test]
fn faults_say_where_and_what_to_do() {
    let faults: String = [
        "crypto isakmp policy 0",
        "crypto isakmp policy 10\n encryption aes 129",
        "crypto isakmp policy 10\n hash sha1024\n group 3\n lifetime 5",
        "crypto isakmp policy 10\n encypt aes",
        "crypto isakmp key 6 AAAA address 10.0.0.1",
        "crypto isakmp key k address 10.0.0.300",
        "crypto isakmp key k address 10.0.0.0 255.0.255.0",
        "crypto isakmp keepalive 5",
        "crypto isakmp keepalive 10 1",
        "crypto isakmp nat keepalive 4",
        "crypto ipsec transform-set t esp-sha-hmac",
        "crypto ipsec transform-set t esp-aes esp-3des",
        "crypto ipsec transform-set t esp-gcm esp-sha-hmac",
        "crypto ipsec transform-set t",
        "crypto ipsec security-association replay window-size 100",
        "crypto ipsec security-association idle-time 59",
        "crypto ipsec df-bit flip",
        "crypto map m 10 ipsec-manual",
        "crypto map m\n",
        "crypto map m 10 ipsec-isakmp\n set peer\n match address 101",
        "crypto map m 10 ipsec-isakmp\n set tarnsform-set t",
        "crypto ikev2 proposal p",
        "crypto frobnicate",
        "interface FastEthernet0/0\n ip address 10.0.0.1",
        "interface FastEthernet0/0\n ip mtu 20",
        "interface Tunnel0\n tunnel protection ipsec policy p",
        "access-list 101 permit ip 10.0.0.0 0.0.0.255",
        "access-list 101 permit ip object-group A any",
        "access-list 101 permit tcp any eq 99999 any",
        "ip access-list extended A\n permit udp any range 9 1 any",
        "ip access-list extended A\n allow ip any any",
        "ip route vrf V 0.0.0.0 0.0.0.0 10.0.0.1",
        "platform ipsec llq qos-group 100",
        "banner motd #\nhello",
        "end\ncrypto map m 1 ipsec-isakmp",
    ]
    .into_iter()
    .map(|text| {
        let reading = ios::read(text);
        assert!(!reading.faults.is_empty(), "{text}");
        let faults: Vec<_> = reading.faults.iter().map(|fault| format!("    {fault}\n")).collect();
        format!("{}\n{}", text.trim_end().replace('\n', " / "), faults.concat())
    })
    .collect();
    insta::assert_snapshot!("faults", faults);
}

#[test]
fn a_fault_hides_nothing_else() {
    let text =
        "crypto isakmp policy 1\n hash sha9\n group 14\ncrypto isakmp invalid-spi-recovery\ncrypto ipsec df-bit x";
    let reading = ios::read(text);
    assert_eq!(reading.faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [2, 5]);
    assert_eq!(reading.understood.iter().copied().collect::<Vec<_>>(), [1, 3, 4]);
    assert!(reading.router.isakmp.invalid_spi_recovery);
    assert!(reading.sound().is_err());
}

#[test]
fn words_may_be_short() {
    let text = "cry isa pol 10\n encr aes 256\n auth pre\n ha sha256\n gr 14\ncry isa ke 10 per\n";
    // `ke` can mean two things, as on the router.
    let reading = ios::read(text);
    assert_eq!(reading.faults.len(), 1, "{:?}", reading.faults);
    assert_eq!(reading.router.isakmp.policies.len(), 1);
    let short = "int fa0/0\n ip address 10.0.0.1 255.0.0.0\n shut\nint fastethernet 0/1\n cry map M\n";
    let router = ios::read(short).sound().unwrap().router;
    let names: Vec<_> = router.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    assert_eq!(names, ["FastEthernet0/0", "FastEthernet0/1"]);
    assert!(router.interfaces[0].shutdown);
    assert_eq!(router.interfaces[1].crypto_map.as_ref().unwrap().name, "M");
}

#[test]
fn other_sections_do_not_leak_into_interfaces() {
    let text = "interface Serial0\n ip address 10.0.0.1 255.0.0.0\nrouter ospf 1\n shutdown\n ip mtu 100\n\
                interface Serial1\nip address 10.1.0.1 255.0.0.0\n!\ngatekeeper\nshutdown\n!\nend\n";
    let router = ios::read(text).sound().unwrap().router;
    assert!(router.interfaces.iter().all(|interface| !interface.shutdown && interface.ip_mtu.is_none()), "{router:#?}");
    let text = "event manager applet A\n action 1 cli command \"show crypto isakmp sa\"\n!\nhostname A\n\
                ip nat inside source list 1 interface Serial0 overload\nsnmp-server enable traps crypto map x\n";
    let reading = ios::read(text);
    assert_eq!(reading.router.interfaces, []);
    assert_eq!(reading.router.hostname.as_deref(), Some("A"));
}

/// What a gateway is told, in a few lines.
fn summary(mapping: &Mapping) -> String {
    let gateway = &mapping.gateway;
    let mut text = format!(
        "{} outside {:?} {:?}, inside {:?} {:?}\n",
        gateway.name, mapping.outside, gateway.outside, mapping.inside, gateway.inside
    );
    for connection in &mapping.gateway.isakmp.connections {
        let IsakmpConnection { name, local, remote, keyring, .. } = connection;
        let policies: Vec<_> =
            connection.policies.iter().map(|policy| format!("{} {policy}", policy.priority)).collect();
        let keys = keyring.keys.len();
        writeln!(text, "{name}: {local} to {remote:?}, {keys} keys, policies {policies:?}").unwrap();
        writeln!(text, "    keepalive {:?}, NAT keepalive {:?}", connection.keepalive, connection.nat_keepalive)
            .unwrap();
        for child in &connection.children {
            let sets = child.transform_sets.iter().map(|set| {
                let protocols: Vec<_> = set.protocols.iter().map(ToString::to_string).collect();
                format!("{} {:?} {}", set.name, set.mode, protocols.join("+"))
            });
            let sets: Vec<_> = sets.collect();
            writeln!(text, "    {}: {} to {}, {sets:?}", child.name, child.local_ts, child.remote_ts).unwrap();
            writeln!(
                text,
                "        pfs {:?}, {:?}, replay {:?}, idle {:?}",
                child.pfs, child.lifetime, child.replay_window, child.idle_time
            )
            .unwrap();
        }
    }
    for unused in &mapping.unused {
        writeln!(text, "line {}: {}", unused.line, unused.reason).unwrap();
    }
    text
}

fn gateway(text: &str) -> Mapping {
    ios::read(text).sound().unwrap().router.gateway(None).unwrap()
}

#[test]
fn whole_routers_become_gateways() {
    let all = configurations();
    for name in ["invalid-spi-a", "invalid-spi-b-flat", "anti-replay-global", "anti-replay-map"] {
        insta::assert_snapshot!(format!("{name}-gateway"), summary(&gateway(&all[name])));
    }
    // Documents agree about the gateway that they configure.
    assert_eq!(summary(&gateway(&all["invalid-spi-a"])), summary(&gateway(&all["invalid-spi-a-flat"])));
    let (a, b) = (gateway(&all["invalid-spi-a"]), gateway(&all["invalid-spi-b"]));
    assert!(a.gateway.invalid_spi_recovery && b.gateway.invalid_spi_recovery);
    let (a, b) = (&a.gateway.isakmp.connections[0], &b.gateway.isakmp.connections[0]);
    assert_eq!((a.remote, b.remote), (Remote::Address(b.local), Remote::Address(a.local)));
    let (x, y) = (&a.children[0], &b.children[0]);
    assert_eq!((&x.local_ts, &x.remote_ts, &x.transform_sets), (&y.remote_ts, &y.local_ts, &y.transform_sets));
    assert_eq!(a.keyring.by_address(b.local), b.keyring.by_address(a.local));
    assert_eq!(a.policies[0].lifetime, Duration::from_secs(180));
}

#[test]
fn windows_are_of_the_router_or_of_an_entry() {
    let all = configurations();
    assert_eq!(gateway(&all["anti-replay-global"]).gateway.data.replay_window, Window::Packets(1024));
    let of = gateway(&all["anti-replay-map"]);
    let windows: Vec<_> =
        of.gateway.isakmp.connections.iter().map(|c| (c.remote, c.children[0].replay_window)).collect();
    let peer = |text: &str| Remote::Address(text.parse().unwrap());
    assert_eq!(
        windows,
        [(peer("172.17.150.2"), Some(Window::Off)), (peer("192.168.1.3"), None), (peer("192.168.1.4"), None)]
    );
    // The printed configuration has keys for other addresses than its peers have.
    assert_eq!(of.unused.iter().filter(|unused| unused.reason.contains("no pre-shared key for 192.168.1.")).count(), 2);
    assert!(!gateway(&all["anti-replay-map"]).gateway.data.sequence_spaces);
    let several = format!("{}\n{}", all["multi-sn"], all["anti-replay-map"]);
    assert!(gateway(&several).gateway.data.sequence_spaces);
}

/// What the guide's fragments leave to the reader.
const REST: &str = "\naccess-list 101 permit ip 10.3.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n\
    access-list 102 permit ip 10.4.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n\
    interface FastEthernet1/1\n ip address 10.3.0.1 255.255.0.0\n";

#[test]
fn fragments_become_gateways_with_what_they_leave_out() {
    let all = configurations();
    let periodic = gateway(&format!("{}{REST}", all["dpd-periodic"]));
    insta::assert_snapshot!("dpd-periodic-gateway", summary(&periodic));
    let dpd = periodic.gateway.dead_peer_detection.unwrap();
    assert_eq!((dpd.interval, dpd.mode), (Duration::from_secs(10), DpdMode::Periodic));

    // Two interfaces that differ cannot be one outside.
    let df = ios::read(&format!("{}{REST}", all["df-bit"])).sound().unwrap().router;
    let fault = df.gateway(None).unwrap_err().to_string();
    assert!(fault.contains("FastEthernet and FastEthernet1 differ in df-bit"), "{fault}");
    let fault = df.gateway(Some("FastEthernet9")).unwrap_err().to_string();
    assert!(fault.contains("there is FastEthernet, FastEthernet1"), "{fault}");
    let bits = |name: &str| {
        let data = df.gateway(Some(name)).unwrap().gateway.data;
        (data.df_bit, data.interface_df_bit)
    };
    assert_eq!(bits("FastEthernet"), (DfBit::Clear, Some(DfBit::Copy)));
    assert_eq!(bits("fastethernet1"), (DfBit::Clear, None));

    let interface = "interface FastEthernet0/0\n ip address 10.9.0.1 255.0.0.0\n crypto map";
    let nat = gateway(&format!("{}\n{interface} test2{REST}", all["nat-keepalive"]));
    assert_eq!(nat.gateway.isakmp.connections[0].nat_keepalive, Some(Duration::from_secs(20)));
    let peers = format!(
        "{}\ncrypto ipsec transform-set txfm esp-aes esp-sha-hmac\n{interface} green{REST}",
        all["dpd-several-peers"]
    );
    let names: Vec<_> = gateway(&peers).gateway.isakmp.connections.into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["green-1#1", "green-1#2", "green-1#3"]);
    let idle = format!(
        "{}\n set peer 10.0.0.9\n set transform-set t\n match address 101\n\
         crypto ipsec transform-set t esp-aes esp-sha-hmac\n mode transport\n{interface} test{REST}",
        all["idle-map"]
    );
    let child = gateway(&idle).gateway.isakmp.connections[0].children[0].clone();
    assert_eq!((child.idle_time, child.transform_sets[0].mode), (Some(Duration::from_secs(600)), Mode::Transport));
    let global = idle.replace("set security-association idle-time 600", "description x");
    assert_eq!(gateway(&global).gateway.isakmp.connections[0].children[0].idle_time, None);
    let global = format!("{}{global}", all["idle-global"]);
    assert_eq!(gateway(&global).gateway.isakmp.connections[0].children[0].idle_time, Some(Duration::from_secs(600)));
}

#[test]
fn tunnels_and_queues_of_ipv6() {
    let all = configurations();
    let vti = ios::read(&all["ipv6-vti"]).sound().unwrap().router;
    let fault = vti.gateway(None).unwrap_err().to_string();
    assert!(fault.contains("the source of Tunnel0 is no interface with an address"), "{fault}");
    let source =
        "\ninterface Ethernet2/0\n ipv6 address 3FFE:2001::1/64\ninterface Ethernet2/1\n ipv6 address 3FFE:1::1/64\n";
    let vti = gateway(&format!("{}{source}", all["ipv6-vti"]));
    insta::assert_snapshot!("ipv6-vti-gateway", summary(&vti));
    assert_eq!(vti.gateway.data.tunnel_interface.map(|tunnel| tunnel.ip_mtu), Some(1500));

    let rest = "crypto ipsec transform-set ESP-3DES-SHA esp-3des esp-sha-hmac\nipv6 access-list 102\n \
                permit ipv6 2001:DB8:1::/48 any\n permit tcp any eq www host 2001:db8::1\n";
    let llq = gateway(&format!("{}\n{rest}", all["qos-llq"]));
    insta::assert_snapshot!("qos-llq-gateway", summary(&llq));
    // Class c1 is precedence 0 to 3, class c2 precedence 5 to 7; what is left has space 0.
    let space = |dscp: u8| llq.gateway.data.queues.get(&dscp).copied();
    assert_eq!([0, 31, 32, 39, 40, 46, 63].map(space), [Some(1), Some(1), None, None, Some(2), Some(2), Some(2)]);
}

#[test]
fn what_cannot_be_done_is_said() {
    let text = "crypto isakmp policy 1\n authentication rsa-sig\ncrypto isakmp policy 2\n authentication pre-share\n\
        crypto isakmp key k address 0.0.0.0\ncrypto ipsec transform-set t esp-aes esp-sha-hmac comp-lzs\n\
        crypto map M 1 ipsec-isakmp\n set peer gw.example.com\n set transform-set t u\n match address L\n\
        crypto map M 2 ipsec-isakmp\n set peer 10.0.0.2\n set security-association level per-host\n \
        set transform-set t\n match address L\ncrypto map M 3 ipsec-isakmp\n set peer 10.0.0.3\n match address L\n\
        crypto map M 4 ipsec-isakmp\n set peer 10.0.0.4\n set transform-set t\n match address NONE\n\
        crypto map M 5 ipsec-isakmp dynamic D\n\
        ip access-list extended L\n deny ip host 10.1.0.9 any\n permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n \
        permit ip 10.1.0.0 0.0.5.0 any\n permit tcp any range 1 5 any\n permit tcp any any established\n deny ip any any\n\
        interface Serial0\n ip address 10.0.0.1 255.0.0.0\n crypto map M\n ip access-group 110 in\n\
        ip route 0.0.0.0 0.0.0.0 10.0.0.254\n";
    insta::assert_snapshot!("unused", summary(&gateway(text)));
    let fault = |text: &str| ios::read(text).sound().unwrap().router.gateway(None).unwrap_err().to_string();
    insta::assert_snapshot!(
        "no-gateway",
        [
            fault(""),
            fault("no crypto isakmp enable"),
            fault(&text.replace("set transform-set t\n", "set pfs\n")),
            fault(&text.replace(" ip address 10.0.0.1 255.0.0.0", " no ip address")),
            fault("interface Serial0\n crypto map M\n shutdown\n"),
        ]
        .join("\n\n")
    );
    // What an entry excepts passes in the clear, where only one entry can have a say.
    let alone = "crypto isakmp policy 2\n authentication pre-share\ncrypto isakmp key k address 0.0.0.0\n\
        crypto ipsec transform-set t esp-aes esp-sha-hmac\n\
        crypto map M 1 ipsec-isakmp\n set peer 10.0.0.2\n set transform-set t\n match address 100\n\
        access-list 100 deny ip host 10.1.0.9 any\naccess-list 100 permit ip 10.1.0.0 0.0.255.255 any\n\
        interface Serial0\n ip address 10.0.0.1 255.0.0.0\n crypto map M\n";
    assert_eq!(gateway(alone).gateway.data.policies.len(), 1);
}

/// Words that configurations are made of.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(
        "crypto isakmp ipsec map policy key keyring profile peer address hostname ipv6 set match transform-set \
         security-association replay window-size disable lifetime seconds idle-time pfs group14 group hash md5 \
         encryption aes 256 interface Tunnel0 FastEthernet0/0 ip mtu tunnel source destination mode protection \
         access-list permit deny any host eq range 10.0.0.1 255.255.255.0 0.0.0.255 2001:db8::1/64 101 10 0 1024 \
         class-map policy-map class match-any precedence dscp ef service-policy input output qos pre-classify \
         platform llq qos-group banner ^C no end exit ! # router(config)# enable secret route dynamic-map dynamic"
            .split_whitespace()
            .collect::<Vec<_>>(),
    );
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|\n|\t|\r| ){0,200}") {
        ios::read(&text);
    }

    #[test]
    fn no_lines_make_it_panic(
        lines in prop::collection::vec((0usize..4, prop::collection::vec(word(), 0..9)), 0..30),
    ) {
        let lines: Vec<_> = lines.into_iter().map(|(indent, words)| " ".repeat(indent) + &words.join(" ")).collect();
        let text = lines.join("\n");
        let reading = ios::read(&text);
        let _ = reading.router.gateway(None);
        // Every fault points into the text.
        let count = u32::try_from(text.lines().count()).unwrap();
        for fault in &reading.faults {
            prop_assert!((1..=count).contains(&fault.line) && fault.column > 0, "{}", fault);
        }
    }
}

#[test]
fn no_prefix_makes_it_panic() {
    for (_, text) in configurations() {
        for (at, _) in text.char_indices() {
            let reading = ios::read(&text[..at]);
            // A configuration that breaks off has faults where it breaks off: on its last line, and on the one before
            // if that goes on there.
            assert!(reading.faults.len() <= 2, "{:?}\n...{:?}", reading.faults, &text[at.saturating_sub(80)..at]);
        }
    }
}

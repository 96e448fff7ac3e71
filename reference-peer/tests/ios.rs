//! The router configurations that the vendor's documents print: each is read, and each line is accounted for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use reference_peer::config::ios::{self, Reading};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

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

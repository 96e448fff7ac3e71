//! Captures are read, decrypted and written, and Wireshark agrees.
#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use counterpeer::decode::{Decoder, dissector};
use counterpeer::evidence::{Clock, Direction, Evidence, Leg, Record, Store, capture, wireshark};
use std::path::{Path, PathBuf};
use std::process::Command;

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures/daemons")
}

fn counterpeer(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_counterpeer")).args(args).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn every_message_is_decoded_and_every_encrypted_body_decrypted() {
    for name in ["v2cbc", "v2gcm", "v1main", "v1aggr"] {
        let file = captures().join(format!("{name}.pcap"));
        let (status, text, err) = counterpeer(&["decode", file.to_str().unwrap()]);
        assert_eq!((status, err.as_str()), (Some(0), ""));
        assert!(!text.contains("not decrypted") && !text.contains("malformed"), "{text}");
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn own_runs_against_strongswan_are_read_and_opened() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures/strongswan");
    let ikev2 = ["guest-null", "guest-rekey-child", "guest-rekey-ike", "namespace-cbc", "namespace-gcm"];
    for name in ikev2.into_iter().chain(["namespace-ikev1-aggressive", "namespace-ikev1-main"]) {
        let file = folder.join(name).join("capture.pcapng");
        let (status, text, err) = counterpeer(&["decode", file.to_str().unwrap()]);
        assert_eq!((status, err.as_str()), (Some(0), ""));
        assert!(!text.contains("not decrypted") && !text.contains("malformed") && !text.contains("no keys"), "{text}");
        insta::assert_snapshot!(format!("strongswan-{name}"), text);
    }
}

#[test]
fn without_keys_the_outside_is_shown() {
    for name in ["natA", "dpd-v2"] {
        let file = captures().join(format!("{name}.pcap"));
        let (status, text, _) = counterpeer(&["decode", "--summary", file.to_str().unwrap()]);
        assert_eq!(status, Some(0));
        insta::assert_snapshot!(name, text);
    }
}

#[test]
fn json_has_the_same_packets() {
    let file = captures().join("v2gcm.pcap");
    let (_, text, _) = counterpeer(&["decode", file.to_str().unwrap(), "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["packets"].as_array().unwrap().len(), 8);
    assert_eq!(json["fault"], serde_json::Value::Null);
    let auth = &json["packets"][2];
    let decrypted = auth["parts"].as_array().unwrap().iter().find(|part| part["name"] == "decrypted").unwrap();
    assert_eq!(decrypted["parts"][0]["parts"][1]["value"], "10.66.0.1");
}

#[test]
fn a_truncated_capture_is_read_up_to_its_end_and_the_offset_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(captures().join("v2cbc.pcap")).unwrap();
    let file = folder.path().join("cut.pcap");
    std::fs::write(&file, &whole[..1500]).unwrap();
    let (status, text, err) = counterpeer(&["decode", "--summary", file.to_str().unwrap()]);
    assert_eq!(status, Some(2));
    assert_eq!(text.lines().count(), 3);
    assert!(err.contains("cut.pcap: offset 1422: the file ends 78 octets into a packet of 266"), "{err}");
    std::fs::write(&file, b"no capture at all").unwrap();
    let (status, _, err) = counterpeer(&["decode", file.to_str().unwrap()]);
    assert!(status == Some(2) && err.contains("neither pcap nor pcapng"), "{err}");
}

#[test]
fn keys_that_cannot_be_read_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = captures().join("v2cbc.pcap");
    let args = ["decode", file.to_str().unwrap(), "--keys", folder.path().to_str().unwrap()];
    let (status, text, _) = counterpeer(&args);
    assert!(status == Some(0) && text.contains("no keys for IKE SA"), "{text}");
    std::fs::write(folder.path().join("esp_sa"), "nonsense\n").unwrap();
    let (status, _, err) = counterpeer(&args);
    assert!(status == Some(2) && err.contains("esp_sa line 1: 1 columns instead of 8"), "{err}");
    let (status, _, err) = counterpeer(&["decode", file.to_str().unwrap(), "--keys", "/nonexistent"]);
    assert!(status == Some(2) && err.contains("--keys /nonexistent: no such folder"), "{err}");
}

/// The capture as evidence of our own: every packet outside, with its keys.
fn evidence(name: &str) -> Evidence {
    let read = capture::read(&std::fs::read(captures().join(format!("{name}.pcap"))).unwrap());
    let dissector = dissector(&captures()).unwrap();
    let first = read.packets[0].time;
    let mut decoder = Decoder::new(dissector, first);
    let records = read.packets.iter().zip(1..).map(|(packet, number)| Record {
        time: packet.time - first,
        leg: Leg::Outside,
        direction: if number % 2 == 1 { Direction::ToDut } else { Direction::FromDut },
        frame: packet.data.clone(),
        summary: decoder.decode(packet, number).summary,
        comments: vec![format!("comment on packet {number}")],
    });
    let table = |name: &str| std::fs::read_to_string(captures().join(name)).unwrap();
    Evidence {
        records: records.collect(),
        ike_keys: wireshark::read_ike_table(&table("ikev2_decryption_table")).unwrap(),
        isakmp_keys: wireshark::read_isakmp_table(&table("ikev1_decryption_table")).unwrap(),
        esp_keys: wireshark::read_esp_table(&table("esp_sa")).unwrap(),
        clock: Clock::Virtual,
        ..Evidence::default()
    }
}

/// What tshark prints of a folder of evidence.
fn tshark(place: &Path, args: &[&str]) -> String {
    let output = Command::new("tshark")
        .env("WIRESHARK_CONFIG_DIR", place)
        .arg("-r")
        .arg(place.join("capture.pcapng"))
        .args(["-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE"])
        .args(args)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn tshark_is_there() -> bool {
    let there = Command::new("tshark").arg("--version").output().is_ok();
    if !there {
        eprintln!("tshark is not installed: nothing is checked");
    }
    there
}

#[test]
fn tshark_decrypts_the_ikev1_that_we_write() {
    if !tshark_is_there() {
        return;
    }
    for (name, packets, key_exchange) in [("v1main", 13, true), ("v1aggr", 10, false)] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.keep("x", "the title", &evidence(name)).unwrap();
        let all = tshark(&folder.path().join("captures/x"), &["-V"]);
        assert_eq!(all.matches("Interface name: outside").count(), packets, "{name}");
        assert_eq!(all.matches("Echo (ping) request").count(), 2, "{name}: {all}");
        // Of each quick mode: three hashes, two offers, two names of the client networks in both directions.
        assert_eq!(all.matches("ID type: IPV4_ADDR_SUBNET (4)").count(), 4, "{name}: {all}");
        assert_eq!(all.matches("ID type: IPV4_ADDR (1)").count(), 2, "{name}");
        assert_eq!(all.matches("Transform ID: AES (12)").count(), 2, "{name}");
        assert_eq!(all.matches("Payload: Key Exchange (4)").count(), if key_exchange { 4 } else { 2 }, "{name}");
    }
}

#[test]
fn tshark_decrypts_what_we_write() {
    if !tshark_is_there() {
        return;
    }
    for name in ["v2cbc", "v2gcm"] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.keep("x", "the title", &evidence(name)).unwrap();
        let place = folder.path().join("captures/x");
        let tshark = |args: &[&str]| tshark(&place, args);
        let all = tshark(&["-V"]);
        assert_eq!(all.matches("Echo (ping) request").count(), 2, "{name}: {all}");
        assert_eq!(all.matches("Payload: Authentication (39)").count(), 2, "{name}");
        assert_eq!(all.matches("Interface name: outside").count(), 8, "{name}");
        if name == "v2cbc" {
            assert!(all.contains("Integrity Checksum Data") && !all.contains("[incorrect"), "{all}");
        }
        let comments = tshark(&["-T", "fields", "-e", "frame.comment"]);
        let expected: Vec<String> = (1..=8).map(|number| format!("comment on packet {number}")).collect();
        assert_eq!(comments.lines().collect::<Vec<_>>(), expected);
    }
}

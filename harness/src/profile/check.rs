//! Reading a profile: what is wrong, where, and what to do about it.

use super::manual::{Manual, twice};
use super::{Profile, Start};
use crypto::{Encryption, Integrity};
use reference_peer::config::{EspProposal, Identity};
use std::fmt;
use std::path::{Path, PathBuf};

/// A profile that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileError {
    /// The file.
    pub path: PathBuf,
    /// Line and column, from 1, where one is known.
    pub position: Option<(u64, u64)>,
    /// What is wrong and what to do.
    pub message: String,
}

impl ProfileError {
    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self { path: path.to_owned(), position: None, message: error.to_string() }
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ProfileError {}

/// Reads and checks a profile; the built-in one needs no interface.
pub(super) fn read(text: &str, path: &Path, built_in: bool) -> Result<Profile, ProfileError> {
    let mut profile: Profile = serde_yaml::from_str(text).map_err(|error| {
        let (position, message) = crate::yaml::explain(&error);
        ProfileError { path: path.to_owned(), position, message }
    })?;
    profile.built_in = built_in;
    profile.folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let at = |position, message| ProfileError { path: path.to_owned(), position, message };
    if let Some(ike) = &mut profile.ike {
        let psk = &mut ike.psk;
        psk.resolve(&profile.folder).map_err(|message| at(Some(psk.position()), format!("ike.psk: {message}")))?;
    }
    if let Some(fixed) = profile.manual.as_mut().and_then(|manual| manual.fixed.as_mut()) {
        for keys in [&mut fixed.keys.to_dut, &mut fixed.keys.from_dut] {
            let resolved = keys.resolve(&profile.folder);
            resolved.map_err(|(position, message)| at(Some(position), format!("manual.static.keys: {message}")))?;
        }
    }
    // With one version of IKE alone there is no doubt which of them a hook begins.
    if profile.ike().speaks(1)
        && !profile.ike().speaks(2)
        && let Some(initiate) = profile.control.get("initiate").cloned()
    {
        profile.control.entry("initiate_ikev1".to_owned()).or_insert(initiate);
    }
    match fault(&profile) {
        Some((keys, message)) => {
            let message = format!("{}: {message}", keys.join("."));
            Err(at(line_of(text, &keys).map(|line| (line, 1)), message))
        }
        None => Ok(profile),
    }
}

type Fault = (Vec<&'static str>, String);

/// What a reader of YAML alone cannot see.
fn fault(profile: &Profile) -> Option<Fault> {
    let fault = |keys: &[&'static str], message: &str| Some((keys.to_vec(), message.to_owned()));
    if profile.name.trim().is_empty() {
        return fault(&["name"], "a DUT needs a name");
    }
    if profile.outside.dut.is_empty() {
        return fault(&["outside", "dut"], "give at least one address");
    }
    if profile.outside.testers.is_empty() {
        return fault(&["outside", "testers"], "give at least one address");
    }
    for dut in profile.outside.dut.iter().map(super::HostAddress::address) {
        let taken = profile.outside.testers.iter().any(|range| range.len() == 1 && range.contains(dut));
        if taken {
            return fault(&["outside", "testers"], "this is the address of the DUT itself");
        }
    }
    if let Some(inside) = &profile.inside
        && (inside.dut.is_empty() || inside.hosts.is_empty())
    {
        return fault(&["inside"], "give at least one address of the DUT and one for hosts");
    }
    if let Some(ike) = &profile.ike {
        if ike.speaks(2) && ike.proposals.is_empty() {
            let message = "give at least one proposal for IKEv2, such as aes128-sha256-modp2048";
            return fault(&["ike", "proposals"], message);
        }
        if ike.speaks(1) && ike.policies.is_empty() {
            return fault(&["ike", "policies"], "give at least one policy for IKEv1, such as aes128-sha1-modp2048");
        }
        if ike.speaks(1) && ike.exchanges.is_empty() {
            return fault(&["ike", "exchanges"], "the exchanges of phase 1 are main and aggressive");
        }
        if ike.speaks(1) && ike.pfs.is_empty() {
            return fault(&["ike", "pfs"], "give groups for quick mode, or none");
        }
        if !ike.speaks(1) && !ike.policies.is_empty() {
            return fault(&["ike", "policies"], "this is for IKEv1, which is not among ike.versions");
        }
        if ike.versions.is_empty() || ike.versions.iter().any(|version| !matches!(version, 1 | 2)) {
            return fault(&["ike", "versions"], "the versions of IKE are 1 and 2");
        }
    }
    if let Some(fault) = keying_fault(profile) {
        return Some(fault);
    }
    if let Some(identities) = &profile.ike().identities {
        for (key, identity) in [("dut", identities.dut.clone()), ("testers", identities.testers.replace("{n}", "1"))] {
            if let Err(error) = identity.parse::<Identity>() {
                return Some((vec!["ike", "identities", key], error.to_string()));
            }
        }
    }
    if let Some((hook, _)) = profile.control.iter().find(|(_, command)| command.is_empty()) {
        return Some((vec!["control"], format!("the hook {hook} has no program")));
    }
    let guest = profile.start.as_ref().is_some_and(|start| start.guest.is_some());
    profile.start.as_ref().and_then(start_fault).or_else(|| match (guest, &profile.outside.interface) {
        (false, None) if !profile.built_in => fault(&["outside"], "the key \"interface\" is missing"),
        (true, Some(_)) => fault(&["outside", "interface"], "a guest is joined directly and has no interface here"),
        _ => None,
    })
}

/// Nobody can be judged without SAs.
fn keying_fault(profile: &Profile) -> Option<Fault> {
    let fault = |keys: &[&'static str], message: String| Some((keys.to_vec(), message));
    match &profile.manual {
        None if profile.ike.is_none() => {
            let message =
                "the key \"ike\" is missing: say how keys are exchanged, or give manual for a DUT without IKE";
            return fault(&["ike"], message.to_owned());
        }
        Some(manual) if manual.fixed.is_none() && !profile.built_in && !profile.control.contains_key("install_sa") => {
            let message = "give static SAs, or a hook control.install_sa that makes those of a scenario";
            return fault(&["manual"], message.to_owned());
        }
        Some(Manual { fixed: Some(fixed) }) => {
            let proposal = &fixed.proposal;
            for keys in [&fixed.keys.to_dut, &fixed.keys.from_dut] {
                let (encryption, integrity) = keys.octets();
                if let Some((what, wanted, given)) = key_fault(proposal, encryption.len(), integrity.len()) {
                    let message = format!("{what} of {proposal} wants {wanted} octets, and {given} are given");
                    return fault(&["manual", "static", "keys"], message);
                }
            }
        }
        _ => {}
    }
    for bundle in &profile.ipsec.bundles {
        for part in bundle.split('+') {
            if let Err(error) = part.parse::<EspProposal>() {
                return fault(&["ipsec", "bundles"], error.to_string());
            }
        }
    }
    let protected = profile.ipsec.protected.as_ref()?;
    for (key, nets) in [("dut", &protected.dut), ("testers", &protected.testers)] {
        if nets.is_empty() {
            return fault(&["ipsec", "protected"], format!("give at least one network for {key}"));
        }
        if let Some(net) = twice(nets) {
            return fault(&["ipsec", "protected"], format!("{net} is a second network of its version for {key}"));
        }
    }
    None
}

/// A key whose length does not fit: which, octets wanted, octets given.
fn key_fault(proposal: &EspProposal, encryption: usize, integrity: usize) -> Option<(&'static str, usize, usize)> {
    let cipher = proposal.encryption.first().and_then(|cipher| Encryption::from_iana(cipher.id, cipher.key_bits));
    let mac = proposal.integrity.first().and_then(|mac| Integrity::from_iana(mac.id));
    let wanted = cipher.map_or(0, Encryption::key_material_len);
    if wanted != encryption {
        return Some(("the encryption key", wanted, encryption));
    }
    let wanted = mac.map_or(0, Integrity::key_len);
    (wanted != integrity).then_some(("the integrity key", wanted, integrity))
}

fn start_fault(start: &Start) -> Option<Fault> {
    let fault = |keys: &[&'static str], message: &str| Some((keys.to_vec(), message.to_owned()));
    match (&start.guest, start.command.is_empty()) {
        (None, true) => fault(&["start"], "give either guest or command"),
        (Some(_), false) => fault(&["start"], "give either guest or command, not both"),
        (None, false) if start.ready.is_none() => {
            fault(&["start"], "give ready: what a line of the command's output contains once the DUT is ready")
        }
        (None, false) if !start.run.is_empty() => {
            fault(&["start", "run"], "these commands run in a guest, and there is none")
        }
        (Some(guest), true) => [Some(&guest.outside), guest.inside.as_ref()]
            .into_iter()
            .flatten()
            .find(|leg| leg.hardware_address().is_none())
            .map(|leg| (vec!["start", "guest"], format!("{:?} is not a hardware address", leg.mac))),
        (None, false) => None,
    }
}

/// The line where the innermost of the keys stands, as far as they can be followed.
fn line_of(text: &str, keys: &[&str]) -> Option<u64> {
    let mut found = None;
    let mut lines = text.lines().zip(1u64..);
    for key in keys {
        let has_key = |line: &str| {
            line.split(['{', ',', ' ', '\t']).any(|word| word.strip_suffix(':').is_some_and(|word| word == *key))
        };
        // A key in braces stands on the line of its parent.
        if let Some(line) = found
            && text.lines().nth(usize::try_from(line - 1).ok()?).is_some_and(has_key)
        {
            continue;
        }
        match lines.find(|(line, _)| has_key(line.split('#').next().unwrap_or_default())) {
            Some((_, line)) => found = Some(line),
            None => break,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::super::{Encapsulation, Profile, Window};
    use super::*;
    use std::time::Duration;

    const PLAIN: &str = "\
name: edge-router
outside: {interface: veth-out, dut: 10.66.0.1, testers: 10.66.0.16/28}
inside:  {interface: veth-in,  dut: 10.77.0.1, hosts: 10.77.0.16/28}
ike:
  versions: [2]
  proposals: [aes128-sha1-modp2048, aes128gcm16-prfsha256-ecp256]
  psk: {text: open sesame}
ipsec:
  proposals: [aes128-sha1, aes128gcm16]
  replay_window: 64
  df_bit: copy
timing: {answer_within: 1500ms}
claims: [dpd, nat-t]
control:
  clear_sas: [\"ssh\", \"edge\", \"clear crypto sa\"]
";

    fn plain(from: &str, to: &str) -> Result<Profile, ProfileError> {
        assert!(PLAIN.contains(from), "{from}");
        read(&PLAIN.replace(from, to), Path::new("lab/edge.yaml"), false)
    }

    #[track_caller]
    fn refused(from: &str, to: &str, line: u64, message: &str) {
        let error = plain(from, to).unwrap_err();
        assert_eq!(error.position.map(|(line, _)| line), Some(line), "{error}");
        assert!(error.message.contains(message), "{error}");
        let begin = format!("lab/edge.yaml:{line}:");
        assert!(error.to_string().starts_with(&begin), "{error}");
    }

    #[test]
    fn a_plain_profile_is_understood() {
        let profile = plain("edge", "edge").unwrap();
        assert_eq!(profile.outside.testers.first().unwrap().nth(1), "10.66.0.17".parse().ok());
        assert_eq!(profile.testers(), 16);
        assert_eq!(profile.ipsec.replay_window, Some(Window::Packets(64)));
        assert_eq!(profile.timing.answer_within, Duration::from_millis(1500));
        assert_eq!(profile.ike().psk.expose(), b"open sesame");
        assert_eq!(profile.ike().proposals.len(), 2);
        assert!(profile.ipsec.encapsulation.contains(&Encapsulation::Esp));
        assert_eq!(profile.folder, Path::new("lab"));
        assert!(!profile.is_self());
    }

    #[test]
    fn needs_are_weighed() {
        let profile = plain("edge", "edge").unwrap();
        for met in ["inside", "claim.dpd", "control.clear_sas", "native-esp", "ikev2", "ipv4", "replay-window"] {
            assert_eq!(profile.lacks(met), None, "{met}");
        }
        assert_eq!(profile.lacks("claim.esn").unwrap(), "profile edge-router does not claim esn");
        assert_eq!(profile.lacks("control.initiate").unwrap(), "profile edge-router has no control hook initiate");
        assert_eq!(profile.lacks("self").unwrap(), "only with the built-in peer");
        for unmet in ["ikev1", "ipv6", "transport", "esn", "dpd", "nonsense"] {
            assert!(profile.lacks(unmet).is_some(), "{unmet}");
        }
        for need in Profile::NEEDS {
            assert_eq!(Profile::built_in().lacks(need), None, "{need}");
        }
    }

    #[test]
    fn a_dut_with_ikev1_alone_needs_no_proposals() {
        let from = "versions: [2]\n  proposals: [aes128-sha1-modp2048, aes128gcm16-prfsha256-ecp256]";
        let to = "versions: [1]\n  policies: [3des-md5-modp1024]\n  exchanges: [main, aggressive]\n  pfs: [modp1024]";
        let profile = plain(from, to).unwrap();
        assert_eq!(profile.ike().policies[0].to_string(), "3des-md5-modp1024");
        for met in ["ikev1", "ikev1-main", "ikev1-aggressive", "ikev1-pfs"] {
            assert_eq!(profile.lacks(met), None, "{met}");
        }
        assert!(profile.lacks("ikev2").is_some());
        let main_alone = plain(from, "versions: [1]\n  policies: [3des-md5-modp1024]").unwrap();
        assert_eq!(main_alone.lacks("ikev1-main"), None);
        assert!(main_alone.lacks("ikev1-aggressive").is_some() && main_alone.lacks("ikev1-pfs").is_some());
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest_known_one() {
        refused("replay_window", "replay_widnow", 10, "unknown key \"replay_widnow\": did you mean \"replay_window\"?");
        refused("testers:", "tester:", 2, "did you mean \"testers\"?");
        refused("claims:", "claim:", 13, "did you mean \"claims\"?");
        refused(
            "versions",
            "qqqqqqqqqqqq",
            5,
            "known here are versions, identities, psk, proposals, policies, exchanges, pfs",
        );
    }

    #[test]
    fn wrong_values_are_refused_with_their_line() {
        refused("1500ms", "1500", 12, "\"1500\" has no unit: write 1500s or 1500ms");
        refused("1500ms", "3 parsecs", 12, "unknown unit \"parsecs\": use ms, s, min, h or d");
        refused("1500ms", "soon", 12, "\"soon\" is not a time");
        refused("10.66.0.16/28", "10.66.0.17/28", 2, "has host bits set: write 10.66.0.16/28");
        refused("10.66.0.16/28", "10.66.0.16-10.66.0.2", 2, "the last address comes before the first");
        refused("dut: 10.66.0.1", "dut: 10.66.0.1000", 2, "is not an address");
        refused("testers: 10.66.0.16/28", "testers: 10.66.0.1", 2, "this is the address of the DUT itself");
        refused("replay_window: 64", "replay_window: big", 10, "is not a window: write a number of packets, or off");
        refused("replay_window: 64", "replay_window: 0", 10, "is not a window");
        refused("df_bit: copy", "df_bit: keep", 11, "keep");
        refused("aes128-sha1-modp2048", "aes128-sha1-modp2047", 6, "unknown algorithm `modp2047`, did you mean");
        refused("versions: [2]", "versions: [3]", 5, "the versions of IKE are 1 and 2");
        let policies = "versions: [1]\n  policies:";
        refused("versions: [2]", "versions: [1, 2]", 4, "give at least one policy for IKEv1");
        refused("versions: [2]", &format!("{policies} [aes-sha1-modp2047]"), 6, "unknown algorithm `modp2047`, did");
        refused("versions: [2]", &format!("{policies} [aes128ctr-sha1-modp2048]"), 6, "the ciphers of ISAKMP are des");
        refused("versions: [2]", "versions: [2]\n  policies: [des-sha1-modp768]", 6, "not among ike.versions");
        refused("versions: [2]", &format!("{policies} [des-sha1-modp768]\n  exchanges: [base]"), 7, "base");
        refused("versions: [2]", &format!("{policies} [des-sha1-modp768]\n  pfs: [modp]"), 7, "is not a group such as");
        refused("interface: veth-out, ", "", 2, "the key \"interface\" is missing");
        refused("[\"ssh\", \"edge\", \"clear crypto sa\"]", "[]", 14, "the hook clear_sas has no program");
        refused("name: edge-router", "name: ''", 1, "a DUT needs a name");
        refused("claims: [dpd, nat-t]", "start: {ready: x}", 13, "give either guest or command");
        refused("claims: [dpd, nat-t]", "start: {command: [a]}", 13, "give ready");
    }

    #[test]
    fn a_missing_key_and_a_broken_file_are_told_apart() {
        let error = plain("name: edge-router\n", "").unwrap_err();
        assert!(error.message.contains("the key \"name\" is missing"), "{error}");
        assert!(plain("claims: [dpd", "claims: [dpd, [").is_err());
        refused("claims: [dpd, nat-t]", "name: again", 13, "duplicate");
        let error = Profile::load(Path::new("/nonexistent/x.yaml")).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/x.yaml: No such file"), "{error}");
    }

    #[test]
    fn secrets_come_from_elsewhere_and_are_never_shown() {
        refused("{text: open sesame}", "{env: COUNTERPEER_NO_SUCH}", 7, "COUNTERPEER_NO_SUCH is not set");
        refused("{text: open sesame}", "{file: no-such-file}", 7, "the secret file lab/no-such-file");
        refused("{text: open sesame}", "{text: ''}", 7, "is empty");
        for bare in ["open sesame", "987654321", "-98765", "9876.5", "true", "[open sesame]"] {
            let error = plain("{text: open sesame}", bare).unwrap_err();
            assert_eq!(error.position.map(|(line, _)| line), Some(7), "{error}");
            assert!(!error.message.contains("sesame") && !error.message.contains("9876"), "{error}");
        }
        refused("{text: open sesame}", "open sesame", 7, "write {env: NAME} or {file: PATH}");
        refused("{text: open sesame}", "{txt: a}", 7, "did you mean \"text\"?");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("psk"), "from a file\r\n").unwrap();
        let text = PLAIN.replace("{text: open sesame}", "{file: psk}");
        let profile = read(&text, &folder.path().join("profile.yaml"), false).unwrap();
        assert_eq!(profile.ike().psk.expose(), b"from a file");
        let shown = format!("{profile:?} {}", serde_json::to_string(&profile).unwrap());
        assert!(!shown.contains("from a file"), "{shown}");
        assert!(shown.contains("file psk"), "{shown}");
    }

    /// A DUT without IKE, and a static pair of SAs.
    const MANUAL: &str = "\
name: appliance
outside: {interface: veth-out, dut: 10.66.0.1, testers: 10.66.0.16/28}
inside:  {interface: veth-in,  dut: 10.77.0.1, hosts: 10.77.0.16/28}
manual:
  static:
    proposal: aes128-sha1
    spi: {to_dut: 0x1000, from_dut: 0x2000}
    keys:
      to_dut: {encryption: {text: '0x000102030405060708090a0b0c0d0e0f'}, integrity: {text: '0x000102030405060708090a0b0c0d0e0f10111213'}}
      from_dut: {encryption: {text: '0x000102030405060708090a0b0c0d0e0f'}, integrity: {text: '0x000102030405060708090a0b0c0d0e0f10111213'}}
ipsec:
  proposals: [aes128-sha1]
  protected: {dut: [10.77.0.0/16, 'fd77::/64'], testers: 10.2.0.0/16}
";

    #[track_caller]
    fn refused_manual(from: &str, to: &str, line: u64, message: &str) {
        assert!(MANUAL.contains(from), "{from}");
        let error = read(&MANUAL.replace(from, to), Path::new("lab/m.yaml"), false).unwrap_err();
        assert!(error.message.contains(message), "{error}");
        assert_eq!(error.position.map(|(line, _)| line), Some(line), "{error}");
    }

    #[test]
    fn a_dut_without_ike_has_manual_keys() {
        let profile = read(MANUAL, Path::new("m.yaml"), false).unwrap();
        assert!(profile.lacks("ikev2").is_some() && profile.lacks("inner-ipv6").is_some());
        assert!(profile.lacks("manual-keys").is_some(), "static SAs are not of a scenario's making");
        let fixed = profile.manual.unwrap().fixed.unwrap();
        let (encryption, integrity) = fixed.keys.to_dut.octets();
        assert_eq!((encryption.len(), integrity.len(), integrity[19]), (16, 20, 0x13));
        assert_eq!((fixed.spi.to_dut, fixed.spi.from_dut), (0x1000, 0x2000));
        refused_manual("manual:\n  static:\n", "x:\n  y:\n", 4, "unknown key \"x\"");
        refused_manual("10111213'}}\n      from", "101112'}}\n      from", 8, "wants 20 octets, and 19 are given");
        refused_manual("'0x0001", "'0001", 9, "is not hexadecimal octets after 0x");
        refused_manual("proposal: aes128-sha1", "proposal: aes128-sha2", 6, "unknown algorithm `sha2`");
        refused_manual(
            "testers: 10.2.0.0/16",
            "testers: [10.2.0.0/16, 10.3.0.0/16]",
            13,
            "a second network of its version",
        );
        refused_manual("proposals: [aes128-sha1]", "bundles: [sha1+nonsense]", 12, "nonsense");
        let text = MANUAL.split("  static:").next().unwrap().replace("manual:", "manual: {}");
        let error = read(&text, Path::new("m.yaml"), false).unwrap_err();
        assert!(error.message.contains("control.install_sa"), "{error}");
        let error = plain("ike:\n  versions: [2]\n", "timing: {}\nx:\n").unwrap_err();
        assert!(error.message.contains("unknown key") || error.message.contains("ike"), "{error}");
        let shown = format!("{:?}", read(MANUAL, Path::new("m.yaml"), false).unwrap());
        assert!(!shown.contains("0203"), "{shown}");
    }

    #[test]
    fn a_window_can_be_off() {
        assert_eq!(plain("replay_window: 64", "replay_window: off").unwrap().ipsec.replay_window, Some(Window::Off));
    }

    #[test]
    fn the_built_in_profile_is_sound() {
        let profile = Profile::built_in();
        assert!(profile.is_self());
        assert_eq!(profile.dut_outside(), "192.0.2.1".parse().ok());
        assert_eq!(profile.lacks("claim.anything"), None);
    }

    #[test]
    fn the_profiles_of_this_project_are_sound() {
        for name in ["strongswan", "guest"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../ci/profiles/{name}.yaml"));
            let profile = Profile::load(&path).unwrap();
            assert_eq!(profile.name, name);
            assert_eq!(profile.lacks("native-esp").is_some(), name == "strongswan");
            assert_eq!(profile.lacks("control.initiate"), None);
        }
    }
}

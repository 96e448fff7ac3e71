//! `counterpeer profile check`.

use super::Failure;
use crate::profile::{Fixed, Profile, Start};
use crate::report::status;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The profile.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn check(args: &CheckArgs, out: &mut dyn Write) -> Result<u8, Failure> {
    let profile = Profile::load(&args.file).map_err(Failure::usage)?;
    let words = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let mut row = |name: &str, value: String| writeln!(out, "{name:20} {value}");
    row("name", profile.name.clone())?;
    row("started by", profile.start.as_ref().map_or_else(|| "nobody: it runs already".to_owned(), started_by))?;
    let place = |namespace: &Option<String>, interface: &Option<String>| match (namespace, interface) {
        (Some(namespace), Some(interface)) => format!("{interface} in namespace {namespace}"),
        (None, Some(interface)) => interface.clone(),
        (_, None) => "joined directly".to_owned(),
    };
    let outside = &profile.outside;
    row("outside", place(&outside.namespace, &outside.interface))?;
    row("  DUT", words(outside.dut.iter().map(ToString::to_string).collect()))?;
    let testers: Vec<String> = outside.testers.iter().map(ToString::to_string).collect();
    row("  testers", format!("{} ({} addresses)", words(testers), profile.testers()))?;
    match &profile.inside {
        Some(inside) => {
            row("inside", place(&inside.namespace, &inside.interface))?;
            row("  DUT", words(inside.dut.iter().map(ToString::to_string).collect()))?;
            row("  hosts", words(inside.hosts.iter().map(ToString::to_string).collect()))?;
        }
        None => row("inside", "none: scenarios that need it are not applicable".to_owned())?,
    }
    let ike = profile.ike();
    row("IKE versions", words(ike.versions.iter().map(ToString::to_string).collect()))?;
    if !ike.versions.is_empty() {
        if ike.speaks(2) {
            row("IKEv2 proposals", words(ike.proposals.iter().map(ToString::to_string).collect()))?;
        }
        if ike.speaks(1) {
            row("IKEv1 policies", words(ike.policies.iter().map(ToString::to_string).collect()))?;
            let exchanges = ike.exchanges.iter().map(|exchange| format!("{exchange:?} mode").to_lowercase());
            row("IKEv1 exchanges", words(exchanges.collect()))?;
            row("forward secrecy", words(ike.pfs.iter().map(ToString::to_string).collect()))?;
        }
        if let Some(identities) = &ike.identities {
            row("identities", format!("DUT {}, testers {}", identities.dut, identities.testers))?;
        }
        row("pre-shared key", format!("{} octets from {}", ike.psk.expose().len(), ike.psk.origin()))?;
    }
    if let Some(manual) = &profile.manual {
        row("manual keys", manual.fixed.as_ref().map_or_else(|| "by the hook install_sa".to_owned(), fixed_sas))?;
    }
    row("ESP proposals", words(profile.ipsec.proposals.iter().map(ToString::to_string).collect()))?;
    let lowercase = |debug: String| debug.to_lowercase();
    row(
        "ESP travels in",
        words(profile.ipsec.encapsulation.iter().map(|own| lowercase(format!("{own:?}"))).collect()),
    )?;
    row("modes", words(profile.ipsec.modes.iter().map(|own| lowercase(format!("{own:?}"))).collect()))?;
    let window = profile.ipsec.replay_window.map(|window| match window {
        crate::profile::Window::Off => "off".to_owned(),
        crate::profile::Window::Packets(packets) => format!("{packets} packets"),
    });
    row("replay window", window.unwrap_or_else(|| "not given".to_owned()))?;
    row("claims", words(profile.claims.iter().cloned().collect()))?;
    if let Some(dpd) = &profile.dpd {
        row("dead peers", format!("asks after {:?} of silence, gives up after {:?}", dpd.delay, dpd.gives_up_after))?;
    }
    row("control hooks", words(profile.control.keys().cloned().collect()))?;
    let timing = &profile.timing;
    row("answers within", format!("{:?}; silent if nothing comes for {:?}", timing.answer_within, timing.silence))?;
    let gaps = profile.gaps();
    for gap in &gaps {
        writeln!(out, "note: {gap}")?;
    }
    let verdict = if gaps.is_empty() { "sound" } else { "sound, but not enough for a run" };
    writeln!(out, "{}: {verdict}", args.file.display())?;
    Ok(status::GOOD)
}

fn fixed_sas(fixed: &Fixed) -> String {
    let (proposal, spi) = (&fixed.proposal, &fixed.spi);
    format!("static SAs of {proposal}, SPI 0x{:x}+n to the DUT, 0x{:x}+n from it", spi.to_dut, spi.from_dut)
}

fn started_by(start: &Start) -> String {
    match &start.guest {
        Some(guest) => format!("Counterpeer: guest kernel with {}, ready within {:?}", guest.tree, start.ready_within),
        None => format!("Counterpeer: {}, ready within {:?}", start.command.join(" "), start.ready_within),
    }
}

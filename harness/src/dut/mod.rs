//! A DUT that is not the built-in peer: started where the profile says how, controlled, watched and stopped.

use crate::profile::{Guest as GuestProfile, GuestLeg as LegProfile, Profile, Start};
use crate::testbed::{Hook, MediumError, Plan};
use packet_io::{
    Clock, CommandConfig, ForegroundCommand, FrameLink, Guest, GuestConfig, GuestLeg, PacketSocket, StartedDut,
    default_guest_directory, run_command,
};
use reference_peer::gateway::Leg;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a hook may take: in a guest they run one at a time, those of other scenarios first.
const HOOK_LIMIT: Duration = Duration::from_secs(60);

/// Exit status of a hook that says that the DUT cannot do what it was to do.
const REFUSED: i32 = 3;

/// A DUT on real links.
pub struct Dut {
    /// The DUT if it was started here.
    started: Option<Box<dyn StartedDut>>,
    control: BTreeMap<String, Vec<String>>,
    folder: PathBuf,
}

/// The links to a DUT, each with its leg.
pub type Links = Vec<(Leg, Arc<dyn FrameLink>)>;

impl Dut {
    /// Starts the DUT if the profile says how, and opens its links.
    ///
    /// # Errors
    /// What is missing and what to do about it, in words. Nothing is left running.
    pub fn start(profile: &Profile, clock: Clock) -> Result<(Self, Links), String> {
        let described = |error: packet_io::Error| format!("profile {}: {error}", profile.name);
        let mut dut = Self { started: None, control: profile.control.clone(), folder: profile.folder.clone() };
        if let Some(start) = &profile.start {
            if let Some(guest) = &start.guest {
                let guest = Guest::start(&guest_config(profile, start, guest)?, clock).map_err(described)?;
                let mut links: Links = vec![(Leg::Outside, guest.outside())];
                if let Some(inside) = guest.inside() {
                    links.push((Leg::Inside, inside));
                }
                dut.started = Some(Box::new(guest));
                return Ok((dut, links));
            }
            if !start.command.is_empty() {
                let config = CommandConfig {
                    name: profile.name.clone(),
                    words: start.command.clone(),
                    folder: profile.folder.clone(),
                    ready: start.ready.clone().unwrap_or_default(),
                    ready_within: start.ready_within,
                    stop_within: start.stop_within,
                };
                dut.started = Some(Box::new(ForegroundCommand::start(&config).map_err(described)?));
            }
        }
        let mut links: Links = Vec::new();
        let legs = [
            (Leg::Outside, Some((&profile.outside.interface, &profile.outside.namespace))),
            (Leg::Inside, profile.inside.as_ref().map(|inside| (&inside.interface, &inside.namespace))),
        ];
        for (leg, place) in legs {
            let Some((Some(interface), namespace)) = place else { continue };
            let socket = PacketSocket::open(interface, namespace.as_deref(), clock).map_err(described)?;
            links.push((leg, Arc::new(socket)));
        }
        if links.iter().any(|(leg, _)| *leg == Leg::Outside) {
            return Ok((dut, links));
        }
        Err(format!("profile {}: outside.interface is missing: name the interface that leads to the DUT", profile.name))
    }

    /// How it died, if it did.
    pub fn died(&self) -> Option<String> {
        self.started.as_ref().and_then(|started| started.death()).map(|death| death.to_string())
    }

    /// Stops it if it was started here.
    pub fn stop(&self) {
        if let Some(started) = &self.started {
            started.stop();
        }
    }

    /// Runs a hook for one tester; gives what it printed.
    ///
    /// # Errors
    /// [`MediumError::NoHook`], [`MediumError::HookFailed`], [`MediumError::Refused`] or [`MediumError::DutDied`].
    pub fn control(&self, hook: Hook, plan: &Plan) -> Result<String, MediumError> {
        let words = self.control.get(hook.name()).ok_or(MediumError::NoHook(hook.name()))?;
        let value = if let Hook::Set(setting) = &hook { setting.value() } else { String::new() };
        let line = if let Hook::Command(line) = &hook { line.as_str() } else { "" };
        let mut filled = Vec::with_capacity(words.len());
        for word in words {
            match &hook {
                Hook::InstallSa(sas) if word == "{sa}" => filled.extend(sas.words()),
                _ => filled.push(
                    word.replace("{tester}", &plan.tester.to_string())
                        .replace("{n}", &plan.number.to_string())
                        .replace("{protected}", &plan.tester_net.to_string())
                        .replace("{value}", &value)
                        .replace("{line}", line),
                ),
            }
        }
        let words = filled;
        let name = hook.name();
        let failed = |reason: String| MediumError::HookFailed { hook: name, reason };
        let output = match &self.started {
            Some(started) => started.run(&words, HOOK_LIMIT),
            None => run_command(&words, &self.folder, HOOK_LIMIT),
        };
        let output = output.map_err(|error| match error {
            packet_io::Error::Dead(death) => MediumError::DutDied(death.to_string()),
            error => failed(error.to_string()),
        })?;
        match output.status {
            0 => return Ok(output.text),
            REFUSED => return Err(MediumError::Refused { hook: name, reason: output.last_lines().join(" | ") }),
            _ => {}
        }
        Err(failed(format!("status {}: {}", output.status, output.last_lines().join(" | "))))
    }
}

fn guest_config(profile: &Profile, start: &Start, guest: &GuestProfile) -> Result<GuestConfig, String> {
    Ok(GuestConfig {
        name: profile.name.clone(),
        directory: guest
            .directory
            .as_ref()
            .map_or_else(default_guest_directory, |directory| in_folder(&profile.folder, directory)),
        tree: guest.tree.clone(),
        memory: guest.memory.clone(),
        outside: leg(&guest.outside)?,
        inside: guest.inside.as_ref().map(leg).transpose()?,
        files: guest.files.iter().map(|(to, from)| (to.clone(), in_folder(&profile.folder, from))).collect(),
        run: start.run.clone(),
        ready_within: start.ready_within,
        stop_within: start.stop_within,
    })
}

fn leg(leg: &LegProfile) -> Result<GuestLeg, String> {
    Ok(GuestLeg {
        mac: leg.hardware_address().ok_or_else(|| format!("{} is not a hardware address", leg.mac))?,
        addresses: leg.addresses.iter().map(|own| (own.address(), own.prefix_len())).collect(),
    })
}

fn in_folder(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path)
}

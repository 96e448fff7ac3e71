//! Where evidence is kept: one folder a scenario, complete or not there.

use super::{Evidence, capture, timeline, wireshark};
use std::io;
use std::path::{Path, PathBuf};

/// The folder of a run.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// Folder of the captures within a report.
const CAPTURES: &str = "captures";

impl Store {
    /// Opens the folder of a run, makes it if it is not there, and removes the evidence of an earlier run.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn open(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        let store = Self { root: root.to_owned() };
        let captures = root.join(CAPTURES);
        // Only what an earlier run has left: its report stands beside it.
        if captures.is_dir() && root.join("report.json").is_file() {
            std::fs::remove_dir_all(&captures)?;
        }
        std::fs::create_dir_all(captures)?;
        for old in ["report.json", "junit.xml"] {
            match std::fs::remove_file(root.join(old)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(store)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Keeps what a scenario left behind; gives back the paths within the report folder.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn keep(&self, slug: &str, title: &str, evidence: &Evidence) -> io::Result<Vec<PathBuf>> {
        let captures = self.root.join(CAPTURES);
        let partial = captures.join(format!(".{slug}.partial"));
        let complete = captures.join(slug);
        if partial.exists() {
            std::fs::remove_dir_all(&partial)?;
        }
        std::fs::create_dir_all(&partial)?;
        let mut files = vec![
            ("capture.pcapng", capture::write(evidence, title)),
            ("timeline.txt", timeline::write(evidence, title).into_bytes()),
        ];
        if !evidence.ike_keys.is_empty() {
            files.push((wireshark::IKE_TABLE, wireshark::ike_table(&evidence.ike_keys).into_bytes()));
        }
        if !evidence.isakmp_keys.is_empty() {
            files.push((wireshark::ISAKMP_TABLE, wireshark::isakmp_table(&evidence.isakmp_keys).into_bytes()));
        }
        if !evidence.esp_keys.is_empty() {
            files.push((wireshark::ESP_TABLE, wireshark::esp_table(&evidence.esp_keys).into_bytes()));
        }
        let mut paths = Vec::new();
        for (name, octets) in files {
            std::fs::write(partial.join(name), octets)?;
            paths.push(Path::new(CAPTURES).join(slug).join(name));
        }
        if complete.exists() {
            std::fs::remove_dir_all(&complete)?;
        }
        // One step: whoever looks sees all of it or nothing.
        std::fs::rename(&partial, &complete)?;
        Ok(paths)
    }

    /// Writes a report file in one step.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, octets: &[u8]) -> io::Result<PathBuf> {
        let path = self.root.join(name);
        let partial = self.root.join(format!(".{name}.partial"));
        std::fs::write(&partial, octets)?;
        std::fs::rename(&partial, &path)?;
        Ok(path)
    }
}

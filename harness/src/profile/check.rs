//! Reading a profile: what is wrong, where, and what to do about it.

use super::Profile;
use crate::text::nearest;
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

pub(super) fn read(text: &str, path: &Path) -> Result<Profile, ProfileError> {
    serde_yaml::from_str(text).map_err(|error: serde_yaml::Error| {
        let error = error.without_snippet();
        let position = error.location().map(|location| (location.line(), location.column()));
        let message = match error {
            serde_yaml::Error::SerdeUnknownField { field, expected, .. } => {
                let candidates = expected.iter().copied();
                match nearest(field, candidates) {
                    Some(near) => format!("unknown key {field:?}: did you mean {near:?}?"),
                    None => format!("unknown key {field:?}"),
                }
            }
            other => other.to_string(),
        };
        ProfileError { path: path.to_owned(), position, message }
    })
}

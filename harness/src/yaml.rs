//! What is wrong with a YAML file, in words, and where.

use crate::text::nearest;

/// Line and column (from 1, where known) and what is wrong.
pub(crate) fn explain(error: &serde_yaml::Error) -> (Option<(u64, u64)>, String) {
    let error = error.without_snippet();
    let position = error.location().map(|location| (location.line(), location.column())).filter(|(line, _)| *line > 0);
    let message = match error {
        serde_yaml::Error::SerdeUnknownField { field, expected, .. } => {
            match nearest(field, expected.iter().copied()) {
                Some(near) => format!("unknown key {field:?}: did you mean {near:?}?"),
                None => format!("unknown key {field:?}: known here are {}", expected.join(", ")),
            }
        }
        serde_yaml::Error::SerdeMissingField { field, .. } => format!("the key {field:?} is missing"),
        other => {
            // The place stands before the message already.
            let message = other.to_string();
            let end = message.find(" at line ").unwrap_or(message.len());
            message.get(..end).unwrap_or(&message).to_owned()
        }
    };
    (position, message)
}

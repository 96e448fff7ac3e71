//! Where feature files come from: the program itself, a folder, or files that are named.

use crate::text::nearest;
use include_dir::{Dir, include_dir};
use std::fmt;
use std::path::{Path, PathBuf};

/// The features that are part of the program.
static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../features");

/// The text of one feature file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its path, as reports name it.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Only the scenarios at these lines, if any are given.
    pub lines: Vec<usize>,
}

/// Which features to read.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// A folder instead of the embedded features.
    pub folder: Option<PathBuf>,
    /// Files and folders, on disk or within the features, with an optional `:line`; all features when empty.
    pub names: Vec<String>,
}

/// Features that cannot be found or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError(pub String);

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SourceError {}

/// Gathers the text of the selected features, in the order of their paths.
///
/// # Errors
/// A name that is neither on disk nor among the features, or a file that cannot be read.
pub fn gather(selection: &Selection) -> Result<Vec<Source>, SourceError> {
    let all = match &selection.folder {
        Some(folder) => from_disk(folder)?,
        None => embedded(),
    };
    if selection.names.is_empty() {
        return Ok(all);
    }
    let mut chosen: Vec<Source> = Vec::new();
    for name in &selection.names {
        let (path, line) = split_line(name);
        let found = within(&all, path);
        let found = match found.is_empty() {
            true if Path::new(path).exists() => from_disk(Path::new(path))?,
            // Folders have hyphens in their names; whoever writes an underscore means the same.
            true => within(&all, &path.replace('_', "-")),
            false => found,
        };
        if found.is_empty() {
            return Err(unknown(&all, path));
        }
        for mut source in found {
            source.lines.extend(line);
            match chosen.iter_mut().find(|other| other.path == source.path) {
                // The whole file wins over single lines of it.
                Some(other) if other.lines.is_empty() || source.lines.is_empty() => other.lines.clear(),
                Some(other) => other.lines.append(&mut source.lines),
                None => chosen.push(source),
            }
        }
    }
    Ok(chosen)
}

fn split_line(name: &str) -> (&str, Option<usize>) {
    match name.rsplit_once(':') {
        Some((path, line)) => match line.parse() {
            Ok(line) => (path, Some(line)),
            Err(_) => (name, None),
        },
        None => (name, None),
    }
}

/// The features whose path is the given one or lies below it; a leading `features/` is optional.
fn within(all: &[Source], name: &str) -> Vec<Source> {
    let name = name.trim_start_matches("./").trim_end_matches('/');
    let fits = |path: &str, name: &str| {
        path == name || path.strip_prefix(name).is_some_and(|rest| rest.starts_with('/') || rest == ".feature")
    };
    all.iter()
        .filter(|source| {
            fits(&source.path, name) || source.path.strip_prefix("features/").is_some_and(|path| fits(path, name))
        })
        .cloned()
        .collect()
}

fn unknown(all: &[Source], name: &str) -> SourceError {
    let near = nearest(name, all.iter().map(|source| source.path.as_str()));
    let hint = near.map_or_else(
        || "`counterpeer run --list` names all of them".to_owned(),
        |near| format!("did you mean {near:?}?"),
    );
    SourceError(format!("{name}: no such feature, file or folder; {hint}"))
}

fn embedded() -> Vec<Source> {
    fn walk(dir: &'static Dir<'_>, found: &mut Vec<Source>) {
        for file in dir.files().filter(|file| is_feature(file.path())) {
            if let Some(text) = file.contents_utf8() {
                let path = format!("features/{}", file.path().display());
                found.push(Source { path, text: text.to_owned(), lines: Vec::new() });
            }
        }
        for dir in dir.dirs() {
            walk(dir, found);
        }
    }
    let mut found = Vec::new();
    walk(&EMBEDDED, &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn from_disk(path: &Path) -> Result<Vec<Source>, SourceError> {
    let failed = |path: &Path, error: std::io::Error| SourceError(format!("{}: {error}", path.display()));
    let mut found = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(|error| failed(&path, error))? {
                let entry = entry.map_err(|error| failed(&path, error))?.path();
                if entry.is_dir() || is_feature(&entry) {
                    waiting.push(entry);
                }
            }
        } else {
            let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            found.push(Source { path: path.display().to_string(), text, lines: Vec::new() });
        }
    }
    if found.is_empty() {
        return Err(SourceError(format!("{}: no .feature file in it", path.display())));
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(found)
}

fn is_feature(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "feature")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ike/header.feature", "ike/notes.txt", "esp/seq.feature", "esp/format.feature", "a-b/c-d.feature"]
        {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "Feature: x\n").unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, names: &[&str]) -> Result<Vec<(String, Vec<usize>)>, SourceError> {
        let prefix = folder.path().display().to_string();
        let names = names.iter().map(|name| name.replace("DIR", &prefix)).collect();
        let selection = Selection { folder: Some(folder.path().to_owned()), names };
        let cut = |path: &str| path.trim_start_matches(&prefix).trim_start_matches('/').to_owned();
        gather(&selection).map(|sources| sources.into_iter().map(|source| (cut(&source.path), source.lines)).collect())
    }

    #[test]
    fn a_folder_gives_its_features_in_order() {
        let folder = folder();
        let all: Vec<String> = names(&folder, &[]).unwrap().into_iter().map(|(path, _)| path).collect();
        assert_eq!(all, ["a-b/c-d.feature", "esp/format.feature", "esp/seq.feature", "ike/header.feature"]);
    }

    #[test]
    fn names_choose_files_folders_and_lines() {
        let folder = folder();
        assert_eq!(names(&folder, &["DIR/esp"]).unwrap().len(), 2);
        let lines = names(&folder, &["DIR/ike/header.feature:7", "DIR/ike/header.feature:9"]).unwrap();
        assert_eq!(lines, [("ike/header.feature".to_owned(), vec![7, 9])]);
        let whole = names(&folder, &["DIR/ike/header.feature:7", "DIR/ike"]).unwrap();
        assert_eq!(whole, [("ike/header.feature".to_owned(), vec![])]);
        for name in ["DIR/a-b", "DIR/a_b", "DIR/a_b/c_d"] {
            assert_eq!(names(&folder, &[name]).unwrap(), [("a-b/c-d.feature".to_owned(), vec![])], "{name}");
        }
    }

    #[test]
    fn a_name_that_is_nothing_is_refused_with_the_nearest() {
        let folder = folder();
        let error = names(&folder, &["DIR/ike/heder.feature"]).unwrap_err().to_string();
        assert!(error.contains("no such feature") && error.contains("header.feature"), "{error}");
    }

    #[test]
    fn embedded_features_are_found_with_and_without_their_folder() {
        let all = [Source { path: "features/ike/a.feature".into(), text: String::new(), lines: vec![] }];
        for name in ["features/ike", "ike", "ike/", "ike/a.feature", "ike/a", "./features/ike/a.feature"] {
            assert_eq!(within(&all, name).len(), 1, "{name}");
        }
        assert!(within(&all, "ik").is_empty());
    }
}

//! What a guest needs of this machine: the kernel, the root tree, files to copy, and a folder to work in.

use crate::error::Error;
use nix::sys::statvfs::{FsFlags, statvfs};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where guests are kept if nothing else is said: `$COUNTERPEER_GUEST_DIR`; else the user's cache
/// (`~/.cache/counterpeer/guest`) if there is one; else `/var/cache/counterpeer/guest`, which root fills for all.
pub fn default_guest_directory() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(given) = variable("COUNTERPEER_GUEST_DIR") {
        return given;
    }
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    cache
        .map(|cache| cache.join("counterpeer/guest"))
        .filter(|own| own.is_dir())
        .unwrap_or_else(|| PathBuf::from("/var/cache/counterpeer/guest"))
}

const GET: &str = "; run ci/guest/get to fetch the guest, or say where it is in COUNTERPEER_GUEST_DIR";

/// The kernel, checked.
pub(super) fn kernel(directory: &Path) -> Result<PathBuf, Error> {
    let path = absolute(&directory.join("linux"))?;
    let missing = |source| Error::Missing { path: path.clone(), source, hint: GET.to_owned() };
    let metadata = fs::metadata(&path).map_err(missing)?;
    match metadata.permissions().mode() & 0o111 {
        0 => Err(Error::Config(format!("{} cannot be executed", path.display()))),
        _ => Ok(path),
    }
}

/// The root tree, checked: a kernel without its init script panics in words that help nobody.
pub(super) fn tree(directory: &Path, tree: &str) -> Result<PathBuf, Error> {
    let path = absolute(&directory.join(tree))?;
    let init = path.join("sbin/counterpeer-init");
    fs::metadata(&init).map_err(|source| Error::Missing { path: init, source, hint: GET.to_owned() })?;
    on_command_line(path)
}

/// A path as it can stand on the command line of a kernel, which knows no quotes.
fn on_command_line(path: PathBuf) -> Result<PathBuf, Error> {
    match path.to_str() {
        Some(text) if !text.contains([' ', '\t', '\n', '"', ',']) => Ok(path),
        _ => Err(Error::Config(format!(
            "{}: the guest's kernel takes no path with blanks, quotes or commas",
            path.display()
        ))),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|error| Error::system("finding the current folder", error))
}

/// Octets from a number with K, M or G behind it.
pub(super) fn memory(text: &str) -> Result<u64, Error> {
    let shift = match text.as_bytes().last() {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { text.get(..text.len() - 1).unwrap_or_default() };
    let number = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()));
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|octets| (32 << 20..=64 << 30).contains(octets))
        .ok_or_else(|| {
            Error::Config(format!("{text:?} is no size of memory for a guest: write 32M to 64G, such as 128M"))
        })
}

/// Reads the files that are to be copied into the guest, before anything is started.
pub(super) fn read_all(files: &BTreeMap<String, PathBuf>) -> Result<Vec<(String, Vec<u8>)>, Error> {
    files
        .iter()
        .map(|(to, from)| {
            if !to.starts_with('/') {
                return Err(Error::Config(format!("{to}: the path in the guest must be absolute")));
            }
            let bytes =
                fs::read(from).map_err(|source| Error::Missing { path: from.clone(), source, hint: String::new() })?;
            Ok((to.clone(), bytes))
        })
        .collect()
}

/// A new folder for the guest's memory and sockets: where files can be executed, since the guest's programs are mapped
/// from there, and best in memory.
pub(super) fn work_directory(memory: u64) -> Result<TempDir, Error> {
    let given = std::env::var_os("TMPDIR").filter(|given| !given.is_empty()).map(PathBuf::from);
    let candidates = given.map_or_else(|| vec!["/dev/shm".into(), "/tmp".into()], |given| vec![given]);
    let mut unfit = Vec::new();
    for candidate in candidates {
        let made = fit(&candidate, memory).and_then(|()| {
            let mut builder = tempfile::Builder::new();
            builder.prefix(OsStr::new("counterpeer-guest-"));
            builder.tempdir_in(&candidate).map_err(|error| error.to_string())
        });
        match made {
            Ok(work) => {
                on_command_line(work.path().to_owned())?;
                return Ok(work);
            }
            Err(reason) => unfit.push(format!("{}: {reason}", candidate.display())),
        }
    }
    Err(Error::Config(format!("the guest has no folder to work in ({}); name one in TMPDIR", unfit.join("; "))))
}

/// Whether a guest can work in a folder.
fn fit(folder: &Path, memory: u64) -> Result<(), String> {
    let system = statvfs(folder).map_err(|error| error.to_string())?;
    if system.flags().contains(FsFlags::ST_NOEXEC) {
        return Err("files there cannot be executed".to_owned());
    }
    let free = system.blocks_available().saturating_mul(system.fragment_size());
    if free < memory {
        return Err(format!("only {} MB are free", free >> 20));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;

    #[test]
    fn sizes_of_memory() {
        assert_eq!(memory("128M").unwrap(), 128 << 20);
        assert_eq!(memory("65536K").unwrap(), 64 << 20);
        assert_eq!(memory("1G").unwrap(), 1 << 30);
        assert_eq!(memory("33554432").unwrap(), 32 << 20);
        for wrong in
            ["", "M", "128", "128m", "-1M", "+128M", "128 M", "31M", "65G", "99999999999999999999G", "1\u{e9}M"]
        {
            let error = memory(wrong).unwrap_err().to_string();
            assert!(error.contains("write 32M to 64G"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_guest_that_is_not_there_says_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        for error in [kernel(folder.path()).unwrap_err(), tree(folder.path(), "strongswan").unwrap_err()] {
            assert!(matches!(error, Error::Missing { .. }));
            assert!(error.to_string().contains("ci/guest/get"), "{error}");
        }
        fs::write(folder.path().join("linux"), "").unwrap();
        assert!(kernel(folder.path()).unwrap_err().to_string().ends_with("linux cannot be executed"));
    }

    #[test]
    fn paths_that_a_kernel_cannot_take_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a b", "a,b"] {
            fs::create_dir_all(folder.path().join(name).join("sbin")).unwrap();
            fs::write(folder.path().join(name).join("sbin/counterpeer-init"), "").unwrap();
            assert!(tree(folder.path(), name).unwrap_err().to_string().contains("no path with blanks"));
        }
    }

    #[test]
    fn files_to_copy_must_be_there() {
        let files = |to: &str, from: &str| BTreeMap::from([(to.to_owned(), PathBuf::from(from))]);
        assert!(matches!(read_all(&files("/etc/x", "/nonexistent")).unwrap_err(), Error::Missing { .. }));
        assert!(matches!(read_all(&files("etc/x", "/dev/null")).unwrap_err(), Error::Config(_)));
        assert_eq!(read_all(&files("/etc/x", "/dev/null")).unwrap(), [("/etc/x".to_owned(), Vec::new())]);
    }

    #[test]
    fn more_memory_than_there_is_room_for_is_refused() {
        assert!(fit(Path::new("/"), u64::MAX).unwrap_err().contains("free"));
        assert!(fit(Path::new("/nonexistent"), 0).is_err());
        assert_eq!(fit(&std::env::temp_dir(), 0), Ok(()));
    }
}

//! Work in another network namespace.

use crate::error::Error;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::{io, thread};

/// Where `ip netns` keeps the namespaces that have a name.
const NAMED: &str = "/run/netns";

/// Does `work` in the named network namespace (a name that `ip netns list` shows, or a path such as
/// `/proc/1234/ns/net`), or in the process's own for `None`. What is opened there stays there: a socket can be handed
/// back and used from anywhere.
///
/// The work is done by a thread of its own, which ends with it, so that no other thread ever changes its namespace.
///
/// # Errors
/// [`Error::NoNamespace`], [`Error::NoPrivilege`], or what `work` returns.
pub fn in_namespace<T: Send>(
    namespace: Option<&str>,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> Result<T, Error> {
    let Some(name) = namespace else { return work() };
    let path = if name.contains('/') { PathBuf::from(name) } else { Path::new(NAMED).join(name) };
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NoNamespace { name: name.to_owned(), present: named() },
        _ => Error::system(format!("opening {}", path.display()), error),
    })?;
    let in_thread = || {
        setns(&file, CloneFlags::CLONE_NEWNET).map_err(|error| match error {
            Errno::EPERM => Error::NoPrivilege {
                action: format!("entering the network namespace {name}"),
                capability: "CAP_SYS_ADMIN",
            },
            // What is no namespace (any more) looks like a plain file.
            Errno::EINVAL => Error::NoNamespace { name: name.to_owned(), present: named() },
            error => Error::system(format!("entering the network namespace {name}"), error),
        })?;
        work()
    };
    thread::scope(|scope| match scope.spawn(in_thread).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// The namespaces with a name, sorted.
fn named() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(NAMED)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;

    #[test]
    fn without_a_name_the_work_is_done_here() {
        let here = thread::current().id();
        assert_eq!(in_namespace(None, || Ok(thread::current().id())).unwrap(), here);
    }

    #[test]
    fn a_namespace_that_does_not_exist_is_named() {
        let error = in_namespace(Some("counterpeer-no-such"), || Ok(())).unwrap_err();
        assert!(matches!(&error, Error::NoNamespace { name, .. } if name == "counterpeer-no-such"), "{error:?}");
        assert!(error.to_string().starts_with("there is no network namespace counterpeer-no-such; there "), "{error}");
    }

    #[test]
    fn a_plain_file_is_no_namespace() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = in_namespace(file.path().to_str(), || Ok(())).unwrap_err();
        // Without rights the kernel does not even look.
        assert!(matches!(error, Error::NoNamespace { .. } | Error::NoPrivilege { .. }), "{error:?}");
    }
}

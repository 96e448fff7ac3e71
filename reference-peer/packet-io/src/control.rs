//! A Unix socket that only its owner can talk to.

use crate::error::Error;
use nix::sys::stat::{Mode, umask};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// A Unix socket in the file system, for its owner alone (mode 0600). Dropping it removes the file.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Makes the socket. One that a program has left behind is replaced; one that somebody listens on, or anything else
    /// of that name, is not.
    ///
    /// It changes the file mode creation mask of the process for a moment: call it before there are threads that make
    /// files.
    ///
    /// # Errors
    /// [`Error::Config`] when the name is taken, otherwise what the system refused.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::system(format!("looking at {}", path.display()), error)),
            Ok(file) if !file.file_type().is_socket() => {
                return Err(Error::Config(format!(
                    "{} is there and is no socket: choose another name",
                    path.display()
                )));
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                let taken = "is the socket of a program that runs: end that, or choose another name";
                return Err(Error::Config(format!("{} {taken}", path.display())));
            }
            Ok(_) => {
                let failed = |error| Error::system(format!("removing {}", path.display()), error);
                std::fs::remove_file(path).map_err(failed)?;
            }
        }
        // It must never be there with other rights, not even for a moment.
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.map_err(|error| Error::system(format!("making the socket {}", path.display()), error))?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Another handle on the socket, to take connections from.
    ///
    /// # Errors
    /// What the system refused.
    pub fn listener(&self) -> io::Result<UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // If it has gone already, so much the better.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_the_owner_can_talk_to_it_and_it_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peer.sock");
        let socket = ControlSocket::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = ControlSocket::bind(&path).unwrap_err();
        assert!(again.to_string().contains("of a program that runs"), "{again}");
        drop(socket);
        assert!(!path.exists());
        // What a killed program has left is replaced.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(ControlSocket::bind(&path).unwrap());
    }

    #[test]
    fn another_file_is_kept() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = ControlSocket::bind(file.path()).unwrap_err();
        assert!(error.to_string().ends_with("is there and is no socket: choose another name"), "{error}");
        assert!(file.path().exists());
        let error = ControlSocket::bind(Path::new("/no/such/folder/peer.sock")).unwrap_err();
        assert!(error.to_string().starts_with("making the socket /no/such/folder/peer.sock: "), "{error}");
    }
}

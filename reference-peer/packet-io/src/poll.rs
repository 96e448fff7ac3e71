//! A socket that one thread waits on, and that others can call it away from.

use crate::link::SEND_LIMIT;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// A non-blocking socket together with the means to wake who waits for it.
#[derive(Debug)]
pub(crate) struct PolledSocket {
    socket: OwnedFd,
    wake: EventFd,
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The socket has something to read, or an error.
    Readable,
    /// Nothing came in time, or the waiter was called away.
    Nothing,
}

impl PolledSocket {
    /// Takes a socket that is already non-blocking.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        let wake = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { socket, wake })
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Waits until the socket can be read, the timeout runs out or [`wake`](Self::wake) is called.
    pub(crate) fn wait_readable(&self, timeout: Duration) -> io::Result<Woken> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let mut fds = [
                PollFd::new(self.socket.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.wake.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut fds, remaining(deadline)) {
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() < deadline) => {}
                Ok(0) => return Ok(Woken::Nothing),
                Ok(_) => {
                    let [socket, wake] = fds.map(|fd| fd.any().unwrap_or(true));
                    if wake {
                        // Reading sets the counter back; that it was set already back is no matter.
                        let _ = self.wake.read();
                        return Ok(Woken::Nothing);
                    }
                    if socket {
                        return Ok(Woken::Readable);
                    }
                }
            }
        }
    }

    /// Does `send` again until it is done, waiting for the socket to take more, at most [`SEND_LIMIT`] in all.
    pub(crate) fn send_when_writable(
        &self,
        mut send: impl FnMut(BorrowedFd<'_>) -> nix::Result<usize>,
    ) -> io::Result<usize> {
        let deadline = Instant::now().checked_add(SEND_LIMIT);
        loop {
            match send(self.socket.as_fd()) {
                Ok(sent) => return Ok(sent),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
                    match poll(&mut fds, remaining(deadline)) {
                        Err(Errno::EINTR) | Ok(1..) => {}
                        Err(error) => return Err(error.into()),
                        Ok(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the link takes no more frames")),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends a wait for something to read, now or the next one.
    pub(crate) fn wake(&self) {
        // Fails only when the counter is full, and then who waits is woken anyway.
        let _ = self.wake.write(1);
    }
}

/// What is left until a deadline as poll wants it: whole milliseconds, rounded up so that it does not return early.
fn remaining(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now());
    let milliseconds = left.as_micros().div_ceil(1000);
    i32::try_from(milliseconds).ok().and_then(|ms| PollTimeout::try_from(ms).ok()).unwrap_or(PollTimeout::MAX)
}

//! A link by a pair of sockets that carry one Ethernet frame a datagram: to a guest kernel in another process.

use crate::clock::Clock;
use crate::link::{Frame, FrameLink, MAX_FRAME, MIN_FRAME};
use crate::poll::{PolledSocket, Woken};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One end of a pair of `SOCK_SEQPACKET` sockets. No frame is ever lost: a full link makes the sender wait.
#[derive(Debug)]
pub struct SocketPair {
    socket: PolledSocket,
    buffer: Mutex<Box<[u8]>>,
    clock: Clock,
    mtu: usize,
    description: String,
}

impl SocketPair {
    /// A link whose other end is a plain descriptor, to be handed to another process. Frames are timed by `clock`;
    /// `mtu` and `description` are what the link says of itself.
    ///
    /// # Errors
    /// What the system refused, such as one descriptor too many.
    pub fn with_far_end(clock: Clock, mtu: usize, description: impl Into<String>) -> io::Result<(Self, OwnedFd)> {
        let (near, far) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Self::over(near, clock, mtu, description.into())?, far))
    }

    /// Two links joined back to back, for tests without any kernel in between.
    ///
    /// # Errors
    /// What the system refused.
    pub fn pair(clock: Clock, mtu: usize) -> io::Result<(Self, Self)> {
        let (one, far) = Self::with_far_end(clock, mtu, "socket pair, one end")?;
        Ok((one, Self::over(far, clock, mtu, "socket pair, other end".to_owned())?))
    }

    fn over(socket: OwnedFd, clock: Clock, mtu: usize, description: String) -> io::Result<Self> {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        fcntl(&socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let buffer = Mutex::new(vec![0; MAX_FRAME].into_boxed_slice());
        Ok(Self { socket: PolledSocket::new(socket)?, buffer, clock, mtu, description })
    }

    fn gone(&self) -> io::Error {
        io::Error::new(io::ErrorKind::BrokenPipe, format!("the other end of the {} has gone", self.description))
    }
}

impl FrameLink for SocketPair {
    fn send(&self, frame: &[u8]) -> io::Result<()> {
        if frame.len() < MIN_FRAME || frame.len() > MAX_FRAME {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a frame of {} octets", frame.len())));
        }
        let sent = self.socket.send_when_writable(|fd| send(fd.as_raw_fd(), frame, MsgFlags::MSG_NOSIGNAL));
        match sent.map_err(|error| (error.raw_os_error().map(Errno::from_raw), error)) {
            Ok(_) => Ok(()),
            Err((Some(Errno::EPIPE | Errno::ECONNRESET), _)) => Err(self.gone()),
            Err((_, error)) => Err(error),
        }
    }

    fn receive(&self, timeout: Duration) -> io::Result<Option<Frame>> {
        if self.socket.wait_readable(timeout)? == Woken::Nothing {
            return Ok(None);
        }
        let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
        match recv(self.socket.socket().as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(0) | Err(Errno::ECONNRESET) => Err(self.gone()),
            Ok(length) => {
                let received = self.clock.now();
                Ok(buffer.get(..length).map(|bytes| Frame { bytes: bytes.to_vec(), received }))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn wake(&self) {
        self.socket.wake();
    }

    fn mac(&self) -> Option<[u8; 6]> {
        None
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn description(&self) -> String {
        self.description.clone()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;
    use std::sync::Arc;
    use std::thread;

    const LONG: Duration = Duration::from_secs(30);

    fn frame(n: u32) -> Vec<u8> {
        let mut frame = vec![0xee; MIN_FRAME + usize::try_from(n % 1500).unwrap()];
        frame[..4].copy_from_slice(&n.to_be_bytes());
        frame
    }

    #[test]
    fn frames_arrive_whole_and_in_order_both_ways() {
        let (a, b) = SocketPair::pair(Clock::start(), 1500).unwrap();
        for n in 0..10 {
            a.send(&frame(n)).unwrap();
            b.send(&frame(n + 100)).unwrap();
        }
        let mut last = Duration::ZERO;
        for n in 0..10 {
            let got = b.receive(LONG).unwrap().unwrap();
            assert_eq!(got.bytes, frame(n));
            assert!(got.received >= last);
            last = got.received;
            assert_eq!(a.receive(LONG).unwrap().unwrap().bytes, frame(n + 100));
        }
        assert_eq!(a.receive(Duration::ZERO).unwrap(), None);
    }

    #[test]
    fn a_full_link_makes_the_sender_wait_and_loses_nothing() {
        const COUNT: u32 = 5_000;
        let (a, b) = SocketPair::pair(Clock::start(), 1500).unwrap();
        let sender = thread::spawn(move || (0..COUNT).for_each(|n| a.send(&frame(n)).unwrap()));
        for n in 0..COUNT {
            assert_eq!(b.receive(LONG).unwrap().unwrap().bytes, frame(n));
        }
        sender.join().unwrap();
    }

    #[test]
    fn a_blocked_receiver_can_be_woken_while_others_send() {
        let (a, b) = SocketPair::pair(Clock::start(), 1500).unwrap();
        let (a, b) = (Arc::new(a), Arc::new(b));
        let receiver = thread::spawn({
            let b = Arc::clone(&b);
            move || {
                let mut frames = 0;
                while b.receive(LONG).unwrap().is_some() {
                    frames += 1;
                }
                frames
            }
        });
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..25).for_each(|n| a.send(&frame(n)).unwrap()));
            }
        });
        // Waking leaves what has not been received yet where it is.
        b.wake();
        let before = receiver.join().unwrap();
        let mut after = 0;
        while b.receive(Duration::ZERO).unwrap().is_some() {
            after += 1;
        }
        assert_eq!(before + after, 100);
        b.wake();
        assert_eq!(b.receive(LONG).unwrap(), None, "the next one, if none is blocked");
    }

    #[test]
    fn a_far_end_that_has_gone_is_an_error_both_ways() {
        let (a, b) = SocketPair::pair(Clock::start(), 1500).unwrap();
        b.send(&frame(1)).unwrap();
        drop(b);
        assert_eq!(a.receive(LONG).unwrap().unwrap().bytes, frame(1), "what was sent before is still read");
        assert_eq!(a.receive(LONG).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(a.send(&frame(1)).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let (a, _b) = SocketPair::pair(Clock::start(), 1500).unwrap();
        for length in [0, MIN_FRAME - 1, MAX_FRAME + 1] {
            assert_eq!(a.send(&vec![0; length]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        a.send(&vec![0; MAX_FRAME]).unwrap();
    }
}

//! A link by an interface of this machine: whole frames by an AF_PACKET socket, past the kernel's own stack.

use crate::clock::Clock;
use crate::error::Error;
use crate::link::{Frame, FrameLink, MAX_FRAME, MIN_FRAME};
use crate::namespace::in_namespace;
use crate::poll::{PolledSocket, Woken};
use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockType, recvmsg, send, setsockopt, socket,
};
use pnet::datalink::{self, NetworkInterface};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Octets that the kernel keeps for us while we are busy: some thousand full frames.
const RECEIVE_BUFFER: usize = 16 << 20;

/// `PACKET_OUTGOING`: what this machine sent itself through the interface.
const OUTGOING: u8 = 4;

/// An AF_PACKET socket on one interface: promiscuous, so that testers can have addresses of their own, with
/// everything that comes in and nothing that this machine sends itself.
///
/// A frame from the other end of a `veth` pair can have an unfinished checksum, because the far kernel leaves it to
/// a network card that is not there. Switch that off where the frames come from: `ethtool -K <far end> tx off`.
#[derive(Debug)]
pub struct PacketSocket {
    socket: PolledSocket,
    buffer: Mutex<Box<[u8]>>,
    clock: Clock,
    lost: AtomicU64,
    mac: Option<[u8; 6]>,
    mtu: usize,
    description: String,
}

impl PacketSocket {
    /// Opens an interface, in a named network namespace (see [`in_namespace`]) or the process's own. Frames are
    /// timed by `clock`.
    ///
    /// # Errors
    /// [`Error::NoInterface`] with those that exist, [`Error::InterfaceDown`], [`Error::NoNamespace`],
    /// [`Error::NoPrivilege`], or what else the system refused.
    pub fn open(interface: &str, namespace: Option<&str>, clock: Clock) -> Result<Self, Error> {
        let (socket, found, mtu) = in_namespace(namespace, || open_here(interface, namespace))?;
        let failed = |error| Error::system(format!("preparing the packet socket on {interface}"), error);
        let description = match namespace {
            Some(namespace) => format!("interface {interface} in the network namespace {namespace}"),
            None => format!("interface {interface}"),
        };
        Ok(Self {
            socket: PolledSocket::new(socket).map_err(failed)?,
            buffer: Mutex::new(vec![0; MAX_FRAME].into_boxed_slice()),
            clock,
            lost: AtomicU64::new(0),
            mac: found.mac.map(|mac| mac.octets()),
            mtu,
            description,
        })
    }

    /// When a frame came: the kernel's own time stamp counts, because this thread may have been kept waiting.
    fn received(&self, stamp: Option<SystemTime>) -> Duration {
        // In this order: kept waiting between the two, we take the frame for later than it was, but never for earlier
        // than what it answers.
        let age = stamp.and_then(|stamp| SystemTime::now().duration_since(stamp).ok());
        let now = self.clock.now();
        // A stamp much older than a full buffer means that the calendar was set meanwhile.
        now.saturating_sub(age.filter(|age| *age < Duration::from_secs(10)).unwrap_or_default())
    }
}

/// Opens the socket in the network namespace of this thread; `namespace` only names it in errors.
fn open_here(name: &str, namespace: Option<&str>) -> Result<(OwnedFd, NetworkInterface, usize), Error> {
    let failed = |error: io::Error| Error::system(format!("opening a packet socket on {name}"), error);
    let present = datalink::interfaces();
    let Some(found) = present.iter().find(|found| found.name == name) else {
        let present = present.into_iter().map(|interface| interface.name).collect();
        return Err(Error::NoInterface { name: name.to_owned(), namespace: namespace.map(str::to_owned), present });
    };
    if !found.is_up() {
        return Err(Error::InterfaceDown { name: name.to_owned(), namespace: namespace.map(str::to_owned) });
    }
    // Protocol 0: nothing is received before the socket is bound to the one interface.
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None).map_err(|error| match error {
            Errno::EPERM | Errno::EACCES => {
                Error::NoPrivilege { action: format!("opening a packet socket on {name}"), capability: "CAP_NET_RAW" }
            }
            error => failed(error.into()),
        })?;
    // Room and time stamps are wishes; without them all works, only less exactly.
    if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
        let _ = setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER);
    }
    let _ = setsockopt(&socket, ReceiveTimestampns, &true);
    setsockopt(&socket, RxqOvfl, &1).map_err(|error| failed(error.into()))?;

    // pnet binds and makes promiscuous what it is given, and closes it in the end; both stay with the open socket, of
    // which ours is another descriptor. Its own ways to send and receive cannot be woken and take no time stamps.
    let shared = socket.try_clone().map_err(failed)?.into_raw_fd();
    let config = datalink::linux::Config { socket_fd: Some(shared), ..Default::default() };
    datalink::linux::channel(found, config).map_err(failed)?;
    let mtu = mtu(&socket, name).map_err(failed)?;
    Ok((socket, found.clone(), mtu))
}

/// The MTU of an interface in the socket's network namespace.
fn mtu(socket: &OwnedFd, name: &str) -> io::Result<usize> {
    nix::ioctl_read_bad!(interface_mtu, nix::libc::SIOCGIFMTU, nix::libc::ifreq);
    let mut request = nix::libc::ifreq {
        ifr_name: [0; nix::libc::IFNAMSIZ],
        ifr_ifru: nix::libc::__c_anonymous_ifr_ifru { ifru_mtu: 0 },
    };
    // The last octet stays zero: it ends the name.
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes().take(nix::libc::IFNAMSIZ - 1)) {
        *to = nix::libc::c_char::from_ne_bytes([from]);
    }
    // SAFETY: SIOCGIFMTU reads the name, which ends with a zero, and writes ifru_mtu, both inside `request`, which
    // outlives the call.
    unsafe { interface_mtu(socket.as_raw_fd(), &raw mut request) }?;
    // SAFETY: the call succeeded, so ifru_mtu is the member that was written (and it was initialised before).
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    usize::try_from(mtu).map_err(io::Error::other)
}

impl FrameLink for PacketSocket {
    fn send(&self, frame: &[u8]) -> io::Result<()> {
        if frame.len() < MIN_FRAME || frame.len() > self.mtu + MAX_HEADER {
            let message = format!("a frame of {} octets for the {}", frame.len(), self.description);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        self.socket.send_when_writable(|fd| match send(fd.as_raw_fd(), frame, MsgFlags::empty()) {
            // The queue of the interface is full.
            Err(Errno::ENOBUFS) => Err(Errno::EAGAIN),
            result => result,
        })?;
        Ok(())
    }

    fn receive(&self, timeout: Duration) -> io::Result<Option<Frame>> {
        let deadline = self.clock.now().saturating_add(timeout);
        loop {
            if self.socket.wait_readable(deadline.saturating_sub(self.clock.now()))? == Woken::Nothing {
                return Ok(None);
            }
            let mut buffer = self.buffer.lock().unwrap_or_else(PoisonError::into_inner);
            let mut room = nix::cmsg_space!(u32, nix::libc::timespec);
            let mut parts = [IoSliceMut::new(&mut buffer)];
            let fd = self.socket.socket().as_raw_fd();
            let message = match recvmsg::<LinkAddr>(fd, &mut parts, Some(&mut room), MsgFlags::empty()) {
                Ok(message) => message,
                Err(Errno::EAGAIN | Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let mut stamp = None;
            for control in message.cmsgs()? {
                match control {
                    ControlMessageOwned::ScmTimestampns(at) => {
                        stamp = SystemTime::UNIX_EPOCH.checked_add(Duration::from(at));
                    }
                    ControlMessageOwned::RxqOvfl(lost) => self.lost.store(u64::from(lost), Ordering::Relaxed),
                    _ => {}
                }
            }
            let length = message.bytes;
            if message.address.is_some_and(|from| from.pkttype() == OUTGOING) {
                continue;
            }
            let received = self.received(stamp);
            return Ok(buffer.get(..length).map(|bytes| Frame { bytes: bytes.to_vec(), received }));
        }
    }

    fn wake(&self) {
        self.socket.wake();
    }

    fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn mac(&self) -> Option<[u8; 6]> {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn description(&self) -> String {
        self.description.clone()
    }
}

/// Ethernet header and one VLAN tag.
const MAX_HEADER: usize = 18;

//! Capture files: pcapng is written, pcapng and classic pcap are read.
//!
//! Reading is strict and total: it gives all packets up to the first fault, and the fault with its offset. (The usual
//! library ignores the time resolution of an interface and gives no offsets.)

use super::{Clock, Direction, Evidence, Leg};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Ethernet, as link type of an interface.
pub const ETHERNET: u16 = 1;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 0x0000_0001;
const SIMPLE_PACKET: u32 = 0x0000_0003;
const ENHANCED_PACKET: u32 = 0x0000_0006;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

const OPTION_COMMENT: u16 = 1;
const OPTION_INTERFACE_NAME: u16 = 2;
const OPTION_INTERFACE_DESCRIPTION: u16 = 3;
const OPTION_APPLICATION: u16 = 4;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_PACKET_FLAGS: u16 = 2;

/// No packet is longer; a length beyond it is a fault of the file.
const LONGEST: usize = 0x0004_0000;

/// A scenario's packets as a pcapng file with two interfaces. Comments stand at the packets, `title` at the beginning.
pub fn write(evidence: &Evidence, title: &str) -> Vec<u8> {
    let mut file = Vec::new();
    let mut section = Vec::new();
    section.extend(BYTE_ORDER.to_le_bytes());
    section.extend(1u16.to_le_bytes());
    section.extend(0u16.to_le_bytes());
    section.extend((-1i64).to_le_bytes());
    option(&mut section, OPTION_COMMENT, title.as_bytes());
    let application = concat!("counterpeer ", env!("CARGO_PKG_VERSION"));
    option(&mut section, OPTION_APPLICATION, application.as_bytes());
    option(&mut section, 0, &[]);
    block(&mut file, SECTION, &section);
    let sides = [
        (Leg::Outside, "the public side of the DUT, where packets are encrypted"),
        (Leg::Inside, "the protected side of the DUT"),
    ];
    for (leg, description) in sides {
        let mut interface = Vec::new();
        interface.extend(ETHERNET.to_le_bytes());
        interface.extend([0; 6]);
        option(&mut interface, OPTION_INTERFACE_NAME, leg.name().as_bytes());
        option(&mut interface, OPTION_INTERFACE_DESCRIPTION, description.as_bytes());
        option(&mut interface, OPTION_RESOLUTION, &[9]);
        option(&mut interface, 0, &[]);
        block(&mut file, INTERFACE, &interface);
    }
    let start = match evidence.clock {
        Clock::Virtual => Duration::ZERO,
        Clock::Wall(start) => since_epoch(start),
    };
    for record in &evidence.records {
        let time = u64::try_from((start + record.time).as_nanos()).unwrap_or(u64::MAX);
        let [high, low] = [(time >> 32) as u32, time as u32];
        let length = u32::try_from(record.frame.len()).unwrap_or(u32::MAX);
        let interface: u32 = match record.leg {
            Leg::Outside => 0,
            Leg::Inside => 1,
        };
        let mut packet = Vec::new();
        for word in [interface, high, low, length, length] {
            packet.extend(word.to_le_bytes());
        }
        packet.extend(&record.frame);
        pad(&mut packet);
        // Seen from the tester: 1 is inbound, 2 outbound.
        let flags: u32 = match record.direction {
            Direction::FromDut => 1,
            Direction::ToDut => 2,
        };
        option(&mut packet, OPTION_PACKET_FLAGS, &flags.to_le_bytes());
        for comment in &record.comments {
            option(&mut packet, OPTION_COMMENT, comment.as_bytes());
        }
        option(&mut packet, 0, &[]);
        block(&mut file, ENHANCED_PACKET, &packet);
    }
    file
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    file.extend(kind.to_le_bytes());
    file.extend(length);
    file.extend(body);
    file.extend(length);
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..value.len().min(usize::from(u16::MAX))).unwrap_or_default();
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(octets: &mut Vec<u8>) {
    octets.resize(octets.len().next_multiple_of(4), 0);
}

/// A packet of a capture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Offset of its record in the file.
    pub offset: usize,
    /// Time since the epoch.
    pub time: Duration,
    /// Name of its interface; empty if the file gives none.
    pub interface: String,
    /// Link type; [`ETHERNET`] or another.
    pub link_type: u16,
    /// Its octets, from the link header on.
    pub data: Vec<u8>,
    /// Octets that it had on the wire.
    pub wire_length: u32,
    /// Its comments.
    pub comments: Vec<String>,
}

/// What could be read of a capture file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capture {
    /// The packets.
    pub packets: Vec<Packet>,
    /// Comments on the capture as a whole.
    pub comments: Vec<String>,
    /// Why reading ended before the end of the file.
    pub fault: Option<Fault>,
}

/// A fault of a capture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where: octets from the beginning of the file.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {}: {}", self.offset, self.message)
    }
}

impl std::error::Error for Fault {}

/// Reads a capture file of either format.
pub fn read(file: &[u8]) -> Capture {
    let mut capture = Capture::default();
    let first = file.first_chunk().map(|word| u32::from_le_bytes(*word));
    let read = match first {
        Some(SECTION) => read_pcapng(file, &mut capture),
        Some(magic) => match classic(magic) {
            Some((big, nanoseconds)) => read_classic(file, Order { big }, nanoseconds, &mut capture),
            None => Err(fault(0, format!("neither pcap nor pcapng: the file begins with {magic:#010x}"))),
        },
        None => Err(fault(0, "neither pcap nor pcapng: the file has less than 4 octets")),
    };
    capture.fault = read.err();
    capture
}

/// Byte order and resolution of a classic file, from its magic number.
fn classic(magic: u32) -> Option<(bool, bool)> {
    match magic {
        0xa1b2_c3d4 => Some((false, false)),
        0xa1b2_3c4d => Some((false, true)),
        0xd4c3_b2a1 => Some((true, false)),
        0x4d3c_b2a1 => Some((true, true)),
        _ => None,
    }
}

fn fault(offset: usize, message: impl Into<String>) -> Fault {
    Fault { offset, message: message.into() }
}

#[derive(Clone, Copy)]
struct Order {
    big: bool,
}

impl Order {
    fn u16(self, octets: &[u8], at: usize) -> Option<u16> {
        let octets = *octets.get(at..)?.first_chunk()?;
        Some(if self.big { u16::from_be_bytes(octets) } else { u16::from_le_bytes(octets) })
    }

    fn u32(self, octets: &[u8], at: usize) -> Option<u32> {
        let octets = *octets.get(at..)?.first_chunk()?;
        Some(if self.big { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) })
    }

    fn length(self, octets: &[u8], at: usize) -> Option<usize> {
        self.u32(octets, at).and_then(|length| usize::try_from(length).ok())
    }
}

fn read_classic(file: &[u8], order: Order, nanoseconds: bool, capture: &mut Capture) -> Result<(), Fault> {
    const HEADER: usize = 24;
    const RECORD: usize = 16;
    let link = order.u32(file, 20).ok_or_else(|| fault(file.len(), "the file header is cut off"))?;
    // The upper bits say how long a frame check sequence is.
    let link_type = (link & 0xffff) as u16;
    let mut at = HEADER;
    while at < file.len() {
        let field = |index: usize| order.u32(file, at + 4 * index);
        let (Some(seconds), Some(fraction), Some(captured), Some(wire_length)) =
            (field(0), field(1), field(2), field(3))
        else {
            return Err(fault(
                at,
                format!("the file ends {} octets into a packet's header of {RECORD}", file.len() - at),
            ));
        };
        let captured = captured as usize;
        if captured > LONGEST {
            return Err(fault(at + 8, format!("a packet of {captured} octets: the file is damaged")));
        }
        let start = at + RECORD;
        let data = file.get(start..start + captured).ok_or_else(|| {
            fault(start, format!("the file ends {} octets into a packet of {captured}", file.len() - start))
        })?;
        let nanosecond = u64::from(fraction) * if nanoseconds { 1 } else { 1000 };
        capture.packets.push(Packet {
            offset: at,
            time: Duration::from_secs(u64::from(seconds)) + Duration::from_nanos(nanosecond),
            interface: String::new(),
            link_type,
            data: data.to_vec(),
            wire_length,
            comments: Vec::new(),
        });
        at = start + captured;
    }
    Ok(())
}

/// An interface of the current section.
struct Interface {
    name: String,
    link_type: u16,
    snap_length: usize,
    /// Time units a second.
    units: u64,
}

fn read_pcapng(file: &[u8], capture: &mut Capture) -> Result<(), Fault> {
    let mut order = Order { big: false };
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let rest = file.get(at..).unwrap_or_default();
        let cut = || fault(at, format!("the file ends {} octets into a block's header of 12", rest.len()));
        let mut kind = order.u32(rest, 0).ok_or_else(cut)?;
        // A section header reads the same in both orders, and decides on the order of what follows.
        if kind == SECTION {
            order = match order.u32(rest, 8) {
                Some(BYTE_ORDER) => order,
                Some(other) if other.swap_bytes() == BYTE_ORDER => Order { big: !order.big },
                Some(other) => return Err(fault(at + 8, format!("a section begins with byte order {other:#010x}"))),
                None => return Err(cut()),
            };
            interfaces.clear();
            kind = SECTION;
        }
        let length = order.length(rest, 4).ok_or_else(cut)?;
        if length < 12 || length % 4 != 0 || length > LONGEST * 4 {
            return Err(fault(at + 4, format!("a block of {length} octets: the file is damaged")));
        }
        let whole = rest
            .get(..length)
            .ok_or_else(|| fault(at, format!("the file ends {} octets into a block of {length}", rest.len())))?;
        if order.length(whole, length - 4) != Some(length) {
            return Err(fault(at + length - 4, "the two lengths of a block differ: the file is damaged"));
        }
        let body = whole.get(8..length - 4).unwrap_or_default();
        let short = || fault(at + 8, "a block is too short for its kind");
        match kind {
            SECTION => {
                let comments =
                    options(order, body.get(16..).ok_or_else(short)?).filter(|(code, _)| *code == OPTION_COMMENT);
                capture.comments.extend(comments.map(|(_, value)| text(value)));
            }
            INTERFACE => interfaces.push(interface(order, body).ok_or_else(short)?),
            ENHANCED_PACKET => {
                let packet = enhanced(order, body, at, &interfaces)?.ok_or_else(short)?;
                capture.packets.push(packet);
            }
            SIMPLE_PACKET => {
                let wire_length = order.u32(body, 0).ok_or_else(short)?;
                let interface = interfaces.first().ok_or_else(|| fault(at, "a packet before any interface"))?;
                let captured = (wire_length as usize).min(interface.snap_length);
                capture.packets.push(Packet {
                    offset: at,
                    time: Duration::ZERO,
                    interface: interface.name.clone(),
                    link_type: interface.link_type,
                    data: body.get(4..4 + captured).ok_or_else(short)?.to_vec(),
                    wire_length,
                    comments: Vec::new(),
                });
            }
            // Statistics, names and others say nothing about packets.
            _ => {}
        }
        at += length;
    }
    Ok(())
}

fn interface(order: Order, body: &[u8]) -> Option<Interface> {
    let snap_length = match order.length(body, 4)? {
        0 => LONGEST,
        length => length,
    };
    let link_type = order.u16(body, 0)?;
    let mut interface = Interface { name: String::new(), link_type, snap_length, units: 1_000_000 };
    for (code, value) in options(order, body.get(8..)?) {
        match (code, value) {
            (OPTION_INTERFACE_NAME, name) => interface.name = text(name),
            (OPTION_RESOLUTION, [exponent]) => {
                let power = u32::from(exponent & 0x7f);
                let base: u64 = if exponent & 0x80 == 0 { 10 } else { 2 };
                // Finer than can be told apart here.
                interface.units = base.checked_pow(power).unwrap_or(u64::MAX);
            }
            _ => {}
        }
    }
    Some(interface)
}

fn enhanced(order: Order, body: &[u8], at: usize, interfaces: &[Interface]) -> Result<Option<Packet>, Fault> {
    let (Some(number), Some(high), Some(low), Some(captured), Some(wire_length)) =
        (order.length(body, 0), order.u32(body, 4), order.u32(body, 8), order.length(body, 12), order.u32(body, 16))
    else {
        return Ok(None);
    };
    let interface = interfaces
        .get(number)
        .ok_or_else(|| fault(at + 8, format!("a packet on interface {number}, which the file does not describe")))?;
    let Some(data) = captured.checked_add(20).and_then(|end| body.get(20..end)) else {
        return Err(fault(at + 20, format!("a packet of {captured} octets in a block of {}", body.len() + 12)));
    };
    let rest = body.get(20 + captured.next_multiple_of(4)..).unwrap_or_default();
    let comments = options(order, rest).filter(|(code, _)| *code == OPTION_COMMENT);
    let units = (u64::from(high) << 32) | u64::from(low);
    let seconds = Duration::from_secs(units / interface.units);
    let fraction = u128::from(units % interface.units) * 1_000_000_000 / u128::from(interface.units);
    Ok(Some(Packet {
        offset: at,
        time: seconds + Duration::from_nanos(u64::try_from(fraction).unwrap_or_default()),
        interface: interface.name.clone(),
        link_type: interface.link_type,
        data: data.to_vec(),
        wire_length,
        comments: comments.map(|(_, value)| text(value)).collect(),
    }))
}

/// The options in the rest of a block, up to the end mark or the first that does not fit.
fn options(order: Order, mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let code = order.u16(rest, 0).filter(|code| *code != 0)?;
        let length = usize::from(order.u16(rest, 2)?);
        let value = rest.get(4..4 + length)?;
        rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::super::Record;
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn record(milliseconds: u64, leg: Leg, frame: &[u8], comments: &[&str]) -> Record {
        Record {
            time: Duration::from_millis(milliseconds),
            leg,
            direction: if leg == Leg::Outside { Direction::FromDut } else { Direction::ToDut },
            frame: frame.to_vec(),
            summary: "something".into(),
            comments: comments.iter().map(ToString::to_string).collect(),
        }
    }

    fn evidence() -> Evidence {
        Evidence {
            records: vec![
                record(5, Leg::Outside, b"first frame....", &["When it is sent", "the verdict rests on it"]),
                record(1_700_000_000_123, Leg::Inside, b"", &[]),
            ],
            ..Evidence::default()
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let capture = read(&write(&evidence(), "Scenario a, seed 7"));
        assert_eq!(capture.fault, None);
        assert_eq!(capture.comments, ["Scenario a, seed 7"]);
        let [first, second] = capture.packets.as_slice() else { panic!("{capture:?}") };
        assert_eq!((first.time, first.interface.as_str()), (Duration::from_millis(5), "outside"));
        assert_eq!((first.data.as_slice(), first.wire_length), (b"first frame....".as_slice(), 15));
        assert_eq!(first.comments, ["When it is sent", "the verdict rests on it"]);
        assert_eq!((second.time, second.interface.as_str()), (Duration::from_millis(1_700_000_000_123), "inside"));
    }

    #[test]
    fn the_wall_clock_is_kept() {
        let start = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let capture = read(&write(&Evidence { clock: Clock::Wall(start), ..evidence() }, ""));
        assert_eq!(capture.packets[0].time, Duration::from_millis(1_800_000_000_005));
    }

    #[test]
    fn a_file_that_breaks_off_gives_what_came_before_and_the_offset() {
        let file = write(&evidence(), "");
        let whole = read(&file);
        let second = whole.packets[1].offset;
        let cut = read(&file[..second + 20]);
        assert_eq!(cut.packets, whole.packets[..1]);
        let fault = cut.fault.unwrap();
        assert_eq!(fault.offset, second);
        assert!(fault.message.contains("the file ends 20 octets into a block of"), "{fault}");
    }

    #[test]
    fn classic_files_are_read_in_both_orders_and_resolutions() {
        for (magic, big, unit) in [(0xa1b2_c3d4u32, false, 1000), (0xa1b2_c3d4, true, 1000), (0xa1b2_3c4d, true, 1)] {
            let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
            let mut file: Vec<u8> = [magic, 0x0002_0004, 0, 0, 0xffff, 1].into_iter().flat_map(word).collect();
            file.extend([10, 5, 3, 60].into_iter().flat_map(word));
            file.extend(b"abc");
            let capture = read(&file);
            assert_eq!(capture.fault, None);
            let [packet] = capture.packets.as_slice() else { panic!("{capture:?}") };
            assert_eq!(packet.time, Duration::from_secs(10) + Duration::from_nanos(5 * unit));
            assert_eq!(
                (packet.data.as_slice(), packet.wire_length, packet.link_type),
                (b"abc".as_slice(), 60, ETHERNET)
            );
            let cut = read(&file[..file.len() - 1]);
            assert_eq!(cut.fault.unwrap().to_string(), "offset 40: the file ends 2 octets into a packet of 3");
        }
    }

    #[test]
    fn what_is_no_capture_is_refused() {
        assert!(read(b"").fault.unwrap().message.contains("less than 4 octets"));
        assert!(read(b"%PDF-1.4").fault.unwrap().message.contains("neither pcap nor pcapng"));
    }

    proptest! {
        #[test]
        fn nothing_in_a_file_makes_the_reader_panic(mut file in proptest::collection::vec(any::<u8>(), 0..200), change in 0usize..400, to in any::<u8>()) {
            read(&file);
            let mut whole = write(&evidence(), "x");
            let length = whole.len();
            whole[change % length] = to;
            read(&whole);
            whole.append(&mut file);
            read(&whole);
        }
    }
}

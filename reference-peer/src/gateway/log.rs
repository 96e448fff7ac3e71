//! Messages in the form of the guide's system log.

use super::sessions::SessionStatus;
use super::{Event, Gateway};
use crate::Instant;
use crate::deviation::Deviation;
use crate::ipsec::drops::DropReason;
use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;

/// Most lines that are kept; the oldest go first.
const MOST_LINES: usize = 1024;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Instant,
    /// The message.
    pub text: String,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.at.since_start().as_secs(), self.at.since_start().subsec_millis());
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        write!(f, "*{hours:02}:{:02}:{:02}.{millis:03}: {}", minutes % 60, seconds % 60, self.text)
    }
}

/// The last lines.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<LogLine>,
}

impl Log {
    fn write(&mut self, at: Instant, text: String) {
        if self.lines.len() >= MOST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(LogLine { at, text });
    }
}

/// A packet that the anti-replay check has rejected: the guide's `%CRYPTO-4-PKT_REPLAY_ERR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayError {
    /// Number of the SA in this gateway.
    pub connection_id: u32,
    /// SPI.
    pub spi: u32,
    /// The 32 bits of the sequence number that the packet carried.
    pub sequence: u32,
    /// Source address.
    pub source: Option<IpAddr>,
    /// Seen before, or to the left of the window.
    pub reason: DropReason,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connection_id, .. } = self;
        write!(f, "%CRYPTO-4-PKT_REPLAY_ERR: decrypt: replay check failed connection id={connection_id}")
    }
}

/// An ESP or AH packet without an SA: the guide's `%CRYPTO-4-RECVD_PKT_INV_SPI` (chapter 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidSpiMessage {
    pub(super) destination: IpAddr,
    pub(super) source: IpAddr,
    pub(super) protocol: u8,
    pub(super) spi: u32,
}

impl fmt::Display for InvalidSpiMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { destination, source, protocol, spi } = self;
        write!(
            f,
            "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr={destination}, "
        )?;
        write!(f, "prot={protocol}, spi=0x{spi:X}({spi}), srcaddr={source}")
    }
}

impl Gateway {
    /// The last messages, oldest first.
    pub fn log(&self) -> impl Iterator<Item = &LogLine> {
        self.log.lines.iter()
    }

    /// Writes that a session has come up or gone down.
    pub(super) fn log_session(&mut self, now: Instant, status: &SessionStatus) {
        self.log.write(now, status.to_string());
    }

    /// Writes that a packet had no SA. Of a bundle that is the outer one, AH (guide chapter 4); `inner_spi` is that of ESP
    /// in it.
    pub(super) fn log_invalid_spi(&mut self, now: Instant, mut message: InvalidSpiMessage, inner_spi: Option<u32>) {
        if self.is_deviant(Deviation::LogsEspForAh) {
            message.protocol = 50;
        }
        if self.is_deviant(Deviation::LogsSwappedSpi) {
            message.spi = message.spi.swap_bytes();
        }
        if let Some(inner) = inner_spi.filter(|_| self.is_deviant(Deviation::LogsInnerSpi)) {
            (message.protocol, message.spi) = (50, inner);
        }
        self.log.write(now, message.to_string());
    }

    /// Writes that the anti-replay check has rejected a packet.
    pub(super) fn log_replay(&mut self, now: Instant, error: ReplayError) {
        let too_old = error.reason == DropReason::ReplayTooOld;
        if self.is_deviant(Deviation::SilentOnReplays) || too_old && self.is_deviant(Deviation::LogsDuplicatesOnly) {
            return;
        }
        self.log.write(now, error.to_string());
        self.events.push_back(Event::ReplayError(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lines_look_as_in_the_guide() {
        let spi = InvalidSpiMessage {
            destination: [10, 2, 2, 2].into(),
            source: [10, 1, 1, 1].into(),
            protocol: 51,
            spi: 0x121_4f0d,
        };
        assert_eq!(
            spi.to_string(),
            "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr=10.2.2.2, prot=51, \
             spi=0x1214F0D(18960141), srcaddr=10.1.1.1"
        );
        let reason = DropReason::ReplayTooOld;
        let error = ReplayError { connection_id: 1, spi: 0x1234, sequence: 7, source: None, reason };
        let line = LogLine { at: Instant::after_start(Duration::from_millis(70_047_279)), text: error.to_string() };
        assert_eq!(
            line.to_string(),
            "*19:27:27.279: %CRYPTO-4-PKT_REPLAY_ERR: decrypt: replay check failed connection id=1"
        );
    }

    #[test]
    fn old_lines_go() {
        let mut log = Log::default();
        for index in 0..MOST_LINES + 3 {
            log.write(Instant::START, index.to_string());
        }
        assert_eq!(log.lines.len(), MOST_LINES);
        assert_eq!(log.lines.front().map(|line| line.text.as_str()), Some("3"));
    }
}

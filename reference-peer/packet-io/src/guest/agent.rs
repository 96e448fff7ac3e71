//! The command channel into a guest: scripts go in, their output and exit status come back.
//!
//! A script is sent in base64, in parts that each are one line `NUMBER LIMIT PART`; every line is answered before the
//! next one is sent. `LIMIT` is `+` for every part but the last. The answer to the last is `NUMBER STATUS LENGTH` and
//! that many octets of output. The other side is in `ci/guest/init`.

use crate::dut::{OUTPUT_LIMIT, Output};
use crate::error::Error;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Octets of base64 in one line. The guest's terminal takes 4,096 at once; what is more is lost for good.
const PART: usize = 2048;

/// How long the guest may take to answer when it has nothing to do but that, on top of a script's own limit.
const GRACE: Duration = Duration::from_secs(10);

/// Exit status of a script whose time has run out, and of one that had to be killed then.
const OUT_OF_TIME: [i32; 2] = [124, 137];

/// One end of the command channel.
#[derive(Debug)]
pub(super) struct Agent {
    channel: UnixStream,
    number: u64,
    /// Why the channel cannot be used any more: an answer of which it is not known where it ends.
    lost: Option<String>,
}

impl Agent {
    pub(super) fn new(channel: UnixStream) -> Self {
        Self { channel, number: 0, lost: None }
    }

    /// Runs a script; `what` names it in messages. The limit is rounded up to whole seconds.
    pub(super) fn run(&mut self, script: &str, what: &str, limit: Duration) -> Result<Output, Error> {
        if let Some(reason) = &self.lost {
            return Err(Error::ChannelLost(reason.clone()));
        }
        let seconds = u64::try_from(limit.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        let began = Instant::now();
        match self.exchange(script, seconds) {
            Ok(output) => {
                // A script may end with these by itself.
                if OUT_OF_TIME.contains(&output.status) && began.elapsed() >= Duration::from_secs(seconds) {
                    let last_output = output.last_lines();
                    return Err(Error::TimeLimit { command: what.to_owned(), limit, last_output });
                }
                Ok(output)
            }
            Err(error) => {
                let reason = format!("{what}: {error}");
                self.lost = Some(reason.clone());
                Err(Error::ChannelLost(reason))
            }
        }
    }

    fn exchange(&mut self, script: &str, seconds: u64) -> io::Result<Output> {
        self.number += 1;
        let text = BASE64.encode(script);
        let mut parts = text.as_bytes().chunks(PART).peekable();
        while let Some(part) = parts.next() {
            let (word, limit) = match parts.peek() {
                Some(_) => ("+".to_owned(), GRACE),
                None => (seconds.to_string(), Duration::from_secs(seconds).saturating_add(GRACE)),
            };
            let deadline = Instant::now().checked_add(limit);
            let mut line = format!("{} {word} ", self.number).into_bytes();
            line.extend_from_slice(part);
            line.push(b'\n');
            self.channel.set_write_timeout(Some(GRACE))?;
            self.channel.write_all(&line)?;

            let (number, status, length) = self.answer(deadline)?;
            if number != self.number {
                return Err(malformed(format!("an answer to request {number} instead of {}", self.number)));
            }
            if parts.peek().is_none() {
                let text = String::from_utf8_lossy(&self.octets(length, deadline)?).into_owned();
                return Ok(Output { status, text });
            }
        }
        Err(malformed("an empty script".to_owned()))
    }

    /// Reads the first line of an answer.
    fn answer(&mut self, deadline: Option<Instant>) -> io::Result<(u64, i32, usize)> {
        const LONGEST: usize = 64;
        let mut line = Vec::new();
        loop {
            match self.octets(1, deadline)?.as_slice() {
                [b'\n'] => break,
                octet => line.extend_from_slice(octet),
            }
            if line.len() > LONGEST {
                return Err(malformed(format!("{:?} as an answer", String::from_utf8_lossy(&line))));
            }
        }
        let text = String::from_utf8_lossy(&line);
        let words: Vec<&str> = text.split(' ').collect();
        if let [number, status, length] = words.as_slice()
            && let (Ok(number), Ok(status), Ok(length)) = (number.parse(), status.parse(), length.parse())
        {
            return Ok((number, status, length));
        }
        Err(malformed(format!("{text:?} as an answer")))
    }

    /// Reads exactly so many octets, keeping no more than [`OUTPUT_LIMIT`] of them.
    fn octets(&mut self, length: usize, deadline: Option<Instant>) -> io::Result<Vec<u8>> {
        let mut kept = Vec::new();
        let mut missing = length;
        let mut chunk = [0; 16 << 10];
        while missing > 0 {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
            }
            self.channel.set_read_timeout(left)?;
            let room = missing.min(chunk.len());
            let read = match self.channel.read(chunk.get_mut(..room).unwrap_or_default()) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the guest has closed it")),
                Ok(read) => read,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => {
                        return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"));
                    }
                    _ => return Err(error),
                },
            };
            missing = missing.saturating_sub(read);
            let keep = read.min(OUTPUT_LIMIT.saturating_sub(kept.len()));
            kept.extend_from_slice(chunk.get(..keep).unwrap_or_default());
        }
        Ok(kept)
    }
}

fn malformed(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the guest sent {what}"))
}

/// A word as the guest's shell takes it literally.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::thread::{self, JoinHandle};

    /// A guest that answers each line by what `answer` makes of it.
    fn agent(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> (Agent, JoinHandle<Vec<String>>) {
        let (near, far) = UnixStream::pair().unwrap();
        let guest = thread::spawn(move || {
            let mut lines = Vec::new();
            let mut to = far.try_clone().unwrap();
            for line in BufReader::new(far).lines().map_while(Result::ok) {
                if to.write_all(&answer(&line)).is_err() {
                    break;
                }
                lines.push(line);
            }
            lines
        });
        (Agent::new(near), guest)
    }

    const LIMIT: Duration = Duration::from_secs(3);

    #[test]
    fn a_script_goes_out_in_parts_and_its_output_comes_back() {
        let (mut agent, guest) = agent(|line| match line.split(' ').collect::<Vec<_>>().as_slice() {
            [number, "+", _] => format!("{number} 0 0\n").into_bytes(),
            [number, "3", _] => [format!("{number} 7 6\n").as_bytes(), b"a\nb\xff\0c"].concat(),
            _ => unreachable!(),
        });
        let script = "x".repeat(PART * 2);
        for _ in 0..2 {
            let output = agent.run(&script, "x", LIMIT).unwrap();
            assert_eq!(output, Output { status: 7, text: "a\nb\u{fffd}\0c".to_owned() });
        }
        drop(agent);
        let lines = guest.join().unwrap();
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| line.len() < PART + 16));
        let sent: String = lines.iter().take(3).map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(BASE64.decode(sent).unwrap(), script.as_bytes());
    }

    #[test]
    fn a_channel_that_answers_nonsense_is_lost_for_good() {
        for nonsense in ["2 0 0\n", "1 0\n", "x\n", "1 0 -1\n", "1 0 99999999999999999999999\n", &"1".repeat(100)] {
            let answer = nonsense.as_bytes().to_vec();
            let (mut agent, _guest) = agent(move |_| answer.clone());
            let first = agent.run("true", "true", LIMIT).unwrap_err().to_string();
            assert!(first.contains("the guest sent"), "{first}");
            assert_eq!(agent.run("true", "true", LIMIT).unwrap_err().to_string(), first);
        }
    }

    #[test]
    fn a_closed_channel_is_lost() {
        let (near, far) = UnixStream::pair().unwrap();
        drop(far);
        let mut agent = Agent::new(near);
        assert!(matches!(agent.run("true", "true", LIMIT), Err(Error::ChannelLost(_))));
    }

    #[test]
    fn words_survive_the_shell() {
        for word in ["", "plain", "two words", "it's", "$HOME `id` \\ \"\n!*?", "''"] {
            let script = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}

//! The control socket: a line in, what the console prints out, as lines of JSON.
//!
//! Whoever connects is told the prompt: `{"prompt": "RouterA# "}`. Each line that it then sends is answered with any
//! number of `{"text": "..."}`, and one `{"end": "done"}` (or `refused`, or `exit`).

use super::{End, Input, Output};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};

/// The longest line that is taken, octets.
const LONGEST_LINE: u64 = 4096;

/// A line of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Message {
    Prompt(String),
    Text(String),
    End(String),
}

/// Why a peer cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens there.
    #[error("{path}: {source}: is this the --control of a `counterpeer peer` that runs?")]
    Connect {
        /// The socket.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended in the midst of an answer.
    #[error("the peer has ended")]
    Ended,
    /// It says something else than a peer does.
    #[error("no answer of a `counterpeer peer`: {0}")]
    Foreign(String),
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl End {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Exit => "exit",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        [Self::Done, Self::Refused, Self::Exit].into_iter().find(|end| end.word() == word)
    }
}

/// Serves everybody who connects, each on a thread of its own, for as long as the program lives.
///
/// # Errors
/// A thread cannot be started.
pub fn listen(listener: UnixListener, prompt: String, peer: Sender<Input>) -> io::Result<()> {
    let serve_all = move || {
        for stream in listener.incoming().flatten() {
            let (prompt, peer) = (prompt.clone(), peer.clone());
            // Who asks and goes away, or cannot be served, is no matter to the peer.
            let _ = std::thread::Builder::new().name("console".to_owned()).spawn(move || serve(&stream, prompt, &peer));
        }
    };
    std::thread::Builder::new().name("control".to_owned()).spawn(serve_all).map(drop)
}

fn serve(stream: &UnixStream, prompt: String, peer: &Sender<Input>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    say(&mut writer, &Message::Prompt(prompt))?;
    loop {
        let mut line = String::new();
        if io::Read::take(&mut reader, LONGEST_LINE).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (sender, answers) = channel();
        if peer.send(Input::Line(line.trim_end().to_owned(), sender)).is_err() {
            return Ok(());
        }
        for output in answers {
            match output {
                Output::Text(text) => say(&mut writer, &Message::Text(text))?,
                Output::End(end) => {
                    say(&mut writer, &Message::End(end.word().to_owned()))?;
                    if end == End::Exit {
                        return Ok(());
                    }
                }
            }
        }
    }
}

fn say(writer: &mut impl Write, message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line)
}

/// A connection to a peer's control socket.
struct Asker {
    reader: BufReader<UnixStream>,
    prompt: String,
}

impl Asker {
    fn connect(path: &Path) -> Result<Self, ControlError> {
        let told = |source| ControlError::Connect { path: path.display().to_string(), source };
        let stream = UnixStream::connect(path).map_err(told)?;
        let mut asker = Self { reader: BufReader::new(stream), prompt: String::new() };
        match asker.hear()? {
            Message::Prompt(prompt) => asker.prompt = prompt,
            other => return Err(ControlError::Foreign(format!("{other:?}"))),
        }
        Ok(asker)
    }

    fn hear(&mut self) -> Result<Message, ControlError> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(ControlError::Ended);
        }
        serde_json::from_str(&line).map_err(|error| ControlError::Foreign(error.to_string()))
    }

    fn ask(&mut self, line: &str, out: &mut dyn Write) -> Result<End, ControlError> {
        self.reader.get_mut().write_all(format!("{}\n", line.replace(['\n', '\r'], " ")).as_bytes())?;
        loop {
            match self.hear()? {
                Message::Text(text) => {
                    out.write_all(text.as_bytes())?;
                    out.flush()?;
                }
                Message::End(word) => {
                    return End::of_word(&word).ok_or(ControlError::Foreign(word));
                }
                other @ Message::Prompt(_) => return Err(ControlError::Foreign(format!("{other:?}"))),
            }
        }
    }
}

/// Asks the peer behind a control socket one thing, and prints what it says.
///
/// # Errors
/// It does not answer.
pub fn ask(path: &Path, line: &str, out: &mut dyn Write) -> Result<End, ControlError> {
    Asker::connect(path)?.ask(line, out)
}

/// Asks it line by line, until the lines end or one says `exit`; `prompts` before each line. Gives how the worst one
/// ended.
///
/// # Errors
/// It does not answer.
pub fn converse(
    path: &Path,
    lines: impl Iterator<Item = io::Result<String>>,
    prompts: bool,
    out: &mut dyn Write,
) -> Result<End, ControlError> {
    let mut asker = Asker::connect(path)?;
    let mut worst = End::Done;
    let prompt = |asker: &Asker, out: &mut dyn Write| -> io::Result<()> {
        if prompts {
            write!(out, "{}", asker.prompt)?;
        }
        out.flush()
    };
    prompt(&asker, out)?;
    for line in lines {
        match asker.ask(&line?, out)? {
            End::Exit => break,
            End::Refused => worst = End::Refused,
            End::Done => {}
        }
        prompt(&asker, out)?;
    }
    Ok(worst)
}

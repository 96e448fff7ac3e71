//! The prompt of a peer that was started at a terminal.

use super::{End, Input, Output};
use crate::run::Interrupt;
use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Sender, channel};

/// Reads lines from standard input on a thread of its own and prints what the console says to them. The end of the
/// input, or `exit`, ends the peer.
///
/// # Errors
/// The thread cannot be started.
pub fn read_terminal(prompt: String, peer: Sender<Input>, interrupt: Interrupt) -> io::Result<()> {
    let read = move || {
        let why = match converse(&prompt, &peer) {
            Ok(why) => why.to_owned(),
            Err(error) => format!("the terminal: {error}"),
        };
        interrupt.raise(why);
    };
    std::thread::Builder::new().name("terminal".to_owned()).spawn(read).map(drop)
}

fn converse(prompt: &str, peer: &Sender<Input>) -> io::Result<&'static str> {
    let mut out = io::stdout();
    write!(out, "{prompt}")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        let (sender, answers) = channel();
        if peer.send(Input::Line(line?, sender)).is_err() {
            break;
        }
        for output in answers {
            match output {
                Output::Text(text) => write!(out, "{text}")?,
                Output::End(End::Exit) => return Ok("exit"),
                Output::End(_) => {}
            }
            out.flush()?;
        }
        write!(out, "{prompt}")?;
        out.flush()?;
    }
    writeln!(out)?;
    Ok("end of input")
}

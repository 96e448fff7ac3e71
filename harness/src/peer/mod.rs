//! The reference peer alone, on real interfaces: a gateway, its links, the real clock, and the consoles that ask it.
//!
//! One thread owns the gateway. Frames, lines that were typed and the end of the program come to it through one channel,
//! and it sleeps until the next of them or the gateway's next timer.

mod control;
mod terminal;

pub use control::{ControlError, ask, converse, listen};
pub use terminal::read_terminal;

use crate::run::Interrupt;
use crate::testbed::GatewayNode;
use packet_io::{Clock, FrameLink};
use reference_peer::Instant;
use reference_peer::gateway::console::{Console, Reply};
use reference_peer::gateway::show::stamp;
use reference_peer::gateway::{Leg, PingId};
use reference_peer::sim::Node;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest sleep without a look at whether the program should end.
const LOOK: Duration = Duration::from_millis(100);

/// The most marks of echo requests in a line.
const MARKS: usize = 70;

/// What comes to the thread that owns the gateway.
pub enum Input {
    /// A frame.
    Frame(Leg, Instant, Vec<u8>),
    /// A line for the console.
    Line(String, Sender<Output>),
    /// A link can no longer be used: why.
    LinkFailed(String),
}

/// What a console prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Text as it comes.
    Text(String),
    /// The command is done.
    End(End),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was done. Of echo requests, all were answered.
    Done,
    /// It was refused, or not all echo requests were answered.
    Refused,
    /// The user wants to leave.
    Exit,
}

/// Echo requests that a console waits for.
struct Pinging {
    id: PingId,
    /// How many marks were printed.
    printed: usize,
    out: Sender<Output>,
}

/// A peer that runs.
pub struct Peer {
    node: GatewayNode,
    links: Vec<(Leg, Arc<dyn FrameLink>)>,
    console: Console,
    clock: Clock,
    /// How many messages of the log were printed.
    printed: u64,
    pings: Vec<Pinging>,
    inputs: Receiver<Input>,
    pumps: Pumps,
}

/// The threads that receive frames; they end when this is dropped.
struct Pumps {
    links: Vec<Arc<dyn FrameLink>>,
    threads: Vec<JoinHandle<()>>,
    ending: Arc<AtomicBool>,
}

impl Drop for Pumps {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.links.iter().for_each(|link| link.wake());
        for thread in self.threads.drain(..) {
            // A thread that panicked has already said so; there is nothing left to end.
            let _ = thread.join();
        }
    }
}

impl Peer {
    /// Starts to receive. The other end of the channel is for consoles.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(
        node: GatewayNode,
        links: Vec<(Leg, Arc<dyn FrameLink>)>,
        console: Console,
        clock: Clock,
    ) -> std::io::Result<(Self, Sender<Input>)> {
        let (sender, inputs) = channel();
        let ending = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for (leg, link) in &links {
            let (leg, link, sender, ending) = (*leg, Arc::clone(link), sender.clone(), Arc::clone(&ending));
            let pump = move || pump(leg, link.as_ref(), &sender, &ending);
            threads.push(std::thread::Builder::new().name(format!("{leg:?}")).spawn(pump)?);
        }
        let pumps = Pumps { links: links.iter().map(|(_, link)| Arc::clone(link)).collect(), threads, ending };
        Ok((Self { node, links, console, clock, printed: 0, pings: Vec::new(), inputs, pumps }, sender))
    }

    /// Runs until it is interrupted, and prints the gateway's messages to `log` as they come. Then all SAs are deleted,
    /// and the peers told.
    ///
    /// # Errors
    /// In words: a link has failed, or `log` takes nothing more.
    pub fn run(&mut self, interrupt: &Interrupt, log: &mut dyn Write) -> Result<(), String> {
        let result = self.work(interrupt, log);
        let now = self.now();
        // What is deleted prints nothing.
        let _ = self.console.run(&mut self.node.gateway, now, "clear crypto session");
        self.node.flush(now);
        let told = self.send().and_then(|()| self.print(log));
        result.and(told)
    }

    fn work(&mut self, interrupt: &Interrupt, log: &mut dyn Write) -> Result<(), String> {
        while !interrupt.is_raised() {
            let next = self.node.next_timeout().map_or(LOOK, |at| at.since(self.now()));
            match self.inputs.recv_timeout(next.min(LOOK)) {
                Ok(Input::Frame(leg, at, frame)) => {
                    let leg = if leg == Leg::Outside { 0 } else { 1 };
                    self.node.handle_frame(at, leg, &frame);
                }
                Ok(Input::Line(line, out)) => self.line(&line, out),
                Ok(Input::LinkFailed(why)) => return Err(why),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err("all links are gone".to_owned()),
            }
            let now = self.now();
            if self.node.next_timeout().is_some_and(|at| at <= now) {
                self.node.handle_timeout(now);
            }
            self.node.flush(now);
            self.send()?;
            self.print(log)?;
            self.tell_of_pings();
        }
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::after_start(self.clock.now())
    }

    /// Sends what waits to be sent.
    fn send(&mut self) -> Result<(), String> {
        while let Some((leg, frame)) = self.node.poll_frame() {
            let leg = if leg == 0 { Leg::Outside } else { Leg::Inside };
            // A gateway with one leg has nobody on the other.
            let Some((_, link)) = self.links.iter().find(|(have, _)| *have == leg) else { continue };
            link.send(&frame).map_err(|error| format!("{}: {error}", link.description()))?;
        }
        Ok(())
    }

    /// Prints messages that are new.
    fn print(&mut self, log: &mut dyn Write) -> Result<(), String> {
        let gateway = &self.node.gateway;
        let new = usize::try_from(gateway.logged() - self.printed).unwrap_or(usize::MAX);
        let start = Some(self.clock.calendar(Duration::ZERO));
        let lines: Vec<_> = gateway.log().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(new)) {
            let written = writeln!(log, "{}: {}", stamp(line.at, start), line.text);
            written.map_err(|error| format!("the log cannot be written: {error}"))?;
        }
        self.printed = gateway.logged();
        Ok(())
    }

    /// Does what a console says. One that no longer listens is no matter.
    fn line(&mut self, line: &str, out: Sender<Output>) {
        let now = self.now();
        let (text, end) = match self.console.run(&mut self.node.gateway, now, line) {
            Reply::Done(text) => (text, End::Done),
            Reply::Refused(text) => (text, End::Refused),
            Reply::Exit => (String::new(), End::Exit),
            Reply::Pinging(id, heading) => {
                let _ = out.send(Output::Text(heading));
                return self.pings.push(Pinging { id, printed: 0, out });
            }
        };
        if !text.is_empty() {
            let _ = out.send(Output::Text(text));
        }
        let _ = out.send(Output::End(end));
    }

    /// Prints the marks of echo requests that are done since the last time.
    fn tell_of_pings(&mut self) {
        for mut pinging in std::mem::take(&mut self.pings) {
            let Some(ping) = self.node.gateway.ping(pinging.id) else { continue };
            let (marks, done) = (ping.marks(), ping.is_done());
            let mut text = String::new();
            for (index, mark) in marks.char_indices().skip(pinging.printed) {
                if index > 0 && index.is_multiple_of(MARKS) {
                    text.push('\n');
                }
                text.push(mark);
            }
            pinging.printed = marks.len();
            let mut listens = text.is_empty() || pinging.out.send(Output::Text(text)).is_ok();
            if done {
                let summary = ping.summary();
                let end = if summary.answered == summary.sent { End::Done } else { End::Refused };
                listens &= pinging.out.send(Output::Text(format!("\n{summary}\n"))).is_ok();
                let _ = pinging.out.send(Output::End(end));
            }
            if done || !listens {
                self.node.gateway.end_ping(pinging.id);
            } else {
                self.pings.push(pinging);
            }
        }
    }

    /// Frames that came and were lost on this machine, because it was too busy.
    pub fn lost(&self) -> u64 {
        self.pumps.links.iter().map(|link| link.lost()).sum()
    }
}

/// Receives frames until the peer ends.
fn pump(leg: Leg, link: &dyn FrameLink, sender: &Sender<Input>, ending: &AtomicBool) {
    while !ending.load(Ordering::Relaxed) {
        let input = match link.receive(Duration::from_secs(60)) {
            Ok(Some(frame)) => Input::Frame(leg, Instant::after_start(frame.received), frame.bytes),
            Ok(None) => continue,
            Err(error) => Input::LinkFailed(format!("{}: {error}", link.description())),
        };
        let failed = matches!(input, Input::LinkFailed(_));
        if sender.send(input).is_err() || failed {
            return;
        }
    }
}

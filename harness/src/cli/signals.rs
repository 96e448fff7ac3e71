//! Ctrl-C and SIGTERM: the run ends early and still reports; a second one ends the program at once.

use crate::report::status;
use crate::run::Interrupt;
use tokio::signal::unix::{SignalKind, signal};

/// Watches for signals on a thread of its own, for as long as the program lives.
pub(super) fn watch(interrupt: Interrupt) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupts, mut terminations) = {
        let _context = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                let name = tokio::select! {
                    _ = interrupts.recv() => "SIGINT",
                    _ = terminations.recv() => "SIGTERM",
                };
                if interrupt.is_raised() {
                    std::process::exit(i32::from(status::INTERRUPTED));
                }
                interrupt.raise(format!("interrupted by {name}"));
            }
        });
    })?;
    Ok(())
}

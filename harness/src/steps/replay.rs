//! The anti-replay window, measured (RFC 4303 section 3.4.3 and appendix A2, guide chapter 2).

use crate::profile::Window;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::Testbed;
use std::time::Duration;

/// How far below the highest number the search for the window's edge goes.
const SEARCH: u64 = 8192;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when("the packet with number {int} is let through", |testbed, step| {
        let number = step.arg(0)?;
        if lets_through(testbed, number)? {
            return Ok(());
        }
        Err(StepError::inconclusive(format!("packet {number} was not let through")))
    });
    steps.then("number {int} is let through", |testbed, step| {
        let number = step.arg(0)?;
        expect(testbed, step, number, true)
    });
    steps.then("number {int} is dropped", |testbed, step| {
        let number = step.arg(0)?;
        expect(testbed, step, number, false)
    });
    steps.then("the replay window has its configured size", measured_window);
}

/// Is a ping with this sequence number let through?
pub(super) fn lets_through(testbed: &mut Testbed, number: u64) -> Result<bool, StepError> {
    let limit = through_limit(testbed);
    testbed.is_let_through(number, limit)
}

/// A packet that is let through is there within this time; what is not there by then was dropped.
fn through_limit(testbed: &Testbed) -> Duration {
    testbed.silence()
}

fn expect(testbed: &mut Testbed, step: &mut Step, number: u64, through: bool) -> StepResult {
    let came = lets_through(testbed, number)?;
    let words = |through| if through { "let through" } else { "dropped" };
    step.observed(format!("number {number} {}", words(came)));
    if came == through {
        return Ok(());
    }
    Err(StepError::failed(format!("number {number} {}", words(through)), words(came)))
}

/// Finds the lowest number that is still let through below a fresh highest one, with numbers never used before: each
/// probe has a highest number of its own, a whole search apart.
fn measured_window(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let Some(Window::Packets(configured)) = testbed.profile().ipsec.replay_window else {
        return Err(StepError::not_applicable("the profile names no replay window"));
    };
    let configured = u64::from(configured);
    let mut top = 10 * SEARCH;
    // Is the number `distance` below a fresh top let through?
    let mut probe = |testbed: &mut Testbed, distance: u64| -> Result<bool, StepError> {
        top += 2 * SEARCH;
        if !lets_through(testbed, top)? {
            return Err(StepError::inconclusive(format!("the fresh packet {top} was not let through")));
        }
        lets_through(testbed, top - distance)
    };
    // The edge where it should be: W-1 below the top is in, W below is out.
    let inside = probe(testbed, configured - 1)?;
    let outside = probe(testbed, configured)?;
    let measured = if inside && !outside {
        configured
    } else {
        let (mut low, mut high) = (0, SEARCH);
        if probe(testbed, high)? {
            step.measured("replay window", format!("configured {configured}, measured off or over {SEARCH}"));
            return Err(StepError::failed(format!("a window of {configured}"), format!("none, or one over {SEARCH}")));
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if probe(testbed, middle)? {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    };
    step.measured("replay window", format!("configured {configured}, measured {measured}"));
    step.observed(format!("window configured {configured}, measured {measured}"));
    if measured == configured {
        return Ok(());
    }
    Err(StepError::failed(format!("a window of {configured}"), format!("a window of {measured}")))
}

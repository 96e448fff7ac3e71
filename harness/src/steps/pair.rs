//! The pair of SAs that a scenario of the data plane works with, and what the DUT is told of it.

use super::common::instead;
use crate::profile::{DfBit, Window};
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Family, Keying, Protection, Setting, Testbed};
use reference_peer::config::Mode;
use wire::ikev2::ProtocolId;

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.given("the SAs are to be in {word} mode", |testbed, step| {
        testbed.want().mode = match step.arg_text(0)? {
            "tunnel" => Mode::Tunnel,
            "transport" => Mode::Transport,
            other => return Err(StepError::testbed(format!("{}: no mode is called {other:?}", step.place()))),
        };
        Ok(())
    });
    steps.given("the SAs are to have extended sequence numbers", |testbed, _| {
        testbed.want().esn = true;
        Ok(())
    });
    steps.given("the SAs are to be in UDP", |testbed, _| {
        testbed.want().udp = true;
        Ok(())
    });
    steps.given("the SAs are to have manual keys", |testbed, _| {
        testbed.want().keying = Some(Keying::Manual);
        Ok(())
    });
    steps.given("{word} outside and {word} in the protected networks", |testbed, step| {
        let (outer, inner): (Family, Family) = (step.arg(0)?, step.arg(1)?);
        testbed.use_families(outer, inner)
    });
    steps.given("number {number} was the last to the DUT, and number {number} the last from it", |testbed, step| {
        testbed.want().used = (step.number(0)?, step.number(1)?);
        Ok(())
    });
    steps.given("a pair of SAs", |testbed, _| testbed.bring_up());
    steps.given("a pair of SAs for AH", |testbed, _| {
        let mut proposals = testbed.profile().ipsec.proposals.iter();
        let ah = proposals.find(|proposal| proposal.protocol == ProtocolId::AH).cloned();
        let ah = ah.ok_or_else(|| StepError::not_applicable("the profile names no proposal for AH"))?;
        testbed.want().protection = Some(Protection(vec![ah]));
        testbed.bring_up()
    });
    steps.given("a pair of SAs of {word}", |testbed, step| {
        testbed.want().protection = Some(step.arg(0)?);
        testbed.bring_up()
    });

    steps.given("the DUT's outside carries {int} octets", |testbed, step| testbed.set(Setting::Mtu(step.arg(0)?)));
    steps.given("the DUT's DF bit is {word}", |testbed, step| {
        let df = df_bit(step, 0)?;
        testbed.set(Setting::DfBit(df))
    });
    steps.given("pre-fragmentation is {word}", |testbed, step| {
        let on = match step.arg_text(0)? {
            "on" => true,
            "off" => false,
            other => return Err(StepError::testbed(format!("{}: {other:?} is neither on nor off", step.place()))),
        };
        testbed.set(Setting::PreFragmentation(on))
    });
    steps.given("the DUT's replay window is {int}", |testbed, step| {
        let size: u32 = step.arg(0)?;
        testbed.set(Setting::ReplayWindow(Window::Packets(size)))
    });
    steps.given("the DUT's replay check is off", |testbed, _| testbed.set(Setting::ReplayWindow(Window::Off)));

    steps.then("the DUT still answers", still_answers);
}

/// The treatment of the DF bit that a step names.
pub(super) fn df_bit(step: &Step, index: usize) -> Result<DfBit, StepError> {
    match step.arg_text(index)? {
        "copy" => Ok(DfBit::Copy),
        "set" => Ok(DfBit::Set),
        "clear" => Ok(DfBit::Clear),
        other => Err(StepError::testbed(format!("{}: the DF bit is copy, set or clear, not {other:?}", step.place()))),
    }
}

/// The control: the DUT answers on its IKE SA, or to a ping where it has none.
fn still_answers(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let by_ike = testbed.child()?.ike_sa.is_some();
    let answers = if by_ike { testbed.is_alive()? } else { testbed.answers_ping()? };
    step.observed(if by_ike { "INFORMATIONAL" } else { "a ping in the clear" });
    if answers {
        return Ok(());
    }
    Err(StepError::failed(format!("an answer within {:?}", testbed.answer_limit()), instead(testbed)))
}

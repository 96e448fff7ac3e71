//! Informational exchanges of IKEv1: notifies and Deletes, what protects them, and dead peer detection by R-U-THERE (RFC
//! 2408 sections 5.14 and 5.15, RFC 2409 section 5.7, RFC 3706).

use super::common::instead;
use super::informational::unknown_spi;
use super::isakmp::{awaited, none};
use crate::dissect::Seen;
use crate::isakmp::SeenIsakmp;
use crate::run::{Step, StepError, StepResult, Steps};
use crate::testbed::{Testbed, WhichIsakmp};
use reference_peer::config::isakmp::IsakmpKeepalive;
use reference_peer::hands::IsakmpDraft;
use std::collections::BTreeMap;
use std::time::Duration;
use wire::ikev1::{
    Body, Delete, Doi, ExchangeType, Flags, Message, Notification, NotifyType, Payload, ProtocolId, cookies_spi,
};

/// Between two looks at an SA that is being deleted.
const PAUSE: Duration = Duration::from_millis(20);

/// A number of R-U-THERE that is hardly the DUT's own.
const FAR_OFF: u32 = 0x6f00_0000;

/// How a message of the scenario's own making is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sealing {
    Proper,
    InTheClear,
    WrongHash,
}

/// Registers the steps.
pub(super) fn register(steps: &mut Steps<Testbed>) {
    steps.when(
        "^the tester sends a Delete of its (IPsec|ISAKMP) SAs?( in the clear| with a wrong hash|)$",
        |testbed, step| {
            let sealing = sealing(step.arg_text(1)?);
            let delete = match step.arg_text(0)? {
                "IPsec" => own_delete(testbed)?,
                _ => Delete::isakmp(testbed.isakmp_sa()?.cookies),
            };
            testbed.begin_stimulus();
            send(testbed, vec![Body::Delete(delete).into()], sealing)
        },
    );
    steps.when("the tester sends a Delete of IPsec SAs that do not exist", |testbed, _| {
        let (protocol, unknown) = (testbed.child()?.protocol, unknown_spi(testbed));
        testbed.begin_stimulus();
        send(testbed, vec![Body::Delete(Delete::ipsec(protocol, &[unknown])).into()], Sealing::Proper)
    });
    steps.when("the tester sends a Delete of its older IPsec SAs and of ones that do not exist", |testbed, _| {
        let unknown = unknown_spi(testbed);
        let older = older(testbed)?;
        testbed.begin_stimulus();
        let delete = Delete::ipsec(older.protocol, &[unknown, older.inbound_spi]);
        send(testbed, vec![Body::Delete(delete).into()], Sealing::Proper)
    });
    steps.when("^the tester sends the notify (\\S+)( in the clear| with a wrong hash|)$", |testbed, step| {
        let (notify, sealing) = (super::isakmp::notify_type(step, 0)?, sealing(step.arg_text(1)?));
        let cookies = testbed.isakmp_sa()?.cookies;
        testbed.begin_stimulus();
        send(testbed, vec![Body::Notification(Notification::isakmp(cookies, notify, [])).into()], sealing)
    });
    steps.given("the DUT has answered under the ISAKMP SA", |testbed, _| match testbed.is_isakmp_alive()? {
        true => Ok(()),
        false => Err(StepError::inconclusive(format!("no answer under the ISAKMP SA: {}", instead(testbed)))),
    });
    steps.given("the tester does no dead peer detection", |testbed, _| {
        testbed.reconfigure_isakmp(|connection| connection.keepalive = None);
        Ok(())
    });
    steps.given("^the tester acknowledges R-U-THERE (in the clear|with the next number)$", |testbed, step| {
        let clear = step.arg_text(0)? == "in the clear";
        testbed.edits.every_isakmp(WhichIsakmp::exchange(ExchangeType::INFORMATIONAL), move |draft| {
            acknowledge_wrongly(draft, clear);
        });
        Ok(())
    });

    steps.then("nothing is sent on the deleted IPsec SAs any more", nothing_is_sent);
    steps.then("the DUT's notifies are protected, each under a Message ID of its own", |testbed, step| {
        let notifies = |isakmp: &SeenIsakmp| {
            isakmp.exchange() == Some(ExchangeType::INFORMATIONAL)
                && (isakmp.protected || isakmp.notifies().count() > 0)
        };
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        testbed.await_isakmp(since, limit, notifies)?;
        let all: Vec<&SeenIsakmp> = testbed.isakmp_from_dut(since).filter(|isakmp| notifies(isakmp)).collect();
        if all.is_empty() {
            return Err(StepError::not_applicable("the DUT says nothing about it"));
        }
        step.observed(all.iter().map(|isakmp| isakmp.summary()).collect::<Vec<_>>().join("; "));
        let others = |isakmp: &&SeenIsakmp| {
            let id = isakmp.message_id();
            let same = |other: &SeenIsakmp| other.message_id() == id && other.octets != isakmp.octets;
            id == Some(0) || testbed.isakmp_to_dut(0).chain(testbed.isakmp_from_dut(0)).any(same)
        };
        match all.iter().find(|isakmp| !isakmp.is_authentic() || others(isakmp)) {
            None => Ok(()),
            Some(wrong) => Err(StepError::failed("encrypted, HASH(1) right, a fresh Message ID", wrong.summary())),
        }
    });
    steps.then("the DUT's INITIAL-CONTACT is as it should be", |testbed, step| {
        let (since, limit) = (testbed.since(), testbed.answer_limit());
        let says = |isakmp: &SeenIsakmp| isakmp.notify(NotifyType::INITIAL_CONTACT).is_some();
        if testbed.await_isakmp(since, limit, says)?.is_none() {
            return Err(StepError::not_applicable("the DUT sends no INITIAL-CONTACT"));
        }
        let isakmp = awaited(testbed, step, says, "INITIAL-CONTACT")?;
        let found = isakmp.notify(NotifyType::INITIAL_CONTACT).zip(isakmp.header);
        let Some((notify, header)) = found else { return Err(StepError::testbed("the notify is gone")) };
        let right = notify.doi == Doi::IPSEC
            && notify.spi == cookies_spi(header.cookies())
            && notify.data.is_empty()
            && isakmp.is_authentic();
        step.observed(describe(notify));
        if right {
            return Ok(());
        }
        Err(StepError::failed("under protection: DOI 1, both cookies as SPI, no data", describe(notify)))
    });
    steps.then("the DUT sends Deletes of its ISAKMP SA and IPsec SAs, as they should be", deletes_all);

    // ---- Dead peer detection ----
    steps.then("the DUT announces dead peer detection in message {int} of {word} mode", |testbed, step| {
        announces(testbed, step, &wire::ikev1::vendor::DEAD_PEER_DETECTION)
    });
    steps.then(
        "^R-U-THERE number (0x[0-9a-f]+)( in the clear| with a wrong hash| about another ISAKMP SA|) is (not )?acknowledged$",
        acknowledged,
    );
    steps.then("R-U-THERE with the next number is acknowledged", |testbed, step| {
        testbed.begin_stimulus();
        ask(testbed)?;
        let answers = |isakmp: &SeenIsakmp| isakmp.is_authentic() && isakmp.notify(NotifyType::R_U_THERE_ACK).is_some();
        awaited(testbed, step, answers, "R-U-THERE-ACK").map(drop)
    });
    steps.then("the DUT's R-U-THERE is as it should be", |testbed, step| {
        let asks = |isakmp: &SeenIsakmp| isakmp.notify(NotifyType::R_U_THERE).is_some();
        let isakmp = awaited(testbed, step, asks, "R-U-THERE")?;
        let found = isakmp.notify(NotifyType::R_U_THERE).zip(isakmp.header);
        let Some((notify, header)) = found else { return Err(StepError::testbed("the notify is gone")) };
        let types = isakmp.types();
        step.observed(describe(notify));
        if !isakmp.is_authentic() || types.len() != 2 {
            return Err(StepError::failed("HASH and N under encryption, HASH(1) right", isakmp.summary()));
        }
        if notify.protocol != ProtocolId::IKE || notify.data.len() != 4 {
            return Err(StepError::failed("protocol 1, four octets of data", describe(notify)));
        }
        if notify.doi != Doi::IPSEC || notify.spi != cookies_spi(header.cookies()) {
            return Err(StepError::failed("DOI 1, SPI of 16 octets: the initiator's cookie first", describe(notify)));
        }
        Ok(())
    });
    steps.when("the inside sends until the DUT has asked {int} times", |testbed, step| {
        let times = step.arg(0)?;
        testbed.begin_stimulus();
        send_until_asked(testbed, times)
    });
    steps.when(
        "the inside sends until the DUT has asked twice, and the tester asks {int} times in between",
        |testbed, step| {
            let times: u32 = step.arg(0)?;
            testbed.begin_stimulus();
            send_until_asked(testbed, 1)?;
            for _ in 0..times {
                ask(testbed)?;
                testbed.wait(PAUSE)?;
            }
            send_until_asked(testbed, 2)
        },
    );
    steps.then("the numbers of the DUT's R-U-THERE go up by one", |testbed, step| {
        let numbers: Vec<u32> = questions(testbed).into_iter().map(|(_, number)| number).collect();
        step.observed(format!("{numbers:08x?}"));
        let steady = numbers.windows(2).all(|pair| matches!(pair, [one, next] if one.wrapping_add(1) == *next));
        if numbers.len() > 1 && steady {
            return Ok(());
        }
        Err(StepError::failed("each number one more than the last", format!("{numbers:08x?}")))
    });
    steps.then("the DUT has asked more than once before it gave up", |testbed, step| {
        let asked = questions(testbed);
        let waits: Vec<String> = asked
            .windows(2)
            .filter_map(|pair| match pair {
                [(one, _), (next, _)] => Some(format!("{:.1} s", next.since(*one).as_secs_f64())),
                _ => None,
            })
            .collect();
        step.measured("R-U-THERE unanswered", format!("{}, apart by {}", asked.len(), waits.join(", ")));
        let numbers: Vec<u32> = asked.iter().map(|(_, number)| *number).collect();
        step.observed(format!("numbers {numbers:08x?}"));
        if asked.len() > 1 {
            return Ok(());
        }
        Err(StepError::failed("more than one R-U-THERE", format!("{}", asked.len())))
    });
    cisco_keepalive(steps);
    steps.then("the first numbers of {int} ISAKMP SAs differ, and their high bit is zero", first_numbers);
}

/// The guide's command `crypto isakmp keepalive` (chapter 5).
fn cisco_keepalive(steps: &mut Steps<Testbed>) {
    steps.given("^the DUT's keepalive is (\\d+) seconds(, periodic|)$", |testbed, step| {
        let (interval, periodic) = (step.arg(0)?, !step.arg_text(1)?.is_empty());
        testbed.reconfigure_dut(|config| {
            for connection in &mut config.isakmp.connections {
                let on_demand = IsakmpKeepalive::on_demand(Duration::from_secs(interval));
                connection.keepalive = Some(IsakmpKeepalive { periodic, ..on_demand });
            }
        })
    });
    steps.when("the tester asks every {int} seconds for {int} seconds", |testbed, step| {
        let (pace, time): (u64, u64) = (step.arg(0)?, step.arg(1)?);
        testbed.begin_stimulus();
        let end = testbed.now() + Duration::from_secs(time);
        while testbed.now() < end {
            ask(testbed)?;
            testbed.wait(Duration::from_secs(pace))?;
        }
        Ok(())
    });
    steps.then("^the DUT asks every (\\d+) seconds(, 5 or 6 times, and no more|)$", |testbed, step| {
        let (pace, counted): (u64, bool) = (step.arg(0)?, !step.arg_text(1)?.is_empty());
        let asked = questions(testbed);
        let gaps = asked.windows(2).filter_map(|pair| match pair {
            [(one, _), (next, _)] => Some(next.since(*one).as_secs_f64()),
            _ => None,
        });
        let gaps: Vec<f64> = gaps.collect();
        step.measured("R-U-THERE", format!("{}, apart by {gaps:.1?} s", asked.len()));
        let pace = pace as f64;
        let steady = asked.len() > 1 && gaps.iter().all(|gap| (pace * 0.9..=pace * 1.1 + 0.5).contains(gap));
        if steady && (!counted || (5..=6).contains(&asked.len())) {
            return Ok(());
        }
        let expected = if counted { format!("5 or 6, {pace} s apart") } else { format!("several, {pace} s apart") };
        Err(StepError::failed(expected, format!("{}, apart by {gaps:.1?} s", asked.len())))
    });
}

fn sealing(words: &str) -> Sealing {
    match words {
        " in the clear" => Sealing::InTheClear,
        " with a wrong hash" => Sealing::WrongHash,
        _ => Sealing::Proper,
    }
}

/// Sends payloads in an Informational exchange of its own, past the engine.
fn send(testbed: &mut Testbed, payloads: Vec<Payload>, sealing: Sealing) -> StepResult {
    let info = testbed.isakmp_sa()?;
    let message_id = testbed.fresh_message_id();
    let clear = sealing == Sealing::InTheClear;
    let header = testbed.isakmp_header(&info, ExchangeType::INFORMATIONAL, message_id, !clear);
    let message = match clear {
        true => Message::clear(header, payloads),
        false => testbed.seal_isakmp(header, payloads, |draft| draft.flip_hash = sealing == Sealing::WrongHash)?,
    };
    testbed.send_isakmp(&message)
}

/// A Delete of the tester's newest IPsec SA: of that which it receives on.
fn own_delete(testbed: &Testbed) -> Result<Delete, StepError> {
    let child = testbed.child()?;
    Ok(Delete::ipsec(child.protocol, &[child.inbound_spi]))
}

/// The IPsec SAs before the newest ones.
fn older(testbed: &Testbed) -> Result<reference_peer::ike::v2::ChildSa, StepError> {
    let older = testbed.children().into_iter().rev().nth(1);
    older.ok_or_else(|| StepError::inconclusive("the tester has had one pair of IPsec SAs only"))
}

/// The DUT sends nothing on the SA that the tester has deleted. Its Delete may take its time through the daemon: how long
/// is measured, and bounded.
fn nothing_is_sent(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let spi = testbed.child()?.inbound_spi;
    let (begin, silence) = (testbed.now(), testbed.silence());
    loop {
        let mark = testbed.mark();
        testbed.send_ping_from_inside()?;
        let on_it = |seen: &Seen| seen.from_dut && seen.esp().is_some_and(|esp| esp.spi == spi);
        let Some(index) = testbed.await_seen(mark, silence, on_it)? else { return Ok(()) };
        let after = testbed.now().since(begin);
        step.measured("still sent on the deleted SA after", format!("{after:?}"));
        if after > silence {
            testbed.comment(index, "judged: sent on a deleted SA");
            return Err(StepError::failed("nothing on the deleted SA", format!("ESP with SPI {spi:08x}")));
        }
        testbed.wait(PAUSE)?;
    }
}

/// The DUT's Deletes: of both kinds, under protection, with SPIs of the right size.
fn deletes_all(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let isakmp = |isakmp: &SeenIsakmp| isakmp.deletes().any(|delete| delete.protocol == ProtocolId::IKE);
    let since = testbed.since();
    let cookies = testbed.newest_isakmp().map(|info| info.cookies);
    awaited(testbed, step, isakmp, "a Delete of the ISAKMP SA")?;
    let mut of_ipsec = false;
    let messages: Vec<&SeenIsakmp> =
        testbed.isakmp_from_dut(since).filter(|isakmp| isakmp.deletes().next().is_some()).collect();
    for message in messages {
        step.observed(message.summary());
        if !message.is_authentic() {
            return Err(StepError::failed("Deletes under protection, HASH(1) right", message.summary()));
        }
        for delete in message.deletes() {
            let own = message.header.map(|header| cookies_spi(header.cookies()).to_vec());
            let right = match delete.protocol {
                ProtocolId::IKE => delete.spi_size == 16 && own.as_ref() == Some(&delete.spis),
                _ => delete.spi_size == 4 && delete.spis.len() % 4 == 0 && !delete.spis.is_empty(),
            };
            of_ipsec |= delete.protocol != ProtocolId::IKE;
            if !right || delete.doi != Doi::IPSEC && delete.doi != Doi::ISAKMP {
                let expected = "SPI size 16 and both cookies for ISAKMP, 4 for IPsec protocols";
                return Err(StepError::failed(expected, format!("{delete:x?} under {cookies:x?}")));
            }
        }
    }
    step.observed(if of_ipsec { "IPsec SAs by their own Delete" } else { "IPsec SAs without a Delete of their own" });
    Ok(())
}

/// A Vendor ID in the message that a step names.
pub(super) fn announces(testbed: &mut Testbed, step: &mut Step, id: &[u8]) -> StepResult {
    let (number, exchange) = (step.arg(0)?, super::isakmp::exchange(step, 1)?);
    let isakmp = super::isakmp::message(testbed, step, exchange, number)?;
    let is = |payload: &Payload| matches!(&payload.body, Body::VendorId(own) if own == id);
    if isakmp.payloads.iter().any(is) {
        return Ok(());
    }
    Err(StepError::failed(format!("VID {id:02x?}"), isakmp.summary()))
}

/// Makes an acknowledgement one that proves nothing.
fn acknowledge_wrongly(draft: &mut IsakmpDraft, clear: bool) {
    let mut acknowledges = false;
    for payload in &mut draft.payloads {
        if let Body::Notification(notify) = &mut payload.body
            && notify.notify_type == NotifyType::R_U_THERE_ACK
        {
            acknowledges = true;
            let number = <[u8; 4]>::try_from(&*notify.data).map(u32::from_be_bytes);
            if let (Ok(number), false) = (number, clear) {
                notify.data = number.wrapping_add(1).to_be_bytes().to_vec();
            }
        }
    }
    if acknowledges && clear {
        draft.encrypt = false;
        draft.header.flags = Flags::default();
        draft.payloads.retain(|payload| !matches!(payload.body, Body::Hash(_)));
    }
}

/// Asks with the number after the tester's last one.
fn ask(testbed: &mut Testbed) -> StepResult {
    let asked = testbed.isakmp_to_dut(0).filter_map(|isakmp| isakmp.notify(NotifyType::R_U_THERE)).last();
    let last = asked.and_then(|notify| notify.data.as_slice().try_into().ok()).map(u32::from_be_bytes);
    let number = last.map_or(FAR_OFF, |last| last.wrapping_add(1));
    let cookies = testbed.isakmp_sa()?.cookies;
    let notify = Notification::isakmp(cookies, NotifyType::R_U_THERE, number.to_be_bytes());
    send(testbed, vec![Body::Notification(notify).into()], Sealing::Proper)
}

/// Asks with a number, and looks for the answer.
fn acknowledged(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let text = step.arg_text(0)?;
    let number = u32::from_str_radix(text.trim_start_matches("0x"), 16);
    let number = number.map_err(|_| StepError::testbed(format!("{}: {text:?} is no number", step.place())))?;
    let how = step.arg_text(1)?.to_owned();
    let wanted = step.arg_text(2)?.is_empty();
    let info = testbed.isakmp_sa()?;
    if !info.dead_peer_detection {
        return Err(StepError::not_applicable("the DUT does no dead peer detection"));
    }
    let mut notify = Notification::isakmp(info.cookies, NotifyType::R_U_THERE, number.to_be_bytes());
    if how == " about another ISAKMP SA" {
        notify.spi.iter_mut().for_each(|octet| *octet ^= 0x5a);
    }
    testbed.begin_stimulus();
    send(testbed, vec![Body::Notification(notify).into()], sealing(&how))?;
    let answers = |isakmp: &SeenIsakmp| isakmp.notify(NotifyType::R_U_THERE_ACK).is_some();
    if !wanted {
        return none(testbed, answers, "R-U-THERE-ACK");
    }
    let isakmp = awaited(testbed, step, answers, "R-U-THERE-ACK")?;
    let Some(notify) = isakmp.notify(NotifyType::R_U_THERE_ACK) else {
        return Err(StepError::testbed("the notify is gone"));
    };
    let right = isakmp.is_authentic()
        && notify.protocol == ProtocolId::IKE
        && notify.spi == cookies_spi(info.cookies)
        && notify.data == number.to_be_bytes();
    if right {
        return Ok(());
    }
    Err(StepError::failed(format!("protected, with number {number:08x} and both cookies"), describe(notify)))
}

fn describe(notify: &Notification) -> String {
    format!(
        "N({}): DOI {}, protocol {}, SPI {:02x?}, data {:02x?}",
        notify.notify_type, notify.doi.0, notify.protocol.0, notify.spi, notify.data
    )
}

/// The DUT's questions since the stimulus: when, and with which number.
fn questions(testbed: &Testbed) -> Vec<(reference_peer::Instant, u32)> {
    let number = |seen: &Seen| {
        let isakmp = seen.isakmp().filter(|isakmp| isakmp.is_authentic())?;
        let data = isakmp.notify(NotifyType::R_U_THERE)?.data.as_slice();
        Some((seen.at, u32::from_be_bytes(data.try_into().ok()?)))
    };
    testbed.from_dut_since(testbed.since()).filter_map(number).collect()
}

/// Lets the inside send until the DUT has asked so often since the stimulus.
fn send_until_asked(testbed: &mut Testbed, times: usize) -> StepResult {
    let limit = super::liveness::asks_by(&super::liveness::dpd(testbed)?) * times as u32;
    let end = testbed.now() + limit;
    while testbed.now() < end && questions(testbed).len() < times {
        testbed.send_ping_from_inside()?;
        testbed.wait(super::liveness::PACE)?;
    }
    match questions(testbed).len() {
        asked if asked >= times => Ok(()),
        asked => Err(StepError::inconclusive(format!("the DUT has asked {asked} times within {limit:?}"))),
    }
}

/// One ISAKMP SA after the other, each until the DUT asks for the first time.
fn first_numbers(testbed: &mut Testbed, step: &mut Step) -> StepResult {
    let times: usize = step.arg(0)?;
    let mut sas: BTreeMap<u32, usize> = BTreeMap::new();
    let until = super::liveness::asks_by(&super::liveness::dpd(testbed)?);
    for sa in 0..times {
        super::isakmp::forget(testbed);
        testbed.establish_isakmp(reference_peer::config::isakmp::Phase1::Main)?;
        testbed.begin_stimulus();
        let cookies = testbed.isakmp_sa()?.cookies;
        let end = testbed.now() + until;
        let asked = |testbed: &Testbed| {
            let mut seen = testbed.isakmp_from_dut(testbed.since());
            seen.any(|isakmp| {
                isakmp.header.is_some_and(|header| header.cookies() == cookies)
                    && isakmp.notify(NotifyType::R_U_THERE).is_some()
            })
        };
        while testbed.now() < end && !asked(testbed) {
            testbed.send_ping_from_inside()?;
            testbed.wait(super::liveness::PACE)?;
        }
        let of_this = |isakmp: &&SeenIsakmp| isakmp.header.is_some_and(|header| header.cookies() == cookies);
        let mut seen = testbed.isakmp_from_dut(testbed.since()).filter(of_this);
        let data = seen.find_map(|isakmp| isakmp.notify(NotifyType::R_U_THERE).map(|notify| notify.data.clone()));
        let number = data.and_then(|data| data.as_slice().try_into().ok()).map(u32::from_be_bytes);
        let number = number.ok_or_else(|| {
            StepError::inconclusive(format!("no R-U-THERE under ISAKMP SA {}: {}", sa + 1, instead(testbed)))
        })?;
        *sas.entry(number).or_default() += 1;
    }
    let numbers: Vec<u32> = sas.keys().copied().collect();
    step.observed(format!("{numbers:08x?}"));
    if numbers.len() == times && numbers.iter().all(|number| number >> 31 == 0) {
        return Ok(());
    }
    Err(StepError::failed(format!("{times} numbers below 80000000 that differ"), format!("{numbers:08x?}")))
}

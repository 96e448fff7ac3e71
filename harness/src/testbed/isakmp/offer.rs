//! The language in which scenarios write down an SA payload of IKEv1: transforms by their difference from a good one.
//!
//! One row is one transform. Its first word is a policy or an ESP proposal of the profile (`first`, `second`, `third`), or
//! one in the words of a profile (`3des-md5-modp1024` in phase 1, `aes128-sha1` in quick mode). In quick mode each row is a
//! proposal of its own. Each further word changes the transform:
//!
//! | word | |
//! | --- | --- |
//! | `hash=2`, `life=60` | sets an attribute, in the form that its value has; what is not there is added at the end |
//! | `group:=2` | sets it in the variable form, four octets |
//! | `+16384=7`, `+hash=1` | adds an attribute at the end, also a second one of its class |
//! | `-keylength` | takes out the attributes of a class |
//! | `id=9` | gives the transform this identifier |
//! | `#3` | gives it this transform number |
//! | `proposal=2` | gives its proposal this number |
//!
//! Classes in phase 1: `encryption`, `hash`, `auth`, `group`, `lifetype`, `life`, `prf`, `keylength`; in quick mode
//! `lifetype`, `life`, `group`, `mode`, `auth`, `keylength`; or a number.

use super::super::{Testbed, WhichIsakmp};
use super::config::{policies, set};
use crate::profile::Pfs;
use crate::run::StepError;
use reference_peer::config::EspProposal;
use reference_peer::config::Mode;
use reference_peer::config::isakmp::IsakmpPolicy;
use wire::ikev1::{Attribute, Body, ExchangeType, Phase1Class, Phase2Class, SecurityAssociation};

/// What is negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// An ISAKMP SA.
    One,
    /// IPsec SAs.
    Two,
}

/// One word that changes a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Set(u16, u32),
    SetVariable(u16, u32),
    Add(u16, u32),
    Remove(u16),
    Id(u8),
    Number(u8),
    Proposal(u8),
}

impl Testbed {
    /// Puts an offer in place of the tester's own in its next phase 1: policies and their changes, the first of which
    /// decides on the group. The first row is the heading.
    ///
    /// # Errors
    /// Our own fault when a row cannot be read; not applicable when the profile lacks the policy that it names.
    pub fn offer_phase1(&mut self, rows: &[Vec<String>]) -> Result<(), StepError> {
        let known = self.profile.ike().policies.to_vec();
        let (bases, changes) = read(Phase::One, rows, |word| choose::<IsakmpPolicy>(word, &known))?;
        self.reconfigure_isakmp(|connection| connection.policies = policies(&bases));
        for exchange in [ExchangeType::MAIN, ExchangeType::AGGRESSIVE] {
            self.change_offer(WhichIsakmp::message(exchange, 1), changes.clone());
        }
        Ok(())
    }

    /// Puts an offer in place of the tester's own in its next quick mode. The first row is the heading.
    ///
    /// # Errors
    /// As with [`offer_phase1`](Self::offer_phase1).
    pub fn offer_quick_mode(&mut self, rows: &[Vec<String>]) -> Result<(), StepError> {
        let known = self.profile.ipsec.proposals.to_vec();
        let (bases, changes) = read(Phase::Two, rows, |word| choose::<EspProposal>(word, &known))?;
        let sets: Vec<_> = bases.iter().map(|base| set(base, Mode::Tunnel)).collect();
        self.reconfigure_isakmp(|connection| {
            connection.children.iter_mut().for_each(|child| child.transform_sets.clone_from(&sets));
        });
        self.change_offer(WhichIsakmp::message(ExchangeType::QUICK, 1), changes);
        Ok(())
    }

    /// Tells the tester what to offer in quick mode.
    ///
    /// # Errors
    /// Not applicable when the profile lacks one of them.
    pub fn speak_quick_mode(&mut self, esp: &str, pfs: Pfs) -> Result<(), StepError> {
        let proposal = choose::<EspProposal>(esp, &self.profile.ipsec.proposals)?;
        let lacks = |what: &dyn std::fmt::Display| StepError::not_applicable(format!("the profile lacks {what}"));
        if !self.profile.ipsec.proposals.contains(&proposal) {
            return Err(lacks(&proposal));
        }
        if !self.profile.ike().pfs.contains(&pfs) {
            return Err(lacks(&format!("forward secrecy by {pfs}")));
        }
        self.reconfigure_isakmp(|connection| {
            for child in &mut connection.children {
                child.transform_sets = vec![set(&proposal, Mode::Tunnel)];
                child.pfs = pfs.0;
            }
        });
        Ok(())
    }

    fn change_offer(&mut self, which: WhichIsakmp, changes: Vec<Vec<Change>>) {
        self.edits.isakmp(which, move |draft| {
            for payload in &mut draft.payloads {
                if let Body::SecurityAssociation(sa) = &mut payload.body {
                    apply(sa, &changes);
                }
            }
        });
    }
}

/// Bases and changes of all rows.
fn read<P>(
    phase: Phase,
    rows: &[Vec<String>],
    base: impl Fn(&str) -> Result<P, StepError>,
) -> Result<(Vec<P>, Vec<Vec<Change>>), StepError> {
    let (mut bases, mut changes) = (Vec::new(), Vec::new());
    for text in rows.iter().skip(1).filter_map(|row| row.first()) {
        let mut words = text.split_whitespace();
        bases.push(base(words.next().unwrap_or_default())?);
        let read = words
            .map(|word| change(phase, word).ok_or_else(|| StepError::testbed(format!("{text:?}: what is {word:?}?"))));
        changes.push(read.collect::<Result<_, _>>()?);
    }
    if bases.is_empty() {
        return Err(StepError::testbed("an offer has at least one row below its heading"));
    }
    Ok((bases, changes))
}

/// What the first word of a row means.
fn choose<P: Clone + std::str::FromStr>(word: &str, known: &[P]) -> Result<P, StepError>
where
    P::Err: std::fmt::Display,
{
    let index = match word {
        "first" => 0,
        "second" => 1,
        "third" => 2,
        text => return text.parse().map_err(|error: P::Err| StepError::testbed(format!("{text:?}: {error}"))),
    };
    known.get(index).cloned().ok_or_else(|| StepError::not_applicable(format!("the profile has no {word} of these")))
}

/// Reads one word.
fn change(phase: Phase, word: &str) -> Option<Change> {
    if let Some(number) = word.strip_prefix('#') {
        return Some(Change::Number(number.parse().ok()?));
    }
    if let Some(name) = word.strip_prefix('-') {
        return Some(Change::Remove(class(phase, name)?));
    }
    let (name, value) = word.split_once('=')?;
    if let Some(name) = name.strip_suffix(':') {
        return Some(Change::SetVariable(class(phase, name)?, value.parse().ok()?));
    }
    if let Some(name) = name.strip_prefix('+') {
        return Some(Change::Add(class(phase, name)?, value.parse().ok()?));
    }
    Some(match name {
        "id" => Change::Id(value.parse().ok()?),
        "proposal" => Change::Proposal(value.parse().ok()?),
        name => Change::Set(class(phase, name)?, value.parse().ok()?),
    })
}

fn class(phase: Phase, name: &str) -> Option<u16> {
    use Phase::{One, Two};
    Some(match (phase, name) {
        (One, "encryption") => Phase1Class::ENCRYPTION.0,
        (One, "hash") => Phase1Class::HASH.0,
        (One, "auth") => Phase1Class::AUTHENTICATION.0,
        (One, "group") => Phase1Class::GROUP.0,
        (One, "lifetype") => Phase1Class::LIFE_TYPE.0,
        (One, "life") => Phase1Class::LIFE_DURATION.0,
        (One, "prf") => Phase1Class::PRF.0,
        (One, "keylength") => Phase1Class::KEY_LENGTH.0,
        (Two, "lifetype") => Phase2Class::LIFE_TYPE.0,
        (Two, "life") => Phase2Class::LIFE_DURATION.0,
        (Two, "group") => Phase2Class::GROUP.0,
        (Two, "mode") => Phase2Class::ENCAPSULATION.0,
        (Two, "auth") => Phase2Class::AUTHENTICATION.0,
        (Two, "keylength") => Phase2Class::KEY_LENGTH.0,
        (_, number) => number.parse().ok()?,
    })
}

/// Changes the transforms of an offer, one after the other.
fn apply(sa: &mut SecurityAssociation, changes: &[Vec<Change>]) {
    let mut changes = changes.iter();
    for proposal in &mut sa.proposals {
        for transform in &mut proposal.transforms {
            let attributes = &mut transform.attributes;
            for change in changes.next().into_iter().flatten() {
                match *change {
                    Change::Set(class, value) => put(attributes, Attribute::number(class, value)),
                    Change::SetVariable(class, value) => {
                        put(attributes, Attribute::variable(class, value.to_be_bytes()));
                    }
                    Change::Add(class, value) => attributes.push(Attribute::number(class, value)),
                    Change::Remove(class) => attributes.retain(|attribute| attribute.class != class),
                    Change::Id(id) => transform.id = id,
                    Change::Number(number) => transform.number = number,
                    Change::Proposal(number) => proposal.number = number,
                }
            }
        }
    }
}

/// Puts an attribute in place of the last of its class, or at the end.
fn put(attributes: &mut Vec<Attribute>, attribute: Attribute) {
    match attributes.iter_mut().rev().find(|known| known.class == attribute.class) {
        Some(known) => *known = attribute,
        None => attributes.push(attribute),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;
    use wire::ikev1::{Proposal, ProtocolId, Transform};

    fn changed(phase: Phase, words: &[&str]) -> Option<Transform> {
        let changes: Vec<Change> = words.iter().map(|word| change(phase, word)).collect::<Option<_>>()?;
        let honest = Transform::new(1, 1, [Attribute::basic(1, 7), Attribute::basic(14, 128), Attribute::basic(2, 2)]);
        let mut sa = SecurityAssociation::new([Proposal::new(1, ProtocolId::IKE, [], [honest])]);
        apply(&mut sa, &[changes]);
        Some(sa.proposals[0].transforms[0].clone())
    }

    #[test]
    fn words_change_a_transform() {
        let made = changed(Phase::One, &["hash=1", "-keylength", "group:=2", "+hash=4", "life=86400", "#3", "id=9"]);
        let attributes = [
            Attribute::basic(1, 7),
            Attribute::basic(2, 1),
            Attribute::variable(4, [0, 0, 0, 2]),
            Attribute::basic(2, 4),
            Attribute::variable(12, [0, 1, 0x51, 0x80]),
        ];
        assert_eq!(made, Some(Transform::new(3, 9, attributes)));
        assert_eq!(changed(Phase::Two, &["+16384=7"]).unwrap().attributes[3], Attribute::basic(16384, 7));
        for nonsense in ["", "hash", "hash=", "=1", "what=1", "-what", "+hash", "#x", "id=900", "mode=1"] {
            assert_eq!(changed(Phase::One, &[nonsense]), None, "{nonsense}");
        }
    }

    #[test]
    fn rows_are_bases_and_changes() {
        let rows = |text: &[&str]| text.iter().map(|row| vec![(*row).to_owned()]).collect::<Vec<_>>();
        let known = ["aes128-sha1-modp2048".parse::<IsakmpPolicy>().unwrap()];
        let read = |text: &[&str]| read(Phase::One, &rows(text), |word| choose(word, &known));
        let (bases, changes) = read(&["transform", "first hash=1", "des-sha1-modp768"]).unwrap();
        assert_eq!(bases[0], known[0]);
        assert_eq!((bases[1].to_string(), changes), ("des-sha1-modp768".into(), vec![vec![Change::Set(2, 1)], vec![]]));
        assert!(read(&["transform"]).is_err() && read(&["transform", "second"]).is_err());
        assert!(read(&["transform", "first hush=1"]).is_err());
    }
}

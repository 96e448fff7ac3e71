//! The language in which scenarios write down an SA payload: proposals by their difference from a good one.
//!
//! One row is one proposal. Its first word is a proposal of the profile (`first`, `second`, `third`; `cbc` or `aead`
//! for the first of that kind), `empty`, or a proposal in the words of a profile (`3des-md5-modp2048`). Each further
//! word changes it:
//!
//! | word | |
//! | --- | --- |
//! | `+1:60000`, `+1:12/128`, `+aes256` | adds a transform (type, ID, key length in bits) at the end |
//! | `^1:60000` | puts it before all others |
//! | `...@100=7` | with another attribute, of short form |
//! | `-prf`, `-200` | takes out the transforms of a type |
//! | `-keylength` | takes out all attributes |
//! | `#3` | gives it this proposal number; else they are numbered from 1 |

use super::{Testbed, Which};
use crate::run::StepError;
use reference_peer::config::{Algorithm, EspProposal, IkeProposal};
use reference_peer::hands::Draft;
use wire::ikev2::{
    Attribute, AttributeValue, Body, ExchangeType, Payload, Proposal, ProtocolId, SecurityAssociation, Transform,
    TransformType,
};

/// What is negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IKE SA.
    Ike,
    /// A Child SA in IKE_AUTH, without a key exchange.
    Child,
}

impl Testbed {
    /// Reads the rows of an offer. The first of them is the heading.
    ///
    /// # Errors
    /// Our own fault when a row cannot be read; not applicable when the profile lacks the proposal that it names.
    pub fn read_offer(&self, kind: Kind, rows: &[Vec<String>]) -> Result<SecurityAssociation, StepError> {
        let mut proposals = Vec::new();
        for (number, text) in (1..=u8::MAX).zip(texts(rows)) {
            let mut words = text.split_whitespace();
            let base = words.next().unwrap_or_default();
            let algorithms: Vec<Algorithm> = match kind {
                Kind::Ike => self.ike_base(base)?.iter().flat_map(IkeProposal::algorithms).copied().collect(),
                Kind::Child => self.esp_base(base)?.iter().flat_map(EspProposal::algorithms).copied().collect(),
            };
            let protocol = if kind == Kind::Ike { ProtocolId::IKE } else { ProtocolId::ESP };
            let transforms: Vec<Transform> = algorithms.iter().map(Algorithm::transform).collect();
            let mut proposal = Proposal::new(number, protocol, vec![], transforms);
            for word in words {
                change(&mut proposal, word)
                    .ok_or_else(|| StepError::testbed(format!("{text:?}: what is {word:?}?")))?;
            }
            proposals.push(proposal);
        }
        Ok(SecurityAssociation::new(proposals))
    }

    /// Tells the tester to speak the IKE suite of the first row, so that its KE payload fits the offer. It loses its
    /// SAs.
    ///
    /// # Errors
    /// As with [`read_offer`](Self::read_offer).
    pub fn speak_as_offered(&mut self, rows: &[Vec<String>]) -> Result<(), StepError> {
        let base = texts(rows).find_map(|text| text.split_whitespace().next()).unwrap_or_default().to_owned();
        if let Some(ike) = self.ike_base(&base)? {
            self.speak(Some(ike), None);
        }
        Ok(())
    }

    /// Tells the tester to speak these suites. It loses its SAs.
    ///
    /// # Errors
    /// Not applicable when the profile lacks one of them.
    pub fn speak_suites(&mut self, ike: &str, esp: &str) -> Result<(), StepError> {
        let (ike, esp) = (self.ike_base(ike)?, self.esp_base(esp)?);
        let lacks = |what: &dyn std::fmt::Debug| StepError::not_applicable(format!("the profile lacks {what:?}"));
        if let Some(ike) = ike.as_ref().filter(|ike| !self.profile.ike().proposals.contains(ike)) {
            return Err(lacks(ike));
        }
        if let Some(esp) = esp.as_ref().filter(|esp| !self.profile.ipsec.proposals.contains(esp)) {
            return Err(lacks(esp));
        }
        self.speak(ike, esp);
        Ok(())
    }

    fn speak(&mut self, ike: Option<IkeProposal>, esp: Option<EspProposal>) {
        self.reconfigure_tester(|config| {
            for connection in &mut config.ike.connections {
                connection.ike_proposals =
                    ike.iter().cloned().chain(connection.ike_proposals.drain(..)).take(1).collect();
                for child in &mut connection.children {
                    child.esp_proposals = esp.iter().cloned().chain(child.esp_proposals.drain(..)).take(1).collect();
                }
            }
        });
    }

    /// Puts an SA payload in place of the tester's own, in all requests of this exchange for the next IKE SA.
    pub fn offer_instead(&mut self, exchange: ExchangeType, offer: SecurityAssociation) {
        let mut mine = None;
        self.edits.every_message(Which::request(exchange), move |draft| {
            if *mine.get_or_insert(draft.header.initiator_spi) == draft.header.initiator_spi {
                put_offer(draft, &offer);
            }
        });
    }

    fn ike_base(&self, word: &str) -> Result<Option<IkeProposal>, StepError> {
        let all = &self.profile.ike().proposals;
        let is_aead = |proposal: &&IkeProposal| proposal.encryption.iter().all(Algorithm::is_aead);
        choose(word, all.iter(), is_aead)
    }

    fn esp_base(&self, word: &str) -> Result<Option<EspProposal>, StepError> {
        let all = &self.profile.ipsec.proposals;
        let is_aead = |proposal: &&EspProposal| proposal.encryption.iter().all(Algorithm::is_aead);
        choose(word, all.iter(), is_aead)
    }
}

/// The rows without their heading.
fn texts(rows: &[Vec<String>]) -> impl Iterator<Item = &str> {
    rows.iter().skip(1).filter_map(|row| row.first()).map(String::as_str)
}

/// Puts an offer into a draft, with the SPI of the honest one.
pub fn put_offer(draft: &mut Draft, offer: &SecurityAssociation) {
    for payload in draft.clear.iter_mut().chain(draft.inner.iter_mut().flatten()) {
        if let Body::SecurityAssociation(sa) = &mut payload.body {
            let spi = sa.proposals.first().map(|proposal| proposal.spi.clone()).unwrap_or_default();
            *sa = with_spi(offer, &spi);
        }
    }
}

/// The offer with this SPI in every proposal.
pub fn with_spi(offer: &SecurityAssociation, spi: &[u8]) -> SecurityAssociation {
    let mut offer = offer.clone();
    offer.proposals.iter_mut().for_each(|proposal| proposal.spi = spi.to_vec());
    offer
}

/// The SA payload among payloads.
pub fn sa_of(payloads: &[Payload]) -> Option<&SecurityAssociation> {
    payloads.iter().find_map(|payload| match &payload.body {
        Body::SecurityAssociation(sa) => Some(sa),
        _ => None,
    })
}

/// The proposal that the first word of a row means; `None` for an empty one.
fn choose<'a, P: Clone + std::str::FromStr + 'a>(
    word: &str,
    mut all: impl Iterator<Item = &'a P>,
    is_aead: impl Fn(&&P) -> bool,
) -> Result<Option<P>, StepError>
where
    P::Err: std::fmt::Display,
{
    let found = match word {
        "empty" => return Ok(None),
        "first" => all.next(),
        "second" => all.nth(1),
        "third" => all.nth(2),
        "aead" => all.find(is_aead),
        "cbc" => all.find(|proposal| !is_aead(proposal)),
        text => {
            let read = text.parse().map_err(|error: P::Err| StepError::testbed(format!("{text:?}: {error}")))?;
            return Ok(Some(read));
        }
    };
    let found = found.cloned().ok_or_else(|| StepError::not_applicable(format!("the profile has no {word} proposal")));
    found.map(Some)
}

/// Obeys one word of a row. `None` if it means nothing.
fn change(proposal: &mut Proposal, word: &str) -> Option<()> {
    if word == "-keylength" {
        proposal.transforms.iter_mut().for_each(|transform| transform.attributes.clear());
    } else if let Some(number) = word.strip_prefix('#') {
        proposal.number = number.parse().ok()?;
    } else if let Some(kind) = word.strip_prefix('-') {
        let kind = transform_type(kind)?;
        proposal.transforms.retain(|transform| transform.transform_type != kind);
    } else if let Some(added) = word.strip_prefix('+') {
        proposal.transforms.push(transform(added)?);
    } else {
        proposal.transforms.insert(0, transform(word.strip_prefix('^')?)?);
    }
    Some(())
}

fn transform_type(text: &str) -> Option<TransformType> {
    Some(match text {
        "encr" => TransformType::ENCR,
        "prf" => TransformType::PRF,
        "integ" => TransformType::INTEG,
        "ke" => TransformType::KE,
        "esn" => TransformType::ESN,
        number => TransformType(number.parse().ok()?),
    })
}

fn transform(text: &str) -> Option<Transform> {
    let (text, attribute) = match text.split_once('@') {
        Some((text, attribute)) => (text, Some(attribute.split_once('=')?)),
        None => (text, None),
    };
    let mut transform = match (Algorithm::from_word(text), text.split_once(':')) {
        (Some(algorithm), _) => algorithm.transform(),
        (None, Some((kind, id))) => {
            let kind = transform_type(kind)?;
            match id.split_once('/') {
                Some((id, bits)) => Transform::with_key_length(kind, id.parse().ok()?, bits.parse().ok()?),
                None => Transform::new(kind, id.parse().ok()?),
            }
        }
        (None, None) => return None,
    };
    if let Some((attribute_type, value)) = attribute {
        let value = AttributeValue::Short(value.parse().ok()?);
        transform.attributes.push(Attribute { attribute_type: attribute_type.parse().ok()?, value });
    }
    Some(transform)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(words: &[&str]) -> Option<Proposal> {
        let mut proposal = Proposal::new(1, ProtocolId::IKE, vec![], vec![]);
        words.iter().try_for_each(|word| change(&mut proposal, word))?;
        Some(proposal)
    }

    #[test]
    fn words_change_a_proposal() {
        let expected = vec![
            Transform::new(TransformType::ENCR, 60000),
            Transform::with_key_length(TransformType::ENCR, 12, 256),
            Transform::new(TransformType(200), 1),
        ];
        let made = changed(&["+aes256", "+prf:5", "^1:60000", "+200:1", "-prf", "#3"]);
        assert_eq!(made.map(|made| (made.number, made.transforms)), Some((3, expected)));
        let odd = changed(&["+encr:12/128@100=7"]).map(|made| made.transforms.concat_attributes());
        assert_eq!(odd, Some(vec![(14, AttributeValue::Short(128)), (100, AttributeValue::Short(7))]));
        assert_eq!(changed(&["+aes128", "-keylength"]), changed(&["+1:12"]));
        for nonsense in ["", "aes128", "+", "+1:", "-what", "+1:12@5", "#x"] {
            assert_eq!(changed(&[nonsense]), None, "{nonsense}");
        }
    }

    trait Attributes {
        fn concat_attributes(self) -> Vec<(u16, AttributeValue)>;
    }

    impl Attributes for Vec<Transform> {
        fn concat_attributes(self) -> Vec<(u16, AttributeValue)> {
            let all = self.into_iter().flat_map(|transform| transform.attributes);
            all.map(|attribute| (attribute.attribute_type, attribute.value)).collect()
        }
    }
}

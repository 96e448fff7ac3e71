//! Proposals for IKE, ESP and AH in the words that operators know: `aes128-sha256-modp2048`.

use super::Algorithm;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;
use wire::ikev2::{ProtocolId, TransformType};

/// What an IKE SA may be protected with. Several algorithms of one type are alternatives, best first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IkeProposal {
    /// Ciphers; all of them AEAD or none.
    pub encryption: Vec<Algorithm>,
    /// Integrity algorithms; empty with AEAD ciphers.
    pub integrity: Vec<Algorithm>,
    /// Pseudorandom functions.
    pub prf: Vec<Algorithm>,
    /// Key exchange methods.
    pub groups: Vec<Algorithm>,
}

/// What a Child SA may be protected with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EspProposal {
    /// ESP or AH.
    pub protocol: ProtocolId,
    /// Ciphers; empty for AH.
    pub encryption: Vec<Algorithm>,
    /// Integrity algorithms; empty with AEAD ciphers.
    pub integrity: Vec<Algorithm>,
    /// Key exchange methods for perfect forward secrecy in CREATE_CHILD_SA; empty for none.
    pub groups: Vec<Algorithm>,
    /// Extended sequence numbers.
    pub esn: Esn,
}

/// Which sequence numbers are offered and accepted (RFC 7296 section 3.3.2, transform type 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Esn {
    /// 32-bit sequence numbers only.
    #[default]
    No,
    /// Either, extended ones preferred.
    Either,
    /// 64-bit sequence numbers only.
    Only,
}

/// Why a proposal cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProposalError {
    /// A word that names no algorithm.
    #[error("proposal `{proposal}`: unknown algorithm `{word}`{}", hint.map(|h| format!(", did you mean `{h}`?")).unwrap_or_default())]
    UnknownWord {
        /// The whole proposal.
        proposal: String,
        /// The word.
        word: String,
        /// A known word that is much like it.
        hint: Option<&'static str>,
    },
    /// An algorithm that has no place in this kind of proposal.
    #[error("proposal `{proposal}`: `{word}` has no place in {place} proposal")]
    Misplaced {
        /// The whole proposal.
        proposal: String,
        /// The word.
        word: String,
        /// Kind of proposal.
        place: &'static str,
    },
    /// Something is missing, or two things exclude each other.
    #[error("proposal `{proposal}`: {problem}")]
    Incomplete {
        /// The whole proposal.
        proposal: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl IkeProposal {
    /// All algorithms, in the order in which they are offered.
    pub fn algorithms(&self) -> impl Iterator<Item = &Algorithm> {
        self.encryption.iter().chain(&self.prf).chain(&self.integrity).chain(&self.groups)
    }
}

impl EspProposal {
    /// The ESN transforms, preferred first.
    pub fn esn_algorithms(&self) -> &'static [Algorithm] {
        const NO: Algorithm = Algorithm::new(TransformType::ESN, 0);
        const YES: Algorithm = Algorithm::new(TransformType::ESN, 1);
        match self.esn {
            Esn::No => &[NO],
            Esn::Either => &[YES, NO],
            Esn::Only => &[YES],
        }
    }

    /// All algorithms but the key exchange methods, in the order in which they are offered.
    pub fn algorithms(&self) -> impl Iterator<Item = &Algorithm> {
        self.encryption.iter().chain(&self.integrity).chain(self.esn_algorithms())
    }
}

impl FromStr for IkeProposal {
    type Err = ProposalError;

    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let mut words = Words::read(text, "an IKE", false)?;
        let aead = words.aead()?;
        if words.encryption.is_empty() {
            return Err(words.incomplete("an IKE proposal needs a cipher"));
        }
        if words.encryption.iter().any(|cipher| cipher.id == 11 || cipher.id == 21) {
            return Err(words.incomplete("an IKE SA is never without encryption (RFC 7296 section 5)"));
        }
        if !aead && words.integrity.is_empty() {
            return Err(words.incomplete("this cipher needs an integrity algorithm, such as sha256"));
        }
        if words.groups.is_empty() || words.groups.iter().any(|group| group.id == 0) {
            return Err(words.incomplete("an IKE proposal needs a key exchange method, such as modp2048 or ecp256"));
        }
        if words.prf.is_empty() {
            for integrity in &words.integrity {
                let prf = match integrity.id {
                    1 | 6 => 1,
                    2 | 7 => 2,
                    5 => 4,
                    8 => 8,
                    12 => 5,
                    13 => 6,
                    14 => 7,
                    _ => continue,
                };
                let prf = Algorithm::new(TransformType::PRF, prf);
                if !words.prf.contains(&prf) {
                    words.prf.push(prf);
                }
            }
        }
        if words.prf.is_empty() {
            return Err(words.incomplete("name a pseudorandom function, such as prfsha256"));
        }
        Ok(Self { encryption: words.encryption, integrity: words.integrity, prf: words.prf, groups: words.groups })
    }
}

impl FromStr for EspProposal {
    type Err = ProposalError;

    /// A proposal without a cipher is one for AH; `null` is ESP without encryption.
    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let words = Words::read(text, "an ESP or AH", true)?;
        let aead = words.aead()?;
        let gmac = words.integrity.iter().any(|algorithm| matches!(algorithm.id, 9..=11));
        if words.encryption.is_empty() && words.integrity.is_empty() {
            return Err(words.incomplete("name a cipher (ESP) or an integrity algorithm (AH)"));
        }
        if gmac && !words.encryption.is_empty() {
            return Err(words.incomplete("AES-GMAC as an integrity algorithm is for AH only (RFC 4543)"));
        }
        if words.encryption.iter().any(|c| c.id == 11) && words.integrity.is_empty() {
            return Err(words.incomplete("an SA with neither encryption nor integrity must not exist (RFC 4303 3.2)"));
        }
        if !words.encryption.is_empty() && !aead && words.integrity.is_empty() {
            return Err(words.incomplete("this cipher needs an integrity algorithm; `integnone` asks for none"));
        }
        let protocol = if words.encryption.is_empty() { ProtocolId::AH } else { ProtocolId::ESP };
        let esn = match (words.no_esn, words.esn) {
            (_, false) => Esn::No,
            (true, true) => Esn::Either,
            (false, true) => Esn::Only,
        };
        Ok(Self { protocol, encryption: words.encryption, integrity: words.integrity, groups: words.groups, esn })
    }
}

/// The words of a proposal, sorted by type.
struct Words {
    text: String,
    encryption: Vec<Algorithm>,
    integrity: Vec<Algorithm>,
    prf: Vec<Algorithm>,
    groups: Vec<Algorithm>,
    esn: bool,
    no_esn: bool,
}

impl Words {
    fn read(text: &str, place: &'static str, child: bool) -> Result<Self, ProposalError> {
        let mut words = Self {
            text: text.to_owned(),
            encryption: vec![],
            integrity: vec![],
            prf: vec![],
            groups: vec![],
            esn: false,
            no_esn: false,
        };
        for word in text.trim().split('-') {
            let misplaced = || ProposalError::Misplaced { proposal: text.to_owned(), word: word.to_owned(), place };
            let algorithm = Algorithm::from_word(word).ok_or_else(|| ProposalError::UnknownWord {
                proposal: text.to_owned(),
                word: word.to_owned(),
                hint: Algorithm::similar(word),
            })?;
            let list = match algorithm.kind {
                TransformType::ENCR => &mut words.encryption,
                TransformType::INTEG => &mut words.integrity,
                TransformType::PRF if !child => &mut words.prf,
                TransformType::KE => &mut words.groups,
                TransformType::ESN if child => {
                    words.esn |= algorithm.id == 1;
                    words.no_esn |= algorithm.id == 0;
                    continue;
                }
                _ => return Err(misplaced()),
            };
            if !list.contains(&algorithm) {
                list.push(algorithm);
            }
        }
        Ok(words)
    }

    /// Are the ciphers AEAD? An error if they are mixed, or come with an integrity algorithm.
    fn aead(&self) -> Result<bool, ProposalError> {
        let aead = self.encryption.iter().filter(|cipher| cipher.is_aead()).count();
        if aead == 0 {
            return Ok(false);
        }
        if aead != self.encryption.len() {
            return Err(self.incomplete("AEAD and other ciphers need proposals of their own (RFC 7296 section 2.7)"));
        }
        if self.integrity.iter().any(|integrity| integrity.id != 0) {
            return Err(self.incomplete("AEAD ciphers take no integrity algorithm (RFC 7296 section 3.3)"));
        }
        Ok(true)
    }

    fn incomplete(&self, problem: &'static str) -> ProposalError {
        ProposalError::Incomplete { proposal: self.text.clone(), problem }
    }
}

impl fmt::Display for IkeProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, self.encryption.iter().chain(&self.integrity).chain(&self.prf).chain(&self.groups))
    }
}

impl fmt::Display for EspProposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, self.encryption.iter().chain(&self.integrity).chain(&self.groups))?;
        f.write_str(match self.esn {
            Esn::No => "",
            Esn::Either => "-esn-noesn",
            Esn::Only => "-esn",
        })
    }
}

fn join<'a>(f: &mut fmt::Formatter<'_>, algorithms: impl Iterator<Item = &'a Algorithm>) -> fmt::Result {
    for (index, algorithm) in algorithms.enumerate() {
        if index > 0 {
            f.write_str("-")?;
        }
        write!(f, "{algorithm}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_and_written() {
        for text in [
            "aes128-sha256-prfsha256-modp2048",
            "aes128gcm16-prfsha256-ecp256",
            "aes256-aes128-sha512-sha256-prfsha512-x25519-modp3072",
            "chacha20poly1305-prfsha256-x25519",
        ] {
            assert_eq!(text.parse::<IkeProposal>().map(|p| p.to_string()), Ok(text.to_owned()));
        }
        for text in ["aes128-sha1-modp1024-esn", "aes128gcm16", "null-sha256", "sha256-esn-noesn", "3des-md5"] {
            assert_eq!(text.parse::<EspProposal>().map(|p| p.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("sha1".parse::<EspProposal>().map(|p| p.protocol), Ok(ProtocolId::AH));
    }

    #[test]
    fn the_prf_follows_the_integrity_algorithm() {
        let text = "aes128-sha1-sha384-modp2048".parse::<IkeProposal>().map(|p| p.to_string());
        assert_eq!(text, Ok("aes128-sha1-sha384-prfsha1-prfsha384-modp2048".to_owned()));
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let ike = |text: &str| text.parse::<IkeProposal>().map_err(|e| e.to_string()).err().unwrap_or_default();
        assert!(ike("aes129-sha1-modp2048").contains("did you mean `aes1"));
        assert!(ike("aes128-sha1").contains("key exchange method"));
        assert!(ike("aes128gcm16-ecp256").contains("pseudorandom"));
        assert!(ike("aes128gcm16-sha256-ecp256").contains("no integrity"));
        assert!(ike("aes128gcm16-aes128-sha256-ecp256").contains("of their own"));
        assert!(ike("aes128-sha1-modp2048-esn").contains("no place in an IKE"));
        assert!(ike("null-sha1-modp2048").contains("never without encryption"));
        let esp = |text: &str| text.parse::<EspProposal>().map_err(|e| e.to_string()).err().unwrap_or_default();
        assert!(esp("null").contains("neither"));
        assert!(esp("aes128").contains("needs an integrity"));
        assert!(esp("aes128-prfsha1").contains("no place in an ESP"));
        assert!(esp("").contains("unknown algorithm"));
    }
}

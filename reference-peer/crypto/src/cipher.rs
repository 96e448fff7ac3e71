//! Keyed ciphers, which work in place on one packet at a time.

use std::{fmt, sync::Arc};

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::{
    AesGcm,
    aead::{
        AeadInOut, Error as AeadError, KeyInit, Nonce, Tag,
        consts::{U8, U11, U12, U16},
    },
};
use cbc::cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, Iv,
    StreamCipher, inout::InOutBuf,
};
use ccm::Ccm;
use chacha20poly1305::ChaCha20Poly1305;
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    Encryption::{self, *},
    KeyBits::{B128, B192, B256},
    KeyError,
    gmac::Gmac,
};

/// Why a packet was not encrypted or decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The algorithm is not of the kind that the function serves.
    #[error("{0} is the other kind of algorithm: combined modes seal and open, all others encrypt and decrypt")]
    WrongKind(Encryption),
    /// The initialisation vector has the wrong length.
    #[error("{algorithm} takes an IV of {expected} octets, not {actual}")]
    IvLength {
        /// The algorithm.
        algorithm: Encryption,
        /// Octets that it takes.
        expected: usize,
        /// Octets that were given.
        actual: usize,
    },
    /// The data are not a whole number of cipher blocks.
    #[error("{actual} octets are not a multiple of the {block} octet block of {algorithm}")]
    PartialBlock {
        /// The algorithm.
        algorithm: Encryption,
        /// Octets of a block.
        block: usize,
        /// Octets that were given.
        actual: usize,
    },
    /// The integrity check value has the wrong length.
    #[error("{algorithm} has an ICV of {expected} octets, not {actual}")]
    IcvLength {
        /// The algorithm.
        algorithm: Encryption,
        /// Octets that it has.
        expected: usize,
        /// Octets that were given.
        actual: usize,
    },
    /// The data are longer than the algorithm's counter reaches (never met with IP packets).
    #[error("the data are too long for the algorithm")]
    TooLong,
    /// The integrity check value is not that of the data.
    #[error("the integrity check value is wrong")]
    Integrity,
}

/// An encryption algorithm with its key, for one direction of one SA or for both.
///
/// A clone shares the key, which is erased when the last one is dropped.
#[derive(Clone)]
pub struct Cipher {
    algorithm: Encryption,
    keyed: Keyed,
}

#[derive(Clone)]
enum Keyed {
    Null,
    Plain(Arc<dyn Plain>),
    Aead(Arc<dyn Aead>),
}

impl Cipher {
    /// Keys the algorithm. The material is what KEYMAT gives: the key and, after it, the salt.
    ///
    /// # Errors
    /// The material is not [`Encryption::key_material_len`] octets. Weak keys are taken: see
    /// [`Encryption::is_weak_key`]. Parity bits are ignored.
    pub fn new(algorithm: Encryption, key_material: &[u8]) -> Result<Self, KeyError> {
        let keyed = match algorithm {
            Null => key_material.is_empty().then_some(Keyed::Null),
            Des => cbc::<des::Des>(key_material),
            TripleDes => cbc::<des::TdesEde3>(key_material),
            AesCbc(B128) => cbc::<Aes128>(key_material),
            AesCbc(B192) => cbc::<Aes192>(key_material),
            AesCbc(B256) => cbc::<Aes256>(key_material),
            AesCtr(B128) => ctr::<Aes128>(key_material),
            AesCtr(B192) => ctr::<Aes192>(key_material),
            AesCtr(B256) => ctr::<Aes256>(key_material),
            AesCcm8(B128) => aead::<Ccm<Aes128, U8, U11>, 3>(key_material),
            AesCcm8(B192) => aead::<Ccm<Aes192, U8, U11>, 3>(key_material),
            AesCcm8(B256) => aead::<Ccm<Aes256, U8, U11>, 3>(key_material),
            AesCcm12(B128) => aead::<Ccm<Aes128, U12, U11>, 3>(key_material),
            AesCcm12(B192) => aead::<Ccm<Aes192, U12, U11>, 3>(key_material),
            AesCcm12(B256) => aead::<Ccm<Aes256, U12, U11>, 3>(key_material),
            AesCcm16(B128) => aead::<Ccm<Aes128, U16, U11>, 3>(key_material),
            AesCcm16(B192) => aead::<Ccm<Aes192, U16, U11>, 3>(key_material),
            AesCcm16(B256) => aead::<Ccm<Aes256, U16, U11>, 3>(key_material),
            AesGcm8(B128) => aead::<AesGcm<Aes128, U12, U8>, 4>(key_material),
            AesGcm8(B192) => aead::<AesGcm<Aes192, U12, U8>, 4>(key_material),
            AesGcm8(B256) => aead::<AesGcm<Aes256, U12, U8>, 4>(key_material),
            AesGcm12(B128) => aead::<AesGcm<Aes128, U12, U12>, 4>(key_material),
            AesGcm12(B192) => aead::<AesGcm<Aes192, U12, U12>, 4>(key_material),
            AesGcm12(B256) => aead::<AesGcm<Aes256, U12, U12>, 4>(key_material),
            AesGcm16(B128) => aead::<AesGcm<Aes128, U12, U16>, 4>(key_material),
            AesGcm16(B192) => aead::<AesGcm<Aes192, U12, U16>, 4>(key_material),
            AesGcm16(B256) => aead::<AesGcm<Aes256, U12, U16>, 4>(key_material),
            AesGmac(B128) => gmac::<Aes128>(key_material),
            AesGmac(B192) => gmac::<Aes192>(key_material),
            AesGmac(B256) => gmac::<Aes256>(key_material),
            Encryption::ChaCha20Poly1305 => aead::<ChaCha20Poly1305, 4>(key_material),
        };
        match keyed {
            Some(keyed) => Ok(Self { algorithm, keyed }),
            None => Err(KeyError {
                algorithm: algorithm.name(),
                expected: algorithm.key_material_len(),
                actual: key_material.len(),
            }),
        }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Encryption {
        self.algorithm
    }

    /// Encrypts the data in place with an algorithm that only encrypts. Padding is the caller's.
    ///
    /// # Errors
    /// The algorithm is a combined mode, or the lengths do not fit it; the data are then as they were.
    pub fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        match self.plain(iv, data)? {
            Some(plain) => plain.encrypt(iv, data),
            None => Ok(()),
        }
    }

    /// Decrypts the data in place with an algorithm that only encrypts.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt).
    pub fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        match self.plain(iv, data)? {
            Some(plain) => plain.decrypt(iv, data),
            None => Ok(()),
        }
    }

    /// Encrypts the data in place with a combined mode and writes the integrity check value over it and the
    /// additional authenticated data. [`Encryption::AesGmac`] leaves the data clear.
    ///
    /// # Errors
    /// The algorithm only encrypts, or the lengths do not fit it; the data are then as they were.
    pub fn seal(&self, iv: &[u8], aad: &[u8], data: &mut [u8], icv: &mut [u8]) -> Result<(), CipherError> {
        self.aead(iv, icv.len())?.seal(iv, aad, data, icv)
    }

    /// Checks the integrity check value (in constant time) and decrypts the data in place with a combined mode.
    ///
    /// # Errors
    /// The algorithm only encrypts, the lengths do not fit it, or the integrity check value is wrong. After a wrong
    /// one the data are either as they were or zero, never decrypted.
    pub fn open(&self, iv: &[u8], aad: &[u8], data: &mut [u8], icv: &[u8]) -> Result<(), CipherError> {
        self.aead(iv, icv.len())?.open(iv, aad, data, icv)
    }

    fn plain(&self, iv: &[u8], data: &[u8]) -> Result<Option<&dyn Plain>, CipherError> {
        let plain = match &self.keyed {
            Keyed::Null => None,
            Keyed::Plain(plain) => Some(&**plain),
            Keyed::Aead(_) => return Err(CipherError::WrongKind(self.algorithm)),
        };
        self.check_iv(iv)?;
        let block = self.algorithm.block_len();
        if !data.len().is_multiple_of(block) {
            return Err(CipherError::PartialBlock { algorithm: self.algorithm, block, actual: data.len() });
        }
        Ok(plain)
    }

    fn aead(&self, iv: &[u8], icv_len: usize) -> Result<&dyn Aead, CipherError> {
        let Keyed::Aead(aead) = &self.keyed else { return Err(CipherError::WrongKind(self.algorithm)) };
        self.check_iv(iv)?;
        let expected = self.algorithm.icv_len();
        if icv_len != expected {
            return Err(CipherError::IcvLength { algorithm: self.algorithm, expected, actual: icv_len });
        }
        Ok(&**aead)
    }

    fn check_iv(&self, iv: &[u8]) -> Result<(), CipherError> {
        let expected = self.algorithm.iv_len();
        if iv.len() != expected {
            return Err(CipherError::IvLength { algorithm: self.algorithm, expected, actual: iv.len() });
        }
        Ok(())
    }
}

/// Shows the algorithm, never the key.
impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A keyed mode that only encrypts. The lengths were checked.
trait Plain: Send + Sync {
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError>;
    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError>;
}

/// A keyed combined mode. The lengths of IV and ICV were checked.
trait Aead: Send + Sync {
    fn seal(&self, iv: &[u8], aad: &[u8], data: &mut [u8], icv: &mut [u8]) -> Result<(), CipherError>;
    fn open(&self, iv: &[u8], aad: &[u8], data: &mut [u8], icv: &[u8]) -> Result<(), CipherError>;
}

/// Cipher block chaining, RFC 2451 and 3602.
struct Cbc<C>(C);

fn cbc<C>(key: &[u8]) -> Option<Keyed>
where
    C: KeyInit + BlockCipherEncrypt + BlockCipherDecrypt + ZeroizeOnDrop + Send + Sync + 'static,
{
    Some(Keyed::Plain(Arc::new(Cbc(C::new_from_slice(key).ok()?))))
}

impl<C: BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync> Plain for Cbc<C> {
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        let iv = <&Iv<cbc::Encryptor<C>>>::try_from(iv).map_err(|_| CipherError::TooLong)?;
        let (blocks, _) = InOutBuf::from(data).into_chunks();
        cbc::Encryptor::inner_iv_init(&self.0, iv).encrypt_blocks_inout(blocks);
        Ok(())
    }

    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        let iv = <&Iv<cbc::Decryptor<C>>>::try_from(iv).map_err(|_| CipherError::TooLong)?;
        let (blocks, _) = InOutBuf::from(data).into_chunks();
        cbc::Decryptor::inner_iv_init(&self.0, iv).decrypt_blocks_inout(blocks);
        Ok(())
    }
}

/// Counter mode, RFC 3686 section 4: the counter block is nonce, IV, and a block counter that starts with one.
struct Ctr<C> {
    cipher: C,
    nonce: Zeroizing<[u8; 4]>,
}

fn ctr<C>(key_material: &[u8]) -> Option<Keyed>
where
    C: KeyInit + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + ZeroizeOnDrop + Send + Sync + 'static,
{
    let (key, nonce) = key_material.split_last_chunk::<4>()?;
    Some(Keyed::Plain(Arc::new(Ctr { cipher: C::new_from_slice(key).ok()?, nonce: Zeroizing::new(*nonce) })))
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync> Plain for Ctr<C> {
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        let mut block = [0; 16];
        block[..4].copy_from_slice(&*self.nonce);
        block[4..12].copy_from_slice(iv);
        block[15] = 1;
        let core = ctr::CtrCore::<&C, ctr::flavors::Ctr32BE>::inner_iv_init(&self.cipher, &block.into());
        ctr::Ctr32BE::from_core(core).try_apply_keystream(data).map_err(|_| CipherError::TooLong)
    }

    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        self.encrypt(iv, data)
    }
}

/// A combined mode with a salt of `SALT` octets: its nonce is the salt and the IV (RFC 4106 section 4, RFC 4309
/// section 4, RFC 7634 section 2).
struct Salted<A, const SALT: usize> {
    aead: A,
    salt: Zeroizing<[u8; SALT]>,
}

fn aead<A, const SALT: usize>(key_material: &[u8]) -> Option<Keyed>
where
    A: AeadInOut + KeyInit + Send + Sync + 'static,
{
    let (key, salt) = key_material.split_last_chunk::<SALT>()?;
    let aead = A::new_from_slice(key).ok()?;
    Some(Keyed::Aead(Arc::new(Salted { aead, salt: Zeroizing::new(*salt) })))
}

impl<A: AeadInOut, const SALT: usize> Salted<A, SALT> {
    fn nonce(&self, iv: &[u8]) -> Nonce<A> {
        let mut nonce = Nonce::<A>::default();
        nonce[..SALT].copy_from_slice(&*self.salt);
        nonce[SALT..].copy_from_slice(iv);
        nonce
    }
}

impl<A: AeadInOut + Send + Sync, const SALT: usize> Aead for Salted<A, SALT> {
    fn seal(&self, iv: &[u8], aad: &[u8], data: &mut [u8], icv: &mut [u8]) -> Result<(), CipherError> {
        let sealed = self.aead.encrypt_inout_detached(&self.nonce(iv), aad, data.into());
        icv.copy_from_slice(&sealed.map_err(|AeadError| CipherError::TooLong)?);
        Ok(())
    }

    fn open(&self, iv: &[u8], aad: &[u8], data: &mut [u8], icv: &[u8]) -> Result<(), CipherError> {
        let icv = <&Tag<A>>::try_from(icv).map_err(|_| CipherError::Integrity)?;
        let opened = self.aead.decrypt_inout_detached(&self.nonce(iv), aad, data.into(), icv);
        opened.map_err(|AeadError| CipherError::Integrity)
    }
}

fn gmac<C>(key_material: &[u8]) -> Option<Keyed>
where
    C: KeyInit + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + ZeroizeOnDrop + Send + Sync + 'static,
{
    Some(Keyed::Aead(Arc::new(Gmac::<C>::new(key_material)?)))
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16> + Send + Sync> Aead for Gmac<C> {
    fn seal(&self, iv: &[u8], aad: &[u8], data: &mut [u8], icv: &mut [u8]) -> Result<(), CipherError> {
        icv.copy_from_slice(&self.tag(iv, aad, data));
        Ok(())
    }

    fn open(&self, iv: &[u8], aad: &[u8], data: &mut [u8], icv: &[u8]) -> Result<(), CipherError> {
        match bool::from(self.tag(iv, aad, data).ct_eq(icv)) {
            true => Ok(()),
            false => Err(CipherError::Integrity),
        }
    }
}

#[cfg(test)]
#[path = "cipher_tests.rs"]
mod tests;

//! AES-GMAC, RFC 4543: the tag of GCM with an empty plaintext, over data that come in two parts.

use aes_gcm::aead::{KeyInit, consts::U16};
use cbc::cipher::{BlockCipherEncrypt, BlockSizeUser};
use ghash::{Block, GHash, universal_hash::UniversalHash};
use zeroize::{Zeroize, Zeroizing};

/// AES-GMAC with its key and salt.
pub(crate) struct Gmac<C> {
    cipher: C,
    hash: GHash,
    salt: Zeroizing<[u8; 4]>,
}

impl<C: KeyInit + BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Gmac<C> {
    /// The salt follows the key. `None` if the length is wrong.
    pub(crate) fn new(key_material: &[u8]) -> Option<Self> {
        let (key, salt) = key_material.split_last_chunk::<4>()?;
        let cipher = C::new_from_slice(key).ok()?;
        let mut hash_key = Block::default();
        cipher.encrypt_block(&mut hash_key);
        let hash = GHash::new(&hash_key);
        hash_key.zeroize();
        Some(Self { cipher, hash, salt: Zeroizing::new(*salt) })
    }
}

impl<C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>> Gmac<C> {
    /// The tag over the AAD followed by the data. The IV has 8 octets.
    pub(crate) fn tag(&self, iv: &[u8], aad: &[u8], data: &[u8]) -> [u8; 16] {
        let mut hash = self.hash.clone();
        let mut block = Block::default();
        let mut filled = 0;
        for mut part in [aad, data] {
            while !part.is_empty() {
                let (now, later) = part.split_at(part.len().min(block.len() - filled));
                block[filled..filled + now.len()].copy_from_slice(now);
                filled += now.len();
                part = later;
                if filled == block.len() {
                    hash.update(&[block]);
                    filled = 0;
                }
            }
        }
        hash.update_padded(&block[..filled]);
        let mut lengths = Block::default();
        lengths[..8].copy_from_slice(&(8 * (aad.len() as u64 + data.len() as u64)).to_be_bytes());
        hash.update(&[lengths]);

        let mut mask = Block::default();
        mask[..4].copy_from_slice(&*self.salt);
        mask[4..12].copy_from_slice(iv);
        mask[15] = 1;
        self.cipher.encrypt_block(&mut mask);
        let mut tag = hash.finalize();
        tag.iter_mut().zip(mask).for_each(|(tag, mask)| *tag ^= mask);
        tag.into()
    }
}

//! AES-XCBC-MAC, RFC 3566: CBC-MAC whose last block is masked with a key that tells whole from padded messages.

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// AES-XCBC-MAC with its three derived keys, RFC 3566 section 4.
#[derive(Clone, ZeroizeOnDrop)]
pub(crate) struct Xcbc {
    /// Keyed with K1.
    #[zeroize(skip)]
    cipher: Aes128,
    k2: [u8; 16],
    k3: [u8; 16],
}

impl Xcbc {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        let master = Aes128::new(key.into());
        let derive = |constant: u8| {
            let mut block = [constant; 16].into();
            master.encrypt_block(&mut block);
            <[u8; 16]>::from(block)
        };
        let mut k1 = derive(0x01);
        let cipher = Aes128::new(&k1.into());
        k1.zeroize();
        Self { cipher, k2: derive(0x02), k3: derive(0x03) }
    }

    /// The code of the concatenated parts, all 16 octets.
    pub(crate) fn compute(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut state = [0; 16];
        let mut block = [0; 16];
        let mut filled = 0;
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                // The last block is masked, so a full block waits until it is known not to be the last.
                if filled == block.len() {
                    self.absorb(&mut state, &block);
                    filled = 0;
                }
                let (now, later) = rest.split_at(rest.len().min(block.len() - filled));
                block[filled..filled + now.len()].copy_from_slice(now);
                filled += now.len();
                rest = later;
            }
        }
        let mask = if filled == block.len() {
            &self.k2
        } else {
            block[filled] = 0x80;
            block[filled + 1..].fill(0);
            &self.k3
        };
        xor(&mut block, mask);
        self.absorb(&mut state, &block);
        state
    }

    fn absorb(&self, state: &mut [u8; 16], block: &[u8; 16]) {
        xor(state, block);
        self.cipher.encrypt_block(state.into());
    }
}

fn xor(to: &mut [u8; 16], from: &[u8; 16]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to ^= from;
    }
}

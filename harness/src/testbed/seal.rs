//! ESP and AH packets of a scenario's own making, under the tester's SAs and past its counters.

use super::Testbed;
use super::traffic::{Ping, ip_packet};
use crate::run::StepError;
use reference_peer::config::Mode;
use reference_peer::gateway::parameters;
use reference_peer::hands::{AhDraft, EspDraft};
use reference_peer::ike::v2::ChildSa;
use reference_peer::ipsec::keys::{AhKeys, EspKeys};
use std::sync::Arc;
use std::time::Duration;
use wire::ikev2::ProtocolId;
use wire::ip::{self, Protocol};
use wire::udp;

/// Pings on their way at once, at most.
const HANDFUL: usize = 32;

impl Testbed {
    /// Seals an ESP packet with the keys of the tester's outbound SA, and any sequence number.
    ///
    /// # Errors
    /// Inconclusive without a Child SA.
    pub fn seal(&mut self, draft: &EspDraft) -> Result<Vec<u8>, StepError> {
        let child = self.esp_child()?;
        self.seal_on(&child, draft)
    }

    /// Seals an ESP packet with the keys of a Child SA that need not be the newest.
    ///
    /// # Errors
    /// Our own fault when it cannot be sealed.
    pub fn seal_on(&mut self, child: &ChildSa, draft: &EspDraft) -> Result<Vec<u8>, StepError> {
        let (_, outbound) = parameters(child, &Arc::default());
        let keys = EspKeys::new(outbound).map_err(StepError::testbed)?;
        let keys = keys.ok_or_else(|| StepError::testbed("an AH SA seals no ESP"))?;
        self.seal_with(&keys, draft)
    }

    /// Seals an ESP packet with the keys of any SA.
    ///
    /// # Errors
    /// Our own fault when it cannot be sealed.
    pub fn seal_with(&mut self, keys: &EspKeys, draft: &EspDraft) -> Result<Vec<u8>, StepError> {
        keys.seal(draft, &mut self.rng).map_err(StepError::testbed)
    }

    /// Seals an ESP packet with the keys of the SA that the tester receives on: the DUT's outbound SA.
    ///
    /// # Errors
    /// Inconclusive without a Child SA.
    pub fn seal_as_inbound(&mut self, draft: &EspDraft) -> Result<Vec<u8>, StepError> {
        let child = self.esp_child()?.mirrored();
        self.seal_on(&child, draft)
    }

    /// The pair that encrypts: of a bundle the inner one.
    fn esp_child(&self) -> Result<ChildSa, StepError> {
        let bundle = self.newest_bundle()?;
        let esp = bundle.into_iter().find(|child| child.protocol == ProtocolId::ESP);
        esp.ok_or_else(|| StepError::testbed("the SAs are for AH alone"))
    }

    /// The keys of the AH SA that the tester sends on.
    ///
    /// # Errors
    /// Our own fault when the newest SAs hold none for AH.
    pub fn ah_keys(&self) -> Result<AhKeys, StepError> {
        let bundle = self.newest_bundle()?;
        let ah = bundle.iter().find(|child| child.protocol == ProtocolId::AH);
        ah_keys(ah.ok_or_else(|| StepError::testbed("the SAs are for ESP alone"))?)
    }

    /// Sends ESP octets (SPI to ICV) as the newest Child SA sends them: natively or in UDP.
    ///
    /// # Errors
    /// Inconclusive without a Child SA.
    pub fn send_esp(&mut self, esp: &[u8]) -> Result<(), StepError> {
        let packet = self.esp_packet(esp)?;
        self.send_outside(packet)
    }

    /// The IP packet around ESP octets as the newest Child SA sends them: natively or in UDP.
    ///
    /// # Errors
    /// Inconclusive without a Child SA.
    pub fn esp_packet(&self, esp: &[u8]) -> Result<Vec<u8>, StepError> {
        esp_packet_on(&self.esp_child()?, esp)
    }

    /// An honest ESP draft around an IP packet, by the mode of a Child SA.
    ///
    /// # Errors
    /// Our own fault when it is no IP packet.
    pub fn draft_on(&self, child: &ChildSa, sequence: u64, packet: &[u8]) -> Result<EspDraft, StepError> {
        let mut draft = tunnel_draft(child.outbound_spi, sequence, packet.to_vec());
        if child.mode == Mode::Transport {
            let packet = ip::Packet::parse(packet).map_err(StepError::testbed)?;
            (draft.payload, draft.next_header) = (packet.payload().to_vec(), packet.protocol().0);
        }
        Ok(draft)
    }

    /// The outer IP packet around an inner one under the newest SAs, whichever they are, all of a bundle with the same
    /// number. A forger has changed the last octet of what the outermost ICV covers, or the ICV.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn protect_packet(&mut self, sequence: u64, inner: &[u8], forged: bool) -> Result<Vec<u8>, StepError> {
        let bundle = self.newest_bundle()?;
        self.protect_packet_by(&bundle, sequence, inner, forged)
    }

    /// The same under any SAs, the innermost first.
    ///
    /// # Errors
    /// Our own fault when it cannot be protected.
    pub fn protect_packet_by(
        &mut self,
        bundle: &[ChildSa],
        sequence: u64,
        inner: &[u8],
        forged: bool,
    ) -> Result<Vec<u8>, StepError> {
        let mut packet = inner.to_vec();
        for (index, child) in bundle.iter().enumerate() {
            let forge = forged && index + 1 == bundle.len();
            if child.protocol == ProtocolId::AH {
                let keys = ah_keys(child)?;
                let mut draft = keys.draft(sequence);
                if forge {
                    draft.icv = Some(self.forged_icv(&keys, &draft, &packet)?);
                }
                packet = keys.seal(&draft, &packet).map_err(StepError::testbed)?;
            } else {
                let draft = self.draft_on(child, sequence, &packet)?;
                let mut esp = self.seal_on(child, &draft)?;
                if let Some(last) = esp.last_mut().filter(|_| forge) {
                    *last ^= 1;
                }
                packet = esp_packet_on(child, &esp)?;
            }
        }
        Ok(packet)
    }

    /// The right ICV but for its last bit.
    fn forged_icv(&self, keys: &AhKeys, draft: &AhDraft, packet: &[u8]) -> Result<Vec<u8>, StepError> {
        let honest = keys.seal(draft, packet).map_err(StepError::testbed)?;
        let mut icv = keys.open(&honest).map_err(|reason| StepError::testbed(reason.name()))?.icv;
        if let Some(last) = icv.last_mut() {
            *last ^= 1;
        }
        Ok(icv)
    }

    /// A sequence number that is higher than all before: each packet that was sent has been seen.
    pub fn fresh_number(&self) -> u64 {
        100_000 + 4 * self.mark() as u64
    }

    /// A ping under the newest SAs with this sequence number, as an outer IP packet.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn sealed_ping(&mut self, sequence: u64) -> Result<(Ping, Vec<u8>), StepError> {
        let ping = self.new_ping();
        let packet = self.protect_packet(sequence, &ping.packet(), false)?;
        Ok((ping, packet))
    }

    /// The same with a wrong ICV.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn forged_ping(&mut self, sequence: u64) -> Result<(Ping, Vec<u8>), StepError> {
        let ping = self.new_ping();
        let packet = self.protect_packet(sequence, &ping.packet(), true)?;
        Ok((ping, packet))
    }

    /// Sends a ping with a sequence number of its own. Was it let through? The answer is the proof: what is dropped by
    /// the replay check gets none.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn is_let_through(&mut self, sequence: u64, limit: Duration) -> Result<bool, StepError> {
        let (ping, packet) = self.sealed_ping(sequence)?;
        self.comes_through(&ping, packet, limit)
    }

    /// Sends an outer IP packet around a ping. Did the ping come out inside, or its answer come back?
    ///
    /// # Errors
    /// When the links or the DUT fail.
    pub fn comes_through(&mut self, ping: &Ping, packet: Vec<u8>, limit: Duration) -> Result<bool, StepError> {
        let before = self.come_out();
        self.send_outside(packet)?;
        self.await_state(limit, |testbed| testbed.has_come_out(before, ping))
    }

    /// Sends pings with sequence numbers of their own, a handful at a time. Which were let through? `limit` is how long
    /// the last of each handful may take.
    ///
    /// # Errors
    /// Inconclusive without SAs.
    pub fn are_let_through(&mut self, sequences: &[u64], limit: Duration) -> Result<Vec<bool>, StepError> {
        let mut through = Vec::with_capacity(sequences.len());
        for handful in sequences.chunks(HANDFUL) {
            let before = self.come_out();
            let mut pings = Vec::with_capacity(handful.len());
            for sequence in handful {
                let (ping, packet) = self.sealed_ping(*sequence)?;
                self.send_outside(packet)?;
                pings.push(ping);
            }
            self.await_state(limit, |testbed| pings.iter().all(|ping| testbed.has_come_out(before, ping)))?;
            through.extend(pings.iter().map(|ping| self.has_come_out(before, ping)));
        }
        Ok(through)
    }
}

/// Keys that put AH behind whatever header stands before the data, which the scenario makes.
pub(super) fn through_outer(keys: &AhKeys) -> Result<AhKeys, StepError> {
    let mut parameters = keys.parameters().clone();
    parameters.mode = Mode::Transport;
    let keys = AhKeys::new(parameters).map_err(StepError::testbed)?;
    keys.ok_or_else(|| StepError::testbed("an ESP SA makes no AH"))
}

fn ah_keys(child: &ChildSa) -> Result<AhKeys, StepError> {
    let (_, outbound) = parameters(child, &Arc::default());
    let keys = AhKeys::new(outbound).map_err(StepError::testbed)?;
    keys.ok_or_else(|| StepError::testbed("an ESP SA makes no AH"))
}

/// The IP packet around ESP octets as a Child SA sends them.
fn esp_packet_on(child: &ChildSa, esp: &[u8]) -> Result<Vec<u8>, StepError> {
    let (local, remote) = (child.path.local, child.path.remote);
    if child.udp_encapsulation {
        let upper = udp::Datagram::new(local.port(), remote.port(), esp).to_bytes(local.ip(), remote.ip());
        return ip_packet(local.ip(), remote.ip(), Protocol::UDP, upper);
    }
    ip_packet(local.ip(), remote.ip(), Protocol::ESP, esp.to_vec())
}

/// An honest tunnel mode draft around an IP packet.
pub fn tunnel_draft(spi: u32, sequence: u64, packet: Vec<u8>) -> EspDraft {
    let next_header = if packet.first().is_some_and(|first| first >> 4 == 6) { 41 } else { 4 };
    EspDraft {
        spi,
        sequence,
        payload: packet,
        tfc_padding: Vec::new(),
        padding: None,
        pad_length: None,
        next_header,
        iv: None,
    }
}

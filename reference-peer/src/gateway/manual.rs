//! SAs with manual keys (RFC 4301 section 4.5.1): given by an operator or a test, without an IKE SA, and never rekeyed.

use super::{Event, Gateway};
use crate::Instant;
use crate::ike::v2::{ChildSa, DownReason};
use crate::ipsec::sa::SaError;

impl Gateway {
    /// Uses pairs of SAs that no IKE SA has made. More than one are a bundle, the innermost first: what the first has
    /// protected is protected by the second once more, as with AH over ESP.
    ///
    /// # Errors
    /// Parameters that make no SA, or an SPI that is in use. None of the pairs is used then.
    pub fn install_manual(&mut self, now: Instant, bundle: Vec<ChildSa>) -> Result<(), SaError> {
        for (index, child) in bundle.iter().enumerate() {
            if let Err(error) = self.data.install(child, now) {
                bundle.iter().take(index).for_each(|child| self.data.remove(child.inbound_spi));
                return Err(error);
            }
        }
        for pair in bundle.windows(2) {
            if let [inner, outer] = pair {
                self.data.bundle(inner.inbound_spi, outer.inbound_spi);
            }
        }
        self.events.extend(bundle.into_iter().map(|child| Event::ChildInstalled(Box::new(child))));
        self.send_waiting(now);
        Ok(())
    }

    /// Forgets a pair of SAs with manual keys, and what goes over it.
    pub fn remove_manual(&mut self, inbound_spi: u32) {
        let mut next = Some(inbound_spi);
        while let Some(inbound_spi) = next {
            next = self.data.over(inbound_spi);
            let Some(outbound_spi) = self.data.child(inbound_spi).map(|child| child.outbound_spi) else { return };
            self.data.remove(inbound_spi);
            self.events.push_back(Event::ChildRemoved { inbound_spi, outbound_spi, reason: DownReason::Forgotten });
        }
    }
}

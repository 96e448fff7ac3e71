//! The Gherkin steps, one file an area. They only speak to the testbed: no octets, no state of their own.

mod auth;
mod common;
mod cookies;
mod delete;
mod df_bit;
mod dh;
mod esp;
mod fragmentation;
mod ike_header;
mod informational;
mod invalid_spi;
mod liveness;
mod nat;
mod pair;
mod payloads;
mod reassembly;
mod rekey;
mod replay;
mod sa;
mod window;

use crate::run::Steps;
use crate::testbed::Testbed;

/// All steps.
pub fn all() -> Steps<Testbed> {
    let mut steps = Steps::new();
    auth::register(&mut steps);
    common::register(&mut steps);
    cookies::register(&mut steps);
    delete::register(&mut steps);
    df_bit::register(&mut steps);
    dh::register(&mut steps);
    esp::register(&mut steps);
    fragmentation::register(&mut steps);
    ike_header::register(&mut steps);
    informational::register(&mut steps);
    invalid_spi::register(&mut steps);
    liveness::register(&mut steps);
    nat::register(&mut steps);
    pair::register(&mut steps);
    payloads::register(&mut steps);
    reassembly::register(&mut steps);
    rekey::register(&mut steps);
    replay::register(&mut steps);
    sa::register(&mut steps);
    window::register(&mut steps);
    steps
}

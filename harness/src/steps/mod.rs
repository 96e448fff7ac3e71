//! The Gherkin steps, one file an area. They only speak to the testbed: no octets, no state of their own.

mod ah;
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
mod interop;
mod invalid_spi;
mod invalid_spi_flood;
mod ipv6;
mod isakmp;
mod isakmp_aggressive;
mod isakmp_invalid_spi;
mod isakmp_main;
mod isakmp_quick;
mod liveness;
mod multi_sn;
mod nat;
mod pair;
mod path_mtu;
mod payloads;
mod reassembly;
mod rekey;
mod replay;
mod replay_report;
mod routers;
mod sa;
mod selectors;
mod sequence;
mod traffic_class;
mod transport;
mod tunnel;
mod window;

use crate::run::Steps;
use crate::testbed::Testbed;

/// All steps.
pub fn all() -> Steps<Testbed> {
    let mut steps = Steps::new();
    ah::register(&mut steps);
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
    interop::register(&mut steps);
    invalid_spi::register(&mut steps);
    invalid_spi_flood::register(&mut steps);
    ipv6::register(&mut steps);
    isakmp::register(&mut steps);
    isakmp_aggressive::register(&mut steps);
    isakmp_invalid_spi::register(&mut steps);
    isakmp_main::register(&mut steps);
    isakmp_quick::register(&mut steps);
    liveness::register(&mut steps);
    multi_sn::register(&mut steps);
    nat::register(&mut steps);
    pair::register(&mut steps);
    path_mtu::register(&mut steps);
    payloads::register(&mut steps);
    reassembly::register(&mut steps);
    rekey::register(&mut steps);
    replay::register(&mut steps);
    replay_report::register(&mut steps);
    routers::register(&mut steps);
    sa::register(&mut steps);
    selectors::register(&mut steps);
    sequence::register(&mut steps);
    traffic_class::register(&mut steps);
    transport::register(&mut steps);
    tunnel::register(&mut steps);
    window::register(&mut steps);
    steps
}

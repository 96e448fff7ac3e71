//! Internet Key Exchange: SA negotiation, authentication and upkeep.

pub mod v1;
pub mod v2;

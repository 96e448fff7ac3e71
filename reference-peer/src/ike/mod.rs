//! Internet Key Exchange: SA negotiation, authentication and upkeep.

pub mod v2;

//! Internet Key Exchange: SA negotiation, authentication and upkeep.

#[cfg(test)]
mod road;
pub mod v1;
pub mod v2;

//! What deviations there are, a file an area: each declares its own and hands those before it on.

#[macro_use]
mod encapsulation;
#[macro_use]
mod esp;
#[macro_use]
mod fragmentation;
#[macro_use]
mod gateway;
#[macro_use]
mod ike_v1;
#[macro_use]
mod ike_v2;

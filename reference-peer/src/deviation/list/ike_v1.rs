//! Deviations of IKEv1.

macro_rules! ike_v1 {
    ($($before:tt)*) => { deviations! { $($before)* } };
}

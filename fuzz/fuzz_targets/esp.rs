//! See [`counterpeer_fuzz::esp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterpeer_fuzz::esp(data));

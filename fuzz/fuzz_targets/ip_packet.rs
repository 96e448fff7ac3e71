//! See [`counterpeer_fuzz::ip_packet`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterpeer_fuzz::ip_packet(data));

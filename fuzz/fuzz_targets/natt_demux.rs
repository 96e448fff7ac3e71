//! See [`counterpeer_fuzz::natt_demux`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterpeer_fuzz::natt_demux(data));

//! See [`counterpeer_fuzz::data_plane`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterpeer_fuzz::data_plane(data));

//! See [`counterpeer_fuzz::replay_window`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterpeer_fuzz::replay_window(data));

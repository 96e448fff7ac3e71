//! See [`counterpeer_fuzz::ikev1_message`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| counterpeer_fuzz::ikev1_message(data));

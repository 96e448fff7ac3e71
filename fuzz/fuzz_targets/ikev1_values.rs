//! See [`counterpeer_fuzz::ikev1_values`].
#![no_main]

libfuzzer_sys::fuzz_target!(|message: wire::ikev1::Message| counterpeer_fuzz::ikev1_values(&message));

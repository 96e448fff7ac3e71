//! See [`counterpeer_fuzz::ikev2_values`].
#![no_main]

libfuzzer_sys::fuzz_target!(|message: wire::ikev2::Message| counterpeer_fuzz::ikev2_values(&message));

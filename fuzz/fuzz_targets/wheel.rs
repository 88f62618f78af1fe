#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| netwheel_fuzz::wheel(bytes));

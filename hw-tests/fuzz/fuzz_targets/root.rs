#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| hw_tests::fuzz::root(data));

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fcom_sidecar::fuzzing::source(data));

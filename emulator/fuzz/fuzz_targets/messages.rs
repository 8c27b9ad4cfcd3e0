#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| eventhubs_emulator::fuzzing::messages(bytes));

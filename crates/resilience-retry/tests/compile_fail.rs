//! What the compiler says to those who put the wrong things together.
#![cfg(not(resilience_loom))]

use std::process::Command;

/// The compiler that wrote the `.stderr` files; others are not held to them. See `CONTRIBUTING.md`.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn messages_say_what_to_do() {
    let version = Command::new("rustc").arg("--version").output().unwrap();
    if !version.stdout.starts_with(COMPILER.as_bytes()) {
        eprintln!("not checked: the messages are those of {COMPILER}x");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

//! What the compiler says to those who put the wrong things together.
#![cfg(not(resilience_loom))]

use std::process::Command;

/// The compiler that wrote the `.stderr` files. The words around our own messages change with every release, so
/// other compilers are not held to them. Write them anew with `TRYBUILD=overwrite`.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn messages_are_short_and_say_what_to_do() {
    let version = Command::new("rustc").arg("--version").output().unwrap();
    if !version.stdout.starts_with(COMPILER.as_bytes()) {
        eprintln!("not checked: the messages are those of {COMPILER}x");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

//! Tells the program which compiler has built it: counts of instructions are its.

use std::{env, process::Command};

fn main() {
    let rustc = env::var("RUSTC").expect("cargo sets it");
    let version = Command::new(rustc).arg("--version").output();
    let version = version.expect("cargo has just run it").stdout;
    let version = String::from_utf8_lossy(&version);
    println!("cargo::rustc-env=BENCH_RUSTC={}", version.trim());
}

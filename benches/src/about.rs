//! Where and with what the figures were measured.

use std::{fs, process::Command, thread};

/// The compiler of this program.
pub const COMPILER: &str = env!("BENCH_RUSTC");

/// Commit, day, machine, compiler, and the versions in `lock` of the packages named.
pub fn about(lock: &str, packages: &[&str]) -> Vec<(String, String)> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let changed = match output("git", &["status", "--porcelain", "--", ":/crates"]) {
        changes if changes.is_empty() => "",
        _ => ", with changes that are not committed",
    };
    let commit = output("git", &["rev-parse", "--short", "HEAD"]);
    let machine = model.unwrap_or("unknown");
    let versions: Vec<_> = packages.iter().filter_map(|p| version(lock, p)).collect();
    [
        ("commit", format!("{commit}{changed}")),
        ("day", output("date", &["-u", "+%F"])),
        (
            "machine",
            format!("{machine}, {cores} cores, load at the end {load}"),
        ),
        ("compiler", COMPILER.to_owned()),
        ("versions", versions.join(", ")),
    ]
    .map(|(what, is)| (what.to_owned(), is))
    .to_vec()
}

fn output(program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.output().map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn version(lock: &str, package: &str) -> Option<String> {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let rest = lock.split(&entry).nth(1)?;
    Some(format!("{package} {}", rest.split('"').next()?))
}

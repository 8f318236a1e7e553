//! Instructions, atomic operations and system calls per call, counted by Valgrind's callgrind, and the gate on them.
//!
//! A subject is run twice, the second time with twice as many calls: the difference is that of the calls alone. Valgrind
//! hides the kernel's fast clock, so that each clock read is a system call: that is how they are counted.

use crate::{
    list::is_bare_of,
    progress::Progress,
    subject::{By, Subject},
};
use std::{
    collections::BTreeMap,
    env,
    fmt::{self, Write},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Calls of the first run. A multiple of what keyed limits do now and then.
pub const CALLS: u64 = 4_096;

/// How many more instructions are let pass.
const ALLOWED: f64 = 0.03;

/// What is done once in many calls, such as turning a bucket, falls into a run now and then.
const NOISE: f64 = 0.15;

/// Of one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counts {
    pub instructions: f64,
    /// Operations that lock the bus: read-modify-writes of atomics, locks and reference counts.
    pub atomics: f64,
    pub clock_reads: f64,
}

/// Counts are shown with this precision, and compared with it.
fn rounded(count: f64) -> f64 {
    (count * 10.0).round() / 10.0
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            instructions,
            atomics,
            clock_reads,
        } = self;
        write!(f, "{instructions:.1}\t{atomics:.1}\t{clock_reads:.1}")
    }
}

/// Which subjects are counted: ours, but for the one that takes a million keys to build.
pub fn is_counted(subject: &Subject) -> bool {
    subject.by == By::Ours && !subject.large
}

/// Above the bare service, for each subject that is counted.
pub fn count(all: &[Subject]) -> Vec<Option<Counts>> {
    let mut progress = Progress::new("instructions", all.len());
    let mut known = BTreeMap::new();
    let mut of = |subject: &Subject| {
        let id = subject.id();
        *known.entry(id).or_insert_with(|| with_driver(subject))
    };
    let mut above = |subject: &Subject| {
        progress.step();
        if !is_counted(subject) {
            return None;
        }
        let bare = all.iter().find(|other| is_bare_of(other, subject.bare));
        let bare = of(bare.expect("there is one for each"));
        let all = of(subject);
        Some(Counts {
            instructions: rounded(all.instructions - bare.instructions),
            atomics: rounded(all.atomics - bare.atomics),
            clock_reads: rounded(all.clock_reads - bare.clock_reads),
        })
    };
    all.iter().map(&mut above).collect()
}

fn with_driver(subject: &Subject) -> Counts {
    let [once, twice] = [CALLS, 2 * CALLS].map(|calls| run(&subject.id(), calls));
    let each = |event: &str| {
        let of = |events: &BTreeMap<String, f64>| events.get(event).copied().unwrap_or(0.0);
        (of(&twice) - of(&once)) / CALLS as f64
    };
    Counts {
        instructions: each("Ir"),
        atomics: each("Ge"),
        clock_reads: each("sysCount"),
    }
}

/// All events of one run of this program.
fn run(id: &str, calls: u64) -> BTreeMap<String, f64> {
    let text = callgrind(id, calls);
    let line = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let words = line.expect("callgrind writes it").split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let totals = line("totals:")
        .into_iter()
        .map(|n| n.parse().expect("a number"));
    line("events:").into_iter().zip(totals).collect()
}

/// What Callgrind writes of one run of this program.
pub fn callgrind(id: &str, calls: u64) -> String {
    let program = env::current_exe().expect("this program");
    let out = env::temp_dir().join(format!("bench-{}.callgrind", std::process::id()));
    let valgrind = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--collect-bus=yes",
            "--collect-systime=yes",
            "--quiet",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["run", id, &calls.to_string()])
        .output()
        .expect("valgrind is installed (apt-get install valgrind)");
    assert!(
        valgrind.status.success(),
        "{id}: {}",
        String::from_utf8_lossy(&valgrind.stderr)
    );
    let text = fs::read_to_string(&out).expect("callgrind has written it");
    fs::remove_file(&out).expect("it is ours");
    text
}

/// The accepted counts.
#[derive(Debug, Default)]
pub struct Baseline {
    /// Instructions are this compiler's; atomics and clock reads are nobody's.
    compiler: String,
    counts: BTreeMap<String, Counts>,
}

const COMPILER: &str = "# compiler: ";

impl Baseline {
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.tsv")
    }

    pub fn parse(text: &str) -> Self {
        let row = |line: &str| {
            let mut words = line.split('\t');
            let id = words.next()?.to_owned();
            let mut next = || words.next()?.parse().ok();
            let counts = Counts {
                instructions: next()?,
                atomics: next()?,
                clock_reads: next()?,
            };
            Some((id, counts))
        };
        let compiler = text.lines().find_map(|line| line.strip_prefix(COMPILER));
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        Self {
            compiler: compiler.unwrap_or_default().to_owned(),
            counts: rows
                .map(|line| row(line).expect("id and three numbers"))
                .collect(),
        }
    }

    pub fn text(counts: &[(String, Counts)], compiler: &str) -> String {
        let mut text = format!(
            "{COMPILER}{compiler}\n# subject, then per call: instructions, atomics, clock reads\n"
        );
        for (id, counts) in counts {
            writeln!(text, "{id}\t{counts}").expect("a string");
        }
        text
    }

    /// All counts with those of the baseline; and what has become worse, or is missing on one side: a line for each.
    pub fn compare(&self, counts: &[(String, Counts)], compiler: &str) -> (String, Vec<String>) {
        let mut table = String::new();
        let mut worse = Vec::new();
        if compiler != self.compiler {
            worse.push(format!(
                "the baseline is of {}, and this is {compiler}: instructions cannot be compared",
                self.compiler
            ));
        }
        for (id, now) in counts {
            let Some(old) = self.counts.get(id) else {
                worse.push(format!("{id}: not in the baseline"));
                continue;
            };
            let more = (now.instructions / old.instructions - 1.0) * 100.0;
            writeln!(table, "{id}\t{now}\t{more:+.1} %").expect("a string");
            // Both are rounded.
            if now.instructions > old.instructions * (1.0 + ALLOWED) + 0.05 {
                worse.push(format!(
                    "{id}: {} instructions instead of {} ({more:+.1} %)",
                    now.instructions, old.instructions,
                ));
            }
            // Not one more: they cost as much as dozens of others, and an atomic that is shared stops all cores.
            let whole = [
                ("atomic operations", now.atomics, old.atomics),
                ("clock reads", now.clock_reads, old.clock_reads),
            ];
            for (what, now, old) in whole {
                if now > old + NOISE {
                    worse.push(format!("{id}: {now} {what} instead of {old}"));
                }
            }
        }
        let known = |id: &&String| !counts.iter().any(|(known, _)| known == *id);
        let gone = self.counts.keys().filter(known);
        worse.extend(gone.map(|id| format!("{id}: no such subject")));
        (table, worse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: f64, atomics: f64, clock_reads: f64) -> Vec<(String, Counts)> {
        let counts = Counts {
            instructions,
            atomics,
            clock_reads,
        };
        vec![("a".to_owned(), counts)]
    }

    #[test]
    fn the_gate_lets_three_percent_pass_and_no_atomic() {
        let accepted = Baseline::text(&counts(200.0, 4.0, 1.0), "rustc 1");
        let baseline = Baseline::parse(&accepted);
        let worse = |now: &[_], compiler| baseline.compare(now, compiler).1;
        for (now, fails) in [
            (counts(200.0, 4.0, 1.0), false),
            (counts(206.0, 4.0, 1.0), false),
            (counts(100.0, 2.0, 0.0), false),
            (counts(206.1, 4.0, 1.0), true),
            (counts(201.0, 5.0, 1.0), true),
            (counts(201.0, 4.0, 2.0), true),
            (Vec::new(), true),
        ] {
            assert_eq!(worse(&now, "rustc 1").is_empty(), !fails, "{now:?}");
        }
        assert_eq!(worse(&counts(200.0, 4.0, 1.0), "rustc 2").len(), 1);
        let empty = Baseline::parse("# compiler: rustc 1\n");
        assert_eq!(empty.compare(&counts(1.0, 0.0, 0.0), "rustc 1").1.len(), 1);
    }
}

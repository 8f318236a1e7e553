//! What the layers cost, next to hand-written floors and to what others have for the same patterns.
//!
//! See `docs/performance.md`, or run it without arguments.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures, and far from the ends of the ranges"
)]

mod check;
mod drive;
mod floors;
mod inner;
mod instructions;
mod list;
mod memory;
mod ours;
mod peers;
mod report;
mod stats;
mod subject;
mod time;

use instructions::Baseline;
use report::{Figures, Report};
use std::{env, fs, process::ExitCode, time::Duration};
use subject::{By, Subject};
use time::Effort;

const USAGE: &str = "\
bench COMMAND [--only TEXT] [--short] [--json FILE]

  check          whether every subject does what its row says
  time           nanoseconds per call above the bare service
  threads        the same with two threads and more on one policy
  allocs, sizes  allocations per call; bytes per instance; sizes of services and futures
  instructions   instructions, atomics and clock reads per call of our layers, under Valgrind
  gate           instructions, compared with benches/baseline.tsv: fails if anything is worse
  accept         instructions, as the new baseline
  all            all of the above but `gate` and `accept`, in one table

  --only TEXT    subjects whose id contains TEXT, and what they need
  --short        a few rounds: to see that it works
  --json FILE    writes the figures there too";

struct Options {
    command: String,
    only: String,
    short: bool,
    json: Option<String>,
}

fn options() -> Option<Options> {
    let mut words = env::args().skip(1);
    let mut options = Options {
        command: words.next()?,
        only: String::new(),
        short: false,
        json: None,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--only" => options.only = words.next()?,
            "--short" => options.short = true,
            "--json" => options.json = Some(words.next()?),
            _ => return None,
        }
    }
    Some(options)
}

/// For Valgrind: builds the subject, and makes the calls.
fn run(id: &str, calls: u64) {
    let runtime = time::runtime();
    let _entered = runtime.enter();
    let all = list::subjects();
    let subject = all.iter().find(|subject| subject.id() == id);
    let mut instance = (subject.expect("an id").make)();
    // What is made with the first calls is the same in both runs.
    std::hint::black_box(instance.runner()(calls));
}

fn main() -> ExitCode {
    let words: Vec<_> = env::args().collect();
    if let [_, run_word, id, calls] = words.as_slice()
        && run_word == "run"
    {
        run(id, calls.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let Some(options) = options() else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let mut subjects = list::subjects();
    // What is subtracted, and what aims are reckoned with, is always there.
    subjects.retain(|s| s.by == By::Bare || s.id().contains(&options.only));
    match options.command.as_str() {
        "check" => checked(&subjects),
        "gate" | "accept" => gate(&subjects, options.command == "accept"),
        "time" | "threads" | "allocs" | "sizes" | "instructions" | "all" => {
            measure(&subjects, &options);
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn checked(subjects: &[Subject]) -> ExitCode {
    let mut wrong = 0;
    for subject in subjects {
        match check::check(subject) {
            Ok(()) => println!("{}: as it says", subject.id()),
            Err(what) => {
                wrong += 1;
                println!("{}: {what}", subject.id());
            }
        }
    }
    println!("{} passed, {wrong} failed", subjects.len() - wrong);
    ExitCode::from(u8::from(wrong > 0))
}

fn measure(subjects: &[Subject], options: &Options) {
    let does = |command: &str| options.command == command || options.command == "all";
    let mut figures: Vec<Figures> = subjects.iter().map(|_| Figures::default()).collect();
    if does("allocs") || does("sizes") {
        for (subject, figures) in subjects.iter().zip(&mut figures) {
            figures.memory = Some(memory::of(subject));
        }
    }
    if does("instructions") {
        for (subject, figures) in subjects.iter().zip(&mut figures) {
            figures.counts =
                instructions::is_counted(subject).then(|| instructions::count(subject, subjects));
        }
    }
    if does("time") {
        let effort = Effort {
            batch: Duration::from_micros(500),
            rounds: if options.short { 5 } else { 301 },
        };
        for (figures, spread) in figures.iter_mut().zip(time::one_thread(subjects, effort)) {
            figures.time = Some(spread);
        }
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if does("threads") {
        let effort = Effort {
            batch: Duration::from_millis(2),
            rounds: if options.short { 3 } else { 61 },
        };
        let threads = time::many_threads(subjects, effort, cores.max(2));
        for (figures, threads) in figures.iter_mut().zip(threads) {
            figures.threads = threads;
        }
    }
    let report = Report {
        subjects,
        figures,
        about: about(cores),
    };
    println!("{}", report.markdown());
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", report.json());
        fs::write(file, text).expect("a file that can be written");
    }
}

fn gate(subjects: &[Subject], accept: bool) -> ExitCode {
    let counted = subjects
        .iter()
        .filter(|subject| instructions::is_counted(subject));
    let counts: Vec<_> = counted
        .map(|s| (s.id(), instructions::count(s, subjects)))
        .collect();
    for (id, counts) in &counts {
        println!("{id}\t{counts}");
    }
    let path = Baseline::path();
    if accept {
        let text = Baseline::text(&counts, &compiler());
        fs::write(&path, text).expect("a file that can be written");
        println!("accepted: commit {}", path.display());
        return ExitCode::SUCCESS;
    }
    let text = fs::read_to_string(&path).expect("the baseline is committed");
    let worse = Baseline::parse(&text).compare(&counts);
    if worse.is_empty() {
        println!("no layer has become more expensive");
        return ExitCode::SUCCESS;
    }
    eprintln!("more expensive than {}:", path.display());
    for line in worse {
        eprintln!("  {line}");
    }
    eprintln!(
        "{}",
        text.lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("# ")
    );
    eprintln!("this is {}", compiler());
    eprintln!(
        "if that is what you want: cargo run --release --manifest-path benches/Cargo.toml -- accept"
    );
    ExitCode::FAILURE
}

fn compiler() -> String {
    let rustc = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    rustc.map_or_else(
        |_| "an unknown compiler".to_owned(),
        |out| String::from_utf8_lossy(&out.stdout).trim().to_owned(),
    )
}

/// Machine, compiler, and the versions of the others.
fn about(cores: usize) -> Vec<(String, String)> {
    const OTHERS: [&str; 9] = [
        "backon",
        "failsafe",
        "governor",
        "recloser",
        "seatbelt",
        "tokio",
        "tower",
        "tower-resilience",
        "tower_governor",
    ];
    let of_cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = of_cpu.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("unknown");
    let lock = include_str!("../Cargo.lock");
    let version = |name: &&str| {
        let entry = format!("name = \"{name}\"\nversion = \"");
        let rest = lock.split(&entry).nth(1)?;
        Some(format!("{name} {}", rest.split('"').next()?))
    };
    let versions: Vec<_> = OTHERS.iter().filter_map(version).collect();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    [
        ("machine", format!("{model}, {cores} cores, load {load}")),
        ("compiler", compiler()),
        ("versions", versions.join(", ")),
    ]
    .map(|(what, is)| (what.to_owned(), is))
    .to_vec()
}

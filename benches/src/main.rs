//! What the layers cost, next to hand-written floors and to what others have for the same patterns.
//!
//! See `docs/performance.md`, or run it without arguments.

#![cfg_attr(
    not(feature = "peers"),
    allow(dead_code, reason = "a part is for the others alone")
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures, and far from the ends of the ranges"
)]

mod about;
mod check;
mod drive;
mod floors;
mod inner;
mod instructions;
mod into;
mod list;
mod memory;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod profile;
mod progress;
mod report;
mod stats;
mod subject;
mod time;

use about::COMPILER;
use instructions::Baseline;
use report::{Figures, Report};
use std::{env, fs, io, process::ExitCode, time::Duration};
use subject::{By, Subject};
use time::Effort;

const USAGE: &str = "\
bench COMMAND [--only TEXT] [--short] [--markdown FILE] [--json FILE] [--into PAGE]

  check          whether every subject does what its row says, within its limits of memory
  time           nanoseconds per call above the bare service
  threads        the same with two threads and more on one policy
  allocs, sizes  allocations per call; bytes per instance; sizes of services and futures
  instructions   instructions, atomics and clock reads per call of our layers, under Valgrind
  gate           instructions, compared with benches/baseline.tsv: fails if anything is worse
  accept         instructions, as the new baseline
  profile        where the instructions of our layers' calls are
  all            all of the above but `check`, `gate` and `accept`: the tables of docs/performance.md

  --only TEXT      subjects whose id contains TEXT, and what they need
  --short          a few rounds: to see that it works
  --markdown FILE  writes the tables there too
  --json FILE      writes the figures there too
  --into PAGE      puts the tables into a page, between <!-- begin layers --> and <!-- end layers -->, and the
                   profile between <!-- begin profile --> and <!-- end profile -->";

#[derive(Default)]
struct Options {
    command: String,
    only: String,
    short: bool,
    markdown: Option<String>,
    json: Option<String>,
    into: Option<String>,
}

fn options() -> Option<Options> {
    let mut words = env::args().skip(1);
    let mut options = Options {
        command: words.next()?,
        ..Options::default()
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--only" => options.only = words.next()?,
            "--short" => options.short = true,
            "--markdown" => options.markdown = Some(words.next()?),
            "--json" => options.json = Some(words.next()?),
            "--into" => options.into = Some(words.next()?),
            _ => return None,
        }
    }
    Some(options)
}

/// For Valgrind: builds the subject, and makes the calls.
fn run(id: &str, calls: u64) {
    let runtime = drive::runtime();
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
        "time" | "threads" | "allocs" | "sizes" | "instructions" | "profile" | "all" => {
            match measure(&subjects, &options) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
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

fn measure(subjects: &[Subject], options: &Options) -> io::Result<()> {
    let does = |command: &str| options.command == command || options.command == "all";
    let mut figures: Vec<Figures> = subjects.iter().map(|_| Figures::default()).collect();
    if does("allocs") || does("sizes") {
        for (subject, figures) in subjects.iter().zip(&mut figures) {
            figures.memory = Some(memory::of(subject));
        }
    }
    if does("instructions") {
        for (figures, counts) in figures.iter_mut().zip(instructions::count(subjects)) {
            figures.counts = counts;
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
    if does("threads") {
        let effort = Effort {
            batch: Duration::from_millis(1),
            rounds: if options.short { 3 } else { 61 },
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = time::many_threads(subjects, effort, cores.max(2));
        for (figures, threads) in figures.iter_mut().zip(threads) {
            figures.threads = threads;
        }
    }
    let mut about = about::about(include_str!("../Cargo.lock"), &PACKAGES);
    if options.short {
        about.push((
            "rounds".to_owned(),
            "a few, to see that it works".to_owned(),
        ));
    }
    let report = Report {
        subjects,
        figures,
        about,
    };
    let tables = report.markdown();
    println!("{tables}");
    let profile = does("profile").then(|| profile::table(subjects));
    if let Some(profile) = &profile {
        println!("{profile}");
    }
    if let Some(file) = &options.markdown {
        fs::write(
            file,
            [&*tables, profile.as_deref().unwrap_or_default()].join("\n"),
        )?;
    }
    if let Some(file) = &options.json {
        fs::write(file, format!("{:#}\n", report.json()))?;
    }
    if let Some(page) = &options.into {
        if options.command != "profile" {
            into::write(page, "layers", &tables)?;
        }
        if let Some(profile) = profile {
            into::write(page, "profile", &profile)?;
        }
    }
    Ok(())
}

/// Whose versions matter.
const PACKAGES: [&str; 9] = [
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

fn gate(subjects: &[Subject], accept: bool) -> ExitCode {
    let counts = subjects.iter().zip(instructions::count(subjects));
    let counts: Vec<_> = counts
        .filter_map(|(subject, counts)| Some((subject.id(), counts?)))
        .collect();
    let path = Baseline::path();
    if accept {
        let text = Baseline::text(&counts, COMPILER);
        fs::write(&path, text).expect("a file that can be written");
        println!("accepted: commit {}", path.display());
        return ExitCode::SUCCESS;
    }
    let text = fs::read_to_string(&path).expect("the baseline is committed");
    let (table, worse) = Baseline::parse(&text).compare(&counts, COMPILER);
    print!("{table}");
    if worse.is_empty() {
        println!("no layer has become more expensive");
        return ExitCode::SUCCESS;
    }
    eprintln!("more expensive than {}:", path.display());
    for line in worse {
        eprintln!("  {line}");
    }
    eprintln!("if that is what you want: {ACCEPT}");
    ExitCode::FAILURE
}

const ACCEPT: &str =
    "cargo run --release --manifest-path benches/Cargo.toml --no-default-features -- accept";

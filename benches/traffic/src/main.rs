//! Real servers and clients, with the stacks around them and without, in turns: requests per second, and latencies.
//!
//! What is examined has a process of its own, and who drives or answers it another; where there are two cores, each has
//! one to itself. See `docs/performance.md`.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures, and far from the ends of the ranges"
)]

#[path = "../../src/about.rs"]
mod about;
mod drive;
mod generators;
#[path = "../../src/into.rs"]
mod into;
mod processes;
mod report;
mod serve;
#[path = "../../src/stats.rs"]
mod stats;

use processes::{Client, Server};
use report::Row;
use std::{env, error::Error, fs, process::ExitCode, time::Duration};

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "\
traffic [--rounds N] [--seconds S] [--only TEXT] [--json FILE] [--into PAGE]

  --rounds N    pairs of slices, one with the stack and one without; by default 12
  --seconds S   length of a slice; by default 2
  --only TEXT   subjects whose name contains TEXT: HTTP server, gRPC server, HTTP client, gRPC client
  --json FILE   writes the figures there too
  --into PAGE   puts the table into a page, between <!-- begin traffic --> and <!-- end traffic -->

Needs `wrk` and `h2load` (apt-get install wrk nghttp2-client).";

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Grpc,
}

impl Protocol {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "http" => Some(Self::Http),
            "grpc" => Some(Self::Grpc),
            _ => None,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

/// What a load generator has seen in one slice.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub calls: f64,
    pub took: Duration,
    /// In microseconds.
    pub p50: f64,
    pub p99: f64,
}

/// What one slice has come to; times in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    pub per_second: f64,
    /// Of what is examined, for each call: whatever else the machine is doing.
    pub cpu: f64,
    pub p50: f64,
    pub p99: f64,
}

impl Load {
    /// From the latencies of all calls, in nanoseconds.
    pub fn of(mut latencies: Vec<u32>, took: Duration) -> Self {
        latencies.sort_unstable();
        let at = |share: f64| {
            let latency = latencies.get((latencies.len() as f64 * share) as usize);
            latency.map_or(f64::NAN, |nanos| f64::from(*nanos) / 1e3)
        };
        Self {
            calls: latencies.len() as f64,
            took,
            p50: at(0.5),
            p99: at(0.99),
        }
    }

    /// From one process to another.
    pub fn line(&self) -> String {
        let Self {
            calls,
            took,
            p50,
            p99,
        } = self;
        format!("{calls} {} {p50} {p99}", took.as_secs_f64())
    }

    pub fn parse(line: &str) -> Result<Self> {
        let numbers: std::result::Result<Vec<f64>, _> = line.split(' ').map(str::parse).collect();
        let [calls, took, p50, p99] = numbers?[..] else {
            return Err(format!("not four numbers: {line}").into());
        };
        Ok(Self {
            calls,
            took: Duration::from_secs_f64(took),
            p50,
            p99,
        })
    }
}

/// Calls that are in flight at any time.
pub const IN_FLIGHT: usize = 16;

struct Options {
    rounds: usize,
    slice: Duration,
    only: String,
    json: Option<String>,
    into: Option<String>,
}

fn options(words: &[String]) -> Option<Options> {
    let mut options = Options {
        rounds: 12,
        slice: Duration::from_secs(2),
        only: String::new(),
        json: None,
        into: None,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--rounds" => options.rounds = value.parse().ok().filter(|n| *n > 0)?,
            "--seconds" => {
                let seconds = value.parse().ok().filter(|n| *n > 0)?;
                options.slice = Duration::from_secs(seconds);
            }
            "--only" => options.only.clone_from(value),
            "--json" => options.json = Some(value.clone()),
            "--into" => options.into = Some(value.clone()),
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let role: Vec<_> = words.iter().map(String::as_str).collect();
    let result = match role.as_slice() {
        ["serve", protocol] => Protocol::parse(protocol).map(serve::run),
        ["drive", protocol, server] => Protocol::parse(protocol).map(|p| drive::run(p, server)),
        _ => options(&words).map(|options| measure(&options)),
    };
    match result {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    let mut rows = Vec::new();
    for (name, protocol, client) in [
        ("HTTP server", Protocol::Http, false),
        ("gRPC server", Protocol::Grpc, false),
        ("HTTP client", Protocol::Http, true),
        ("gRPC client", Protocol::Grpc, true),
    ] {
        if !name.contains(&options.only) {
            continue;
        }
        let row = if client {
            let server = Server::start(protocol, processes::OTHER)?;
            let mut client = Client::start(protocol, &server.bare, processes::EXAMINED)?;
            pairs(name, options, |stack| client.slice(stack, options.slice))?
        } else {
            let mut server = Server::start(protocol, processes::EXAMINED)?;
            // Whether both answer as they should: generators do not look at that.
            for address in [&server.bare, &server.stack] {
                let mut client = Client::start(protocol, address, processes::OTHER)?;
                client.slice(false, Duration::from_millis(200))?;
            }
            pairs(name, options, |stack| {
                server.slice(protocol, stack, options.slice)
            })?
        };
        rows.push(row);
    }
    let about = about::about(include_str!("../../Cargo.lock"), &PACKAGES);
    let text = report::markdown(&rows, &about, options.slice);
    println!("{text}");
    if let Some(file) = &options.json {
        fs::write(file, format!("{:#}\n", report::json(&rows, &about)))?;
    }
    if let Some(page) = &options.into {
        into::write(page, "traffic", &text)?;
    }
    Ok(())
}

const PACKAGES: [&str; 5] = ["axum", "hyper", "hyper-util", "tokio", "tonic"];

/// Slices with the stack and without, in pairs, each of which begins with the other one.
fn pairs(
    name: &'static str,
    options: &Options,
    mut slice: impl FnMut(bool) -> Result<Slice>,
) -> Result<Row> {
    let mut row = Row::new(name);
    // What is made with the first calls.
    for stack in [false, true] {
        slice(stack)?;
    }
    for round in 0..options.rounds {
        eprintln!("{name}: {} of {}", round + 1, options.rounds);
        let first = round % 2 == 0;
        let [one, other] = [slice(first)?, slice(!first)?];
        let (stack, bare) = if first { (one, other) } else { (other, one) };
        row.push(bare, stack);
    }
    Ok(row)
}

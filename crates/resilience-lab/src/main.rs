//! The command of the lab: `resilience-lab --help`.

mod command;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Rehearses outages in virtual time, with the real layers.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(command::run::Options),
    Sweep(command::sweep::Options),
    Suite(command::suite::Options),
    Theory(command::theory::Options),
}

fn main() -> ExitCode {
    let done = match Options::parse().command {
        Command::Run(options) => options.run(),
        Command::Sweep(options) => options.run(),
        Command::Suite(options) => options.run(),
        Command::Theory(options) => options.run(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

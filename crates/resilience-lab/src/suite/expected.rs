//! What the figures should be: a regression in a layer moves them.

use super::{Figure, Scenario};
use std::{collections::BTreeMap, fmt::Write as _};

/// The committed figures, of the seed 42.
pub const EXPECTED: &str = include_str!("../../expected.tsv");

const HEAD: &str = "\
# The key figures of the suite, with the seed 42, and how far they may move.
# Written by `cargo run --release -p resilience-lab -- suite --expect crates/resilience-lab/expected.tsv`.
# scenario\tstack\tfigure\tvalue\tmargin
";

/// Those that are the same each time.
fn repeatable(figures: &[Figure]) -> impl Iterator<Item = &Figure> {
    figures.iter().filter(|figure| !figure.real_time)
}

/// The figures as a file of expected ones: a line for each, with tabs. None of real time.
pub fn expect(figures: &[Figure]) -> String {
    repeatable(figures).fold(HEAD.to_owned(), |mut text, figure| {
        let Figure {
            scenario,
            stack,
            name,
            number,
            margin,
            real_time: _,
        } = figure;
        let _ = writeln!(
            text,
            "{scenario}\t{stack}\t{name}\t{:.4}\t{margin}",
            number.value
        );
        text
    })
}

/// What is not as `expected`, which [`expect`] has made, each as a sentence that names the figure. Of the scenarios in `run` alone;
/// figures of real time are never expected, nor unexpected.
pub fn unexpected(
    figures: &[Figure],
    expected: &str,
    run: &[&Scenario],
) -> Result<Vec<String>, String> {
    let mut expected = parse(expected)?;
    expected.retain(|[scenario, ..], _| run.iter().any(|run| run.name == scenario));
    let mut wrong = Vec::new();
    for Figure {
        scenario,
        stack,
        name,
        number,
        ..
    } in repeatable(figures)
    {
        let at = format!("{scenario}, {stack}, {name}");
        let Some((value, margin)) =
            expected.remove(&[scenario.clone(), stack.clone(), name.clone()])
        else {
            wrong.push(format!(
                "{at}: {:.4}, and nothing is expected",
                number.value
            ));
            continue;
        };
        // The difference of two that are infinite is no number.
        let as_expected =
            number.value.to_bits() == value.to_bits() || (number.value - value).abs() <= margin;
        if !as_expected {
            wrong.push(format!(
                "{at}: {:.4}, and {value} ± {margin} is expected",
                number.value
            ));
        }
    }
    let missing = expected
        .into_keys()
        .map(|key| format!("{}: expected, and not there", key.join(", ")));
    wrong.extend(missing);
    Ok(wrong)
}

type Known = BTreeMap<[String; 3], (f64, f64)>;

fn parse(text: &str) -> Result<Known, String> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let known = lines.map(|(index, line)| {
        let fields: Vec<_> = line.split('\t').collect();
        let known = || {
            let &[scenario, stack, name, value, margin] = &*fields else {
                return None;
            };
            let key = [scenario, stack, name].map(str::to_owned);
            Some((key, (value.parse().ok()?, margin.parse().ok()?)))
        };
        known().ok_or_else(|| {
            format!(
                "line {}: not a scenario, stack, figure, value and margin",
                index + 1
            )
        })
    });
    known.collect()
}

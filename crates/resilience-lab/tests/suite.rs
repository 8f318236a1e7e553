//! What the command `suite --check` relies on. All of the suite's figures are checked by CI, in release.

use resilience_lab::{
    report::Number,
    suite::{self, EXPECTED, Finding, SCENARIOS, Scenario, Stack, Terms},
};
use std::collections::BTreeSet;

fn scenario(name: &str) -> &'static Scenario {
    suite::find(name).unwrap()
}

/// Two figures, as `overload` could have found them.
fn figures(goodput: f64, back: f64) -> Vec<suite::Figure> {
    let finding = Finding::new("Overload")
        .figure("presets", "goodput", Number::new(goodput, 3), 0.02)
        .figure("nothing", "back", Number::new(back, 1).unit("s"), 0.5);
    let mut figures = finding.figures;
    for figure in &mut figures {
        "overload".clone_into(&mut figure.scenario);
    }
    figures
}

#[test]
fn a_figure_that_has_moved_is_named() {
    let expected = suite::expect(&figures(0.99, f64::INFINITY));
    let wrong = |goodput, back| {
        suite::unexpected(&figures(goodput, back), &expected, &[scenario("overload")]).unwrap()
    };
    assert_eq!(wrong(0.99, f64::INFINITY), [""; 0]);
    assert_eq!(wrong(0.971, f64::INFINITY), [""; 0]);
    assert_eq!(
        wrong(0.969, f64::INFINITY),
        ["overload, presets, goodput: 0.9690, and 0.99 ± 0.02 is expected"]
    );
    assert_eq!(wrong(f64::NAN, f64::INFINITY).len(), 1);
    assert_eq!(
        wrong(0.99, 3.0),
        ["overload, nothing, back: 3.0000, and inf ± 0.5 is expected"]
    );
}

#[test]
fn figures_that_come_and_go_are_named() {
    let all = figures(0.99, 1.0);
    let expected = suite::expect(&all[..1]);
    let overload = [scenario("overload")];
    let new = suite::unexpected(&all, &expected, &overload).unwrap();
    assert_eq!(
        new,
        ["overload, nothing, back: 1.0000, and nothing is expected"]
    );
    let gone = suite::unexpected(&[], &expected, &overload).unwrap();
    assert_eq!(
        gone,
        ["overload, presets, goodput: expected, and not there"]
    );
    assert_eq!(
        suite::unexpected(&[], &expected, &[scenario("outage")]).unwrap(),
        [""; 0]
    );
    assert!(
        suite::unexpected(&[], "overload\tpresets\tgoodput\t0.99", &overload)
            .unwrap_err()
            .starts_with("line 1")
    );
}

#[test]
fn every_scenario_has_expected_figures_and_a_name_of_its_own() {
    for scenario in SCENARIOS {
        assert!(
            EXPECTED
                .lines()
                .any(|line| line.split('\t').next() == Some(scenario.name)),
            "{}",
            scenario.name
        );
        assert_eq!(suite::find(scenario.name).unwrap().number, scenario.number);
        assert_eq!(
            suite::find(&scenario.number.to_string()).unwrap().name,
            scenario.name
        );
    }
    assert!(suite::find("weather").unwrap_err().contains("overload"));
}

#[test]
fn figures_of_real_time_are_neither_written_nor_checked() {
    let all = figures(0.99, 1.0);
    let expected = suite::expect(&all);
    let mut live = all[0].clone();
    live.real_time = true;
    let played: Vec<_> = all.iter().cloned().chain([live]).collect();
    assert_eq!(suite::expect(&played), expected);
    let overload = [scenario("overload")];
    assert_eq!(
        suite::unexpected(&played, &expected, &overload).unwrap(),
        [""; 0]
    );
    assert!(!EXPECTED.contains("real time"));
}

#[test]
fn every_column_is_played_in_real_time_or_there_is_a_reason_why_not() {
    for scenario in SCENARIOS {
        let lines = EXPECTED.lines().map(|line| line.split('\t').collect());
        let columns: BTreeSet<_> = lines
            .filter(|line: &Vec<_>| line[0] == scenario.name)
            .map(|line| line[2])
            .collect();
        let live = scenario.live;
        let omitted = live.omits.iter().map(|(column, _)| column);
        let mut said: Vec<_> = live.shows.iter().chain(omitted).copied().collect();
        said.sort_unstable();
        assert!(said.into_iter().eq(columns), "{}", scenario.name);
        assert!(live.omits.iter().all(|(_, why)| why.ends_with('.')));
    }
}

#[cfg(not(feature = "peers"))]
#[test]
fn peers_that_are_not_built_are_an_error_that_says_how_to_build_them() {
    let terms = Terms {
        seed: 42,
        only: vec![scenario("comeback")],
        peers: true,
    };
    let error = suite::run(&terms, &()).unwrap_err().to_string();
    assert!(
        error.ends_with("-p resilience-lab --features peers -- suite --peers"),
        "{error}"
    );
}

/// The committed figures are of another build, on another machine.
#[test]
fn the_same_seed_gives_the_committed_figures_to_the_digit() {
    let only = vec![scenario("tenants")];
    let outcome = suite::run(
        &Terms {
            seed: 42,
            only: only.clone(),
            peers: false,
        },
        &(),
    )
    .unwrap();
    assert_eq!(
        suite::unexpected(&outcome.figures, EXPECTED, &only).unwrap(),
        [""; 0]
    );
    let here = suite::expect(&outcome.figures);
    let there = EXPECTED
        .lines()
        .filter(|line| line.starts_with("tenants\t"));
    assert!(
        here.lines().filter(|line| !line.starts_with('#')).eq(there),
        "{here}"
    );
    assert_eq!(outcome.report.missed(), [""; 0]);
}

#[test]
fn a_finding_is_a_table_with_a_row_for_each_stack() {
    let finding = Stack::ALL
        .into_iter()
        .fold(Finding::new("x"), |finding, stack| {
            finding
                .figure(stack.name(), "a", Number::new(1.0, 0), 0.0)
                .figure(stack.name(), "b", Number::new(2.0, 0), 0.0)
        });
    let table = finding.section.table.unwrap();
    assert_eq!(table.columns, ["", "a", "b"]);
    assert_eq!(table.rows.len(), Stack::ALL.len());
    assert!(table.rows.iter().all(|row| row.len() == 3));
}

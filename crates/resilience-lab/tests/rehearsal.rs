//! Rehearsals from files: what they say when something is wrong, what they expect, and that they repeat.

use resilience_lab::{
    rehearsal::{Error, Metric, Played, Rehearsal, Vary},
    report::Scale,
};
use std::{fs, panic::AssertUnwindSafe, path::PathBuf};

const SCENARIO: &str = r#"duration = "10s"
seed = 3

[client.shop]
server = "front"
stack = "front"
patience = "200ms"
arrivals.poisson.rate = "100/s"

[server.front]
workers = 10
service_time.constant.value = "5ms"
stack = "front"
calls = [{ server = "prices", stack = "prices" }, { server = "stock" }]

[server.prices]
workers = 10
service_time.exponential.mean = "10ms"

[[server.prices.faults]]
from = "3s"
until = "5s"
what.fail.status = 503

[server.stock]
workers = 10
service_time.log_normal = { median = "5ms", p99 = "20ms" }

[expect]
goodput = ">= 0.6"
p99.shop = "<= 150ms"
amplification = { prices = "<= 1.3", stock = "<= 1" }
time_to_recover = "<= 3s"
"#;

const STACKS: &str = r#"[client.front]

[client.prices]
attempt_timeout = "100ms"

[client.prices.retry]
attempts = 3

[server.front]
bulkhead = { limit = 50 }
"#;

/// A file of this text, for as long as it is kept.
struct Text(PathBuf);

impl Text {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("lab-rehearsal-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn with_stacks(name: &str, scenario: &str) -> (Rehearsal, Text) {
    let stacks = Text::new(name, STACKS);
    let rehearsal = Rehearsal::parse(scenario).unwrap();
    (rehearsal.stacks(&stacks.0).unwrap(), stacks)
}

fn wrong(from: &str, to: &str) -> String {
    let text = SCENARIO.replace(from, to);
    assert_ne!(text, SCENARIO, "{from}");
    Rehearsal::parse(&text).unwrap_err().to_string()
}

#[test]
fn scenarios_come_back_as_they_were() {
    let noon = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/rehearsal/noon.toml"
    );
    let noon = fs::read_to_string(noon).unwrap();
    let more = r#"from = "1s"
until = "9s"
[measure]
from = "1s"
every = "100ms"
recovered = 0.9
hold = "1s"
"#;
    let all = SCENARIO.replace("\n[server.front]\n", &format!("\n{more}\n[server.front]\norder = \"all_at_once\"\nqueue = 7\ndiscipline = \"lifo\"\nhang_up = \"noticed\"\nwhile_waiting = \"held\"\nlink = {{ loss = 0.1 }}\n"));
    for text in [SCENARIO, &noon, &all] {
        let read = Rehearsal::parse(text).unwrap();
        let written = toml::to_string(read.scenario()).unwrap();
        let again = Rehearsal::parse(&written).unwrap();
        assert_eq!(again.scenario(), read.scenario());
    }
}

/// What is replaced, by what, and what is said then.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "duration = \"10s\"",
        "duration = \"0s\"",
        "1:12: `duration` is 0ns; it must be more than zero and at most 365 days",
    ),
    (
        "duration = \"10s\"",
        "duration = 10",
        "1:12: `duration`: invalid type: integer `10`, expected a duration with its unit, such as \"250ms\" or \"1m 30s\"",
    ),
    (
        "seed = 3",
        "sed = 3",
        "2:1: `sed` is not known; did you mean `seed`? known: ",
    ),
    (
        "\"100/s\"",
        "\"100\"",
        "8:25: `client.shop.arrivals.poisson.rate`: invalid value: string \"100\", expected calls per second, such as 700 or \"700/s\"",
    ),
    (
        "\"100/s\"",
        "\"0/s\"",
        "8:25: `client.shop.arrivals.poisson.rate` is 0.0; it must be more than 0",
    ),
    (
        "poisson",
        "poison",
        "8:10: `client.shop.arrivals.poison`: \"poison\" is not known; did you mean `poisson`?",
    ),
    (
        "rate = \"100/s\"",
        "rat = 1",
        "8:18: `client.shop.arrivals.poisson.rat` is not known; did you mean `rate`? known: `rate`",
    ),
    (
        "\"200ms\"",
        "\"0ms\"",
        "7:12: `client.shop.patience` is 0ns; it must be more than zero",
    ),
    (
        "patience",
        "until = \"1s\"\nfrom = \"2s\"\npatience",
        "7:9: `client.shop.until` is 1s; it must be after `from`",
    ),
    (
        "patience",
        "from = \"10s\"\npatience",
        "7:8: `client.shop.from` is 10s; it must be less than the duration of 10s",
    ),
    (
        "server = \"front\"",
        "server = \"frnt\"",
        "5:10: `client.shop.server` is \"frnt\"; it must be a server of the scenario; did you mean `front`? known: `front`, `prices`, `stock`",
    ),
    (
        "server = \"stock\"",
        "server = \"shop\"",
        "14:62: `server.front.calls.1.server` is \"shop\"; it must be a server of the scenario; known:",
    ),
    (
        "server = \"stock\"",
        "server = \"front\"",
        "14:9: `server.front.calls` is a circle; it must be such that calls come to an end",
    ),
    (
        "workers = 10\nservice_time.con",
        "workers = 0\nservice_time.con",
        "11:11: `server.front.workers` is 0; it must be from 1 to 1000000",
    ),
    (
        "workers = 10\nservice_time.con",
        "workers = -10\nservice_time.con",
        "11:11: `server.front.workers`: invalid value: integer `-10`, expected a whole number from 0 on",
    ),
    (
        "workers = 10\nservice_time.con",
        "workers = \"10\"\nservice_time.con",
        "11:11: `server.front.workers`: invalid type: string \"10\", expected a whole number from 0 on",
    ),
    (
        "workers = 10\nservice_time.con",
        "service_time.con",
        "10:1: `server.front`: missing field `workers`",
    ),
    (
        "what.fail.status = 503",
        "what = \"fail\"",
        "23:8: `server.prices.faults.0.what`: a name alone; expected a table of that name, with its fields",
    ),
    (
        "what.fail.status",
        "what.fial.status",
        "23:6: `server.prices.faults.0.what.fial`: \"fial\" is not known; did you mean `fail`? known: `slow`, ",
    ),
    (
        "what.fail.status = 503",
        "what.fail = { status = 503, share = \"10%\" }",
        "23:37: `server.prices.faults.0.what.fail.share`: invalid type: string \"10%\", expected a number",
    ),
    (
        "\"5ms\"\n",
        "\"5\"\n",
        "12:31: `server.front.service_time.constant.value`: invalid value: string \"5\"",
    ),
    (
        "mean = \"10ms\"",
        "mean = \"0ms\"",
        "18:33: `server.prices.service_time.exponential.mean` is 0ns; it must be more than zero",
    ),
    (
        "p99 = \"20ms\"",
        "p99 = \"2ms\"",
        "27:51: `server.stock.service_time.log_normal.p99` is 2ms; it must be at least the median",
    ),
    (
        "until = \"5s\"",
        "until = \"1s\"",
        "22:9: `server.prices.faults.0.until` is 1s; it must be after `from`",
    ),
    (
        "status = 503",
        "status = 200",
        "23:20: `server.prices.faults.0.what.fail.status` is 200; it must be from 400 to 599",
    ),
    (
        "goodput = \">= 0.6\"",
        "goodput = \"> 0.7\"",
        "30:11: `expect.goodput`: invalid value: string \"> 0.7\", expected a bound, such as \">= 0.95\"",
    ),
    (
        "goodput = \">= 0.6\"",
        "goodput = \"<= 7ms\"",
        "30:11: `expect.goodput` is \"<= 7ms\"; it must be a bound of a share",
    ),
    (
        "goodput =",
        "godput =",
        "30:1: `expect.godput`: \"godput\" is not known; did you mean `goodput`?",
    ),
    (
        "<= 150ms",
        "<= 0.15",
        "31:12: `expect.p99.shop` is \"<= 0.15\"; it must be a bound of a time with its unit",
    ),
    (
        "p99.shop",
        "p99.shp",
        "31:11: `expect.p99.shp` is nobody's; it must be of a client of the scenario; did you mean `shop`? known: `shop`",
    ),
    (
        "stock = \"<= 1\"",
        "shop = \"<= 1\"",
        "32:45: `expect.amplification.shop` is nobody's; it must be of a server of the scenario; ",
    ),
    (
        "[expect]",
        "[measure]\nfrom = \"10s\"\n[expect]",
        "30:8: `measure.from` is 10s; it must be less than the duration of 10s",
    ),
    (
        "[expect]",
        "[measure]\nevery = \"1us\"\n[expect]",
        "30:9: `measure.every` is 1µs; it must be from 1ms to the duration",
    ),
    (
        "[expect]",
        "[measure]\nrecovered = 2.0\n[expect]",
        "30:13: `measure.recovered` is 2.0; it must be more than 0 and at most 1",
    ),
    (
        "[expect]",
        "[measure]\nhold = \"11s\"\n[expect]",
        "30:8: `measure.hold` is 11s; it must be at most the duration of 10s",
    ),
    (
        "[[server.prices.faults]]\nfrom = \"3s\"\nuntil = \"5s\"\nwhat.fail.status = 503\n",
        "",
        "29:19: `expect.time_to_recover` is \"<= 3s\"; it must be left out: no server has faults",
    ),
];

#[test]
fn each_field_that_cannot_be_is_named_with_its_place() {
    for (from, to, said) in WRONG {
        let error = wrong(from, to);
        assert!(error.starts_with(said), "{to}\n{error}\n{said}");
    }
}

#[test]
fn an_empty_scenario_says_what_is_missing() {
    let said = |text: &str| Rehearsal::parse(text).unwrap_err().to_string();
    assert_eq!(said(""), "1:1: missing field `duration`");
    assert_eq!(said("duration = '1s'"), "1:1: missing field `client`");
    // Nothing is said of what nobody has written.
    let said = said("duration = '1s'\n[client]\n[server]\n");
    assert_eq!(said, "2:2: `client` is empty; it must be one at least");
}

#[test]
fn a_short_run_without_faults_need_not_say_when_a_client_has_recovered() {
    let short = SCENARIO.replace("\"10s\"", "\"1s\"");
    let without = |field: &str, text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with(field));
        lines.flat_map(|line| [line, "\n"]).collect::<String>()
    };
    let quiet = ["[[", "from", "until", "what", "time_to_recover"];
    let quiet = quiet
        .iter()
        .fold(short.clone(), |text, field| without(field, &text));
    Rehearsal::parse(&quiet).unwrap();
    let early = short.replace("\"3s\"\nuntil = \"5s\"", "\"0s\"\nuntil = \"500ms\"");
    let said = Rehearsal::parse(&early).unwrap_err().to_string();
    assert_eq!(
        said,
        "`measure.hold` is 3s; it must be at most the duration of 1s"
    );
}

#[test]
fn the_page_shows_the_breakers_that_there_are_and_whose_the_faults_are() {
    let titles = |rehearsal: Rehearsal| {
        let report = rehearsal.run().unwrap().report();
        let charts = report.sections.iter().flat_map(|section| &section.charts);
        let charts: Vec<_> = charts.cloned().collect();
        assert!(
            charts
                .iter()
                .all(|chart| chart.spans[0].label == "fault of prices")
        );
        let titles = charts.into_iter().map(|chart| chart.title);
        titles
            .filter(|title| title.contains("breaker"))
            .collect::<Vec<_>>()
    };
    let (rehearsal, _stacks) = with_stacks("page", SCENARIO);
    assert_eq!(
        titles(rehearsal),
        [
            "State of the breaker",
            "State of the breaker towards prices"
        ]
    );
    let without = Rehearsal::parse(SCENARIO).unwrap().stacks("none").unwrap();
    assert_eq!(titles(without), [""; 0]);
}

#[test]
fn a_queue_that_is_much_longer_than_the_others_does_not_hide_them() {
    let text = SCENARIO.replace("what.fail.status = 503", "what.slow.factor = 100");
    let (rehearsal, _stacks) = with_stacks("queue", &text);
    let rehearsal = rehearsal.stacks("naive").unwrap();
    let report = rehearsal.run().unwrap().report();
    let waits = |server: &str| {
        let mut sections = report.sections.iter();
        let section = sections.find(|section| section.title == server).unwrap();
        section.charts[1].y.scale.clone()
    };
    assert_eq!(waits("Server prices"), Scale::Log);
    assert_eq!(waits("Server stock"), Scale::Linear);
}

#[test]
fn stacks_that_are_not_there_are_named_with_the_line_of_the_scenario() {
    let text = SCENARIO.replace("stack = \"prices\"", "stack = \"price\"");
    let (rehearsal, stacks) = with_stacks("unknown", &text);
    let said = rehearsal.run().unwrap_err().to_string();
    let file = stacks.0.display();
    assert_eq!(
        said,
        format!(
            "14:39: `server.front.calls.0.stack` is `price`; it must be a client of {file}; did you mean `prices`? known: `front`, `prices`"
        )
    );
    let said = Rehearsal::parse(SCENARIO)
        .unwrap()
        .run()
        .unwrap_err()
        .to_string();
    assert!(
        said.starts_with("14:39: `server.front.calls.0.stack` is `prices`; it must be in a file of stacks, and none is given"),
        "{said}"
    );
    let missing = Rehearsal::load("nowhere.toml").unwrap_err().to_string();
    assert!(
        missing.starts_with("nowhere.toml: the file cannot be read: "),
        "{missing}"
    );
    let missing = rehearsal.stacks("nowhere.toml").unwrap_err().to_string();
    assert!(
        missing.starts_with("nowhere.toml: the file cannot be read: "),
        "{missing}"
    );
}

#[test]
fn the_same_seed_has_the_same_bytes() {
    let (rehearsal, _stacks) = with_stacks("same", SCENARIO);
    let rehearsal = rehearsal.stacks("none").unwrap().stacks("naive").unwrap();
    let json = |seed| {
        let outcome = rehearsal.clone().seed(seed).run().unwrap();
        let mut page = Vec::new();
        outcome.report().write_html(&mut page).unwrap();
        (outcome.report().to_json().unwrap(), page)
    };
    assert_eq!(json(3), json(3));
    assert_ne!(json(3).0, json(4).0);
    let outcome = rehearsal.run().unwrap();
    // The same arrivals for all, and expectations for the file alone.
    let offered = |nth: usize| outcome.played()[nth].clients["shop"].figures.offered;
    assert_eq!([offered(0), offered(1), offered(2)], [offered(0); 3]);
    let checked: Vec<_> = outcome
        .played()
        .iter()
        .map(|played| played.checked)
        .collect();
    assert_eq!(checked, [true, false, false]);
    let naive = outcome.played()[2].figure(Metric::Amplification, "prices");
    assert!(
        naive > Some(1.3),
        "not as expected, but only there to compare"
    );
    assert!(outcome.unmet().is_empty(), "{}", outcome.verdict());
}

#[test]
fn expectations_name_the_figure_and_the_line() {
    let (kept, _stacks) = with_stacks("kept", SCENARIO);
    let outcome = kept.run().unwrap();
    assert!(outcome.unmet().is_empty(), "{}", outcome.verdict());
    outcome.assert();

    let text = SCENARIO
        .replace(">= 0.6", ">= 99.5%")
        .replace("prices = \"<= 1.3\"", "prices = \"<= 0.5\"");
    let (missed, stacks) = with_stacks("missed", &text);
    let outcome = missed.run().unwrap();
    let played = &outcome.played()[0];
    let goodput = played.figure(Metric::Goodput, "shop").unwrap() * 100.0;
    let amplification = played.figure(Metric::Amplification, "prices").unwrap();
    let file = stacks.0.display();
    let expected = format!(
        "30:11: `expect.goodput` is {goodput:.2}% for client `shop` with {file}; it must be >= 99.5%\n\
         32:28: `expect.amplification.prices` is {amplification:.4} for server `prices` with {file}; it must be <= 0.5\n"
    );
    assert_eq!(outcome.verdict(), expected);
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| outcome.assert())).unwrap_err();
    let panic = panic.downcast::<String>().unwrap();
    assert!(
        panic.ends_with(&expected) && panic.contains("Client shop"),
        "{panic}"
    );
}

#[test]
fn handlers_call_one_after_another_until_one_fails_or_all_at_once() {
    let down = SCENARIO.replace(
        "from = \"3s\"\nuntil = \"5s\"",
        "from = \"0s\"\nuntil = \"11s\"",
    );
    let arrived = |text: &str, stacks: &str| {
        let rehearsal = Rehearsal::parse(text).unwrap().stacks(stacks).unwrap();
        let outcome = rehearsal.run().unwrap();
        let played = &outcome.played()[0];
        let of = |name| played.figure(Metric::Amplification, name).unwrap();
        ["front", "prices", "stock"].map(|name| format!("{}", of(name)))
    };
    // Each call is sent once, and stock is only asked when prices have answered.
    assert_eq!(arrived(&down, "none"), ["1", "1", "0"]);
    let at_once = down.replace("calls = [", "order = \"all_at_once\"\ncalls = [");
    assert_eq!(arrived(&at_once, "none"), ["1", "1", "1"]);
    // Four attempts in each of two tiers.
    assert_eq!(arrived(&down, "naive"), ["4", "16", "0"]);
}

#[test]
fn figures_count_from_when_the_measurement_begins() {
    let late = SCENARIO.replace("[expect]", "[measure]\nfrom = \"5s\"\n\n[expect]");
    let play = |text: &str| {
        let outcome = Rehearsal::parse(text)
            .unwrap()
            .stacks("none")
            .unwrap()
            .run()
            .unwrap();
        outcome.played()[0].clone()
    };
    let (all, late) = (play(SCENARIO), play(&late));
    assert!(all.figure(Metric::Goodput, "shop").unwrap() < 0.85);
    assert_eq!(late.figure(Metric::Goodput, "shop"), Some(1.0));
    // What is sampled goes on.
    for name in ["offered/shop", "arrived/prices"] {
        let of = |played: &Played| played.series.iter().find(|s| s.name == name).cloned();
        assert_eq!(of(&all).unwrap(), of(&late).unwrap());
    }
    let recovered = all.figure(Metric::TimeToRecover, "shop").unwrap();
    assert!(
        (0.9..=1.1).contains(&recovered),
        "a window of a second: {recovered}"
    );
}

#[test]
fn a_client_that_does_not_come_back_never_recovers() {
    let text = SCENARIO.replace("what.fail.status = 503", "what.slow.factor = 100");
    let naive = Rehearsal::parse(&text)
        .unwrap()
        .stacks("naive")
        .unwrap()
        .run()
        .unwrap();
    let time = naive.played()[0]
        .figure(Metric::TimeToRecover, "shop")
        .unwrap();
    assert!(time.is_infinite(), "{time}");
    let (json, table) = (
        naive.report().to_json().unwrap(),
        naive
            .report()
            .to_terminal(resilience_lab::report::Terminal::default()),
    );
    assert!(json.contains("never") && table.contains("never"), "{table}");
}

#[test]
fn sweeps_go_through_all_values_in_their_order() {
    let (rehearsal, _stacks) = with_stacks("sweep", SCENARIO);
    let vary = |text: &str| text.parse::<Vary>().unwrap();
    let attempts = vary("client.prices.retry.attempts=3,1");
    let share = vary("server.prices.faults.0.what.fail.share=0.25..0.75/0.25");
    let sweep = rehearsal.sweep(&[attempts, share]).unwrap();
    let values: Vec<_> = sweep
        .points()
        .iter()
        .map(|point| point.values.join(" "))
        .collect();
    assert_eq!(
        values,
        ["3 0.25", "3 0.5", "3 0.75", "1 0.25", "1 0.5", "1 0.75"]
    );
    let goodput = |nth: usize| {
        sweep.points()[nth].outcome.played()[0]
            .figure(Metric::Goodput, "shop")
            .unwrap()
    };
    assert!(goodput(0) > goodput(2), "more failures");
    assert!(goodput(0) > goodput(3), "fewer attempts");
    // A point is what a run with these values is.
    let text = SCENARIO.replace("status = 503", "status = 503\nwhat.fail.share = 0.5");
    let (alone, _stacks) = with_stacks("sweep", &text);
    let alone = alone.run().unwrap();
    assert_eq!(alone.played(), sweep.points()[1].outcome.played());
    let chart = &sweep.report().sections[0].charts[0];
    let lines: Vec<_> = chart
        .series
        .iter()
        .map(|series| series.points.len())
        .collect();
    assert_eq!(lines, [2, 2, 2]);

    // Fields that are not written, of either file, and the seed.
    for path in [
        "server.front.rate_limit.quota=10/s,20/s",
        "measure.every=100ms",
        "server.front.deadline=1s",
        "seed=0,1",
        "client.shop.patience=1s",
    ] {
        rehearsal.sweep(&[vary(path)]).expect(path);
    }
}

#[test]
fn sweeps_of_what_there_is_not_say_what_there_is() {
    let (rehearsal, stacks) = with_stacks("unknown-sweep", SCENARIO);
    let error = |text: &str| -> String {
        let vary: Result<Vary, Error> = text.parse();
        let sweep = vary.and_then(|vary| rehearsal.sweep(&[vary]));
        sweep.unwrap_err().to_string()
    };
    let both = format!(
        "is not in the scenario or {}; did you mean",
        stacks.0.display()
    );
    for (text, said) in [
        ("client.prices.retry.atempts=1", format!("`client.prices.retry.atempts` {both} `client.prices.retry.attempts`?")),
        ("client.price.retry.attempts=1", format!("`client.price.retry.attempts` {both} `client.prices.retry.attempts`?")),
        ("server.front.worker=1", format!("`server.front.worker` {both} `server.front.workers`?")),
        ("server.prices.faults.1.until=6s", format!("`server.prices.faults.1.until` {both} `server.prices.faults.0.until`?")),
        ("client.prices.retry.attempts=1,0", "with client.prices.retry.attempts = 0: `client.prices.retry.attempts` is 0; it must be from 1 to 100".to_owned()),
        ("server.front.rate_limit.quota=many", "`server.front.rate_limit.quota`".to_owned()),
    ] {
        let error = error(text);
        assert!(error.starts_with(&said), "{error}\n{said}");
    }
    for text in [
        "attempts",
        "=1",
        "a=",
        "a=1,,2",
        "a=5..1/1",
        "a=1..5/0",
        "a=1..5",
        "a=0..1e9/1",
    ] {
        let error = text.parse::<Vary>().unwrap_err().to_string();
        assert!(
            error.contains("such as client.inventory.retry.attempts=1,2,3"),
            "{error}"
        );
    }
    let vary: Vary = "seed=1".parse().unwrap();
    assert!(rehearsal.sweep(&[]).is_err());
    assert!(
        rehearsal
            .sweep(&[vary.clone(), vary.clone(), vary])
            .is_err()
    );
}

#[test]
fn traces_that_are_none_say_which_line_and_why() {
    let trace = Text::new("wrong.csv", "");
    let path = trace.0.to_str().unwrap();
    let scenario = SCENARIO.replace(
        "poisson.rate = \"100/s\"",
        &format!("trace.path = \"{path}\""),
    );
    let said = |bytes: &[u8]| {
        fs::write(&trace.0, bytes).unwrap();
        let said = Rehearsal::parse(&scenario).unwrap_err().to_string();
        let place = format!("8:23: `client.shop.arrivals.trace.path` is {path:?}; it must be ");
        said.strip_prefix(&place).expect(&said).to_owned()
    };
    let ascending =
        "a file without headings, whose first column are ascending times in seconds; line ";
    for (text, what) in [
        ("1\n\n3\n2\n", "4 has \"2\", which is before the one above"),
        ("1\n-3\n", "2 has \"-3\", which is no such time"),
        ("1\nNaN\n", "2 has \"NaN\", which is no such time"),
        ("time\n1\n", "1 has \"time\", which is no number"),
        ("1;2\n", "1 has \"1;2\", which is no number"),
    ] {
        assert_eq!(said(text.as_bytes()), format!("{ascending}{what}"));
    }
    assert_eq!(said(b""), "a file with one time at least; it is empty");
    assert!(
        said(b"1\n\xff\n").contains("line 2"),
        "{}",
        said(b"1\n\xff\n")
    );
    fs::remove_file(&trace.0).unwrap();
    let missing = Rehearsal::parse(&scenario).unwrap_err().to_string();
    assert!(
        missing.contains("a CSV file that can be read ("),
        "{missing}"
    );
}

#[test]
fn traces_lie_beside_the_scenario() {
    let trace = Text::new("trace.csv", "0.5\n1\n1.5\n");
    let name = trace.0.file_name().unwrap().to_str().unwrap();
    let scenario = SCENARIO.replace(
        "poisson.rate = \"100/s\"",
        &format!("trace.path = \"{name}\""),
    );
    let scenario = Text::new("trace.toml", &scenario);
    let outcome = Rehearsal::load(&scenario.0)
        .unwrap()
        .stacks("none")
        .unwrap()
        .run()
        .unwrap();
    assert_eq!(outcome.played()[0].clients["shop"].figures.offered, 3);
}

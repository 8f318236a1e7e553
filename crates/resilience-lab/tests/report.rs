//! Reports: what the page promises, whatever the data are.

use proptest::prelude::*;
use resilience_lab::report::{
    Axis, Cell, Chart, Number, Report, Section, Series, Shape, Table, Terminal, Verdict,
};

fn page(report: &Report) -> String {
    let mut page = Vec::new();
    report.write_html(&mut page).unwrap();
    String::from_utf8(page).unwrap()
}

/// A minute of something that looks like measurements, without chance.
fn wave(samples: u32, phase: f64) -> Vec<(f64, f64)> {
    let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
    let points = (0..samples).map(|i| {
        let x = f64::from(i) * 60.0 / f64::from(samples);
        (x, 50.0 + 30.0 * (x / 9.0 + phase).sin() + 15.0 * noise(i))
    });
    points.collect()
}

const STACKS: [&str; 4] = ["nothing", "naive retries", "tower", "family"];

#[expect(clippy::too_many_lines, reason = "it is a page")]
/// As large as a page gets: ten sections, four stacks, four charts each.
fn suite(samples: u32) -> Report {
    let seconds = || Axis::new("time", "s");
    let mut report = Report::new("Ten outages, four stacks")
        .lead("What the layers are worth when something breaks. Every row is a simulated system in virtual time; the layers are the real ones.\n\nAn aim that is missed says why.")
        .fact("command", "cargo run --release -p resilience-lab -- suite")
        .fact("version", "0.1.0")
        .fact("seed", "42")
        .fact("machine", "2 cores, Linux 6.1");
    for number in 1..=10 {
        let mut table = Table::new([
            "stack",
            "goodput / ideal",
            "p99 ms",
            "amplification",
            "back after s",
        ]);
        let mut goodput = Chart::new(
            "Goodput while the dependency is gone",
            seconds(),
            Axis::new("answered in time", "requests/s"),
        );
        let mut latency = Chart::new(
            "Latency of what was answered, 99th percentile",
            seconds(),
            Axis::new("p99", "ms").log(),
        );
        let mut state = Chart::new(
            "State of the breaker",
            seconds(),
            Axis::names("state", ["closed", "half-open", "open"]),
        );
        for (stack, phase) in STACKS.into_iter().zip(0_u8..) {
            let offset = f64::from(phase);
            goodput = goodput.line(stack, wave(samples, offset));
            latency = latency.line(
                stack,
                wave(samples, offset)
                    .into_iter()
                    .map(|(x, y)| (x, (y / 12.0).exp()))
                    .collect(),
            );
            if phase > 1 {
                state = state.steps(
                    stack,
                    vec![
                        (0.0, 0.0),
                        (20.0 + offset, 2.0),
                        (24.0, 1.0),
                        (24.5, 2.0),
                        (40.0 + offset, 1.0),
                        (41.0 + offset, 0.0),
                        (60.0, 0.0),
                    ],
                );
            }
            let ratio = 0.31 + 0.22 * offset;
            let aimed = Number::new(ratio, 3).at_least(0.95);
            table = table.row([
                stack.into(),
                if phase == 2 {
                    aimed.because("A static limit cannot know the capacity: this row has one.")
                } else {
                    aimed
                }
                .into(),
                Number::new(1234.5 / (1.0 + offset), 1).into(),
                Number::new(4.0 - 0.97 * offset, 2)
                    .unit("×")
                    .at_most(1.1)
                    .into(),
                Cell::from(Number::new(
                    if phase == 1 {
                        f64::INFINITY
                    } else {
                        12.0 - offset
                    },
                    1,
                )),
            ]);
        }
        let bars = Chart::new(
            "Load on the dependency, as a multiple of what was asked",
            Axis::names("stack", STACKS),
            Axis::new("amplification", "×"),
        )
        .bars(
            "first second",
            vec![(0.0, 1.0), (1.0, 4.0), (2.0, 2.2), (3.0, 1.15)],
        )
        .bars(
            "later",
            vec![(0.0, 1.0), (1.0, 3.9), (2.0, 1.8), (3.0, 1.04)],
        )
        .mark_y(1.1, "aim ≤ 1.1");
        report = report.section(
            Section::new(format!("{number}. Total outage for 20 s"))
                .text("The dependency refuses everything from 20 s to 40 s. Up to three retries are allowed. What matters is the load that reaches it meanwhile, and how soon all is well again.")
                .table(table)
                .chart(goodput.span(20.0, 40.0, "outage").mark_x(42.5, "all well again"))
                .chart(latency.span(20.0, 40.0, "outage"))
                .chart(state.span(20.0, 40.0, "outage"))
                .chart(bars),
        );
    }
    report
}

#[test]
fn a_large_page_stays_small() {
    let bytes = page(&suite(6_000)).len();
    assert!(bytes < 2_000_000, "{bytes} bytes");
}

#[test]
fn the_same_data_give_the_same_bytes() {
    assert_eq!(page(&suite(100)), page(&suite(100)));
    let terminal = Terminal::default();
    assert_eq!(
        suite(100).to_terminal(terminal),
        suite(100).to_terminal(terminal)
    );
}

#[test]
fn a_page_fetches_nothing_and_runs_nothing() {
    let page = page(&suite(100));
    for foreign in [
        "<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "http:", "https:", "//",
    ] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert!(page.contains("default-src 'none'"));
    let links: Vec<_> = page
        .match_indices("href=\"")
        .map(|(at, _)| &page[at + 6..=at + 6])
        .collect();
    assert_eq!(links.len(), 10);
    assert!(links.iter().all(|link| *link == "#"), "{links:?}");
}

#[test]
fn charts_can_be_read_aloud() {
    let page = page(&suite(100));
    assert_eq!(page.matches("role=\"img\" aria-labelledby=\"c").count(), 40);
    assert!(page.contains("<title id=\"c1-3-t\">State of the breaker</title>"));
    assert!(page.contains("family: closed to open. Shaded, 20 to 40: outage."));
    assert_eq!(page.matches("<summary>Data</summary>").count(), 40);
}

/// The points of the first path of this class in a chart, in pixels.
fn path(page: &str, class: &str) -> Vec<(f64, f64)> {
    let page = &page[page.find("<svg class=\"chart\"").unwrap()..];
    let start = page
        .find(&format!("<path class=\"{class}\" d=\""))
        .expect(class);
    let path = page[start..].split('"').nth(3).unwrap();
    let (mut x, mut y) = (0.0, 0.0);
    let mut points = Vec::new();
    let commands = path
        .split_inclusive(|c: char| c.is_ascii_alphabetic())
        .collect::<Vec<_>>();
    for pair in commands.windows(2) {
        let command = pair[0].chars().last().unwrap();
        let numbers = pair[1].trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let numbers: Vec<f64> = numbers.split(' ').map(|n| n.parse().unwrap()).collect();
        match command {
            'M' => (x, y) = (numbers[0], numbers[1]),
            'l' => (x, y) = (x + numbers[0], y + numbers[1]),
            'h' => x += numbers[0],
            'v' => y += numbers[0],
            other => panic!("{other}"),
        }
        points.push((x, y));
    }
    points
}

fn one_chart(chart: Chart) -> Report {
    Report::new("").section(Section::new("").chart(chart))
}

#[test]
fn a_spike_of_one_sample_is_seen() {
    let points = (0..100_000).map(|i| (f64::from(i), if i == 54_321 { 1000.0 } else { 1.0 }));
    let chart = Chart::new("", Axis::default(), Axis::default()).line("a", points.collect());
    let page = page(&one_chart(chart));
    let path = path(&page, "line dense s0");
    let bottom = path.iter().map(|point| point.1).fold(f64::MIN, f64::max);
    let top = path.iter().map(|point| point.1).fold(f64::MAX, f64::min);
    // The height of the chart is 190 pixels.
    assert!((188.0..=190.0).contains(&(bottom - top)), "{bottom} {top}");
    assert!(path.len() < 1000, "{}", path.len());
    assert!(page.contains("a: 1 to 1,000."));
}

#[test]
fn steps_hold_until_the_next() {
    let states = Axis::names("", ["closed", "open"]);
    let chart = Chart::new("", Axis::default(), states)
        .steps("a", vec![(0.0, 0.0), (5.0, 1.0), (10.0, 1.0)]);
    let path = path(&page(&one_chart(chart)), "line s0");
    assert_eq!(path.len(), 4, "{path:?}");
    assert!(
        (path[0].1 - path[1].1).abs() < 0.01 && (path[1].0 - path[2].0).abs() < 0.01,
        "{path:?}"
    );
    assert!(path[2].1 < path[1].1, "{path:?}");
}

#[test]
fn a_gap_in_the_data_is_a_gap_in_the_line() {
    let points = vec![
        (0.0, 1.0),
        (1.0, 2.0),
        (2.0, f64::NAN),
        (3.0, 2.0),
        (4.0, 1.0),
    ];
    let page = page(&one_chart(
        Chart::new("", Axis::default(), Axis::default()).line("a", points),
    ));
    // With the one in the legend, which is unnamed by nothing else.
    assert_eq!(page.matches("<path class=\"line s0\"").count(), 3);
}

#[test]
fn an_axis_that_does_not_begin_at_zero_says_so() {
    let chart =
        |axis| Chart::new("", Axis::default(), axis).line("a", vec![(0.0, 98.0), (1.0, 99.0)]);
    let note = "does not begin at zero";
    assert!(!page(&one_chart(chart(Axis::default()))).contains(note));
    assert!(page(&one_chart(chart(Axis::default().min(95.0)))).contains(note));
    let bars =
        Chart::new("", Axis::default(), Axis::default().min(95.0)).bars("a", vec![(0.0, 98.0)]);
    assert!(!page(&one_chart(bars)).contains(note));
}

#[test]
fn a_series_looks_the_same_in_all_charts() {
    let line = |names: &[&str]| {
        let chart = Chart::new("", Axis::default(), Axis::default());
        names.iter().fold(chart, |chart, name| {
            chart.line(*name, vec![(0.0, 1.0), (1.0, 1.0)])
        })
    };
    let section = Section::new("")
        .chart(line(&["a", "b"]))
        .chart(line(&["b"]));
    let page = page(&Report::new("").section(section));
    let second = page.rsplit("<figure>").next().unwrap();
    assert!(second.contains("line s1") && !second.contains("line s0"));
}

#[test]
fn a_series_keeps_its_look_where_others_come_first() {
    let chart = |names: &[&str]| {
        let chart = Chart::new("", Axis::default(), Axis::default());
        let line = |chart: Chart, name: &&str| chart.line(*name, vec![(0.0, 1.0), (1.0, 1.0)]);
        names.iter().fold(chart, line)
    };
    let names: Vec<_> = (0..7).map(|pen| format!("old {pen}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let section = Section::new("")
        .chart(chart(&names))
        .chart(chart(&["new", "old 0", "old 1"]));
    let page = page(&Report::new("").section(section));
    let second = page.rsplit("<figure>").next().unwrap();
    // Those of the legend are in the order of the series.
    let legend = second.split("<li>").skip(1);
    let pens = legend.map(|item| &item[item.find("\"line s").unwrap() + 6..][..2]);
    assert_eq!(pens.collect::<Vec<_>>(), ["s2", "s0", "s1"]);
}

#[test]
fn every_row_of_a_page_has_all_cells_and_figures_stand_below_one_another() {
    let table = Table::new(["stack", "back after", "load"])
        .row([
            "a".into(),
            Number::new(3.0, 0).into(),
            Number::new(1.0, 0).into(),
        ])
        .row(["b".into(), "never".into()]);
    let page = page(&Report::new("").section(Section::new("").table(table)));
    let last =
        "<tr><th scope=\"row\">b</th><td class=\"num\">never</td><td class=\"num\"></td></tr>";
    assert!(page.contains(last), "{page}");
}

#[test]
fn the_number_of_a_note_is_no_exponent() {
    let aimed = Number::new(0.9, 2).at_least(0.95).because("it is early");
    let table = Table::new(["share"]).row([aimed.into()]);
    let page = page(&Report::new("").section(Section::new("").table(table)));
    assert!(page.contains("<sup>1</sup> "), "{page}");
    assert!(page.contains("≥\u{a0}0.95</span>"), "{page}");
}

#[test]
fn long_paths_may_be_broken_at_their_points() {
    let table = Table::new(["server.inventory.limit"]).row(["1".into()]);
    let section = Section::new("By server.inventory.limit").table(table);
    let page = page(&Report::new("").section(section));
    let broken = "server.<wbr>inventory.<wbr>limit</";
    assert_eq!(page.matches(broken).count(), 2, "{page}");
}

#[test]
fn a_logarithmic_axis_says_so() {
    let points = vec![(1.0, 1.0), (2.0, 1000.0)];
    let chart = |y| Chart::new("", Axis::default(), y).line("a", points.clone());
    let note = "The vertical axis is logarithmic";
    assert!(page(&one_chart(chart(Axis::default().log()))).contains(note));
    assert!(!page(&one_chart(chart(Axis::default()))).contains(note));
}

/// The words in the first chart of a page.
fn words<'a>(page: &'a str) -> Vec<&'a str> {
    let chart = &page[page.find("<svg class=\"chart\"").unwrap()..];
    let chart = chart.split("</svg>").next().unwrap();
    let texts = chart.split("<text").skip(1);
    let word = |text: &'a str| &text[text.find('>').unwrap() + 1..text.find('<').unwrap()];
    texts.map(word).collect()
}

#[test]
fn the_label_of_a_narrow_span_takes_the_room_that_there_is() {
    let chart = || {
        Chart::new("", Axis::new("", "").max(100.0), Axis::default()).line("a", vec![(0.0, 1.0)])
    };
    let alone = page(&one_chart(chart().span(50.0, 50.1, "half fail")));
    assert!(words(&alone).contains(&"half fail"), "{:?}", words(&alone));
    let beside = chart()
        .span(50.0, 50.1, "half fail")
        .span(55.0, 55.1, "all fail");
    let beside = page(&one_chart(beside));
    for word in ["half", "all"] {
        assert!(words(&beside).contains(&word), "{:?}", words(&beside));
    }
}

#[test]
fn tables_in_markdown_keep_their_columns() {
    let aimed = Number::new(0.25, 2).unit("a|b").at_least(0.5);
    let why = Number::new(1.0, 0).at_most(0.0).because("it | is");
    let table = Table::new(["stack | row", "share", "x"])
        .row(["a|b\nc".into(), aimed.into(), why.into()])
        .row(["short".into()]);
    let section = Section::new("Outage")
        .text("Text with *Markdown*.")
        .table(table);
    let report = Report::new("not there").fact("seed", "7").section(section);
    let expected = "- seed: 7\n\n\
        ## Outage\n\n\
        Text with *Markdown*.\n\n\
        | stack \\| row | share | x |\n\
        | --- | ---: | ---: |\n\
        | a\\|b c | 0.25\u{a0}a\\|b ✗ ≥\u{a0}0.5 | 1 ∗ ≤\u{a0}0 |\n\
        | short |  |  |\n\n\
        ∗ it | is\n";
    assert_eq!(report.to_markdown(), expected);
}

#[test]
fn reasons_have_numbers_where_there_are_several() {
    let early = Number::new(0.9, 1).at_least(1.0).because("early");
    let late = Number::new(0.8, 1).at_least(1.0).because("late");
    let met = Number::new(1.0, 0).at_least(1.0).because("not said");
    let rows = [met, early.clone(), late, early].map(|number| [number.into()]);
    let table = rows.into_iter().fold(Table::new(["x"]), Table::row);
    let report = Report::new("").section(Section::new("").table(table));
    let markdown = report.to_markdown();
    let cells = "| 1 ✓ ≥\u{a0}1 |\n| 0.9 ∗¹ ≥\u{a0}1 |\n| 0.8 ∗² ≥\u{a0}1 |\n| 0.9 ∗¹ ≥\u{a0}1 |\n";
    assert!(markdown.contains(cells), "{markdown}");
    assert!(markdown.ends_with("\n∗¹ early\n\n∗² late\n"), "{markdown}");
    let terminal = report.to_terminal(Terminal::default());
    assert!(terminal.contains("0.8 ∗² ≥"), "{terminal}");
    assert!(terminal.ends_with(" ∗¹ early\n ∗² late\n"), "{terminal}");
}

#[test]
fn aims_are_met_missed_or_explained() {
    let verdict = |number: Number| number.verdict();
    assert_eq!(verdict(Number::new(1.0, 0)), None);
    assert_eq!(
        verdict(Number::new(1.0, 0).at_least(1.0)),
        Some(Verdict::Met)
    );
    assert_eq!(
        verdict(Number::new(1.0, 0).at_most(1.0)),
        Some(Verdict::Met)
    );
    assert_eq!(
        verdict(Number::new(0.9, 1).at_least(1.0)),
        Some(Verdict::Missed)
    );
    assert_eq!(
        verdict(Number::new(1.1, 1).at_most(1.0)),
        Some(Verdict::Missed)
    );
    assert_eq!(
        verdict(Number::new(f64::NAN, 1).at_most(1.0)),
        Some(Verdict::Missed)
    );
    let explained = Number::new(0.9, 1).at_least(1.0).because("it is early");
    assert_eq!(verdict(explained.clone()), Some(Verdict::Explained));
    let table = Table::new(["stack", "share"])
        .row(["a".into(), Cell::from(explained)])
        .row(["b".into(), Cell::from(Number::new(0.25, 2).at_least(0.5))]);
    let report = Report::new("").section(Section::new("Outage").table(table));
    assert_eq!(
        report.missed(),
        ["Outage, b, share: 0.25 should be ≥\u{a0}0.5"]
    );
    assert_eq!(page(&report).matches("it is early").count(), 1);
}

#[test]
fn json_has_all_points_and_null_for_what_is_not_finite() {
    let chart = Chart::new("", Axis::default().min(0.5), Axis::names("", ["a"]))
        .line("a", vec![(0.5, f64::NAN)]);
    let json = one_chart(chart).to_json().unwrap();
    let read: Report = serde_json::from_str(&json).unwrap();
    let [(x, y)] = *read.sections[0].charts[0].series[0].points else {
        panic!("{json}");
    };
    assert!((x - 0.5).abs() < 1e-9 && y.is_nan());
    assert_eq!(read.to_json().unwrap(), json);
    let all = with_texts(&["a", "b", "c", "d"].map(String::from));
    let read: Report = serde_json::from_str(&all.to_json().unwrap()).unwrap();
    assert_eq!(read, all);
}

#[test]
fn a_terminal_gets_what_fits_and_colours_only_if_it_may() {
    let table = |terminal| suite(10).to_terminal(terminal);
    let narrow = table(Terminal {
        width: Some(50),
        colour: false,
    });
    for line in narrow.lines().filter(|line| line.contains(['─', '0'])) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let rule = |text: &str| {
        text.lines()
            .find(|line| line.starts_with('─'))
            .unwrap()
            .chars()
            .count()
    };
    assert!(rule(&narrow) <= 50, "{narrow}");
    assert!(!narrow.contains('\x1b'));
    let coloured = table(Terminal {
        width: None,
        colour: true,
    });
    assert!(coloured.contains("\x1b[31m✗\x1b[0m") && coloured.contains("\x1b[32m✓\x1b[0m"));
    let plain = table(Terminal::default());
    let codes = ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"];
    assert_eq!(
        codes
            .iter()
            .fold(coloured, |text, code| text.replace(code, "")),
        plain
    );
}

/// The same report with these texts in all places.
fn with_texts(texts: &[String; 4]) -> Report {
    let [a, b, c, d] = texts;
    let chart = Chart::new(a, Axis::names(b, [c, d]), Axis::new(c, d))
        .line(format!("0{a}"), vec![(0.0, 1.0), (1.0, 2.0)])
        .bars(format!("1{b}"), vec![(0.0, 1.0)])
        .span(0.0, 1.0, c)
        .mark(0.0, 1.0, d)
        .mark_x(0.0, a)
        .mark_y(1.0, b);
    let table = Table::new([a, b]).row([
        Cell::from(&**c),
        Number::new(1.0, 1).unit(d).at_most(0.5).because(a).into(),
        Cell::from(&**d),
    ]);
    Report::new(a)
        .lead(b)
        .fact(c, d)
        .section(Section::new(a).text(b).table(table).chart(chart))
}

fn odd() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -100.0..100.0,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 1e15, 1e-9]),
    ]
}

fn axis() -> impl Strategy<Value = Axis> {
    let names = prop::collection::vec("[a-z]{0,30}", 0..4);
    let axis = prop_oneof![
        Just(Axis::new("a", "b")),
        Just(Axis::default().log()),
        names.prop_map(|names| Axis::names("a", names)),
    ];
    (axis, prop::option::of(odd()), prop::option::of(odd())).prop_map(|(mut axis, min, max)| {
        (axis.min, axis.max) = (min, max);
        axis
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Markup in a text would add signs that the page of harmless texts does not have.
    #[test]
    fn no_text_is_markup(texts in prop::array::uniform4("[<>&\"'/=!a-z;\u{0}\u{1b}\u{9b}\u{202e}-]{1,16}")) {
        let hostile = page(&with_texts(&texts));
        let harmless = page(&with_texts(&["a", "b", "c", "d"].map(String::from)));
        for sign in ['<', '>', '"'] {
            prop_assert_eq!(hostile.matches(sign).count(), harmless.matches(sign).count(), "{}", hostile);
        }
        let hidden = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        prop_assert!(!hostile.contains(hidden));
        prop_assert!(!with_texts(&texts).to_terminal(Terminal::default()).contains(hidden));
    }

    #[test]
    fn any_data_can_be_drawn(
        x in axis(),
        y in axis(),
        series in prop::collection::vec((0..3_usize, prop::collection::vec((odd(), odd()), 0..40)), 0..9),
        spans in prop::collection::vec((odd(), odd()), 0..3),
        marks in prop::collection::vec((prop::option::of(odd()), prop::option::of(odd())), 0..3),
    ) {
        let mut chart = Chart::new("", x, y);
        for (index, (shape, points)) in series.into_iter().enumerate() {
            let shape = [Shape::Line, Shape::Steps, Shape::Bars][shape];
            chart.series.push(Series { name: index.to_string(), shape, points });
        }
        for (from, to) in spans {
            chart = chart.span(from, to, "a b");
        }
        for (x, y) in marks {
            chart.annotations.push(resilience_lab::report::Annotation { x, y, text: "a".into() });
        }
        let page = page(&one_chart(chart));
        let drawn = page.split("<svg").skip(1).map(|svg| svg.split("</svg>").next().unwrap());
        for path in drawn.flat_map(|svg| svg.split(" d=\"").skip(1).map(|path| path.split('"').next().unwrap())) {
            prop_assert!(!path.contains("NaN") && !path.contains("inf"), "{}", path);
            // Within the picture, or next to it.
            let numbers = path.split(|c: char| c.is_ascii_alphabetic() || c == ' ');
            for number in numbers.filter(|number| !number.is_empty()) {
                prop_assert!(number.parse::<f64>().unwrap().abs() <= 600.0, "{}", path);
            }
        }
    }

    #[test]
    fn any_number_can_be_written(value in odd(), precision in any::<u8>(), bound in odd()) {
        let number = Number::new(value, precision).unit("ms").at_least(bound);
        let table = Table::new(["a"]).row([number.into()]);
        let report = Report::new("").section(Section::new("").table(table));
        prop_assert!(page(&report).contains("≥"));
        let narrow = Terminal { width: Some(10), colour: false };
        prop_assert!(report.to_terminal(narrow).contains('≥'));
    }
}

//! The command `suite`: where its tables and figures go, and what it says when they cannot.
#![cfg(feature = "command")]

use resilience_lab::suite::{self, Outcome, SCENARIOS, Terms};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const BEGIN: &str = "<!-- written by `resilience-lab suite --into`: from here -->\n";
const END: &str = "<!-- to here -->";

/// The scenario that is over soonest.
const SHORT: &str = "comeback";

/// A directory, for as long as it is kept.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("lab-command-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn suite(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_resilience-lab"));
        command.current_dir(&self.0).arg("suite");
        command.args(["--json", "out/suite.json", "--html", "out/suite.html"]);
        command.args(arguments);
        command
    }

    fn write_into(&self, page: &Path) -> Output {
        let page = page.to_str().unwrap();
        let mut command = self.suite(&["--only", SHORT, "--into", page]);
        command.output().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn said(output: &Output) -> (bool, String) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    (output.status.success(), said)
}

#[test]
fn tables_go_between_the_markers_and_the_rest_stays() {
    let folder = Folder::new("into");
    let page = folder.0.join("page.md");
    let (before, after) = ("# Results | kept\n\n", "\n\n| kept | too |\n");
    let again = format!("{BEGIN}not the first\n{END}\n");
    fs::write(
        &page,
        format!("{before}{BEGIN}the last run\n{END}{after}{again}"),
    )
    .unwrap();

    assert_eq!(said(&folder.write_into(&page)), (true, String::new()));
    let written = fs::read_to_string(&page).unwrap();
    let rest = written.strip_prefix(&format!("{before}{BEGIN}")).unwrap();
    let tables = rest.strip_suffix(&format!("{END}{after}{again}")).unwrap();
    assert!(!tables.contains("the last run"), "{tables}");
    assert!(tables.contains("\n- seed: 42\n"), "{tables}");
    let heading = tables.find("\n## 7. ").expect(tables);
    assert!(tables[heading..].contains("\n| presets |"), "{tables}");

    assert_eq!(said(&folder.write_into(&page)), (true, String::new()));
    assert_eq!(fs::read_to_string(&page).unwrap(), written);
}

#[test]
fn a_page_without_its_markers_stays_as_it_is() {
    let folder = Folder::new("markers");
    let page = folder.0.join("page.md");
    let pages = [
        format!("the end is missing\n{BEGIN}"),
        format!("the beginning is missing\n{END}"),
        format!("the wrong way round\n{END}\n{BEGIN}"),
    ];
    for text in pages {
        fs::write(&page, &text).unwrap();
        let error = format!(
            "error: {}: no markers between which to write\n",
            page.display()
        );
        assert_eq!(said(&folder.write_into(&page)), (false, error));
        assert_eq!(fs::read_to_string(&page).unwrap(), text);
    }
}

#[test]
fn a_page_that_cannot_be_read_is_named() {
    let folder = Folder::new("unread");
    let (missing, not_text) = (folder.0.join("missing.md"), folder.0.join("not-text.md"));
    fs::write(&not_text, b"\xff\xfe").unwrap();
    for page in [&missing, &not_text, &folder.0] {
        let (done, said) = said(&folder.write_into(page));
        assert!(!done, "{}", page.display());
        let named = format!("error: {}: ", page.display());
        assert!(said.starts_with(&named), "{said}");
    }
    assert!(!missing.exists());
}

/// Not even root can write this file, and what is in it is what the process is started with.
#[cfg(target_os = "linux")]
#[test]
fn a_page_that_cannot_be_written_is_named() {
    let folder = Folder::new("unwritten");
    let page = "/proc/self/environ";
    let mut command = folder.suite(&["--only", SHORT, "--into", page]);
    command.env_clear().env("PAGE", format!("{BEGIN}{END}"));
    let (done, said) = said(&command.output().unwrap());
    assert!(!done);
    assert!(said.starts_with(&format!("error: {page}: ")), "{said}");
    assert!(!said.contains("no markers"), "{said}");
}

#[test]
fn an_unknown_scenario_is_answered_with_the_names_of_all() {
    let folder = Folder::new("unknown");
    for arguments in ["weather", "overload,weather", "0", "11"] {
        let output = folder.suite(&["--only", arguments]).output().unwrap();
        let (done, said) = said(&output);
        let named = arguments.rsplit(',').next().unwrap();
        assert!(!done && said.contains(&format!("'{named}'")), "{said}");
        for scenario in SCENARIOS {
            assert!(said.contains(scenario.name), "{said}");
        }
    }
    assert!(!folder.0.join("out").exists(), "nothing was run");
}

#[test]
fn the_json_has_all_that_was_found() {
    let folder = Folder::new("json");
    let command = ["--only", SHORT, "--seed", "7"];
    let output = folder.suite(&command).output().unwrap();
    assert_eq!(said(&output), (true, String::new()));

    let text = fs::read_to_string(folder.0.join("out/suite.json")).unwrap();
    let written: Outcome = serde_json::from_str(&text).unwrap();
    let terms = Terms {
        seed: 7,
        only: vec![suite::find(SHORT).unwrap()],
        peers: false,
    };
    let mut found = suite::run(&terms, &()).unwrap();
    // The command adds what it takes to run it again.
    let facts = written.report.facts.iter();
    let facts: Vec<_> = facts.map(|fact| &*fact.name).collect();
    assert_eq!(facts, ["seed", "command", "version", "machine"]);
    found.report.facts.clone_from(&written.report.facts);
    assert_eq!(text, serde_json::to_string_pretty(&found).unwrap());
    assert!(!found.figures.is_empty() && !found.report.sections[1].charts.is_empty());

    // And for programs that are not ours.
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let figures = json["figures"].as_array().unwrap();
    assert_eq!(figures.len(), found.figures.len());
    for figure in figures {
        assert_eq!(figure["scenario"], SHORT);
    }
}

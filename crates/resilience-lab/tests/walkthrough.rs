//! docs/rehearsal.md: its files are those of examples/rehearsal, and its commands print what it says.
//!
//! `WALKTHROUGH=overwrite` writes the page anew. Minutes of simulated traffic take too long without optimization: then, the
//! commands are taken at their word. CI runs this with it.
#![cfg(feature = "command")]

use std::{env, fs, path::Path, process::Command};

#[test]
fn the_page_is_what_happens() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = root.join("docs/rehearsal.md");
    let page = fs::read_to_string(&path).unwrap();
    let real = real(&page, &root.join("examples/rehearsal"));
    if env::var_os("WALKTHROUGH").is_some_and(|value| value == "overwrite") {
        fs::write(path, real).unwrap();
        return;
    }
    for ((line, said), is) in page.lines().enumerate().zip(real.lines()) {
        let number = line + 1;
        assert_eq!(said, is, "docs/rehearsal.md:{number}");
    }
    assert_eq!(page.lines().count(), real.lines().count());
}

/// The page, with what files and commands say at present.
fn real(page: &str, examples: &Path) -> String {
    let mut real = String::new();
    let mut name = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        real += line;
        real += "\n";
        if let Some(file) = line.strip_prefix('`').and_then(|l| l.strip_suffix("`:")) {
            name = file;
        }
        let inside = |lines: &mut std::str::Lines<'_>| -> Vec<String> {
            let inside = lines.by_ref().take_while(|line| *line != "```");
            inside.map(str::to_owned).collect()
        };
        if line == "```toml" {
            inside(&mut lines);
            real += &fs::read_to_string(examples.join(name)).unwrap();
            real += "```\n";
        } else if line == "```console" {
            let block = inside(&mut lines);
            if cfg!(debug_assertions) {
                real += &block.join("\n");
                real += "\n```\n";
                continue;
            }
            let commands = block.iter().filter_map(|line| line.strip_prefix("$ "));
            let mut status = 0;
            let mut count = 0;
            for command in commands {
                count += 1;
                real.extend(["$ ", command, "\n"]);
                if command == "echo $?" {
                    real.extend([&*status.to_string(), "\n"]);
                    continue;
                }
                let output;
                (status, output) = run(command, examples);
                for line in output.lines() {
                    real += line.trim_end();
                    real += "\n";
                }
            }
            assert!(count > 0, "a block without a command: {block:?}");
            real += "```\n";
        }
    }
    real
}

/// What the command prints, both to its output and for errors, and its exit code.
fn run(command: &str, examples: &Path) -> (i32, String) {
    let mut words = command.split(' ');
    assert_eq!(words.next(), Some("resilience-lab"));
    let output = Command::new(env!("CARGO_BIN_EXE_resilience-lab"))
        .args(words)
        .current_dir(examples)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(text).unwrap(),
    )
}

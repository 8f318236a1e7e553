//! Where the instructions of a call are: by the file in which they were written, however the compiler has inlined them.

use crate::{
    instructions::{CALLS, callgrind, is_counted},
    progress::Progress,
    subject::Subject,
};
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

const STD: &str = "std";

/// What comes to less than this is not named.
const NAMED: f64 = 0.02;

type Places = BTreeMap<String, f64>;

/// A table, a line for each of our subjects.
pub fn table(subjects: &[Subject]) -> String {
    let subjects: Vec<_> = subjects.iter().filter(|s| is_counted(s)).collect();
    let mut progress = Progress::new("profile", subjects.len());
    let mut text = "| call | instructions | of them in |\n| --- | ---: | --- |\n".to_owned();
    for subject in subjects {
        let places = of(subject);
        let all: f64 = places.values().sum();
        let mut parts: Vec<_> = places.iter().filter(|(_, n)| **n >= NAMED * all).collect();
        parts.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let parts: Vec<_> = parts
            .into_iter()
            .map(|(place, n)| format!("{place} {n:.0}"))
            .collect();
        let name = match subject.detail {
            "" => subject.pattern.to_owned(),
            detail => format!("{}: {detail}", subject.pattern),
        };
        let line = writeln!(text, "| {name} | {all:.0} | {} |", parts.join(", "));
        line.expect("a string");
        progress.step();
    }
    text
}

/// Of one call, the bare service and the driver included.
fn of(subject: &Subject) -> Places {
    let [once, twice] = [CALLS, 2 * CALLS].map(|calls| by_place(&callgrind(&subject.id(), calls)));
    twice
        .into_iter()
        .map(|(place, all)| {
            let before = once.get(&place).copied().unwrap_or(0.0);
            (place, (all - before) / CALLS as f64)
        })
        .collect()
}

/// Reads the [format](https://valgrind.org/docs/manual/cl-format.html), as far as Callgrind makes use of it.
fn by_place(text: &str) -> Places {
    let mut names = HashMap::new();
    let mut places = Places::new();
    let mut place = String::new();
    let mut called = false;
    for line in text.lines() {
        let file = ["fl=", "fi=", "fe=", "cfl=", "cfi="];
        if let Some(file) = file.iter().find_map(|kind| line.strip_prefix(kind)) {
            // A name stands behind its number when it first occurs.
            let (number, name) = file.split_once(')').expect("a number in parentheses");
            let name = name.trim();
            if !name.is_empty() {
                names.insert(number, place_of(name));
            }
            let at = &names[number];
            // What is inlined of the library counts with what stands before it, mostly those who use it; and the file of what
            // is called is not where we are.
            let inlined = at == STD && line.starts_with("fi=");
            if line.starts_with('f') && !inlined {
                place.clone_from(at);
            }
        } else if line.starts_with("calls=") {
            called = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            // The line after `calls=` has the cost of what was called, which stands elsewhere too.
            if !std::mem::take(&mut called) {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
                *places.entry(place.clone()).or_default() += cost.unwrap_or(0.0);
            }
        }
    }
    places
}

/// What a reader calls the place where a file is.
fn place_of(file: &str) -> String {
    let ours = file.split_once("/crates/resilience-").map(|(_, rest)| rest);
    if let Some((name, path)) = ours.and_then(|rest| rest.split_once("/src/")) {
        // Of a module, whatever file it is in.
        let module = path.split(['/', '.']).next().expect("one at least");
        return format!("{name}::{module}");
    }
    if let Some((_, rest)) = file.split_once("/registry/src/") {
        let package = rest.split('/').nth(1).unwrap_or(rest);
        let name = package.rsplit_once('-').map_or(package, |(name, _)| name);
        return match name {
            "allocation-counter" => "counting".to_owned(),
            name => name.to_owned(),
        };
    }
    let known = [
        ("benches/src/", "driver"),
        ("malloc", "allocator"),
        ("memmove", "memcpy"),
        ("memset", "memcpy"),
        ("hashbrown", "hashbrown"),
        ("clock_gettime", "clock"),
        ("/sys/pal/unix/time.rs", "clock"),
        ("std/src/time.rs", "clock"),
        ("/library/", STD),
    ];
    let known = known.iter().find(|(part, _)| file.contains(part));
    known.map_or("other", |(_, name)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{STD, by_place, place_of};

    #[test]
    fn costs_count_where_they_arise() {
        let text = "events: Ir Ge\n\nfl=(1) /w/crates/resilience-core/src/guard/service.rs\nfn=(1) call\n12 5 1\n+2 3\n\
            fi=(2) /rustc/abc/library/core/src/option.rs\n* 2\nfe=(1)\n+1 4\ncfi=(3) /x/malloc.c\ncfn=(2) malloc\ncalls=1 90\n13 70\n\
            \nfl=(3)\nfn=(2)\n90 70\n";
        let places = by_place(text);
        let of = |place: &str| places.get(place).copied();
        assert_eq!(of("core::guard"), Some(14.0), "with what is inlined");
        assert_eq!(of(STD), None);
        assert_eq!(of("allocator"), None, "its name stood at the call alone");
        // Functions of one file follow one another without its name.
        let text = "fl=(1) /rustc/abc/library/core/src/ptr/mod.rs\nfn=(1) a\n1 7\nfi=(2) /w/crates/resilience-core/src/gate.rs\n2 3\n\
            fe=(1)\nfn=(2) b\n1 11\n";
        let places = by_place(text);
        assert_eq!(places["core::gate"], 3.0);
        assert_eq!(places[STD], 18.0);
    }

    #[test]
    fn places_have_the_names_that_readers_know() {
        for (file, place) in [
            (
                "/w/crates/resilience-breaker/src/permit.rs",
                "breaker::permit",
            ),
            ("/w/crates/resilience-core/src/sync/spread.rs", "core::sync"),
            (
                "/root/.cargo/registry/src/index-1/http-body-util-0.1.3/src/lib.rs",
                "http-body-util",
            ),
            ("/rustc/5980/library/alloc/src/sync.rs", STD),
            ("./malloc/./malloc/malloc.c", "allocator"),
            (
                "./string/../sysdeps/x86_64/memmove-vec-unaligned-erms.S",
                "memcpy",
            ),
            ("/w/resilience-rs/benches/src/drive.rs", "driver"),
            ("src/drive.rs", "other"),
        ] {
            assert_eq!(place_of(file), place, "{file}");
        }
    }
}

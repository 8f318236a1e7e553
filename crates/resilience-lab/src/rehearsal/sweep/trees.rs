//! The files as trees, in which values can be changed.

use super::Vary;
use crate::rehearsal::{Error, Rehearsal, Scenario, nearest, stacks::Stacks};
use resilience_stack::file::{StackFile, StackFileError, from_toml};
use std::fmt;
use toml::Value;

/// What is changed.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Scenario,
    Stacks,
}

/// Both files, with all defaults.
#[derive(Clone)]
pub(super) struct Trees {
    scenario: Value,
    stacks: Option<Value>,
    seed_varies: bool,
    names: [String; 2],
}

impl Trees {
    pub(super) fn of(rehearsal: &Rehearsal, vary: &[Vary]) -> Self {
        // Its own seed may be larger than TOML can write.
        let scenario = Scenario {
            seed: 0,
            ..rehearsal.scenario.clone()
        };
        let tree = |tree: Result<Value, _>| tree.expect("what was read can be written");
        let stacks = rehearsal.stacks.last();
        let file = match stacks {
            Some(Stacks::File { file, .. }) => Some(tree(Value::try_from(file))),
            _ => None,
        };
        let path = rehearsal.file.as_ref();
        Self {
            scenario: tree(Value::try_from(scenario)),
            stacks: file,
            seed_varies: vary.iter().any(|vary| vary.path == "seed"),
            names: [
                path.map_or("the scenario".to_owned(), |path| path.display().to_string()),
                stacks.map_or(String::new(), Stacks::label),
            ],
        }
    }

    /// In which file it is, or what may be meant.
    pub(super) fn target(&self, vary: &Vary) -> Result<Target, Error> {
        let mut unknown = None;
        for target in [Target::Stacks, Target::Scenario] {
            let Some(tree) = self.tree(target) else {
                continue;
            };
            let segments = vary.path.split('.').count();
            let depth = depth(tree, &vary.path);
            if depth == segments {
                return Ok(target);
            }
            // A client or a server has to be there; a field with no default need not be written.
            let top = vary.path.split('.').next().unwrap_or_default();
            let named = if matches!(top, "client" | "server") {
                2
            } else {
                1
            };
            if depth < named {
                continue;
            }
            let mut with = self.clone();
            if !with.set(target, &vary.path, vary.values[0].clone()) {
                continue;
            }
            match with.check(target) {
                Ok(()) => return Ok(target),
                Err(error) if !said(&error).contains("is not known") => {
                    unknown = Some(said(&error));
                }
                Err(_) => {}
            }
        }
        Err(Error::Vary(
            unknown.unwrap_or_else(|| self.unknown(&vary.path)),
        ))
    }

    fn unknown(&self, path: &str) -> String {
        let mut known = Vec::new();
        let mut names = Vec::new();
        for (target, name) in [Target::Scenario, Target::Stacks]
            .into_iter()
            .zip(&self.names)
        {
            if let Some(tree) = self.tree(target) {
                leaves(tree, "", &mut known);
                names.push(&**name);
            }
        }
        let meant = nearest(path, known.iter().map(String::as_str));
        let meant = meant.map_or(String::new(), |best| format!("; did you mean `{best}`?"));
        format!("`{path}` is not in {}{meant}", names.join(" or "))
    }

    fn tree(&self, target: Target) -> Option<&Value> {
        match target {
            Target::Scenario => Some(&self.scenario),
            Target::Stacks => self.stacks.as_ref(),
        }
    }

    /// False if there is nothing of which it could be a field.
    pub(super) fn set(&mut self, target: Target, path: &str, value: Value) -> bool {
        let tree = match target {
            Target::Scenario => Some(&mut self.scenario),
            Target::Stacks => self.stacks.as_mut(),
        };
        let Some(mut place) = tree else {
            return false;
        };
        for segment in path.split('.') {
            if let Value::Array(items) = place {
                let index = segment.parse::<usize>().ok();
                match index.and_then(|index| items.get_mut(index)) {
                    Some(item) => place = item,
                    None => return false,
                }
                continue;
            }
            // A layer that is not there is written as `false`.
            if !place.is_table() {
                *place = Value::Table(toml::Table::new());
            }
            let Value::Table(table) = place else {
                return false;
            };
            let empty = || Value::Table(toml::Table::new());
            place = table.entry(segment).or_insert_with(empty);
        }
        *place = value;
        true
    }

    fn check(&self, target: Target) -> Result<(), StackFileError> {
        match target {
            Target::Scenario => scenario(&self.scenario).map(drop),
            Target::Stacks => self
                .stacks
                .as_ref()
                .map_or(Ok(()), |tree| stacks(tree).map(drop)),
        }
    }

    pub(super) fn read(&self, rehearsal: &Rehearsal) -> Result<(Scenario, Stacks), StackFileError> {
        let mut scenario = scenario(&self.scenario)?;
        if !self.seed_varies {
            scenario.seed = rehearsal.scenario.seed;
        }
        let stacks = match (&self.stacks, rehearsal.stacks.last()) {
            (Some(tree), Some(Stacks::File { path, .. })) => Stacks::File {
                path: path.clone(),
                file: Box::new(stacks(tree)?),
            },
            (_, Some(stacks)) => stacks.clone(),
            (_, None) => Stacks::Unnamed,
        };
        Ok((scenario, stacks))
    }
}

fn scenario(tree: &Value) -> Result<Scenario, StackFileError> {
    from_toml(&text(tree), Scenario::validate)
}

fn stacks(tree: &Value) -> Result<StackFile, StackFileError> {
    StackFile::parse(&text(tree))
}

fn text(tree: &Value) -> String {
    toml::to_string(tree).expect("what was read can be written")
}

/// Without the place: nobody has seen the text.
pub(super) fn said(error: &StackFileError) -> String {
    let text = error.to_string();
    let place = error.line().zip(error.column());
    let place = place.map(|(line, column)| format!("{line}:{column}: "));
    let said = place.and_then(|place| text.strip_prefix(&place).map(str::to_owned));
    said.unwrap_or(text)
}

/// How many segments of the path there are.
fn depth(tree: &Value, path: &str) -> usize {
    let mut place = Some(tree);
    let mut depth = 0;
    for segment in path.split('.') {
        place = match place {
            Some(Value::Table(table)) => table.get(segment),
            Some(Value::Array(items)) => segment.parse::<usize>().ok().and_then(|n| items.get(n)),
            _ => None,
        };
        if place.is_none() {
            break;
        }
        depth += 1;
    }
    depth
}

/// The paths of all values.
fn leaves(tree: &Value, path: &str, found: &mut Vec<String>) {
    let under = |name: &dyn fmt::Display| match path {
        "" => name.to_string(),
        path => format!("{path}.{name}"),
    };
    match tree {
        Value::Table(table) => {
            for (name, value) in table {
                leaves(value, &under(name), found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &under(&index), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

use resilience_core::ConfigError;
use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

/// What is wrong with a file of stacks, and where.
///
/// It reads as compilers' messages do: `stacks.toml:12:8: …`, then the path of the field, its value, and what would be right.
#[derive(Debug)]
pub struct StackFileError {
    file: Option<PathBuf>,
    place: Option<Place>,
    why: Why,
}

#[derive(Debug)]
pub(super) enum Why {
    /// The file cannot be read.
    Io(io::Error),
    /// It is not TOML.
    Syntax(String),
    /// Something in it is of the wrong kind, or unknown.
    Field { path: String, said: String },
    /// A value is out of its range, or contradicts another one.
    Value(Box<ConfigError>),
    /// There is no stack of that name.
    Stack(String),
}

/// Line and column, both from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// Of the byte `at` in `text`.
    pub(super) fn of(text: &str, at: usize) -> Self {
        let before = text.get(..at).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

impl StackFileError {
    pub(super) fn new(place: Option<Place>, why: Why) -> Self {
        Self {
            file: None,
            place,
            why,
        }
    }

    /// The same error, in this file.
    pub fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The file, if it was one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line, counted from 1, if it is known.
    pub fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// The column in characters, counted from 1, if it is known.
    pub fn column(&self) -> Option<usize> {
        self.place.map(|place| place.column)
    }

    /// The path of the field, such as `client.inventory.breaker.open_for`, if it is about one.
    pub fn field(&self) -> Option<&str> {
        match &self.why {
            Why::Field { path, .. } => Some(path),
            Why::Value(error) => Some(error.field()),
            Why::Io(_) | Why::Syntax(_) | Why::Stack(_) => None,
        }
    }
}

impl fmt::Display for StackFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        if self.file.is_some() || self.place.is_some() {
            f.write_str(" ")?;
        }
        match &self.why {
            Why::Io(error) => write!(f, "the file cannot be read: {error}"),
            Why::Syntax(said) | Why::Stack(said) => f.write_str(said),
            // Without a path it is about the file as a whole.
            Why::Field { path, said } if path.is_empty() => {
                f.write_str(said.trim_start_matches(": "))
            }
            Why::Field { path, said } => write!(f, "`{path}`{said}"),
            Why::Value(error) => error.fmt(f),
        }
    }
}

impl Error for StackFileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Io(error) => Some(error),
            Why::Value(error) => Some(&**error),
            Why::Syntax(_) | Why::Field { .. } | Why::Stack(_) => None,
        }
    }
}

/// What may be meant by `name`, and what there is.
pub(super) fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let likeness = |other: &str| strsim::jaro_winkler(name, other);
    let meant = known
        .clone()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|best| likeness(best) > 0.8);
    let meant = meant.map_or(String::new(), |best| format!("did you mean `{best}`? "));
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    match &*known {
        [] => format!("{meant}none are known"),
        known => format!("{meant}known: {}", known.join(", ")),
    }
}

//! What a run showed: as a table on the terminal, as JSON, and as one page with charts that opens offline.
//!
//! A [`Report`] is plain data, and knows nothing of where its figures come from. The page is one file without scripts; it
//! fetches nothing, follows the reader's choice of light or dark, and can be printed. The same data give the same bytes.
//!
//! ```
//! use resilience_lab::report::{Axis, Chart, Number, Report, Section, Table, Terminal};
//!
//! let served = vec![(0.0, 100.0), (1.0, 12.5), (2.0, 100.0)];
//! let report = Report::new("A short outage")
//!     .fact("seed", "7")
//!     .section(
//!         Section::new("Total outage")
//!             .text("For a second, the dependency was gone.")
//!             .table(
//!                 Table::new(["stack", "served"])
//!                     .row(["bare".into(), Number::new(70.8, 1).unit("%").at_least(95.0).into()]),
//!             )
//!             .chart(
//!                 Chart::new(
//!                     "Served requests",
//!                     Axis::new("time", "s"),
//!                     Axis::new("served", "%").max(100.0),
//!                 )
//!                 .line("bare", served)
//!                 .span(1.0, 2.0, "outage"),
//!             ),
//!     );
//! let mut page = Vec::new();
//! report.write_html(&mut page)?;
//! print!("{}", report.to_terminal(Terminal::of_stdout()));
//! assert_eq!(report.missed().len(), 1);
//! # Ok::<(), resilience_lab::report::Error>(())
//! ```

mod draw;
mod markdown;
mod model;
mod number;
mod page;
mod terminal;
mod words;

pub use model::{
    Aim, Annotation, Axis, Bound, Cell, Chart, Fact, Number, Scale, Section, Series, Shape, Span,
    Table, Verdict,
};
pub use terminal::Terminal;

use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// A title, what was run, and sections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Report {
    /// The heading of all.
    pub title: String,
    /// What it is about: paragraphs of plain text, with empty lines between them.
    pub lead: String,
    /// The command, versions, the seed, the machine: what it takes to run it again.
    pub facts: Vec<Fact>,
    /// From top to bottom.
    pub sections: Vec<Section>,
}

impl Report {
    /// A report with this title and nothing in it.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// Sets the text below the title.
    pub fn lead(mut self, lead: impl Into<String>) -> Self {
        self.lead = lead.into();
        self
    }

    /// Adds a fact.
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push(Fact {
            name: name.into(),
            value: value.into(),
        });
        self
    }

    /// Adds a section.
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }

    /// The aims that were missed and are not explained, each as a sentence. A check in CI fails if there are any.
    pub fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        for section in &self.sections {
            let Some(table) = &section.table else {
                continue;
            };
            for row in &table.rows {
                for (index, cell) in row.iter().enumerate() {
                    let Cell::Number(number) = cell else {
                        continue;
                    };
                    let (Some(Verdict::Missed), Some(aim)) = (number.verdict(), &number.aim) else {
                        continue;
                    };
                    let texts = row.iter().filter_map(|cell| match cell {
                        Cell::Text(text) if !text.is_empty() => Some(&**text),
                        _ => None,
                    });
                    let place: Vec<_> = std::iter::once(&*section.title)
                        .chain(texts)
                        .chain(table.columns.get(index).map(|column| &**column))
                        .collect();
                    missed.push(format!(
                        "{}: {} should be {}",
                        place.join(", "),
                        words::figure(number),
                        words::bound(aim.bound, number)
                    ));
                }
            }
        }
        missed
    }

    /// The report as JSON, with all points of all series. What is not finite is `null`.
    ///
    /// # Errors
    ///
    /// None are known; they would be those of `serde_json`.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self).map_err(Error::Json)
    }

    /// Writes the report as one page of HTML.
    ///
    /// # Errors
    ///
    /// Those of `out`, and of a chart that cannot be drawn, of which none is known.
    pub fn write_html(&self, out: &mut impl io::Write) -> Result<(), Error> {
        let page = page::page(self)?;
        out.write_all(page.as_bytes()).map_err(Error::Write)
    }

    /// The facts, the texts and the tables, for a page in Markdown that has a heading of its own. Texts are taken for Markdown.
    pub fn to_markdown(&self) -> String {
        markdown::report(self)
    }

    /// The facts and the tables, for a terminal.
    pub fn to_terminal(&self, terminal: Terminal) -> String {
        terminal::report(self, terminal)
    }
}

/// A report could not be written.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// As JSON.
    Json(serde_json::Error),
    /// To where it should have gone.
    Write(io::Error),
    /// A chart could not be drawn.
    Draw(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("the report is not representable as JSON"),
            Self::Write(_) => f.write_str("the report could not be written"),
            Self::Draw(why) => write!(f, "a chart could not be drawn: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            Self::Write(error) => Some(error),
            Self::Draw(_) => None,
        }
    }
}

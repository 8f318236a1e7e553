//! What the command can do. Each runs to the end and says whether all is as it should be.

mod rehearsal;
pub(crate) mod run;
pub(crate) mod suite;
pub(crate) mod sweep;
pub(crate) mod theory;

use rehearsal::{Files, write};
use std::{
    fs::File,
    io::{self, BufWriter},
    path::Path,
};

/// The seed of the committed figures.
const SEED: u64 = 42;

/// Creates a file, and the directory that it is to be in; an error says which file.
fn create(path: &Path) -> Result<BufWriter<File>, String> {
    let create = || {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        File::create(path)
    };
    create()
        .map(BufWriter::new)
        .map_err(|error: io::Error| format!("{}: {error}", path.display()))
}

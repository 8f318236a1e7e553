//! What the command can do. Each runs to the end and says whether all is as it should be.

mod rehearsal;
pub(crate) mod run;
pub(crate) mod suite;
pub(crate) mod sweep;
pub(crate) mod theory;

use rehearsal::Files;
use std::{
    fmt::Display,
    fs::{self, File},
    path::Path,
};

/// The seed of the committed figures.
const SEED: u64 = 42;

/// Whether a file can be written: creates it if it is not there, and the directory that it is to be in. What is in it stays.
fn writable(path: &Path) -> Result<(), String> {
    let open = || {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        File::options().create(true).append(true).open(path)
    };
    open().map(drop).map_err(|error| in_file(path, &error))
}

/// Writes the whole of a file.
fn save(path: &Path, content: &[u8]) -> Result<(), String> {
    fs::write(path, content).map_err(|error| in_file(path, &error))
}

fn in_file(path: &Path, error: &dyn Display) -> String {
    format!("{}: {error}", path.display())
}

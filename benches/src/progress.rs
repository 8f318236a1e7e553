//! Says on the error stream how far a long measurement has come.

/// One measurement.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    all: usize,
    done: usize,
}

impl Progress {
    pub fn new(what: &'static str, all: usize) -> Self {
        Self { what, all, done: 0 }
    }

    /// One of the rounds or subjects is done.
    pub fn step(&mut self) {
        let tenth = |done: usize| done * 10 / self.all;
        if tenth(self.done + 1) > tenth(self.done) {
            eprintln!("{}: {} %", self.what, (self.done + 1) * 100 / self.all);
        }
        self.done += 1;
    }
}

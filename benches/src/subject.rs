//! What is measured: a layer, a floor, somebody else's layer, or a bare inner service.

use crate::drive::{Numbers, Request, Response, Tally, calls, through};
use crate::ours::Kind;
use allocation_counter::{AllocationInfo, measure};
use std::any::Any;
use tower::Service;

/// Whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Bare,
    Floor,
    Ours,
    Peer(&'static str),
}

impl By {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Floor => "floor",
            Self::Ours => "resilience",
            Self::Peer(name) => name,
        }
    }
}

/// The inner service, which is subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bare {
    Plain,
    Later,
    Http,
    /// From the request to the end of the response's body.
    Whole(Kind),
}

/// How every call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Answered,
    Refused,
}

/// One row.
pub struct Subject {
    /// One of [`PATTERNS`](crate::list::PATTERNS).
    pub pattern: &'static str,
    pub by: By,
    /// What distinguishes it from others of the same pattern by the same.
    pub detail: &'static str,
    pub bare: Bare,
    pub end: End,
    /// Whether it makes sense to run it in many threads, and under Valgrind: not if it takes milliseconds.
    pub quick: bool,
    /// Whether its state is so large that a short batch would measure no more than how it comes into the caches.
    pub large: bool,
    /// How often a call allocates, the bare service included, if it is ours.
    pub allocations: f64,
    pub make: Box<dyn Fn() -> Instance>,
}

impl Subject {
    pub fn new(
        pattern: &'static str,
        by: By,
        detail: &'static str,
        make: impl Fn() -> Instance + 'static,
    ) -> Self {
        Self {
            pattern,
            by,
            detail,
            bare: Bare::Plain,
            end: End::Answered,
            quick: true,
            large: false,
            allocations: 0.0,
            make: Box::new(make),
        }
    }

    pub fn over(mut self, bare: Bare) -> Self {
        self.bare = bare;
        self
    }

    pub fn refused(mut self) -> Self {
        self.end = End::Refused;
        self
    }

    pub fn named(mut self, detail: &'static str) -> Self {
        self.detail = detail;
        self
    }

    pub fn large(mut self) -> Self {
        self.large = true;
        self
    }

    pub fn allocating(mut self, times: f64) -> Self {
        self.allocations = times;
        self
    }

    pub fn slow(mut self) -> Self {
        self.quick = false;
        self
    }

    /// One word, for files and the command line.
    pub fn id(&self) -> String {
        let words = [self.pattern, self.by.name(), self.detail];
        let words = words.map(|word| word.replace([' ', ','], "-").replace("--", "-"));
        words.join("/").trim_end_matches('/').to_owned()
    }
}

/// Makes calls, one after another.
pub type Runner = Box<dyn FnMut(u64) -> Tally + Send>;

/// A subject that is built.
pub struct Instance {
    /// Makes clones that share what the original has.
    runner: Box<dyn FnMut() -> Runner>,
    /// Fails unless the state is that of an instance that has ended so many calls as it should.
    verify: Box<dyn Fn(u64)>,
    /// The size of the service.
    pub service: usize,
    /// What building it has allocated, and keeps.
    pub built: AllocationInfo,
    /// What one clone allocates.
    pub cloned: AllocationInfo,
    /// What must live for as long as the instance.
    held: Box<dyn Any>,
}

impl Instance {
    /// A Tower service. `make` builds it, and says how to verify it.
    pub fn service<Req, S, V>(make: impl FnOnce() -> (S, V)) -> Self
    where
        Req: Request,
        S: Service<Req, Response: Response> + Clone + Send + 'static,
        V: Fn(u64) + 'static,
    {
        Self::direct(make, |service: &mut S, number, tally| {
            through(service, number, tally)
        })
    }

    /// Anything that `one` can bring to an answer.
    pub fn direct<T, R, E, V>(
        make: impl FnOnce() -> (T, V),
        one: impl Fn(&mut T, u64, &mut Tally) -> Result<R, E> + Copy + Send + 'static,
    ) -> Self
    where
        T: Clone + Send + 'static,
        R: Response,
        V: Fn(u64) + 'static,
    {
        let mut result = None;
        let built = measure(|| result = Some(make()));
        let (original, verify) = result.expect("made above");
        let mut clone = None;
        let cloned = measure(|| clone = Some(original.clone()));
        drop(clone);
        let mut seed = 0;
        Self {
            runner: Box::new(move || {
                let mut own = original.clone();
                seed += 1;
                let mut numbers = Numbers::new(seed);
                Box::new(move |n| {
                    calls(&mut numbers, n, |number, tally| {
                        one(&mut own, number, tally)
                    })
                })
            }),
            verify: Box::new(verify),
            service: size_of::<T>(),
            built,
            cloned,
            held: Box::new(()),
        }
    }

    pub fn hold(mut self, held: impl Any) -> Self {
        self.held = Box::new(held);
        self
    }

    pub fn runner(&mut self) -> Runner {
        (self.runner)()
    }

    pub fn verify(&self, calls: u64) {
        (self.verify)(calls);
    }
}

/// For what shows nothing of its state: the answers have to do.
pub fn unseen(_: u64) {}

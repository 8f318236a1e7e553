//! What threads have each their own of, so that they do not meet on one cache line.
//!
//! Two threads that write to one line take turns at it, at about 70 ns a turn; two that write to two lines do not notice
//! each other. What every call writes is therefore spread over *places*, as many as there are cores (a power of two, at
//! most 32): a thread always goes to the same one. Two threads may share a place: everything here is right for any
//! number of threads at any place, and fast where there is one at each.

use std::ops::Deref;

/// Bounds the memory of a policy on machines with very many cores.
#[cfg(not(resilience_loom))]
const MOST_PLACES: usize = 32;

/// On a cache line of its own, or on two that are fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// One value for each place: a counter that is written by every call, and summed up by few.
#[derive(Debug)]
pub struct Spread<T>(Box<[Padded<T>]>);

impl<T> Spread<T> {
    /// A value for each place.
    pub fn new(mut value: impl FnMut() -> T) -> Self {
        Self((0..places()).map(|_| Padded(value())).collect())
    }

    /// The value of this thread's place.
    #[inline]
    pub fn here(&self) -> &T {
        &self.0[place() & (self.0.len() - 1)]
    }

    /// The values of all places.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

#[cfg(not(resilience_loom))]
pub use self::handles::{Handle, Handles};

#[cfg(not(resilience_loom))]
mod handles {
    use super::{place, places};
    use std::{
        fmt,
        ops::Deref,
        sync::{
            Arc, OnceLock,
            atomic::{Ordering, fence},
        },
    };

    /// A shared value, as an `Arc` is, that also lends itself to calls.
    ///
    /// A call has to keep the state of its policy alive until it is over. As a clone of one `Arc` it would write twice
    /// to a count that all threads write to; a [`Handle`] is counted at the place of its thread.
    ///
    /// A clone is the same value, counted together with all the others: for what is cloned now and then. Cloning
    /// allocates nothing; the first handle at each place does.
    pub struct Handles<T>(Arc<Table<T>>);

    struct Table<T> {
        value: Arc<T>,
        places: Box<[OnceLock<Handle<T>>]>,
    }

    /// A share in the value of [`Handles`], which keeps it alive.
    pub struct Handle<T>(Arc<Node<T>>);

    /// With the counts before it, two lines: no other allocation shares the one with the counts.
    #[repr(align(64))]
    struct Node<T>(Arc<T>);

    impl<T> Handles<T> {
        /// Shares `value`.
        pub fn new(value: T) -> Self {
            Self(Arc::new(Table {
                value: Arc::new(value),
                places: (0..places()).map(|_| OnceLock::new()).collect(),
            }))
        }

        /// A share for a call of this thread, which may end in any other.
        #[inline]
        pub fn handle(&self) -> Handle<T> {
            let places = &self.0.places;
            let place = &places[place() & (places.len() - 1)];
            match place.get() {
                Some(Handle(node)) => Handle(node.clone()),
                None => self.first(place),
            }
        }

        #[cold]
        fn first(&self, place: &OnceLock<Handle<T>>) -> Handle<T> {
            let first = place.get_or_init(|| Handle(Arc::new(Node(self.0.value.clone()))));
            Handle(first.0.clone())
        }

        /// Whether there is neither a clone of this nor a handle, and all that was done through them is seen.
        ///
        /// While the answer is `true`, only who holds this very value can make others.
        pub fn is_unshared(&self) -> bool {
            let lent = |place: &OnceLock<Handle<T>>| {
                place
                    .get()
                    .is_some_and(|Handle(node)| Arc::strong_count(node) > 1)
            };
            // The clones first: without them, no handle can be made while the places are looked at.
            let unshared = Arc::strong_count(&self.0) == 1 && !self.0.places.iter().any(lent);
            // Dropping an `Arc` releases what was done through it; the count alone is read without acquiring it.
            fence(Ordering::Acquire);
            unshared
        }
    }

    /// The same value.
    impl<T> Clone for Handles<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Deref for Handles<T> {
        type Target = T;

        #[inline]
        fn deref(&self) -> &T {
            &self.0.value
        }
    }

    impl<T> Deref for Handle<T> {
        type Target = T;

        #[inline]
        fn deref(&self) -> &T {
            &self.0.0
        }
    }

    impl<T: fmt::Debug> fmt::Debug for Handles<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            T::fmt(self, f)
        }
    }

    impl<T: fmt::Debug> fmt::Debug for Handle<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            T::fmt(self, f)
        }
    }
}

/// How many places there are: a power of two.
#[cfg(not(resilience_loom))]
fn places() -> usize {
    static PLACES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *PLACES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.min(MOST_PLACES).next_power_of_two()
    })
}

/// The number of this thread, which tells its place.
#[cfg(not(resilience_loom))]
#[inline]
fn place() -> usize {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicUsize, Ordering},
    };

    const UNSET: usize = usize::MAX;
    thread_local! {
        static PLACE: Cell<usize> = const { Cell::new(UNSET) };
    }

    #[cold]
    fn number() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed) % MOST_PLACES;
        PLACE.set(number);
        number
    }

    match PLACE.get() {
        UNSET => number(),
        number => number,
    }
}

/// Enough for threads to meet, and to miss each other.
#[cfg(resilience_loom)]
fn places() -> usize {
    2
}

/// By the number that loom gives to threads, the same in all interleavings.
#[cfg(resilience_loom)]
fn place() -> usize {
    let id = format!("{:?}", loom::thread::current().id());
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

#[cfg(all(test, not(resilience_loom)))]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        thread,
    };

    #[test]
    fn every_place_is_counted_once_by_whichever_threads() {
        let spread = Arc::new(Spread::new(|| AtomicU64::new(0)));
        assert!(spread.iter().len().is_power_of_two());
        let threads: Vec<_> = (0..2 * MOST_PLACES)
            .map(|_| {
                let spread = spread.clone();
                thread::spawn(move || {
                    let place = spread.here();
                    for _ in 0..100 {
                        assert!(std::ptr::eq(place, spread.here()), "a thread stays");
                        spread.here().fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let each: Vec<u64> = spread
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        assert_eq!(each.iter().sum::<u64>(), 200 * MOST_PLACES as u64);
        assert!(each.iter().all(|&count| count > 0), "{each:?}");
    }

    #[test]
    fn places_do_not_share_a_line() {
        let spread = Spread::new(|| 0_u8);
        let at: Vec<usize> = spread
            .iter()
            .map(|value| std::ptr::from_ref(value).addr())
            .collect();
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] >= 128), "{at:?}");
    }

    #[test]
    fn a_handle_keeps_the_value_alive_wherever_it_goes() {
        let value = Arc::new(7);
        let handles = Handles::new(value.clone());
        assert!(handles.is_unshared());
        let handle = handles.handle();
        assert!(!handles.is_unshared());
        let clone = handles.clone();
        drop(handle);
        assert!(!handles.is_unshared());
        drop(clone);
        assert!(handles.is_unshared());

        let handle = thread::spawn({
            let handles = handles.clone();
            move || handles.handle()
        });
        let handle = handle.join().unwrap();
        assert!(!handles.is_unshared(), "lent by another thread");
        drop(handles);
        assert_eq!(**handle, 7);
        assert_eq!(Arc::strong_count(&value), 2);
        drop(handle);
        assert_eq!(Arc::strong_count(&value), 1, "nothing is left behind");
    }
}

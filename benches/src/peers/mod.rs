//! What others have for the same patterns, as their documentation shows it, with settings as near to ours as they go.

mod glued;
mod inner;
mod libraries;
mod of_tower;
mod seatbelt;
mod tower_resilience;

use crate::subject::Subject;

pub fn subjects() -> Vec<Subject> {
    let mut all = vec![inner::bare()];
    all.extend(of_tower::subjects());
    all.extend(tower_resilience::subjects());
    all.extend(seatbelt::subjects());
    all.extend(libraries::subjects());
    all.push(glued::subject());
    all
}

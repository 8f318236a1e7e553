//! What the figures of a run have to show, by `storefront --check`.

use crate::{
    outcome::{Outcome, PhaseOutcome},
    script::{Health, PHASES, Phase, RECOVERY, Script},
    stats::Figures,
};

/// Half-open probes that a breaker lets through per second at the most: one per 250 ms of waiting, less jitter.
const PROBES_PER_SECOND: f64 = 5.0;
/// Time in which a breaker has seen enough: one attempt timeout and ten calls, at the load of CI.
const DETECTION_SECONDS: f64 = 0.4;

/// The sentences that are not true of this run.
pub(crate) fn check(outcome: &Outcome, script: Script) -> Vec<String> {
    let mut wrong = Wrong(Vec::new());
    let names: Vec<_> = outcome.phases.iter().map(|phase| &*phase.name).collect();
    if names != PHASES.map(|phase| phase.name) {
        wrong.unless(false, || {
            format!("the phases are not the script's: {names:?}")
        });
        return wrong.0;
    }
    for (index, (phase, figures)) in PHASES.iter().zip(&outcome.phases).enumerate() {
        let seconds = script.length_of(index).as_secs_f64();
        let rate = f64::from(script.rps * phase.load);
        for (shop, figures) in [("bare", &figures.bare), ("protected", &figures.protected)] {
            wrong.complete(&format!("{}, {shop}", phase.name), figures, rate * seconds);
        }
        if phase.inventory == Health::Healthy {
            wrong.otherwise(index, phase, figures, rate);
        } else {
            wrong.while_inventory_is_down(index, phase, figures, rate, seconds);
        }
    }
    wrong.0
}

struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, right: bool, sentence: impl FnOnce() -> String) {
        if !right {
            self.0.push(sentence());
        }
    }

    /// The load was what it should be, and no request is unaccounted for.
    fn complete(&mut self, who: &str, figures: &Figures, expected: f64) {
        let Figures { offered, .. } = *figures;
        self.unless((count(offered) - expected).abs() <= 2.0, || {
            format!(
                "{who}: {offered} requests were offered, not {expected:.0} (is this a run with other --rps or --seconds?)"
            )
        });
        self.unless(figures.ended() == offered, || {
            format!("{who}: {offered} requests have {} ends", figures.ended())
        });
    }

    fn while_inventory_is_down(
        &mut self,
        index: usize,
        phase: &Phase,
        PhaseOutcome {
            bare, protected, ..
        }: &PhaseOutcome,
        rate: f64,
        seconds: f64,
    ) {
        let name = phase.name;
        let answered = protected.percent_answered();
        self.unless(answered >= 99.0, || {
            format!("{name}: protected answered {answered:.1} % of the pages, less than 99 %")
        });
        let p99 = protected.p99_ms;
        self.unless(p99 <= 300.0, || {
            format!("{name}: p99 of protected is {p99:.0} ms, more than 300 ms")
        });
        self.unless(
            bare.percent_answered() < 99.0 || bare.p99_ms > 300.0,
            || format!("{name}: bare did as well as protected, so that nothing is shown"),
        );

        let (first, retries) = (protected.inventory_first, protected.inventory_retries);
        let allowed = 0.2 * count(first) + seconds;
        self.unless(count(retries) <= allowed, || {
            format!(
                "{name}: protected sent {retries} retries to inventory, more than {allowed:.0} (20 % of its {first} first calls, and 1 per second)"
            )
        });
        // The breaker has to open in the first phase of the outage, and stays open (or probes) in the others.
        let opening = PHASES[index - 1].inventory == Health::Healthy;
        let until_open = if opening {
            rate * DETECTION_SECONDS
        } else {
            0.0
        };
        let probes = 1.0 + seconds * PROBES_PER_SECOND + until_open;
        self.unless(count(first) <= probes, || {
            format!(
                "{name}: {first} first calls of protected reached inventory, more than the {probes:.0} until the breaker opens and as probes"
            )
        });
        let unprotected = bare.inventory_first;
        self.unless(count(unprotected) > probes, || {
            format!("{name}: only {unprotected} calls of bare reached inventory: was it down?")
        });
    }

    fn otherwise(&mut self, index: usize, phase: &Phase, figures: &PhaseOutcome, rate: f64) {
        let name = phase.name;
        let protected = &figures.protected;
        let (offered, full) = (protected.offered, protected.full);
        if index == RECOVERY {
            // Within five seconds; a run so short that the phase has no more shall see the beginning of it.
            let least = (count(offered) - 5.0 * rate).max(1.0);
            self.unless(count(full) >= least, || {
                format!(
                    "{name}: {full} of {offered} pages of protected were full; within 5 s all should have been, which makes {least:.0}"
                )
            });
        }
        if phase.is_calm() {
            self.unless(count(full) >= 0.95 * count(offered), || {
                format!("{name}: only {full} of {offered} pages of protected were full")
            });
        }
        let failed = protected.failed;
        self.unless(count(failed) <= 0.01 * count(offered), || {
            format!("{name}: {failed} of {offered} pages of protected failed, more than 1 %")
        });
        if phase.load > 1 {
            self.unless(protected.refused > 0, || {
                format!(
                    "{name}: protected refused nobody, though there was more load than it can take"
                )
            });
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most some millions")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: Script = Script {
        rps: 200,
        seconds: 40,
    };

    fn good() -> Outcome {
        let phases = PHASES.iter().enumerate().map(|(index, phase)| {
            let offered = SCRIPT.length_of(index).as_secs() * u64::from(SCRIPT.rps * phase.load);
            let all_full = Figures {
                offered,
                full: offered,
                inventory_first: offered,
                ..Figures::default()
            };
            let (mut bare, mut protected) = (all_full.clone(), all_full);
            if phase.inventory != Health::Healthy {
                bare.failed = std::mem::take(&mut bare.full);
                protected.degraded = std::mem::take(&mut protected.full);
                (protected.inventory_first, protected.inventory_retries) = (20, 4);
            }
            if phase.load > 1 {
                protected.refused = 1000;
                protected.full -= 1000;
            }
            PhaseOutcome {
                name: phase.name.into(),
                bare,
                protected,
            }
        });
        Outcome {
            phases: phases.collect(),
        }
    }

    /// What the check says of a run that is good but for this.
    fn verdict(spoil: impl FnOnce(&mut [PhaseOutcome])) -> String {
        let mut outcome = good();
        spoil(&mut outcome.phases);
        check(&outcome, SCRIPT).join("; ")
    }

    #[test]
    fn a_good_run_passes() {
        assert_eq!(verdict(|_| ()), "");
    }

    #[test]
    fn each_broken_promise_is_named() {
        let says = |spoil: fn(&mut [PhaseOutcome]), words: &str| {
            let verdict = verdict(spoil);
            assert!(verdict.contains(words), "{verdict:?} lacks {words:?}");
        };
        says(|phases| phases[1].name.clear(), "not the script's");
        says(|phases| phases[0].bare.offered += 9, "not 1000");
        says(
            |phases| phases[0].bare.failed = 1,
            "1000 requests have 1001 ends",
        );
        says(
            |phases| {
                phases[1].protected.degraded -= 13;
                phases[1].protected.failed += 13;
            },
            "protected answered 98.9 % of the pages",
        );
        says(
            |phases| phases[2].protected.p99_ms = 301.0,
            "is 301 ms, more",
        );
        says(
            |phases| {
                phases[2].bare.full = std::mem::take(&mut phases[2].bare.failed);
            },
            "bare did as well",
        );
        says(
            |phases| phases[1].protected.inventory_retries = 11,
            "11 retries to inventory, more than 10",
        );
        says(
            |phases| phases[2].protected.inventory_first = 27,
            "27 first calls of protected reached inventory, more than the 26",
        );
        says(|phases| phases[2].bare.inventory_first = 20, "was it down?");
        says(
            |phases| {
                phases[3].protected.degraded = 1001;
                phases[3].protected.full -= 1001;
            },
            "599 of 1600 pages of protected were full",
        );
        says(
            |phases| {
                phases[0].protected.degraded = 51;
                phases[0].protected.full -= 51;
            },
            "only 949 of 1000",
        );
        says(
            |phases| {
                phases[4].protected.failed = 11;
                phases[4].protected.full -= 11;
            },
            "11 of 1000 pages of protected failed",
        );
        says(
            |phases| phases[5].protected.full += std::mem::take(&mut phases[5].protected.refused),
            "refused nobody",
        );
    }
}

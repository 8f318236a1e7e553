//! The configurations of all layers as text: read as they were written, with the defaults that are documented, and with an
//! error that names the field for whatever is wrong.
#![cfg(all(feature = "file", feature = "keyed"))]

use proptest::prelude::*;
use resilience_stack::{
    breaker::{Abandoned, Breaker, BreakerConfig, OpenGrowing, TimeWindow},
    bulkhead::{Bulkhead, BulkheadConfig, BulkheadQueueConfig, PriorityConfig},
    client::ClientStack,
    config::{ClientConfig, Protocol, ServerConfig},
    core::{
        Backoff, BackoffConfig, BoxError, Budget, BudgetConfig, ConfigError, Entropy, Jitter,
        Priority,
    },
    file::from_toml,
    http::{BodyTimeoutLayer, HttpLayer},
    keyed::{Keyed, KeyedConfig, NoKey, Overflow},
    ratelimit::{
        Quota, RateLimit, RateLimitConfig, RateLimitQueueConfig, SlidingRateLimit,
        SlidingRateLimitConfig,
    },
    retry::{RetryConfig, RetryLayer},
    server::ServerStack,
    timeout::{BodyTimeoutConfig, DeadlineConfig, DeadlineLayer, TimeoutConfig, TimeoutLayer},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{fmt::Debug, time::Duration};

/// A configuration, and what is built of it.
trait Config: Debug + Default + PartialEq + Serialize + DeserializeOwned + Clone + 'static {
    /// Any configuration, whether or not it makes sense.
    fn any() -> BoxedStrategy<Self>;

    /// What it builds, in debug form.
    fn build(&self) -> Result<String, ConfigError>;
}

/// Implements it: with a strategy for each field, of which none may be forgotten, and with what builds it.
macro_rules! configs {
    ($($type:ident { $($field:ident: $any:expr,)* } => |$config:ident| $build:expr;)*) => {
        $(impl Config for $type {
            fn any() -> BoxedStrategy<Self> {
                let fields: Vec<String> = vec![$(stringify!($field).to_owned()),*];
                let default = json(&Self::default());
                let known = default.as_object().unwrap().keys();
                assert!(known.eq(fields.iter().collect::<std::collections::BTreeSet<_>>()), "{fields:?}");

                let any = Just(Self::default()).boxed();
                $(let any = (any, $any).prop_map(|(mut config, value)| {
                    config.$field = value;
                    config
                }).boxed();)*
                any
            }

            fn build(&self) -> Result<String, ConfigError> {
                let $config = self.clone();
                Ok(format!("{:?}", $build))
            }
        })*

        /// Whatever it is, it is read as it was written.
        mod round_trip {
            use super::*;
            $(#[test]
            #[allow(non_snake_case)]
            fn $type() {
                proptest!(|(config in $type::any())| reads_what_it_wrote(&config)?);
            })*
        }

        /// Whatever field is wrong, the error names it.
        mod wrong_fields {
            use super::*;
            $(#[test]
            #[allow(non_snake_case)]
            fn $type() {
                each_field_is_checked::<$type>();
            })*
        }
    };
}

fn durations() -> impl Strategy<Value = Duration> {
    (0..400 * 86_400_u64, 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos))
}

/// Any finite number.
fn numbers() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0..1.0,
        -1e6..1e6,
        any::<f64>().prop_filter("finite", |n| n.is_finite())
    ]
}

/// What a TOML file can hold.
fn counts() -> impl Strategy<Value = usize> {
    0..=usize::MAX / 2
}

fn quotas() -> impl Strategy<Value = Quota> {
    (any::<u32>(), durations(), option(any::<u32>())).prop_map(|(n, per, burst)| match burst {
        None => Quota::per(n, per),
        Some(burst) => Quota::per(n, per).burst(burst),
    })
}

fn option<S: Strategy>(some: S) -> impl Strategy<Value = Option<S::Value>> {
    prop::option::of(some)
}

/// Those that are in no other.
impl Config for TimeWindow {
    fn any() -> BoxedStrategy<Self> {
        let any = (durations(), any::<u32>()).prop_map(|(duration, buckets)| {
            let mut config = Self::default();
            (config.duration, config.buckets) = (duration, buckets);
            config
        });
        any.boxed()
    }

    fn build(&self) -> Result<String, ConfigError> {
        let mut breaker = BreakerConfig::default();
        breaker.time_window = Some(*self);
        breaker.build()
    }
}

impl Config for OpenGrowing {
    fn any() -> BoxedStrategy<Self> {
        let any = (durations(), any::<u32>(), numbers(), durations());
        any.prop_map(|(base, steady, factor, cap)| {
            let mut config = Self::default();
            (config.base, config.steady) = (base, steady);
            (config.factor, config.cap) = (factor, cap);
            config
        })
        .boxed()
    }

    fn build(&self) -> Result<String, ConfigError> {
        let mut breaker = BreakerConfig::default();
        breaker.open_growing = Some(*self);
        breaker.build()
    }
}

configs! {
    BackoffConfig {
        base: durations(),
        factor: numbers(),
        cap: durations(),
        jitter: prop_oneof![Just(Jitter::None), Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::Decorrelated)],
    } => |config| config.build()?;
    BudgetConfig {
        ratio: numbers(),
        floor_per_second: numbers(),
    } => |config| Budget::from_config(config)?;
    BreakerConfig {
        time_window: option(TimeWindow::any()),
        count_window: option(counts()),
        failure_rate: option(numbers()),
        slow_call_duration: option(durations()),
        slow_call_rate: option(numbers()),
        minimum_calls: option(counts().prop_map(|calls| calls as u64)),
        minimum_covered: option(durations()),
        consecutive_failures: option(any::<u32>()),
        minimum_spread: option(durations()),
        open_growing: option(OpenGrowing::any()),
        open_for: option(durations()),
        open_jitter: option(numbers()),
        probes: counts(),
        successes_to_close: option(any::<u32>()),
        judge_probes_after: option(any::<u32>()),
        probe_limit: durations(),
        abandoned: prop_oneof![
            Just(Abandoned::ExtendsRun),
            Just(Abandoned::Ignored),
            Just(Abandoned::Failure),
            durations().prop_map(Abandoned::FailureAfter),
        ],
        success_batch: any::<u32>(),
    } => |config| {
        let builder = Breaker::builder("x").config(config).entropy(Entropy::seeded(7));
        builder.machine()?
    };
    BulkheadConfig {
        limit: option(counts()),
    } => |config| Bulkhead::from_config("x", config)?;
    BulkheadQueueConfig {
        wait_up_to: option(durations()),
        max_waiting: counts(),
    } => |config| Bulkhead::new("x", 10)?.queue(&config)?;
    PriorityConfig {
        normal_share: numbers(),
        sheddable_share: numbers(),
    } => |config| Bulkhead::new("x", 10)?.by_priority(|(): &()| Priority::Normal).config(&config)?;
    RateLimitConfig {
        quota: option(quotas()),
    } => |config| RateLimit::from_config("x", config)?;
    RateLimitQueueConfig {
        wait_up_to: option(durations()),
        max_waiting: counts(),
    } => |config| RateLimit::builder("x").quota(Quota::per_second(1)).build()?.queue(&config)?;
    SlidingRateLimitConfig {
        quota: option(quotas()),
        buckets: any::<u32>(),
    } => |config| SlidingRateLimit::from_config("x", config)?;
    KeyedConfig {
        max_keys: counts(),
        idle: durations(),
        no_key: prop_oneof![Just(NoKey::Refuse), Just(NoKey::Pass)],
        overflow: prop_oneof![Just(Overflow::Share), Just(Overflow::Refuse)],
    } => |config| {
        let builder = Keyed::builder("x").config(config).key(|key: &u64| Some(*key));
        builder.each(|_| Breaker::new("each")).build()?
    };
    RetryConfig {
        attempts: any::<u32>(),
        backoff: BackoffConfig::any(),
        deadline: option(durations()),
        advice_cap: durations(),
        budget: option(BudgetConfig::any()),
    } => |config| RetryLayer::builder("x").config(config).entropy(Entropy::seeded(7)).plan()?;
    TimeoutConfig {
        limit: option(durations()),
    } => |config| TimeoutLayer::from_config("x", config)?;
    BodyTimeoutConfig {
        body_idle: option(durations()),
        body_total: option(durations()),
    } => |config| TimeoutLayer::new("x", Duration::from_secs(1))?.http().body_limits(&config)?;
    DeadlineConfig {
        max: durations(),
        unstated: option(durations()),
        unstated_bounds_bodies: any::<bool>(),
        ignore_malformed: any::<bool>(),
    } => |config| DeadlineLayer::from_config("x", config)?;
    ClientConfig {
        protocol: prop_oneof![Just(Protocol::Http), Just(Protocol::Grpc)],
        deadline: durations(),
        retry: option(RetryConfig::any()),
        rate_limit: option(RateLimitConfig::any()),
        bulkhead: option(BulkheadConfig::any()),
        breaker: option(BreakerConfig::any()),
        attempt_timeout: option(durations()),
    } => |config| ClientStack::http("x").config(config).build()?;
    ServerConfig {
        protocol: prop_oneof![Just(Protocol::Http), Just(Protocol::Grpc)],
        deadline: durations(),
        rate_limit: option(RateLimitConfig::any()),
        bulkhead: option(BulkheadConfig::any()),
    } => |config| ServerStack::http("x").config(config).build()?;
}

#[test]
fn parts_of_the_breaker() {
    proptest!(|(config in TimeWindow::any())| reads_what_it_wrote(&config)?);
    proptest!(|(config in OpenGrowing::any())| reads_what_it_wrote(&config)?);
}

fn json(config: &impl Serialize) -> Value {
    serde_json::to_value(config).unwrap()
}

fn reads_what_it_wrote<C: Config>(config: &C) -> Result<(), TestCaseError> {
    let text = serde_json::to_string(config).unwrap();
    prop_assert_eq!(&serde_json::from_str::<C>(&text).unwrap(), config);
    let text = toml::to_string(config).unwrap();
    prop_assert_eq!(&toml::from_str::<C>(&text).unwrap(), config);
    let read = from_toml(&text, |_: &C| Ok(()));
    prop_assert_eq!(&read.unwrap(), config);
    Ok(())
}

/// The default, and what has to be set beside it.
fn needed<C: Config>() -> Value {
    let mut needed = json(&C::default());
    while let Err((unset, said)) = read::<C>(&needed) {
        let set = [json!(1), json!("1s"), json!("10/s")]
            .into_iter()
            .any(|value| {
                needed[&unset] = value;
                read::<C>(&needed).map_or_else(|(field, _)| field != unset, |_| true)
            });
        assert!(set, "{said}");
    }
    needed
}

/// Values of every kind that are out of range wherever that kind has one.
fn out_of_range() -> [Value; 9] {
    [
        json!(0),
        json!(-0.5),
        json!(i64::MAX),
        json!("0s"),
        json!("9999 days"),
        json!("0/s"),
        json!({ "quota": "0/s" }),
        json!({ "duration": "0s" }),
        json!({ "base": "0s" }),
    ]
}

fn each_field_is_checked<C: Config>() {
    let good = needed::<C>();
    let mut paths = Vec::new();
    collect(&good, "", &mut paths);
    assert!(!paths.is_empty());
    for path in paths {
        let with = |value: &Value| {
            let mut config = good.clone();
            *config.pointer_mut(&path).unwrap() = value.clone();
            read::<C>(&config)
        };
        let dotted = path[1..].replace('/', ".");

        // Of a wrong kind.
        let (field, kind) = with(&json!([1])).expect_err(&dotted);
        assert_eq!(field, dotted, "{kind}");
        // Text that means nothing.
        let (field, said) = with(&json!("nonsense")).expect_err(&dotted);
        assert_eq!(field, dotted, "{said}");
        // Of the right kind, and out of range; where everything is right of that kind, it is yes or no, or one of a few.
        let refused = out_of_range().iter().any(|value| match with(value) {
            Err((field, said)) if said.contains("; it must be") => {
                let prefix = field.starts_with(&dotted);
                assert!(prefix, "{dotted} = {value}: {said}");
                true
            }
            _ => false,
        });
        let few = kind.contains("expected a boolean") || kind.contains("expected one of `");
        // The fields of a table have their turns.
        let table = good.pointer(&path).unwrap().is_object();
        assert!(refused != few || table, "{dotted}: {kind}");

        // And a name that is not that of a field.
        let mut config = good.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = config.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        let value = parent.remove(name).unwrap();
        let value = if value.is_null() { json!(1) } else { value };
        parent.insert(format!("{name}s"), value);
        let (field, said) = read::<C>(&config).expect_err(&dotted);
        assert_eq!(field, format!("{dotted}s"));
        assert!(said.contains("is not known; did you mean `"), "{said}");
        assert!(said.contains(&format!("`{name}`")), "{said}");
    }
}

/// Reads and builds it: the field that the error names, and what it says.
fn read<C: Config>(config: &Value) -> Result<C, (String, String)> {
    let text = toml::to_string(&without_nulls(config)).unwrap();
    from_toml(&text, |config: &C| config.build().map(drop)).map_err(|error| {
        (
            error.field().unwrap_or_default().to_owned(),
            error.to_string(),
        )
    })
}

/// The paths of all fields, those of tables within included.
fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        collect(value, &path, paths);
        paths.push(path);
    }
}

/// TOML has no nulls: what is unset is not there.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect(),
        value => value.clone(),
    }
}

/// Of the breaker, with what takes the place of the defaults.
#[test]
fn other_forms_of_the_breaker_are_checked_too() {
    for (text, field) in [
        ("time_window = { duration = '0s' }", "time_window.duration"),
        ("time_window = { buckets = 0 }", "time_window.buckets"),
        ("open_growing = { base = '0s' }", "open_growing.base"),
        ("open_growing = { steady = 0 }", "open_growing.steady"),
        ("open_growing = { factor = 0.5 }", "open_growing.factor"),
        ("open_growing = { cap = '1ms' }", "open_growing.cap"),
        ("abandoned = { failure_after = '0s' }", "abandoned"),
        ("time_window = {}\ncount_window = 9", "count_window"),
        ("open_growing = {}\nopen_for = '1s'", "open_for"),
        (
            "successes_to_close = 3\njudge_probes_after = 3",
            "judge_probes_after",
        ),
    ] {
        let error = from_toml(text, |config: &BreakerConfig| config.build().map(drop));
        assert_eq!(error.unwrap_err().field(), Some(field), "{text}");
    }
}

/// Every default as the pages of the builders have it builds what the builder does that nothing was told.
#[test]
fn documented_defaults_are_the_defaults() -> Result<(), BoxError> {
    fn build<C: Config>(text: &str) -> Result<String, BoxError> {
        Ok(from_toml(text, |_: &C| Ok(()))?.build()?)
    }
    let entropy = || Entropy::seeded(7);
    let breaker = "
        time_window = { duration = '5s', buckets = 10 }
        failure_rate = 0.2
        minimum_calls = 50
        minimum_covered = '1s'
        consecutive_failures = 10
        minimum_spread = '30ms'
        open_growing = { base = '250ms', steady = 4, factor = 2, cap = '3s' }
        open_jitter = 0.2
        probes = 1
        successes_to_close = 3
        probe_limit = '5s'
        abandoned = 'extends_run'
        success_batch = 64";
    let built = Breaker::builder("x").entropy(entropy()).machine()?;
    assert_eq!(build::<BreakerConfig>(breaker)?, format!("{built:?}"));
    let retry = "
        attempts = 3
        advice_cap = '30s'
        backoff = { base = '100ms', factor = 2, cap = '10s', jitter = 'full' }
        budget = { ratio = 0.2, floor_per_second = 1 }";
    let built = RetryLayer::builder("x").entropy(entropy()).plan()?;
    assert_eq!(build::<RetryConfig>(retry)?, format!("{built:?}"));
    let deadline = "
        max = '30s'
        unstated = '30s'
        unstated_bounds_bodies = false
        ignore_malformed = false";
    let built = DeadlineLayer::builder("x").build()?;
    assert_eq!(build::<DeadlineConfig>(deadline)?, format!("{built:?}"));
    let bodies = "body_idle = '2s'\nbody_total = '9s'";
    let timeout = TimeoutLayer::new("x", Duration::from_secs(1))?.http();
    let built = timeout
        .body_total(Duration::from_secs(9))?
        .body_idle(Duration::from_secs(2))?;
    assert_eq!(build::<BodyTimeoutConfig>(bodies)?, format!("{built:?}"));
    let queue = "wait_up_to = '1s'\nmax_waiting = 1_000";
    let built = Bulkhead::new("x", 10)?.wait_up_to(Duration::from_secs(1))?;
    assert_eq!(build::<BulkheadQueueConfig>(queue)?, format!("{built:?}"));
    let shares = "normal_share = 0.9\nsheddable_share = 0.5";
    let built = Bulkhead::new("x", 10)?.by_priority(|(): &()| Priority::Normal);
    assert_eq!(build::<PriorityConfig>(shares)?, format!("{built:?}"));
    let limit = RateLimit::builder("x")
        .quota(Quota::per_second(1))
        .build()?;
    let queue = "wait_up_to = '1s'\nmax_waiting = 10_000";
    let built = limit.wait_up_to(Duration::from_secs(1))?;
    assert_eq!(build::<RateLimitQueueConfig>(queue)?, format!("{built:?}"));
    let sliding = "quota = '10/s'\nbuckets = 128";
    let built = SlidingRateLimit::builder("x")
        .quota(Quota::per_second(10))
        .build()?;
    assert_eq!(
        build::<SlidingRateLimitConfig>(sliding)?,
        format!("{built:?}")
    );
    let keyed = "max_keys = 100_000\nidle = '10m'\nno_key = 'refuse'\noverflow = 'share'";
    assert_eq!(
        from_toml(keyed, |_: &KeyedConfig| Ok(()))?,
        KeyedConfig::default()
    );
    assert_eq!(BackoffConfig::default().build()?, Backoff::default());
    let client = "
        protocol = 'http'
        deadline = '10s'
        retry = {}
        rate_limit = false
        bulkhead = { limit = 100 }
        breaker = {}
        attempt_timeout = '3s'";
    let built = ClientStack::http("x").build()?;
    assert_eq!(build::<ClientConfig>(client)?, format!("{built:?}"));
    let server = "
        protocol = 'http'
        deadline = '30s'
        rate_limit = false
        bulkhead = { limit = 1_000 }";
    let built = ServerStack::http("x").build()?;
    assert_eq!(build::<ServerConfig>(server)?, format!("{built:?}"));
    Ok(())
}

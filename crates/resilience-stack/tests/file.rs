//! Files of stacks: what they build, and what they say when they are wrong.
#![cfg(feature = "file")]

use resilience_stack::{
    bulkhead::Bulkhead,
    client::ClientStack,
    config::{ClientConfig, Protocol, ServerConfig},
    core::{BudgetConfig, ConfigError},
    file::{StackFile, StackFileError, from_toml},
    ratelimit::Quota,
    server::ServerStack,
};
use std::{env, error::Error, fs, path::Path, time::Duration};

const EXAMPLE: &str = include_str!("../examples/stacks.toml");

fn wrong(text: &str) -> StackFileError {
    StackFile::parse(text).expect_err(text)
}

#[test]
fn the_example_is_what_it_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stacks.toml");
    let stacks = StackFile::load(path).unwrap();
    assert_eq!(
        stacks.clients().collect::<Vec<_>>(),
        ["inventory", "prices"]
    );
    assert_eq!(stacks.servers().collect::<Vec<_>>(), ["front"]);

    let inventory = stacks.client_config("inventory").unwrap();
    assert_eq!(inventory.deadline, Duration::from_secs(2));
    assert_eq!(inventory.attempt_timeout, Some(Duration::from_millis(500)));
    let breaker = inventory.breaker.as_ref().unwrap();
    assert_eq!(breaker.open_for, Some(Duration::from_millis(250)));
    assert_eq!(
        breaker.failure_rate,
        Some(0.2),
        "what is left out has its default"
    );
    let retry = inventory.retry.as_ref().unwrap();
    assert_eq!(retry.backoff.base, Duration::from_millis(50));
    let mut budget = BudgetConfig::default();
    budget.ratio = 0.1;
    assert_eq!(retry.budget, Some(budget));
    let inventory = stacks.client("inventory").unwrap().build().unwrap();
    assert_eq!(inventory.bulkhead().map(Bulkhead::limit), Some(32));
    assert_eq!(&**inventory.breaker().unwrap().name(), "inventory");
    assert!(inventory.rate_limit().is_none());

    let front = stacks.server("front").unwrap().build().unwrap();
    assert_eq!(front.bulkhead().map(Bulkhead::limit), Some(200));
    assert_eq!(front.rate_limit().unwrap().quota(), Quota::per_second(500));
}

#[cfg(feature = "tonic")]
#[test]
fn a_client_is_asked_for_by_its_protocol() {
    let stacks = StackFile::parse(EXAMPLE).unwrap();
    let prices = stacks.grpc_client("prices").unwrap().build().unwrap();
    assert_eq!(
        prices.rate_limit().unwrap().quota(),
        Quota::per_minute(6_000).burst(50)
    );
    for (error, said) in [
        (
            stacks.client("prices").map(drop),
            "`client.prices.protocol` is \"grpc\"; it must be \"http\"; `grpc_client` asks for the others",
        ),
        (
            stacks.grpc_client("inventory").map(drop),
            "`client.inventory.protocol` is \"http\"; it must be \"grpc\"; `client` asks for the others",
        ),
    ] {
        assert_eq!(error.unwrap_err().to_string(), said);
    }
}

#[test]
fn an_empty_table_is_the_preset() {
    for text in [
        "[client.a]\n[server.b]",
        "[client.a.bulkhead]\n[client.a.breaker]\n[client.a.retry]\n[client.a.retry.budget]\n[server.b.bulkhead]",
        "[client.a]\nrate_limit = false\n[server.b]\nrate_limit = false",
    ] {
        let stacks = StackFile::parse(text).unwrap();
        assert_eq!(stacks.client_config("a").unwrap(), &ClientConfig::default());
        assert_eq!(stacks.server_config("b").unwrap(), &ServerConfig::default());
        let (from_file, preset) = (stacks.client("a").unwrap(), ClientStack::http("a"));
        let (from_file, preset) = (from_file.build().unwrap(), preset.build().unwrap());
        assert_eq!(format!("{from_file:?}"), format!("{preset:?}"));
        assert_eq!(from_file.bulkhead().map(Bulkhead::limit), Some(100));
        let (from_file, preset) = (stacks.server("b").unwrap(), ServerStack::http("b"));
        let (from_file, preset) = (from_file.build().unwrap(), preset.build().unwrap());
        assert_eq!(format!("{from_file:?}"), format!("{preset:?}"));
        assert_eq!(from_file.bulkhead().map(Bulkhead::limit), Some(1_000));
    }
}

#[test]
fn false_leaves_a_layer_out() {
    let text = "[client.a]\nretry = false\nbulkhead = false\nbreaker = false\n[server.b]\nbulkhead = false";
    let stacks = StackFile::parse(text).unwrap();
    assert!(stacks.client_config("a").unwrap().retry.is_none());
    let client = stacks.client("a").unwrap().build().unwrap();
    assert!(client.bulkhead().is_none() && client.breaker().is_none());
    assert!(
        stacks
            .server("b")
            .unwrap()
            .build()
            .unwrap()
            .bulkhead()
            .is_none()
    );
}

#[test]
fn an_unknown_stack_is_told_those_that_there_are() {
    let stacks = StackFile::parse(EXAMPLE).unwrap();
    let said = |error: Result<(), StackFileError>| error.unwrap_err().to_string();
    assert_eq!(
        said(stacks.client("inventry").map(drop)),
        "there is no client `inventry`; did you mean `inventory`? known: `inventory`, `prices`"
    );
    assert_eq!(
        said(stacks.server("x").map(drop)),
        "there is no server `x`; known: `front`"
    );
    assert_eq!(
        said(StackFile::default().client("x").map(drop)),
        "there is no client `x`; none are known"
    );
}

#[test]
fn an_attempt_that_may_take_the_whole_call_contradicts_retries() {
    let text = "[client.a]\ndeadline = \"1s\"\nattempt_timeout = \"1s\"\n";
    let said = "3:19: `client.a.attempt_timeout` is 1s; it must be less than `deadline`, which is 1s, to leave time for a retry";
    assert_eq!(wrong(text).to_string(), said);
    assert!(StackFile::parse(&format!("{text}retry = false")).is_ok());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn errors_name_place_field_value_and_what_would_be_right() {
    for (text, field, said) in [
        (
            "[client.a.breaker]\nprobes = 1\nopen_for = \"0s\"",
            "client.a.breaker.open_for",
            "3:12: `client.a.breaker.open_for` is 0ns; it must be more than zero and at most 365 days",
        ),
        (
            "[client.a]\n# Größe\nbreaker.open_for = 250",
            "client.a.breaker.open_for",
            "3:20: `client.a.breaker.open_for`: invalid type: integer `250`, expected a duration with its unit, \
             such as \"250ms\" or \"1m 30s\"",
        ),
        (
            "client.a.deadline = \"5 sekunden\"",
            "client.a.deadline",
            "1:21: `client.a.deadline`: invalid value: string \"5 sekunden\", expected a duration with its unit, \
             such as \"250ms\" or \"1m 30s\"",
        ),
        (
            "[server.b]\ndeadline = \"0s\"",
            "server.b.deadline",
            "2:12: `server.b.deadline` is 0ns; it must be more than zero and at most 365 days",
        ),
        (
            "[client.a]\nrate_limit.quota = \"lots\"",
            "client.a.rate_limit.quota",
            "2:20: `client.a.rate_limit.quota`: invalid value: string \"lots\", expected an amount per time, \
             such as \"100/s\" or \"6000/min\"",
        ),
        (
            "[client.a.rate_limit]\nquota = \"0/s\"",
            "client.a.rate_limit.quota.n",
            "2:9: `client.a.rate_limit.quota.n` is 0; it must be from 1 to 1000000000",
        ),
        (
            "[client.\"b.c\".rate_limit]\n",
            "client.b.c.rate_limit.quota",
            "1:15: `client.b.c.rate_limit.quota` is not set; it must be set, for example to \
             `Quota::per_second(100)`, in files \"100/s\"",
        ),
        (
            "[client.a.retry]\nbackoff = { base = \"20s\" }",
            "client.a.retry.backoff.cap",
            "2:1: `client.a.retry.backoff.cap` is 10s; it must be at least the `base`, 20s",
        ),
        (
            "[client.a]\nbreaker = { time_window = { buckets = 5 }, count_window = 9 }",
            "client.a.breaker.count_window",
            "2:59: `client.a.breaker.count_window` is 9; it must be left out where `time_window` is set",
        ),
        (
            "[client.a]\nbreaker = true",
            "client.a.breaker",
            "2:11: `client.a.breaker`: invalid value: boolean `true`, expected a value, or `false` for none",
        ),
        (
            "[client.a]\nprotocol = \"grcp\"",
            "client.a.protocol",
            "2:12: `client.a.protocol`: \"grcp\" is not known; did you mean `grpc`? known: `http`, `grpc`",
        ),
        (
            "[client.a]\n[client.ab]\ndeadline = '0s'",
            "client.ab.deadline",
            "3:12: `client.ab.deadline` is 0ns; it must be more than zero and at most 365 days",
        ),
        (
            "[client.a]\nprotocol = 2",
            "client.a.protocol",
            "2:12: `client.a.protocol`: expected one of `http`, `grpc`",
        ),
        (
            "[client.a]\nbreaker = { open_growing = ['1s', 4] }",
            "client.a.breaker.open_growing",
            "2:28: `client.a.breaker.open_growing`: invalid type: sequence, expected a table",
        ),
        (
            "[server.b]\nlimit = 5",
            "server.b.limit",
            "2:1: `server.b.limit` is not known; known: `protocol`, `deadline`, `rate_limit`, `bulkhead`",
        ),
        (
            "[client.a.bulkhead]\nlimt = 5",
            "client.a.bulkhead.limt",
            "2:1: `client.a.bulkhead.limt` is not known; did you mean `limit`? known: `limit`",
        ),
        (
            "[clients.a]",
            "clients",
            "1:2: `clients` is not known; did you mean `client`? known: `client`, `server`",
        ),
        (
            "[client.a.bulkhead]\nlimit = 99999999999999999999",
            "client.a.bulkhead.limit",
            "2:9: `client.a.bulkhead.limit`: 99999999999999999999 is too large",
        ),
    ] {
        let error = wrong(text);
        assert_eq!(error.to_string(), said);
        assert_eq!(error.field(), Some(field));
        let place = format!("{}:{}:", error.line().unwrap(), error.column().unwrap());
        assert!(said.starts_with(&place), "{said}");
    }
}

#[test]
fn what_is_no_toml_has_a_place_too() {
    let error = wrong("[client.a]\ndeadline = = 5");
    assert_eq!((error.line(), error.field()), (Some(2), None));
    assert!(error.to_string().starts_with("2:12: "), "{error}");
    let error = wrong("[client.a]\n[client.a]");
    assert_eq!(error.line(), Some(2), "{error}");
}

#[test]
fn errors_of_files_name_the_file() {
    let missing = env::temp_dir().join("resilience-stack-no-such-file.toml");
    let error = StackFile::load(&missing).unwrap_err();
    assert_eq!(error.file(), Some(&*missing));
    assert!(error.source().is_some());
    let start = format!("{}: the file cannot be read: ", missing.display());
    assert!(error.to_string().starts_with(&start), "{error}");

    let path = env::temp_dir().join(format!("resilience-stack-{}.toml", std::process::id()));
    fs::write(&path, "[client.a]\nspeed = 1").unwrap();
    let error = StackFile::load(&path).unwrap_err();
    fs::write(&path, "[client.a]").unwrap();
    let unknown = StackFile::load(&path)
        .unwrap()
        .client("b")
        .map(drop)
        .unwrap_err();
    fs::remove_file(&path).unwrap();
    let start = format!("{}:2:1: `client.a.speed` is not known; ", path.display());
    assert!(error.to_string().starts_with(&start), "{error}");
    assert_eq!(
        unknown.to_string(),
        format!("{}: there is no client `b`; known: `a`", path.display())
    );
}

#[test]
fn serde_reads_and_writes_files_in_any_format_with_the_same_checks() {
    let stacks = StackFile::parse(EXAMPLE).unwrap();
    let json = serde_json::to_string(&stacks).unwrap();
    assert_eq!(serde_json::from_str::<StackFile>(&json).unwrap(), stacks);
    let toml = toml::to_string(&stacks).unwrap();
    assert_eq!(StackFile::parse(&toml).unwrap(), stacks);
    assert_eq!(toml::from_str::<StackFile>(EXAMPLE).unwrap(), stacks);

    let error = serde_json::from_str::<StackFile>(r#"{ "client": { "a": { "deadline": "0s" } } }"#);
    let said = "`client.a.deadline` is 0ns; it must be more than zero and at most 365 days";
    assert!(error.unwrap_err().to_string().starts_with(said));
}

#[test]
fn configurations_are_errors_of_the_builder_too() {
    let mut config = ClientConfig::default();
    config.breaker.as_mut().unwrap().probes = 0;
    let error = ClientStack::http("a").config(config).build().unwrap_err();
    assert_eq!(error.field(), "breaker.probes");

    let mut config = ClientConfig::default();
    config.protocol = Protocol::Grpc;
    let error = ClientStack::http("a").config(config).build().unwrap_err();
    assert_eq!(error.field(), "protocol");

    let mut config = ServerConfig::default();
    config.bulkhead.as_mut().unwrap().limit = Some(0);
    let error = ServerStack::http("a").config(config).build().unwrap_err();
    assert_eq!(error.field(), "bulkhead.limit");
}

#[test]
fn other_types_are_read_with_items_and_choices_named() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Plan {
        steps: Vec<Step>,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    enum Step {
        Wait { times: u8 },
        Call { name: String },
    }
    let read = |text: &str| {
        let check = |plan: &Plan| match plan.steps[..] {
            [_, Step::Wait { times: 0 }, ..] => {
                Err(ConfigError::new("steps.1.wait.times", 0, "more"))
            }
            _ => Ok(()),
        };
        from_toml(text, check).map(|plan: Plan| plan.steps.len())
    };
    let two = "steps = [\n  { wait = { times = 1 } },\n  ";
    let second = |text: &str| read(&format!("{two}{text}]"));
    assert_eq!(second("{ call = { name = 'a' } }").unwrap(), 2);
    for (text, said) in [
        (
            "{ wait = { times = 0 } }",
            "3:22: `steps.1.wait.times` is 0; it must be more",
        ),
        (
            "{ wait = { tims = 0 } }",
            "3:14: `steps.1.wait.tims` is not known; did you mean `times`? known: `times`",
        ),
        (
            "{ wait = { times = 1 }, call = { name = 'a' } }",
            "3:3: `steps.1`: expected one of `wait`, `call`",
        ),
        (
            "'wait'",
            "3:3: `steps.1`: a name alone; expected a table of that name, with its fields",
        ),
        (
            "{ wait = { times = 256 } }",
            "3:22: `steps.1.wait.times`: invalid value: integer `256`, expected a whole number from 0 to 255",
        ),
        (
            "{ wait = { times = 'x' } }",
            "3:22: `steps.1.wait.times`: invalid type: string \"x\", expected a whole number from 0 to 255",
        ),
    ] {
        assert_eq!(second(text).unwrap_err().to_string(), said);
    }
}

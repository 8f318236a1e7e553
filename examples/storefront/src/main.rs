//! A shop that survives the outage of its dependencies.
//!
//! Two storefronts run side by side, under the same load, with the same troubles: one bare, with a timeout
//! around every call, the other protected by this family. `cargo run --release -p storefront` shows what
//! becomes of them; `shop/protected.rs` is what it takes.

mod capacity;
mod check;
mod history;
mod inventory;
mod load;
mod outcome;
mod page;
mod recommendations;
mod report;
mod script;
mod shop;
mod stats;

use axum::{Router, routing::get, serve::ListenerExt as _};
use clap::{Parser, value_parser};
use history::History;
use hyper_util::client::legacy::connect::HttpConnector;
use load::Customers;
use metrics_exporter_prometheus::PrometheusBuilder;
use outcome::Outcome;
use report::Progress;
use resilience_stack::core::clock;
use script::{PHASES, Script, Stage};
use shop::{Bare, Dependencies, Protected};
use stats::Stats;
use std::{
    fs::File,
    io::{self, BufWriter},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Handle};
use tower::BoxError;

/// Two storefronts, one bare, one protected, live through the outage of their dependencies.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Requests per second to each storefront, when it is calm
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u32).range(100..=2000))]
    rps: u32,

    /// Length of the run
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = value_parser!(u32).range(14..=3600))]
    seconds: u32,

    /// Port on 127.0.0.1 where /metrics is served while the script runs; 0 is any free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    metrics_port: u16,

    /// Writes the figures to FILE
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Where the page with charts goes
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/storefront/report.html"
    )]
    report: PathBuf,

    /// Runs nothing, and checks the figures in FILE, of a run with the same --rps and --seconds
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "metrics_port"])]
    check: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match &options.check {
        Some(file) => check_file(file, options.script()),
        None => run(&options).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn script(&self) -> Script {
        Script {
            rps: self.rps,
            seconds: self.seconds,
        }
    }
}

fn check_file(file: &Path, script: Script) -> Result<bool, BoxError> {
    let text = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let outcome = serde_json::from_slice(&text)
        .map_err(|error| format!("{}: not the figures of a run: {error}", file.display()))?;
    let wrong = check::check(&outcome, script);
    for sentence in &wrong {
        println!("{sentence}");
    }
    if wrong.is_empty() {
        println!("{}: all figures are as they should be", file.display());
    }
    Ok(wrong.is_empty())
}

#[tokio::main]
async fn run(options: &Options) -> Result<(), BoxError> {
    let script = options.script();
    allow_open_files(script)?;
    // Opened first: a mistyped path shall not cost a run.
    let json = match &options.json {
        Some(path) => Some(File::create(path).map_err(|e| format!("{}: {e}", path.display()))?),
        None => None,
    };
    let page = create(&options.report)
        .map_err(|error| format!("{}: {error}", options.report.display()))?;
    let metrics = serve_metrics(options.metrics_port).await?;
    println!(
        "Two storefronts, {} requests per second to each, for {} s. Metrics of the protected one: http://{metrics}/metrics\n",
        script.rps, script.seconds
    );

    // A second to start everything, and to open the connections.
    let stage = Stage::new(script, clock::now() + Duration::from_secs(1));
    let (bare, protected) = (Arc::new(Stats::new(script)), Arc::new(Stats::new(script)));
    let shop = serve(Bare::router(dependencies(&stage, &bare).await?)?, 0).await?;
    let customers_of_bare = Customers::of(shop, script, bare.clone())?;
    let (router, breakers) = Protected::router(dependencies(&stage, &protected).await?, script)?;
    let shop = serve(router, 0).await?;
    let customers_of_protected = Customers::of(shop, script, protected.clone())?;
    tokio::join!(
        customers_of_bare.warm_up(),
        customers_of_protected.warm_up()
    );

    let load = std::thread::spawn({
        let (stage, handle) = (stage.clone(), Handle::current());
        let shops = [customers_of_bare.clone(), customers_of_protected.clone()];
        move || load::play(&stage, &handle, shops.each_ref())
    });
    let mut progress = Progress::new();
    let mut history = History::default();
    while stage.elapsed() < script.length() {
        let phases = stage.phase().map_or(0, |phase| phase + 1);
        let outcome = Outcome::of(&bare, &protected, phases);
        progress.show(stage.elapsed(), script, &outcome, &breakers.states())?;
        for _ in 0..5 {
            history.note(stage.elapsed(), [&bare, &protected], breakers.state());
            tokio::time::sleep(history::INTERVAL).await;
        }
    }
    load.join().map_err(|_| "the load generator panicked")?;
    tokio::join!(customers_of_bare.done(), customers_of_protected.done());

    progress.clear()?;
    let outcome = Outcome::of(&bare, &protected, PHASES.len());
    println!("{}", report::table(&outcome));
    print!("{}", report::summary(&outcome, &bare, &protected));
    match &*check::check(&outcome, script) {
        [] => println!("All figures are as they should be."),
        wrong => println!("Not as it should be:\n{}", wrong.join("\n")),
    }
    let report = page::report(script, &outcome, [&bare, &protected], &history);
    report.write_html(&mut BufWriter::new(page))?;
    println!("With charts: {}", options.report.display());
    if let Some(json) = json {
        serde_json::to_writer_pretty(json, &outcome)?;
    }
    Ok(())
}

/// Creates a file, and the directory that it is to be in.
fn create(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    File::create(path)
}

/// Starts the dependencies of one storefront, which has them for itself.
async fn dependencies(stage: &Stage, stats: &Arc<Stats>) -> io::Result<Dependencies> {
    Ok(Dependencies {
        inventory: inventory::serve(stage.clone(), stats.clone()).await?,
        recommendations: recommendations::serve(stage.clone(), stats.clone()).await?,
    })
}

async fn serve_metrics(port: u16) -> Result<SocketAddr, BoxError> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    let render = move || {
        handle.run_upkeep();
        std::future::ready(handle.render())
    };
    let router = Router::new().route("/metrics", get(render));
    let served = serve(router, port).await;
    served.map_err(|error| format!("--metrics-port {port}: {error}").into())
}

/// Serves on the loopback interface; port 0 is any free one.
async fn serve(router: Router, port: u16) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        // Worth a warning in a real server; here, latencies would show it.
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Connects without Nagle's delay, as `serve` accepts.
fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

/// Both ends of every connection are in this process, and the bare storefront piles up connections.
fn allow_open_files(script: Script) -> Result<(), BoxError> {
    let needed = 3 * u64::from(load::most_in_flight(script)) + 200;
    let allowed = rlimit::increase_nofile_limit(needed)?;
    if allowed < needed {
        let rps = script.rps;
        return Err(format!(
            "--rps {rps} needs up to {needed} open files, and {allowed} are allowed: use a smaller --rps, or `ulimit -n {needed}`"
        )
        .into());
    }
    Ok(())
}

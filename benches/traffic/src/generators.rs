//! Load from outside: `wrk` for HTTP/1, `h2load` for gRPC.

use crate::{
    IN_FLIGHT, Load, Protocol, Result,
    processes::{OTHER, on_core},
};
use std::{env, fs, process, time::Duration};

pub fn slice(protocol: Protocol, address: &str, length: Duration) -> Result<Load> {
    match protocol {
        Protocol::Http => wrk(address, length),
        Protocol::Grpc => h2load(address, length),
    }
}

fn run(program: &str, args: &[&str]) -> Result<String> {
    let output = on_core(OTHER, program).args(args).output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        let install = "apt-get install wrk nghttp2-client";
        return Err(format!("{program} ({install}): {}", error.trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The word after `label`.
fn after<'a>(text: &'a str, label: &str) -> Result<&'a str> {
    let rest = text.split_once(label).ok_or(format!("no {label}"))?.1;
    Ok(rest.split_whitespace().next().ok_or("nothing after it")?)
}

fn wrk(address: &str, length: Duration) -> Result<Load> {
    let connections = format!("-c{IN_FLIGHT}");
    let seconds = format!("-d{}s", length.as_secs());
    let url = format!("http://{address}/");
    let text = run("wrk", &["-t1", &connections, &seconds, "--latency", &url])?;
    for bad in ["Non-2xx", "Socket errors"] {
        if text.contains(bad) {
            return Err(text.into());
        }
    }
    let per_second: f64 = after(&text, "Requests/sec:")?.parse()?;
    let (calls, _) = text.split_once(" requests in ").ok_or("no requests")?;
    let calls = calls.split_whitespace().next_back().ok_or("no requests")?;
    let calls: f64 = calls.parse()?;
    // Before it, there are percentages of another kind.
    let (_, latencies) = text
        .split_once("Latency Distribution")
        .ok_or("no latencies")?;
    Ok(Load {
        calls,
        took: Duration::from_secs_f64(calls / per_second),
        p50: micros(after(latencies, "50%")?)?,
        p99: micros(after(latencies, "99%")?)?,
    })
}

/// Of `612.00us`, `1.23ms`, or `1.00s`.
fn micros(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    Err(format!("no time: {text}").into())
}

/// Connections of gRPC clients, each with calls side by side.
const CONNECTIONS: usize = 4;

fn h2load(address: &str, length: Duration) -> Result<Load> {
    // A `StockRequest { product: "teapot" }` in its frame: not compressed, eight bytes.
    let message: &[u8] = b"\0\0\0\0\x08\x0a\x06teapot";
    let file = |name: &str| env::temp_dir().join(format!("traffic-{}.{name}", process::id()));
    let (body, log) = (file("body"), file("log"));
    fs::write(&body, message)?;
    let text = run(
        "h2load",
        &[
            "-t1",
            &format!("-c{CONNECTIONS}"),
            &format!("-m{}", IN_FLIGHT / CONNECTIONS),
            &format!("-D{}", length.as_secs()),
            &format!("--data={}", body.display()),
            &format!("--log-file={}", log.display()),
            "-Hcontent-type: application/grpc",
            "-Hte: trailers",
            &format!("http://{address}/inventory.Inventory/Stock"),
        ],
    )?;
    let lines = fs::read_to_string(&log)?;
    fs::remove_file(&body)?;
    fs::remove_file(&log)?;
    // When it began, its status, and how many microseconds it took.
    let mut latencies = Vec::new();
    for line in lines.lines() {
        let [_, status, micros] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("not a line of h2load: {line}").into());
        };
        if status != "200" {
            return Err(format!("status {status}: {text}").into());
        }
        latencies.push(micros.parse::<u32>()?.saturating_mul(1_000));
    }
    if latencies.is_empty() {
        return Err(format!("no calls: {text}").into());
    }
    Ok(Load::of(latencies, length))
}

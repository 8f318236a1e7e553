//! Limits by certificate under mutual TLS: who may call, how often, and whom the callers believe.
//!
//! `cargo run -p mutual-tls` takes a tour, and fails where anything is not as it says.

mod callers;
mod certificates;
#[path = "../../flaky/mod.rs"]
mod flaky;
mod listener;
mod servers;

use callers::{Caller, cause};
use certificates::Authority;
use http::{StatusCode, header::RETRY_AFTER};
use resilience_stack::{core::clock, http::CertificateKey, prelude::BoxError};
use servers::{BURST, Servers, limits};
use tokio::net::TcpStream;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError, crypto};
use tonic::Code;

const CHECKOUT: &str = "spiffe://shop.example/checkout";
const REPORTS: &str = "spiffe://shop.example/reports";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tour().await
}

async fn tour() -> Result<(), BoxError> {
    // An error if it was installed before: then there is one.
    let _ = crypto::ring::default_provider().install_default();
    let ours = Authority::new("ours")?;
    let limits = limits()?;
    let servers = Servers::start(&ours, &ours, &limits).await?;
    let left = |name| limits.available(&CertificateKey::uri(name), clock::now());

    println!("All the time, somebody is connected to both servers who never says a word.");
    let _silent = [
        TcpStream::connect(servers.http).await?,
        TcpStream::connect(servers.grpc).await?,
    ];

    println!("{CHECKOUT} calls, within its limit of {BURST} calls to both servers:");
    let checkout = Caller::new(&servers, &ours, Some(&ours.caller(CHECKOUT)?))?;
    for _ in 0..BURST / 2 {
        greeted(&checkout, CHECKOUT).await?;
        served(&checkout).await?;
    }
    assert_eq!(left(CHECKOUT), 0);

    println!("once more, over its limit:");
    let answer = checkout.greet().await?;
    let wait = &answer.headers()[RETRY_AFTER];
    println!("    HTTP: {}, Retry-After: {wait:?} s", answer.status());
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!((1..=600).contains(&wait.to_str()?.parse::<u64>()?));
    let status = checkout.stock().await.unwrap_err();
    let wait = status
        .metadata()
        .get("grpc-retry-pushback-ms")
        .expect("a pushback");
    println!(
        "    gRPC: {:?}, {}, pushback: {wait:?} ms",
        status.code(),
        status.message()
    );
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!((1..=600_000).contains(&wait.to_str()?.parse::<u64>()?));

    println!("{REPORTS} has a limit of its own:");
    let reports = Caller::new(&servers, &ours, Some(&ours.caller(REPORTS)?))?;
    greeted(&reports, REPORTS).await?;
    served(&reports).await?;
    assert_eq!(left(REPORTS), BURST - 2);

    println!("a new certificate for {CHECKOUT} is not a new limit:");
    let renewed = Caller::new(&servers, &ours, Some(&ours.caller(CHECKOUT)?))?;
    let status = renewed.greet().await?.status();
    println!("    HTTP: {status}");
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);

    println!("a caller without a certificate:");
    let nobody = Caller::new(&servers, &ours, None)?;
    let alert = TlsError::AlertReceived(AlertDescription::CertificateRequired);
    refused(&nobody, &alert).await?;

    println!("a caller that another authority calls {REPORTS}:");
    let theirs = Authority::new("theirs")?;
    let stranger = Caller::new(&servers, &ours, Some(&theirs.caller(REPORTS)?))?;
    let alert = TlsError::AlertReceived(AlertDescription::UnknownCA);
    refused(&stranger, &alert).await?;
    assert_eq!(
        left(REPORTS),
        BURST - 2,
        "nobody calls at the expense of another"
    );

    println!("{REPORTS} meets servers that another authority vouches for:");
    let impostors = Servers::start(&theirs, &ours, &limits).await?;
    let deceived = Caller::new(&impostors, &ours, Some(&ours.caller(REPORTS)?))?;
    let unknown = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
    refused(&deceived, &unknown).await?;
    assert_eq!(left(REPORTS), BURST - 2, "it did not call them");

    println!("and with the right ones goes on:");
    greeted(&reports, REPORTS).await?;
    served(&reports).await?;
    assert_eq!(limits.len(), 2, "nobody else was let in");
    Ok(())
}

/// The HTTP server knows the caller by name.
async fn greeted(caller: &Caller, name: &str) -> Result<(), BoxError> {
    let answer = caller.greet().await?;
    println!("    HTTP: {}, {:?}", answer.status(), answer.body());
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.body(), &format!("hello, {name}"));
    Ok(())
}

/// The gRPC server answers.
async fn served(caller: &Caller) -> Result<(), BoxError> {
    let count = caller.stock().await?;
    println!("    gRPC: {count} in stock");
    assert_eq!(count, 3);
    Ok(())
}

/// The caller can call neither server, and hears why.
async fn refused(caller: &Caller, why: &TlsError) -> Result<(), BoxError> {
    for address in [caller.servers.http, caller.servers.grpc] {
        let heard = caller.knock(address).await?;
        println!("    TLS: {heard}");
        assert_eq!(heard, why.to_string());
    }
    let error = caller.greet().await.unwrap_err();
    println!("    HTTP: {}", cause(&*error));
    let error = caller.stock().await.unwrap_err();
    println!("    gRPC: {}", cause(&error));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn the_tour_is_as_it_says() {
        super::tour().await.unwrap();
    }
}

//! Open-loop load: requests are sent when they are due, whether or not earlier ones have been answered, and
//! latency counts from when they were due. A storefront that stalls cannot slow down its own examination.

use crate::{
    script::{Script, Stage},
    shop::DEGRADED,
    stats::{Answer, Stats, slice_of},
};
use axum::http::{HeaderMap, StatusCode, Uri, header::RETRY_AFTER};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use resilience_stack::core::{Timestamp, clock};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::Semaphore};
use tower::BoxError;

/// Customers wait so long for a page.
const PATIENCE: Duration = Duration::from_secs(2);

/// The customers of one storefront.
#[derive(Clone, Debug)]
pub(crate) struct Customers {
    client: Client<HttpConnector, Empty<Bytes>>,
    page: Uri,
    stats: Arc<Stats>,
    in_flight: Arc<Semaphore>,
    most: u32,
}

impl Customers {
    pub(crate) fn of(
        shop: SocketAddr,
        script: Script,
        stats: Arc<Stats>,
    ) -> Result<Self, BoxError> {
        let most = most_in_flight(script);
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(crate::connector()),
            page: format!("http://{shop}/product/teapot").parse()?,
            stats,
            in_flight: Arc::new(Semaphore::new(most as usize)),
            most,
        })
    }

    /// Opens connections and runs the code once, so that the first phase does not pay for it.
    pub(crate) async fn warm_up(&self) {
        for _ in 0..20 {
            let (a, b) = tokio::join!(self.fetch(), self.fetch());
            drop((a, b));
        }
    }

    /// Returns when all requests have been answered or given up.
    pub(crate) async fn done(&self) {
        let _all = self.in_flight.acquire_many(self.most).await;
    }

    /// Sends the request that is due at `due` after `start`, or was.
    fn send(&self, handle: &Handle, start: Timestamp, due: Duration) {
        self.stats.offer(due);
        let Ok(permit) = self.in_flight.clone().try_acquire_owned() else {
            self.stats.answer(due, Answer::Failed, PATIENCE);
            return;
        };
        let this = self.clone();
        handle.spawn(async move {
            let deadline = clock::instant(start + due + PATIENCE);
            let answer = match tokio::time::timeout_at(deadline, this.fetch()).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) | Err(_) => Answer::Failed,
            };
            let latency = clock::now() - (start + due);
            this.stats.answer(due, answer, latency);
            drop(permit);
        });
    }

    async fn fetch(&self) -> Result<Answer, BoxError> {
        let response = self.client.get(self.page.clone()).await?;
        let answer = classify(response.status(), response.headers());
        // A page is there when all of it is there.
        response.into_body().collect().await?;
        Ok(answer)
    }
}

/// More requests than this to one storefront are not left in flight: the bare one has a second's worth of a
/// spike when it is at its worst.
pub(crate) fn most_in_flight(script: Script) -> u32 {
    script.rps * 4 + 100
}

/// Plays the script to both storefronts, from a thread of its own: tokio's timers are good to a millisecond,
/// which is more than the differences to be seen.
///
/// The two get their requests in turns, half an interval apart, so that they do not stand in each other's way.
/// Which one is first changes from slice to slice.
pub(crate) fn play(stage: &Stage, handle: &Handle, shops: [&Customers; 2]) {
    let script = stage.script();
    for (phase, at) in script.arrivals() {
        let [first, second] = if slice_of(at).is_multiple_of(2) {
            shops
        } else {
            [shops[1], shops[0]]
        };
        let later = at + script.interval(phase) / 2;
        for (customers, due) in [(first, at), (second, later)] {
            std::thread::sleep((stage.start() + due) - clock::now());
            customers.send(handle, stage.start(), due);
        }
    }
}

fn classify(status: StatusCode, headers: &HeaderMap) -> Answer {
    match status {
        StatusCode::OK if headers.contains_key(DEGRADED) => Answer::Degraded,
        StatusCode::OK => Answer::Full,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            if headers.contains_key(RETRY_AFTER) =>
        {
            Answer::Refused
        }
        _ => Answer::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let none = HeaderMap::new();
        let mut advice = HeaderMap::new();
        advice.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        for status in [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ] {
            assert_eq!(classify(status, &none), Answer::Failed);
            assert_eq!(classify(status, &advice), Answer::Refused);
        }
        assert_eq!(classify(StatusCode::BAD_GATEWAY, &advice), Answer::Failed);
    }

    #[test]
    fn a_degraded_page_is_marked() {
        let mut headers = HeaderMap::new();
        assert_eq!(classify(StatusCode::OK, &headers), Answer::Full);
        headers.insert(DEGRADED, HeaderValue::from_static("inventory"));
        assert_eq!(classify(StatusCode::OK, &headers), Answer::Degraded);
    }
}

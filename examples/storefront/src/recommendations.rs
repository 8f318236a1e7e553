//! The recommendations: a plain HTTP server.

use crate::{
    script::{Health, PHASES, Stage},
    stats::Stats,
};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode},
    routing::get,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The header in which clients number their attempts.
pub(crate) const ATTEMPT: HeaderName = HeaderName::from_static("x-attempt");

/// What an answer takes on a bad day: less than the second for which the bare storefront waits.
const SLOW: Duration = Duration::from_millis(700);

/// On a good day, one call in so many fails. No system is perfect.
const LOST: u64 = 200;

struct Recommendations {
    stage: Stage,
    stats: Arc<Stats>,
    calls: AtomicU64,
}

/// Serves on a free port, and says on which.
pub(crate) async fn serve(stage: Stage, stats: Arc<Stats>) -> std::io::Result<SocketAddr> {
    let router = Router::new()
        .route("/for/{product}", get(recommend))
        .with_state(Arc::new(Recommendations {
            stage,
            stats,
            calls: AtomicU64::new(0),
        }));
    crate::serve(router, 0).await
}

async fn recommend(
    State(this): State<Arc<Recommendations>>,
    headers: HeaderMap,
) -> Result<Json<[&'static str; 3]>, StatusCode> {
    let phase = this.stage.phase();
    let retry = headers.get(ATTEMPT).is_some_and(|attempt| attempt != "1");
    this.stats.recommendations.note(phase, retry);
    let call = this.calls.fetch_add(1, Ordering::Relaxed);
    match phase.map_or(Health::Healthy, |phase| PHASES[phase].recommendations) {
        Health::Healthy => {
            if call % LOST == LOST - 1 {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
        }
        Health::Hanging => std::future::pending().await,
        Health::FailingFast => return Err(StatusCode::SERVICE_UNAVAILABLE),
        Health::SlowAndFailing => {
            tokio::time::sleep(SLOW).await;
            if call.is_multiple_of(3) {
                return Err(StatusCode::INTERNAL_SERVER_ERROR);
            }
        }
    }
    Ok(Json(["teapot", "kettle", "cosy"]))
}

//! The answers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::{Method, StatusCode};
use tokio::time::timeout;

use super::backlog::{Backlog, Source};
use super::health::{Sight, ready_json};
use super::meters::{Measured, Meters};
use super::metrics::{self, Reading};
use crate::app::config::HealthConfig;
use crate::clock::wall_clock_ms;
use crate::consumer::Consumer;
use crate::engine::run::{Handler, Questions, Service, Watcher};

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers for one service.
#[derive(Debug)]
pub(in crate::app) struct Site {
    health: HealthConfig,
    started: Duration,
    meters: Arc<Meters>,
    backlog: Backlog,
    /// Once there is a service.
    subject: OnceLock<Subject>,
}

/// What is to be seen.
#[derive(Debug)]
struct Subject {
    watcher: Watcher,
    source: Source,
}

/// An answer to a request.
#[derive(Debug)]
pub(in crate::app) struct Answer {
    pub(in crate::app) status: StatusCode,
    pub(in crate::app) content_type: &'static str,
    pub(in crate::app) body: String,
}

impl Site {
    /// A site of a service that starts.
    pub(in crate::app) fn new(health: HealthConfig) -> Self {
        Self {
            health,
            started: since_1970(),
            meters: Arc::default(),
            backlog: Backlog::default(),
            subject: OnceLock::new(),
        }
    }

    /// Shows a service from now on: it is to be run in place of the one given, with what is asked
    /// of it.
    pub(in crate::app) fn show<H: Handler>(
        &self,
        service: Service<H>,
    ) -> (Service<Measured<H>>, Questions) {
        let service = measured(service, &self.meters);
        let (watcher, questions) = service.watch();
        let consumer = service.main.as_ref().or(service.drain.as_ref());
        let source = Source {
            client: service.client.clone(),
            isolation: consumer.map(Consumer::isolation_level).unwrap_or_default(),
        };
        // It is the first: a site has one service.
        let _ = self.subject.set(Subject { watcher, source });
        (service, questions)
    }

    /// Answers a request.
    pub(in crate::app) async fn answer(&self, method: &Method, path: &str) -> Answer {
        if ![Method::GET, Method::HEAD].contains(method) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match path {
            "/healthz" => self.healthz().await,
            "/readyz" => self.readyz().await,
            "/metrics" => self.metrics().await,
            _ => plain(
                StatusCode::NOT_FOUND,
                "there are /healthz, /readyz and /metrics\n",
            ),
        }
    }

    async fn healthz(&self) -> Answer {
        let sight = self.look().await;
        verdict(sight.is_alive(), &sight.alive_json())
    }

    async fn readyz(&self) -> Answer {
        let failing = self.look().await.failing(self.health.stuck_after);
        verdict(failing.is_empty(), &ready_json(&failing))
    }

    async fn metrics(&self) -> Answer {
        let sight = self.look().await;
        let subject = self.subject.get();
        let waiting = match (&sight, subject) {
            (Sight::Running(view), Some(subject)) => self.backlog.look(&subject.source, view).await,
            _ => Vec::new(),
        };
        let reading = Reading {
            sight: &sight,
            is_ready: sight.failing(self.health.stuck_after).is_empty(),
            waiting,
            traffic: subject.map(|subject| subject.source.client.traffic()),
            meters: &self.meters,
            started: self.started,
            now: since_1970(),
        };
        match metrics::encode(&reading) {
            Ok(body) => Answer {
                status: StatusCode::OK,
                content_type: OPEN_METRICS,
                body,
            },
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
        }
    }

    async fn look(&self) -> Sight {
        let Some(subject) = self.subject.get() else {
            return Sight::Starting;
        };
        let limit = self.health.answer_within;
        match timeout(limit, subject.watcher.look()).await {
            Ok(Ok(view)) => Sight::Running(Box::new(view)),
            Ok(Err(_)) => Sight::Leaving,
            Err(_) => Sight::Silent(limit),
        }
    }
}

/// The same service, with its handler's verdicts counted.
fn measured<H>(service: Service<H>, meters: &Arc<Meters>) -> Service<Measured<H>> {
    service.map_handler(|handler| Measured::new(handler, meters.clone()))
}

fn verdict(is_well: bool, json: &serde_json::Value) -> Answer {
    Answer {
        status: if is_well {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        },
        content_type: JSON,
        body: format!("{json}\n"),
    }
}

fn plain(status: StatusCode, body: &str) -> Answer {
    Answer {
        status,
        content_type: PLAIN,
        body: body.to_owned(),
    }
}

fn since_1970() -> Duration {
    Duration::from_millis(u64::try_from(wall_clock_ms()).unwrap_or(0))
}

//! The service's handler, watched.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::observer::Observer;
use crate::engine::Report;
use crate::engine::run::{Handler, Service};
use crate::sink::{Failure, Verdict};
use crate::wire::batch::Record;

/// A handler whose deliveries are told.
pub(super) struct Watched<H> {
    handler: Arc<H>,
    observer: Arc<Observer>,
}

/// The same service, with its handler watched.
pub(super) fn watched<H>(service: Service<H>, observer: &Arc<Observer>) -> Service<Watched<H>> {
    service.map_handler(|handler| Watched {
        handler,
        observer: observer.clone(),
    })
}

impl<H: Handler> Handler for Watched<H> {
    async fn deliver(&self, record: &Record, retry: Option<u32>) -> Verdict {
        // It was written before it could be read: so it is told.
        self.observer.look();
        let verdict = self.handler.deliver(record, retry).await;
        let value = record.as_ref().value().unwrap_or_default();
        let value = Bytes::copy_from_slice(value);
        self.observer.attempt(&value, retry, verdict.clone());
        verdict
    }

    fn probe(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        self.handler.probe()
    }

    fn told(&self, report: &Report) {
        self.observer.look();
        self.observer.told(report);
    }
}

//! A payment's delivery: the record is read as an event, put into words, and handed to the sink.

use crate::engine::run::Handler;
use crate::payment::{PaymentEvent, Template};
use crate::sink::{Failure, Message, Sink, Verdict};
use crate::wire::batch::Record;

/// Sends payments as text to a sink.
#[derive(Debug)]
pub(super) struct PaymentHandler<S> {
    pub(super) template: Template,
    pub(super) sink: S,
}

impl<S: Sink + 'static> Handler for PaymentHandler<S> {
    async fn deliver(&self, record: &Record, retry: Option<u32>) -> Verdict {
        match PaymentEvent::from_record_value(record.as_ref().value()) {
            Ok(event) => {
                let text = self.template.render(&event, retry);
                self.sink.deliver(&Message { text }).await
            }
            Err(failure) => Verdict::Rejected(failure),
        }
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.sink.probe().await
    }
}

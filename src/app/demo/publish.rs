//! Publishes the script, at a pace that can be followed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::evidence::At;
use super::observer::Observer;
use super::script::{Script, Scripted};
use crate::Error;
use crate::producer::{Delivery, Producer, ProducerRecord};

/// Payments that may be unacknowledged at a time.
const UNDER_WAY: usize = 1_000;

/// Publishes all payments, this far apart, and tells each that is acknowledged.
///
/// # Errors
///
/// What could not be sent or was not acknowledged.
pub(super) async fn publish(
    script: &Script,
    producer: &Producer,
    topic: &str,
    apart: Duration,
    observer: &Observer,
) -> Result<(), Error> {
    let (sent, under_way) = mpsc::channel(UNDER_WAY);
    let sending = send(script, producer, topic, apart, sent);
    tokio::try_join!(sending, confirm(under_way, observer))?;
    Ok(())
}

async fn send<'a>(
    script: &'a Script,
    producer: &Producer,
    topic: &str,
    apart: Duration,
    sent: mpsc::Sender<(&'a Scripted, Delivery)>,
) -> Result<(), Error> {
    let topic: Arc<str> = topic.into();
    let mut due = Instant::now();
    for payment in &script.payments {
        tokio::time::sleep_until(due).await;
        due += apart;
        let key = Some(payment.key.as_bytes());
        let record = ProducerRecord::new(topic.clone(), key, Some(&payment.value));
        let delivery = producer.send(&record).await?;
        if sent.send((payment, delivery)).await.is_err() {
            // An acknowledgement has failed, and is told.
            break;
        }
    }
    Ok(())
}

async fn confirm(
    mut under_way: mpsc::Receiver<(&Scripted, Delivery)>,
    observer: &Observer,
) -> Result<(), Error> {
    while let Some((payment, delivery)) = under_way.recv().await {
        let acked = delivery.await?;
        let at = At {
            partition: acked.partition,
            offset: acked.offset,
        };
        let value = Bytes::copy_from_slice(&payment.value);
        observer.acked(at, &value);
    }
    Ok(())
}

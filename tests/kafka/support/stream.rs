//! Payments by the dozen: each has a number, which its message shows.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use super::cluster::Cluster;
use super::payments::payment;
use super::records::Record;
use super::telegram::{Answer, Sent, Telegram};

/// Between the batches of a stream.
const PACE: Duration = Duration::from_millis(20);

/// Payments in turn for each of the partitions: number `n` is at partition `n % partitions`, and
/// where all are published in order, at offset `n / partitions`.
pub(crate) fn payments(numbers: Range<usize>, partitions: usize) -> Vec<Record> {
    let at = |number| (number % partitions) as i32;
    numbers
        .map(|number| Record::new(payment(number)).at(at(number)))
        .collect()
}

/// The number of the payment that a message tells of.
pub(crate) fn number(sent: &Sent) -> usize {
    let (_, rest) = sent
        .text
        .split_once("ID: user")
        .expect("the text has a mail");
    let (number, _) = rest.split_once('@').expect("the mail has a number");
    number.parse().expect("the mail is a number's")
}

/// The payments of a stream of calls that Telegram took, in order.
pub(crate) fn delivered(sent: &[Sent]) -> Vec<usize> {
    let taken = sent.iter().filter(|sent| sent.answer.is_ok());
    taken.map(number).collect()
}

impl Telegram {
    /// Waits until all payments of these numbers were delivered; all that were, in order.
    pub(crate) async fn wait_for_payments(&self, numbers: Range<usize>) -> Vec<usize> {
        let what = format!("payments {numbers:?} all delivered");
        self.wait_until(&what, |sent| {
            let delivered = delivered(sent);
            let seen: BTreeSet<_> = delivered.iter().copied().collect();
            numbers
                .clone()
                .all(|n| seen.contains(&n))
                .then_some(delivered)
        })
        .await
    }

    /// The answer to one payment's message.
    pub(crate) fn answer_payment(&self, wanted: usize, then: Answer) {
        self.answer(move |call| number(call) == wanted, then);
    }
}

/// Publishes payments in turn for each partition while `work` goes on; how many there were.
pub(crate) async fn publish_during(
    cluster: &Cluster,
    topic: &str,
    partitions: usize,
    work: impl Future<Output = ()>,
) -> usize {
    let over = Cell::new(false);
    let work = async {
        work.await;
        over.set(true);
    };
    let publish = async {
        let mut published = 0;
        while !over.get() {
            let next = published + partitions;
            cluster
                .produce(topic, &payments(published..next, partitions))
                .await;
            published = next;
            tokio::time::sleep(PACE).await;
        }
        published
    };
    tokio::join!(work, publish).1
}

/// Asserts that each of `0..count` was delivered, and none twice.
#[track_caller]
pub(crate) fn assert_once_each(delivered: &[usize], count: usize) {
    let mut sorted = delivered.to_vec();
    sorted.sort_unstable();
    let wrong = (0..count).filter(|n| sorted.iter().filter(|it| *it == n).count() != 1);
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "not once: {wrong:?} of {delivered:?}");
    assert_eq!(sorted.len(), count, "more than were published");
}

//! What a demo leaves behind where everything goes by the script.

use bytes::Bytes;

use super::evidence::{At, Call, Evidence, Progress, Published, Stored, Sums};
use super::script::{Answer, DELIVERIES, DRAIN_SENDS, PARTITIONS, Script, Scripted};
use crate::engine::headers;
use crate::payment::{PaymentEvent, Template};

/// The evidence of a script that was played to its end.
pub(super) fn played(script: &Script) -> Evidence {
    let mut evidence = Evidence {
        engine: Some(Sums::default()),
        ..Evidence::default()
    };
    for payment in &script.payments {
        play(payment, &mut evidence);
    }
    for (group, topic, records) in [
        ("group", "source", &evidence.source),
        ("drain", "source.DLQ", &evidence.dead_letters),
    ] {
        for partition in 0..PARTITIONS {
            let end = next_offset(records, partition);
            evidence.progress.push(Progress {
                group: group.to_owned(),
                topic: topic.to_owned(),
                partition,
                committed: end,
                end,
            });
        }
    }
    evidence
}

fn play(payment: &Scripted, evidence: &mut Evidence) {
    let value = Bytes::copy_from_slice(&payment.value);
    evidence.published.push(Published {
        number: payment.number,
        fate: Some(payment.fate),
        at: payment.at,
        value: value.clone(),
    });
    evidence.source.push(Stored {
        at: payment.at,
        value: Some(value),
        headers: Vec::new(),
    });
    let mut play = Play {
        payment,
        evidence,
        calls: 0,
    };
    play.main();
}

struct Play<'a> {
    payment: &'a Scripted,
    evidence: &'a mut Evidence,
    calls: u32,
}

impl Play<'_> {
    fn main(&mut self) {
        let mut attempts = 0;
        while attempts < DELIVERIES {
            self.sums().main.sent += 1;
            match self.call(None) {
                Some(Answer::Taken) => return self.sums().main.delivered += 1,
                None | Some(Answer::BadRequest) => {
                    self.sums().main.permanent += 1;
                    return self.forward(true, 0);
                }
                Some(Answer::RetryAfter(_)) => {}
                Some(_) => attempts += 1,
            }
        }
        self.sums().main.dead_lettered += 1;
        self.forward(false, 0);
        self.drain();
    }

    fn drain(&mut self) {
        for retry in 1..=DRAIN_SENDS {
            self.sums().drain.sent += 1;
            if self.call(Some(retry)) == Some(Answer::Taken) {
                return self.sums().drain.delivered += 1;
            }
            self.sums().drain.dead_lettered += 1;
            self.forward(false, retry);
        }
        self.sums().drain.permanent += 1;
        self.forward(true, DRAIN_SENDS);
    }

    /// None where the value can't be read.
    fn call(&mut self, retry: Option<u32>) -> Option<Answer> {
        let event = PaymentEvent::from_json(&self.payment.value).ok()?;
        let answer = self.payment.fate.answer(self.calls);
        self.calls += 1;
        let text = Template::default().render(&event, retry);
        self.evidence.calls.push(Call { text, answer });
        Some(answer)
    }

    fn forward(&mut self, is_permanent: bool, count: u32) {
        let to = if is_permanent {
            &mut self.evidence.permanent
        } else {
            &mut self.evidence.dead_letters
        };
        let partition = self.payment.at.partition;
        let at = At {
            partition,
            offset: next_offset(to, partition),
        };
        to.push(forwarded(self.payment, at, count));
    }

    fn sums(&mut self) -> &mut Sums {
        self.evidence.engine.as_mut().unwrap()
    }
}

/// A payment as it is forwarded.
pub(super) fn forwarded(payment: &Scripted, at: At, count: u32) -> Stored {
    let header = |name: &'static str, value: &[u8]| {
        let name = Bytes::from_static(name.as_bytes());
        (name, Some(Bytes::copy_from_slice(value)))
    };
    let origin = payment.at;
    Stored {
        at,
        value: Some(Bytes::copy_from_slice(&payment.value)),
        headers: vec![
            header(headers::ORIGINAL_PARTITION, &origin.partition.to_be_bytes()),
            header(headers::ORIGINAL_OFFSET, &origin.offset.to_be_bytes()),
            header(headers::EXCEPTION_MESSAGE, b"Telegram answered 503"),
            header(headers::RETRY_COUNT, count.to_string().as_bytes()),
        ],
    }
}

fn next_offset(records: &[Stored], partition: i32) -> i64 {
    let there = records.iter().filter(|it| it.at.partition == partition);
    i64::try_from(there.count()).unwrap()
}

//! The `publish` command: payment events from JSON lines, or made up.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::cli::PublishArgs;
use super::config::PublishConfig;
use super::connect::connect;
use super::print;
use super::progress::{Line, bar, is_possible};
use super::service::producer_config;
use crate::payment::{PaymentEvent, samples};
use crate::producer::{Delivery, Producer, ProducerRecord};
use crate::{Error, ErrorKind};

/// Records that may be unacknowledged at a time.
const UNDER_WAY: usize = 1_000;
/// From this many records on a terminal shows a progress bar.
const LONG: usize = 1_000;

/// A record to be: key and value.
struct Payment {
    key: Option<Vec<u8>>,
    value: Vec<u8>,
}

/// A line that is no payment event.
struct BadLine {
    number: usize,
    why: String,
}

/// Publishes, and fails where a line is bad or a record is not acknowledged.
///
/// # Errors
///
/// What can't be read, reached or written to.
pub(super) async fn execute(config: PublishConfig, args: &PublishArgs) -> Result<ExitCode, Error> {
    let topic: Arc<str> = Arc::from(config.topics.source.as_str());
    let producer = async || {
        let client = connect(&config.kafka, &config.security).await?;
        Ok::<_, Error>(Producer::new(&client, producer_config(&config.kafka)))
    };
    if let Some(count) = args.sample {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        publish(&producer().await?, &topic, sampled(count, args.seed), count).await?;
        return Ok(print(&format!("published {count} to {topic}\n")));
    }
    let (payments, bad) = read_lines(&read_input(&args.file)?, args.key.as_deref());
    tell_bad_lines(&bad);
    if !bad.is_empty() && !args.skip_invalid {
        let text = format!(
            "{} of the lines are no payment events: nothing is published",
            bad.len()
        );
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let count = payments.len();
    publish(&producer().await?, &topic, payments.into_iter(), count).await?;
    let skipped = if bad.is_empty() {
        String::new()
    } else {
        format!(", skipped {}", bad.len())
    };
    Ok(print(&format!("published {count} to {topic}{skipped}\n")))
}

async fn publish(
    producer: &Producer,
    topic: &Arc<str>,
    payments: impl Iterator<Item = Payment>,
    count: usize,
) -> Result<(), Error> {
    let mut progress = Progress::new(count);
    let mut under_way: VecDeque<Delivery> = VecDeque::new();
    let mut acked = 0;
    let failed = |error: Error, acked: usize| {
        Error::caused(
            error.kind(),
            format!("acknowledged {acked} of {count}"),
            error,
        )
    };
    for payment in payments {
        if under_way.len() >= UNDER_WAY
            && let Some(delivery) = under_way.pop_front()
        {
            delivery.await.map_err(|error| failed(error, acked))?;
            acked += 1;
            progress.show(acked);
        }
        let key = payment.key.as_deref();
        let record = ProducerRecord::new(topic.clone(), key, Some(&payment.value));
        under_way.push_back(
            producer
                .send(&record)
                .await
                .map_err(|error| failed(error, acked))?,
        );
    }
    for delivery in under_way {
        delivery.await.map_err(|error| failed(error, acked))?;
        acked += 1;
        progress.show(acked);
    }
    Ok(())
}

/// A bar, until it is dropped.
struct Progress {
    count: usize,
    /// None where it would be over at once, or there is no terminal.
    line: Option<Line>,
}

impl Progress {
    fn new(count: usize) -> Self {
        let is_shown = count >= LONG && is_possible(&io::stderr());
        let line = is_shown.then(Line::new);
        Self { count, line }
    }

    /// What can't be shown holds up nothing.
    fn show(&mut self, acked: usize) {
        if let Some(line) = &mut self.line {
            let _ = line.draw(&mut io::stderr(), |elapsed| bar(acked, self.count, elapsed));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(line) = &mut self.line {
            let _ = line.clear(&mut io::stderr());
        }
    }
}

/// Made as they are sent: any number of them takes no room.
fn sampled(count: usize, seed: Option<u64>) -> impl Iterator<Item = Payment> {
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    samples(count, seed).map(|(key, event)| Payment {
        key: Some(key.into_bytes()),
        value: event.to_json().into_bytes(),
    })
}

fn read_input(file: &Path) -> Result<Vec<u8>, Error> {
    let read = if file == Path::new("-") {
        let mut input = Vec::new();
        io::stdin().lock().read_to_end(&mut input).map(|_| input)
    } else {
        std::fs::read(file)
    };
    read.map_err(|error| {
        Error::caused(
            ErrorKind::Usage,
            format!("reading {}", file.display()),
            error,
        )
    })
}

/// Checks every line before anything is published. Empty lines count and are passed over.
fn read_lines(input: &[u8], key: Option<&str>) -> (Vec<Payment>, Vec<BadLine>) {
    let mut payments = Vec::new();
    let mut bad = Vec::new();
    for (index, line) in input.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match read_line(line, key) {
            Ok(payment) => payments.push(payment),
            Err(why) => bad.push(BadLine {
                number: index + 1,
                why,
            }),
        }
    }
    (payments, bad)
}

/// The line itself is published, so that fields unknown here arrive too.
fn read_line(line: &[u8], key: Option<&str>) -> Result<Payment, String> {
    PaymentEvent::from_json(line).map_err(|failure| failure.message)?;
    let key = key.map(|field| key_of(line, field)).transpose()?;
    Ok(Payment {
        key,
        value: line.to_vec(),
    })
}

fn key_of(line: &[u8], field: &str) -> Result<Vec<u8>, String> {
    let json: serde_json::Value =
        serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match json.get(field) {
        Some(serde_json::Value::String(text)) => Ok(text.clone().into_bytes()),
        Some(serde_json::Value::Null) | None => Err(format!("there is no `{field}` for its key")),
        Some(other) => Ok(other.to_string().into_bytes()),
    }
}

fn tell_bad_lines(bad: &[BadLine]) {
    let mut out = io::stderr().lock();
    for line in bad {
        // Nobody is left to tell where even this can't be written.
        let _ = writeln!(out, "{line}");
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"mail":"a@example.com","concertTitle":"t","startDt":"2024-12-24T19:00","confirmDt":[2024,11,21,10,15],"amount":5,"extra":1}"#;

    #[test]
    fn lines_are_published_as_they_are_and_bad_ones_have_their_number() {
        let input = format!("{GOOD}\n\n{{\"mail\":1}}\r\n  {GOOD}\r\nnot json");
        let (payments, bad) = read_lines(input.as_bytes(), None);
        assert_eq!(payments.len(), 2);
        assert!(
            payments
                .iter()
                .all(|payment| payment.value == GOOD.as_bytes())
        );
        assert_eq!(
            bad.iter().map(|line| line.number).collect::<Vec<_>>(),
            [3, 5]
        );
    }

    #[test]
    fn a_field_becomes_the_key() {
        let key = |field| read_line(GOOD.as_bytes(), Some(field)).map(|payment| payment.key);
        assert_eq!(key("mail"), Ok(Some(b"a@example.com".to_vec())));
        assert_eq!(key("amount"), Ok(Some(b"5".to_vec())));
        assert_eq!(
            key("nothing"),
            Err("there is no `nothing` for its key".to_owned())
        );
    }

    #[test]
    fn any_number_of_samples_is_made_as_they_are_wanted() {
        let first = |count| sampled(count, Some(7)).take(2).map(|payment| payment.value);
        assert!(first(usize::MAX).eq(first(2)));
    }
}

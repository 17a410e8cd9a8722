//! What is told of the groups, of what waits in Kafka, and of the connections to it.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use prometheus_client::registry::Unit;

use super::{Reading, flag, float, of, one, place, with};
use crate::app::http::sheet::{Labels, Sheet};
use crate::consumer::Standing;
use crate::engine::Path;
use crate::engine::run::View;
use crate::net::TrafficSums;

pub(super) fn groups(sheet: &mut Sheet, view: &View) {
    let consumers = || {
        let main = view.main.iter().map(|it| (Path::Main, it));
        main.chain(view.drain.iter().map(|it| (Path::Drain, it)))
    };
    let each =
        |value: fn(&Standing) -> f64| consumers().map(move |(path, it)| (of(path), value(it)));
    sheet.gauge(
        "kafka_consumer_group_member",
        "1 where the coordinator counts this consumer to its group",
        each(|it| flag(it.is_member)),
    );
    sheet.gauge(
        "kafka_consumer_assigned_partitions",
        "Partitions that are this consumer's",
        each(|it| float(it.began_at.len() as u64)),
    );
    sheet.counter(
        "kafka_consumer_rebalances",
        "Times that the group has given out partitions to this consumer",
        consumers().map(|(path, it)| (of(path), it.assignments)),
    );
}

pub(super) fn backlog(sheet: &mut Sheet, view: &View, reading: &Reading<'_>) {
    let waiting = &reading.waiting;
    sheet.gauge(
        "kafka_consumer_records_lag",
        "Offsets from the first record that has not come to its end up to the partition's end, those \
         of transactions' markers among them",
        waiting
            .iter()
            .map(|it| (place(it.path, &it.partition), float(it.records))),
    );
    if view.drain.is_some() {
        dead_letters(sheet, view, reading);
    }
}

/// What is not known of one partition is not known of all: no number is told then, and no zero.
fn dead_letters(sheet: &mut Sheet, view: &View, reading: &Reading<'_>) {
    let dead = reading.waiting.iter().filter(|it| it.path == Path::Drain);
    let dead: Vec<_> = dead.collect();
    let all_known = dead.len() == view.engine.drain.partitions.len();
    let waiting = all_known.then(|| dead.iter().map(|it| it.records).sum());
    sheet.gauge(
        "payment_notifier_dead_letters_waiting",
        "Dead letters that wait in the partitions of this instance, with the markers of transactions \
         between them; not there while not known",
        waiting.into_iter().flat_map(|count| one(float(count))),
    );
    let mut written = dead
        .iter()
        .filter(|it| it.records > 0)
        .map(|it| it.oldest_ms);
    let oldest_known = written.clone().all(|it| it.is_some());
    let age = (all_known && oldest_known).then(|| {
        let oldest = written.by_ref().flatten().min();
        oldest.map_or(0.0, |ms| {
            let written = Duration::from_millis(u64::try_from(ms).unwrap_or(0));
            reading.now.saturating_sub(written).as_secs_f64()
        })
    });
    sheet.seconds(
        "payment_notifier_oldest_dead_letter_age",
        "How long ago the oldest dead letter that waits was written; 0 where none waits, not there \
         while not known",
        age.into_iter().flat_map(one),
    );
}

pub(super) fn connections(sheet: &mut Sheet, sums: &TrafficSums) {
    let open = sums
        .connections_opened
        .saturating_sub(sums.connections_closed);
    sheet.gauge(
        "kafka_client_connections",
        "Connections to brokers",
        one(float(open)),
    );
    sheet.counter(
        "kafka_client_connections_opened",
        "Connections to brokers that were made",
        one(sums.connections_opened),
    );
    sheet.counter(
        "kafka_client_connection_failures",
        "Connections to brokers that could not be made, or on which a login failed",
        one(sums.connection_failures),
    );
    sheet.counter_of(
        ("kafka_client_incoming", Unit::Bytes),
        "Bytes that came from brokers, without TLS",
        one(sums.incoming_bytes),
    );
    sheet.counter_of(
        ("kafka_client_outgoing", Unit::Bytes),
        "Bytes that went to brokers, without TLS",
        one(sums.outgoing_bytes),
    );
    sheet.seconds_counter(
        "kafka_client_throttle",
        "The time for which brokers wanted to be left alone",
        sums.throttled.as_secs_f64(),
    );
}

pub(super) fn requests(sheet: &mut Sheet, sums: &TrafficSums) {
    sheet.counter(
        "kafka_client_requests",
        "Requests to brokers",
        sums.requests
            .iter()
            .map(|(api, count)| (api_label(*api), *count)),
    );
    sheet.counter(
        "kafka_client_request_failures",
        "Requests that no answer came to, or none that could be read",
        sums.request_failures.iter().map(|((api, why), count)| {
            let why = format!("{why:?}").to_lowercase();
            (with(api_label(*api), "reason", why), *count)
        }),
    );
    sheet.counter(
        "kafka_client_errors",
        "Errors in the answers of brokers, by Kafka's names; one each time it is told of a part",
        sums.errors
            .iter()
            .map(|((api, code), count)| (with(api_label(*api), "code", *code), *count)),
    );
}

fn api_label(key: i16) -> Labels {
    let name = ApiKey::try_from(key).map_or_else(|()| key.to_string(), |api| format!("{api:?}"));
    vec![("api", name)]
}

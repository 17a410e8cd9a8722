//! Transactions: who may begin one, write to one, and end one (KIP-98, KIP-360, KIP-890).

use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{DescribeProducersRequest, ListTransactionsRequest, ProducerId};
use payment_notifier::wire::ErrorCode;

use super::transactional::{
    ADD, END, OLD_END, OLD_PRODUCE, PRODUCE, Transactional, plain_record, produce, record,
};
use super::{Table, new_topic, text};
use crate::support::cluster::Cluster;
use crate::support::connection::topic_name;

const INIT: i16 = 5;
/// Knows nothing of `PRODUCER_FENCED`.
const OLD_INIT: i16 = 3;
const LIST: i16 = 1;
const DESCRIBE_PRODUCERS: i16 = 0;

pub(super) async fn transactional_producers_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut it = Transactional::new(cluster).await;
    let first = it.begin().await;
    table.case("the first epoch", first.1, 0);
    let init = it.init();
    let wrong = [
        (
            "no name",
            init.clone().with_transactional_id(Some(text("").into())),
            ErrorCode::INVALID_REQUEST,
        ),
        (
            "half of a producer",
            init.clone().with_producer_epoch(0),
            ErrorCode::INVALID_REQUEST,
        ),
        (
            "no time",
            init.clone().with_transaction_timeout_ms(0),
            ErrorCode::INVALID_TRANSACTION_TIMEOUT,
        ),
        (
            "less than no time",
            init.clone().with_transaction_timeout_ms(-1),
            ErrorCode::INVALID_TRANSACTION_TIMEOUT,
        ),
        (
            "too much time",
            init.clone().with_transaction_timeout_ms(900_001),
            ErrorCode::INVALID_TRANSACTION_TIMEOUT,
        ),
        (
            "a stranger",
            init.with_producer_id(ProducerId(first.0 + 1_000_000))
                .with_producer_epoch(0),
            ErrorCode::PRODUCER_FENCED,
        ),
    ];
    for (what, request, expected) in wrong {
        let answer = it.node.ask(INIT, &request).await;
        table.code(what, answer.error_code, expected);
        let told = (answer.producer_id.0, answer.producer_epoch);
        table.case(what, told, (-1, -1));
    }
    table.case("the next one", it.begin().await, (first.0, 1));
    let (fenced, old) = (
        ErrorCode::PRODUCER_FENCED.0,
        ErrorCode::INVALID_PRODUCER_EPOCH.0,
    );
    table.case("the one before", it.go_on(INIT, first).await, (fenced, -1));
    table.case("of old", it.go_on(OLD_INIT, first).await, (old, -1));
    let second = (first.0, 1);
    for what in ["who goes on", "who asks again"] {
        table.case(what, it.go_on(INIT, second).await, (0, 2));
    }
    table.case("and again", it.go_on(INIT, (first.0, 2)).await, (0, 3));
    table.case("too late", it.go_on(INIT, second).await, (fenced, -1));
    table.end();
}

pub(super) async fn an_ongoing_transaction_is_aborted_first() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let first = it.begin().await;
    let written = it.write(PRODUCE, topic, record(first, 0, "a")).await;
    table.code("a record", written, ErrorCode::NONE);
    let init = it.init();
    let answer = it.node.ask(INIT, &init).await;
    let concurrent = ErrorCode::CONCURRENT_TRANSACTIONS;
    table.code("another producer", answer.error_code, concurrent);
    table.case("the transaction", &*it.settled().await, "CompleteAbort");
    // One epoch for the abort, and one for the producer.
    table.case("once more", it.begin().await, (first.0, 2));
    let fenced = it.write(PRODUCE, topic, record(first, 1, "b")).await;
    table.code("the first one", fenced, ErrorCode::INVALID_PRODUCER_EPOCH);
    let (ended, _) = it.end(END, first, true).await;
    table.code("its end", ended, ErrorCode::PRODUCER_FENCED);
    let (ended, _) = it.end(1, first, true).await;
    table.code("of old", ended, ErrorCode::INVALID_PRODUCER_EPOCH);
    table.end();
}

pub(super) async fn who_writes_to_a_transaction_is_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 2, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let who = it.begin().await;
    let stranger = (who.0 + 1_000_000, 0);
    let later = (who.0, who.1 + 1);
    let unmapped = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
    let fenced = ErrorCode::INVALID_PRODUCER_EPOCH;
    let not_added = [
        ("before it is said", 10, who, ErrorCode::INVALID_TXN_STATE),
        (
            "the same, later",
            OLD_PRODUCE,
            who,
            ErrorCode::TRANSACTION_ABORTABLE,
        ),
        ("a stranger", OLD_PRODUCE, stranger, unmapped),
        ("a stranger who adds", PRODUCE, stranger, unmapped),
        ("an epoch to come", OLD_PRODUCE, later, fenced),
        ("an epoch to come that adds", PRODUCE, later, fenced),
    ];
    for (what, version, who, expected) in not_added {
        let told = it.write(version, topic, record(who, 0, "a")).await;
        table.code(what, told, expected);
    }
    let of_nobody = produce(topic, record(who, 0, "a"));
    let answer = it.node.ask(PRODUCE, &of_nobody).await;
    table.code(
        "without an id",
        answer.responses[0].partition_responses[0].error_code,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    );

    let code = |code: ErrorCode| code.0;
    let added = [
        (
            "a partition that is not there",
            ADD,
            who,
            vec![0, 7],
            vec![
                code(ErrorCode::OPERATION_NOT_ATTEMPTED),
                code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            ],
        ),
        (
            "by a stranger",
            ADD,
            stranger,
            vec![0],
            vec![code(unmapped)],
        ),
        (
            "of an epoch to come",
            ADD,
            later,
            vec![0],
            vec![code(ErrorCode::PRODUCER_FENCED)],
        ),
        ("the same, of old", 1, later, vec![0], vec![code(fenced)]),
        ("both", ADD, who, vec![0, 1], vec![0, 0]),
        ("both again", ADD, who, vec![0, 1], vec![0, 0]),
    ];
    for (what, version, who, partitions, expected) in added {
        let told = it.added(version, who, topic, &partitions).await;
        table.case(what, told, expected);
    }
    let batches = [
        ("the first", record(who, 0, "a"), ErrorCode::NONE),
        ("the first again", record(who, 0, "a"), ErrorCode::NONE),
        (
            "a gap",
            record(who, 2, "c"),
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        ),
        (
            "no part of it",
            plain_record(who, 1, "b"),
            ErrorCode::INVALID_TXN_STATE,
        ),
        ("the second", record(who, 1, "b"), ErrorCode::NONE),
    ];
    for (what, batch, expected) in batches {
        let told = it.write(OLD_PRODUCE, topic, batch).await;
        table.code(what, told, expected);
    }
    table.case("records", cluster.read_uncommitted(topic).await.len(), 2);
    table.end();
}

pub(super) async fn transactions_are_ended_by_bumping_the_epoch() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let (id, _) = it.begin().await;
    let none = (-1, -1);
    let invalid = ErrorCode::INVALID_TXN_STATE.0;
    let fenced = ErrorCode::PRODUCER_FENCED.0;
    let unmapped = ErrorCode::INVALID_PRODUCER_ID_MAPPING.0;
    let nothing = it.end(END, (id, 0), true).await;
    table.case("a commit of nothing", nothing, (invalid, none));
    let nothing = it.end(END, (id, 0), false).await;
    table.case("an abort of nothing", nothing, (0, (id, 1)));
    table.case("its state", &*it.settled().await, "CompleteAbort");
    let again = it.end(END, (id, 0), false).await;
    table.case("the same again", again, (0, (id, 1)));
    let stranger = it.end(END, (id + 1_000_000, 1), true).await;
    table.case("a stranger", stranger, (unmapped, none));

    // A sequence that is not the first of an epoch, where nothing is known of the producer.
    let gap = it.write(PRODUCE, topic, record((id, 1), 3, "a")).await;
    table.code(
        "a gap at once",
        gap,
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
    );
    for (sequence, value) in [(0, "a"), (1, "b")] {
        let written = it
            .write(PRODUCE, topic, record((id, 1), sequence, value))
            .await;
        table.code(value, written, ErrorCode::NONE);
    }
    let early = it.end(END, (id, 0), true).await;
    table.case("an epoch before", early, (fenced, none));
    table.case("a commit", it.end(END, (id, 1), true).await, (0, (id, 2)));
    table.case("its state", &*it.settled().await, "CompleteCommit");
    table.case("again", it.end(END, (id, 1), true).await, (0, (id, 2)));
    let otherwise = it.end(END, (id, 1), false).await;
    table.case("the other way", otherwise, (invalid, none));
    let late = it.write(PRODUCE, topic, record((id, 1), 2, "c")).await;
    table.code("a late record", late, ErrorCode::INVALID_PRODUCER_EPOCH);

    let written = it.write(PRODUCE, topic, record((id, 2), 0, "d")).await;
    table.code("the next one", written, ErrorCode::NONE);
    table.case("an abort", it.end(END, (id, 2), false).await, (0, (id, 3)));
    table.case("its state", &*it.settled().await, "CompleteAbort");
    let otherwise = it.end(END, (id, 2), true).await;
    table.case("too late to commit", otherwise, (invalid, none));
    let empty = it.end(END, (id, 3), false).await;
    table.case("another abort of nothing", empty, (0, (id, 4)));
    table.end();
}

pub(super) async fn transactions_are_ended_with_the_epoch_they_have() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let who = it.begin().await;
    let later = (who.0, who.1 + 1);
    let invalid = ErrorCode::INVALID_TXN_STATE;
    for commits in [true, false] {
        let (nothing, _) = it.end(OLD_END, who, commits).await;
        table.code("nothing", nothing, invalid);
    }
    for (sequence, commits, state) in [(0, true, "CompleteCommit"), (1, false, "CompleteAbort")] {
        table.case("added", it.added(ADD, who, topic, &[0]).await, vec![0]);
        let written = it
            .write(OLD_PRODUCE, topic, record(who, sequence, "a"))
            .await;
        table.code(state, written, ErrorCode::NONE);
        let (early, _) = it.end(OLD_END, later, commits).await;
        table.code("an epoch to come", early, ErrorCode::PRODUCER_FENCED);
        let (ended, _) = it.end(OLD_END, who, commits).await;
        table.code(state, ended, ErrorCode::NONE);
        table.case("its state", &*it.settled().await, state);
        let (again, _) = it.end(OLD_END, who, commits).await;
        table.code("again", again, ErrorCode::NONE);
        let (otherwise, _) = it.end(OLD_END, who, !commits).await;
        table.code("the other way", otherwise, invalid);
        let late = it
            .write(OLD_PRODUCE, topic, record(who, sequence + 1, "b"))
            .await;
        table.code("a late record", late, ErrorCode::TRANSACTION_ABORTABLE);
    }
    // Both kinds of clients may follow one another.
    let written = it.write(PRODUCE, topic, record(who, 2, "c")).await;
    table.code("the sequence goes on", written, ErrorCode::NONE);
    table.case("a bump", it.end(END, who, true).await, (0, later));
    table.end();
}

pub(super) async fn transactions_are_listed() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let who = it.begin().await;
    let written = it.write(PRODUCE, topic, record(who, 0, "a")).await;
    table.code("a record", written, ErrorCode::NONE);
    let all = ListTransactionsRequest::default();
    let of_producer = all
        .clone()
        .with_producer_id_filters(vec![ProducerId(who.0)]);
    let ongoing = of_producer
        .clone()
        .with_state_filters(vec![text("Ongoing")]);
    let over = of_producer
        .clone()
        .with_state_filters(vec![text("Empty"), text("Over")]);
    let old = of_producer.clone().with_duration_filter(3_600_000);
    let filters = [
        ("all", all, true),
        ("of the producer", of_producer, true),
        ("the ongoing ones", ongoing, true),
        ("those that are over", over, false),
        ("old ones", old, false),
    ];
    for (what, request, is_listed) in filters {
        let answer = it.node.ask(LIST, &request).await;
        let mut states = answer.transaction_states.iter();
        let found = states.find(|state| state.transactional_id == it.id);
        let found = found.map(|state| (state.producer_id.0, state.transaction_state.to_string()));
        let expected = is_listed.then(|| (who.0, "Ongoing".to_owned()));
        table.case(what, found, expected);
        let unknown: Vec<_> = answer
            .unknown_state_filters
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = if what == "those that are over" {
            vec!["Over"]
        } else {
            vec![]
        };
        table.case(
            what,
            unknown,
            expected.into_iter().map(str::to_owned).collect(),
        );
    }
    table.end();
}

/// Kafka looks for such transactions every 10 s.
pub(super) async fn who_takes_too_long_is_fenced() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let (id, _) = it.begin().await;
    let short = it.init().with_transaction_timeout_ms(100);
    let answer = it.node.ask(INIT, &short).await;
    let epoch = answer.producer_epoch;
    table.code("a short time", answer.error_code, ErrorCode::NONE);
    let written = it.write(PRODUCE, topic, record((id, epoch), 0, "a")).await;
    table.code("a record", written, ErrorCode::NONE);
    it.until("CompleteAbort").await;
    let late = it.write(PRODUCE, topic, record((id, epoch), 1, "b")).await;
    table.code("a late record", late, ErrorCode::INVALID_PRODUCER_EPOCH);
    let late = it.added(ADD, (id, epoch), topic, &[0]).await;
    table.case("a late partition", late, vec![ErrorCode::PRODUCER_FENCED.0]);
    let (late, _) = it.end(OLD_END, (id, epoch), true).await;
    table.code("a late end of old", late, ErrorCode::PRODUCER_FENCED);
    // It looks as if the producer had aborted, and not heard of it.
    let (late, _) = it.end(END, (id, epoch), true).await;
    table.code("a late commit", late, ErrorCode::INVALID_TXN_STATE);
    let late = it.end(END, (id, epoch), false).await;
    table.case("a late abort", late, (0, (id, epoch + 1)));
    let told = it.go_on(INIT, (id, epoch)).await;
    table.case("who goes on", told, (0, epoch + 1));
    table.end();
}

/// A producer's epoch, its last sequence number, whether it has ended a transaction, and the first
/// offset of its open one.
type Told = (i32, i32, bool, i64);

async fn producer_of(it: &mut Transactional, topic: &str) -> Vec<Told> {
    let topic = TopicRequest::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let answer = it.node.ask(DESCRIBE_PRODUCERS, &request).await;
    let told = &answer.topics[0].partitions[0];
    assert_eq!(told.error_code, 0, "{told:?}");
    let producers = told.active_producers.iter().map(|producer| {
        let has_ended = producer.coordinator_epoch >= 0;
        let (epoch, sequence) = (producer.producer_epoch, producer.last_sequence);
        (
            epoch,
            sequence,
            has_ended,
            producer.current_txn_start_offset,
        )
    });
    producers.collect()
}

pub(super) async fn producers_are_told() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let who = it.begin().await;
    table.case("nobody", producer_of(&mut it, topic).await, vec![]);
    for sequence in [0, 1] {
        let written = it.write(PRODUCE, topic, record(who, sequence, "a")).await;
        table.code("a record", written, ErrorCode::NONE);
    }
    let open = producer_of(&mut it, topic).await;
    table.case("while it is open", open, vec![(0, 1, false, 0)]);
    let (ended, _) = it.end(END, who, true).await;
    table.code("its end", ended, ErrorCode::NONE);
    it.settled().await;
    let over = producer_of(&mut it, topic).await;
    table.case("after its end", over, vec![(1, -1, true, -1)]);
    let unknown = TopicRequest::default()
        .with_name(topic_name("no-such-topic"))
        .with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![unknown]);
    let answer = it.node.ask(DESCRIBE_PRODUCERS, &request).await;
    let code = answer.topics[0].partitions[0].error_code;
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    table.code("an unknown topic", code, unknown);
    table.end();
}

/// A cluster whose `transaction.version` is 0 gives its producers an epoch for an abort, of which
/// nobody but the next one hears.
pub(super) async fn a_cluster_may_be_of_an_older_version() {
    let cluster = &Cluster::start(1, &[("transaction.version", "0")]).await;
    cluster.turn_off_feature("transaction.version").await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let (id, first) = it.begin().await;
    let short = it.init().with_transaction_timeout_ms(2_000);
    let answer = it.node.ask(INIT, &short).await;
    let who = (id, answer.producer_epoch);
    table.case("the second epoch", who.1, first + 1);
    table.case("added", it.added(ADD, who, topic, &[0]).await, vec![0]);
    let written = it.write(OLD_PRODUCE, topic, record(who, 0, "a")).await;
    table.code("a record", written, ErrorCode::NONE);
    it.until("CompleteAbort").await;
    let late = it.write(OLD_PRODUCE, topic, record(who, 1, "b")).await;
    table.code("a late record", late, ErrorCode::INVALID_PRODUCER_EPOCH);
    let (late, _) = it.end(OLD_END, who, false).await;
    table.code("a late end", late, ErrorCode::PRODUCER_FENCED);
    let told = it.go_on(INIT, who).await;
    table.case("who goes on", told, (ErrorCode::PRODUCER_FENCED.0, -1));
    table.case("the next one", it.begin().await, (id, who.1 + 2));
    table.end();
}

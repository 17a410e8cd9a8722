//! Small requests, most of them wrong, and the codes that they are answered with: Apache Kafka's,
//! which the broker in memory must give too.

mod commits;
mod consumers;
mod fetching;
mod groups;
mod isolation;
mod migrating;
mod offsets;
pub(crate) mod producing;
mod topics;
mod transactional;
mod transactions;
mod txn_offsets;
mod versions;

use std::fmt::Debug;

use kafka_protocol::protocol::{Request, StrBytes};
use payment_notifier::wire::ErrorCode;

use crate::support::cluster::Cluster;
use crate::support::connection::Connection;
use crate::support::runner::{Test, tests};

use commits::{commits_are_checked, committed_offsets_are_told, groups_are_told_and_deleted};
use consumers::{
    consumers_give_up_before_others_get, consumers_heartbeats_are_checked,
    consumers_instances_are_one_members, groups_of_consumers_are_told,
    topics_of_consumers_change_their_epoch,
};
use fetching::{fetch_sessions_are_checked, fetches_are_checked, the_first_batch_comes_whole};
use groups::{
    an_instance_takes_its_predecessors_place, generations_are_checked, joins_are_checked,
    rebalances_are_told,
};
use isolation::{markers_are_kafkas_own_batches, readers_stop_at_the_last_stable_offset};
use migrating::{groups_go_over_with_their_members, strangers_to_the_other_protocol_are_refused};
use offsets::{epochs_are_looked_up, offsets_are_looked_up, records_are_deleted};
use producing::{
    batches_are_checked, compacted_topics_want_keys, each_record_is_looked_at,
    produce_requests_are_checked, sequences_are_checked,
};
use topics::{settings_are_told, topics_are_checked, topics_are_grown_and_deleted, unknown_topics};
use transactions::{
    a_cluster_may_be_of_an_older_version, an_ongoing_transaction_is_aborted_first,
    producers_are_told, transactional_producers_are_checked,
    transactions_are_ended_by_bumping_the_epoch, transactions_are_ended_with_the_epoch_they_have,
    transactions_are_listed, who_takes_too_long_is_fenced, who_writes_to_a_transaction_is_checked,
};
use txn_offsets::{
    members_commit_in_their_generation, offsets_come_with_their_transaction,
    transactional_commits_are_checked,
};
use versions::{coordinators_are_looked_up, unknown_versions_are_refused};

pub(crate) const TESTS: &[Test] = tests![
    joins_are_checked(Cluster),
    generations_are_checked(Cluster),
    rebalances_are_told(Cluster),
    an_instance_takes_its_predecessors_place(Cluster),
    commits_are_checked(Cluster),
    committed_offsets_are_told(Cluster),
    groups_are_told_and_deleted(Cluster),
    consumers_heartbeats_are_checked(Cluster),
    topics_of_consumers_change_their_epoch(Cluster),
    consumers_give_up_before_others_get(Cluster),
    consumers_instances_are_one_members(Cluster),
    groups_of_consumers_are_told(Cluster),
    groups_go_over_with_their_members(Cluster),
    strangers_to_the_other_protocol_are_refused(Cluster),
    produce_requests_are_checked(Cluster),
    batches_are_checked(Cluster),
    compacted_topics_want_keys(Cluster),
    each_record_is_looked_at(Cluster),
    sequences_are_checked(Cluster),
    fetches_are_checked(Cluster),
    the_first_batch_comes_whole(Cluster),
    fetch_sessions_are_checked(Cluster),
    offsets_are_looked_up(Cluster),
    epochs_are_looked_up(Cluster),
    records_are_deleted(Cluster),
    topics_are_checked(Cluster),
    topics_are_grown_and_deleted(Cluster),
    settings_are_told(Cluster),
    unknown_topics(Cluster),
    transactional_producers_are_checked(Cluster),
    an_ongoing_transaction_is_aborted_first(Cluster),
    who_writes_to_a_transaction_is_checked(Cluster),
    transactions_are_ended_by_bumping_the_epoch(Cluster),
    transactions_are_ended_with_the_epoch_they_have(Cluster),
    transactions_are_listed(Cluster),
    who_takes_too_long_is_fenced(Cluster),
    producers_are_told(Cluster),
    a_cluster_may_be_of_an_older_version(Cluster),
    readers_stop_at_the_last_stable_offset(Cluster),
    markers_are_kafkas_own_batches(Cluster),
    offsets_come_with_their_transaction(Cluster),
    transactional_commits_are_checked(Cluster),
    members_commit_in_their_generation(Cluster),
    unknown_versions_are_refused(Cluster),
    coordinators_are_looked_up(Cluster),
];

/// Cases of one kind. All of them are looked at before any fails the test.
#[derive(Default)]
struct Table(Vec<String>);

impl Table {
    /// What a case was answered with, and what it must be.
    fn case<T: PartialEq + Debug>(&mut self, what: &str, answered: T, expected: T) {
        let is_wrong = answered != expected;
        self.0
            .extend(is_wrong.then(move || format!("{what}: {answered:?}, not {expected:?}")));
    }

    /// The same for an error code.
    fn code(&mut self, what: &str, answered: i16, expected: ErrorCode) {
        let answered = ErrorCode(answered);
        if answered != expected {
            self.0.push(format!("{what}: {answered}, not {expected}"));
        }
    }

    /// Fails where a case was wrong.
    #[track_caller]
    fn end(self) {
        assert!(self.0.is_empty(), "{:#?}", self.0);
    }
}

/// A node that is asked one thing after the other.
struct Node(Connection);

impl Node {
    /// The only node of a cluster: leader and coordinator of everything.
    async fn of(cluster: &Cluster) -> Self {
        let opened = Connection::open(cluster.bootstrap()).await;
        Self(opened.expect("the cluster is up"))
    }

    async fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let answer = self.0.call(version, request).await;
        answer.unwrap_or_else(|error| panic!("{:?} {version}: {error}", R::KEY))
    }
}

/// A topic that the node serves already.
async fn new_topic(cluster: &Cluster, partitions: i32, settings: &[(&str, &str)]) -> String {
    let topic = cluster.unique("conforming");
    cluster.create_topic(&topic, partitions, settings).await;
    cluster.read(&topic).await;
    topic
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

//! An older Apache Kafka, the last that many clusters will run for years: tests that run on the
//! newest too, of everything that a service needs.

use crate::conformance::producing::sequences_are_checked;
use crate::scenarios::{
    a_busy_telegram_makes_a_dead_letter_that_the_next_drain_sends,
    the_topics_are_created_where_they_are_missing, what_is_published_arrives_field_for_field,
};
use crate::security::{mutual_tls, oauthbearer, plain, scram_sha_256, scram_sha_512, tls};
use crate::support::runner::{Test, tests};
use crate::topics::a_topic_made_again_is_consumed_from_its_beginning;
use crate::verifiable::relay::{
    our_cooperative_members_come_and_go, our_range_members_come_and_go,
};
use crate::verifiable::{
    our_consumer_tells_what_javas_does, our_producer_tells_in_order_at_full_speed,
};

pub(crate) const TESTS: &[Test] = tests![
    what_is_published_arrives_field_for_field(OlderKafka),
    the_topics_are_created_where_they_are_missing(OlderKafka),
    a_busy_telegram_makes_a_dead_letter_that_the_next_drain_sends(OlderKafka),
    a_topic_made_again_is_consumed_from_its_beginning(OlderKafka),
    tls(OlderKafka),
    mutual_tls(OlderKafka),
    plain(OlderKafka),
    scram_sha_256(OlderKafka),
    scram_sha_512(OlderKafka),
    oauthbearer(OlderKafka),
    our_consumer_tells_what_javas_does(OlderKafka, Java),
    our_range_members_come_and_go(OlderKafka),
    our_cooperative_members_come_and_go(OlderKafka),
    // Idempotent, both.
    our_producer_tells_in_order_at_full_speed(OlderKafka),
    sequences_are_checked(OlderKafka),
];

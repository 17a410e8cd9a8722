//! Transactions.

use super::super::table::api;

api! {
    ADD_PARTITIONS_TO_TXN flexible 3;
    request {
        transactions: [
            transactional_id: text;
            producer_id: i64;
            producer_epoch: i16;
            verify_only: flag;
            topics: [
                name: text;
                partitions: [i32];
            ];
        ] (4..);
        v3_and_below_transactional_id: text (..=3);
        v3_and_below_producer_id: i64 (..=3);
        v3_and_below_producer_epoch: i16 (..=3);
        v3_and_below_topics: [
            name: text;
            partitions: [i32];
        ] (..=3);
    }
    response {
        throttle_time_ms: i32;
        error_code: i16 (4..);
        results_by_transaction: [
            transactional_id: text;
            topic_results: [
                name: text;
                results_by_partition: [
                    partition_index: i32;
                    partition_error_code: i16;
                ];
            ];
        ] (4..);
        results_by_topic_v3_and_below: [
            name: text;
            results_by_partition: [
                partition_index: i32;
                partition_error_code: i16;
            ];
        ] (..=3);
    }
}

api! {
    ADD_OFFSETS_TO_TXN flexible 3;
    request {
        transactional_id: text;
        producer_id: i64;
        producer_epoch: i16;
        group_id: text;
    }
    response {
        throttle_time_ms: i32;
        error_code: i16;
    }
}

api! {
    TXN_OFFSET_COMMIT flexible 3;
    request {
        transactional_id: text;
        group_id: text;
        producer_id: i64;
        producer_epoch: i16;
        generation_id: i32 (3..);
        member_id: text (3..);
        group_instance_id: text (3..);
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                committed_offset: i64;
                committed_leader_epoch: i32 (2..);
                committed_metadata: text;
            ];
        ];
    }
    response {
        throttle_time_ms: i32;
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                error_code: i16;
            ];
        ];
    }
}

api! {
    END_TXN flexible 3;
    request {
        transactional_id: text;
        producer_id: i64;
        producer_epoch: i16;
        committed: flag;
    }
    response {
        throttle_time_ms: i32;
        error_code: i16;
        producer_id: i64 (5..);
        producer_epoch: i16 (5..);
    }
}

api! {
    DESCRIBE_PRODUCERS flexible 0;
    request {
        topics: [
            name: text;
            partition_indexes: [i32];
        ];
    }
    response {
        throttle_time_ms: i32;
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                error_code: i16;
                error_message: text;
                active_producers: [
                    producer_id: i64;
                    producer_epoch: i32;
                    last_sequence: i32;
                    last_timestamp: i64;
                    coordinator_epoch: i32;
                    current_txn_start_offset: i64;
                ];
            ];
        ];
    }
}

api! {
    DESCRIBE_TRANSACTIONS flexible 0;
    request {
        transactional_ids: [text];
    }
    response {
        throttle_time_ms: i32;
        transaction_states: [
            error_code: i16;
            transactional_id: text;
            transaction_state: text;
            transaction_timeout_ms: i32;
            transaction_start_time_ms: i64;
            producer_id: i64;
            producer_epoch: i16;
            topics: [
                topic: text;
                partitions: [i32];
            ];
        ];
    }
}

api! {
    LIST_TRANSACTIONS flexible 0;
    request {
        state_filters: [text];
        producer_id_filters: [i64];
        duration_filter: i64 (1..);
        transactional_id_pattern: text (2..);
    }
    response {
        throttle_time_ms: i32;
        error_code: i16;
        unknown_state_filters: [text];
        transaction_states: [
            transactional_id: text;
            producer_id: i64;
            transaction_state: text;
        ];
    }
}

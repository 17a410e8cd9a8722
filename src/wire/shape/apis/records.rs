//! Records: written, read, looked for, deleted.

use super::super::table::api;

api! {
    PRODUCE flexible 9;
    request {
        transactional_id: text;
        acks: i16;
        timeout_ms: i32;
        topic_data: [
            name: text (..=12);
            topic_id: uuid (13..);
            partition_data: [
                index: i32;
                records: bytes;
            ];
        ];
    }
    response {
        responses: [
            name: text (..=12);
            topic_id: uuid (13..);
            partition_responses: [
                index: i32;
                error_code: i16;
                base_offset: i64;
                log_append_time_ms: i64;
                log_start_offset: i64 (5..);
                record_errors: [
                    batch_index: i32;
                    batch_index_error_message: text;
                ] (8..);
                error_message: text (8..);
                current_leader: {
                    leader_id: i32;
                    leader_epoch: i32;
                } (10..) tag 0;
            ];
        ];
        throttle_time_ms: i32;
        node_endpoints: [
            node_id: i32;
            host: text;
            port: i32;
            rack: text;
        ] (10..) tag 0;
    }
}

api! {
    FETCH flexible 12;
    request {
        replica_id: i32 (..=14);
        max_wait_ms: i32;
        min_bytes: i32;
        max_bytes: i32;
        isolation_level: i8;
        session_id: i32 (7..);
        session_epoch: i32 (7..);
        topics: [
            topic: text (..=12);
            topic_id: uuid (13..);
            partitions: [
                partition: i32;
                current_leader_epoch: i32 (9..);
                fetch_offset: i64;
                last_fetched_epoch: i32 (12..);
                log_start_offset: i64 (5..);
                partition_max_bytes: i32;
                replica_directory_id: uuid (17..) tag 0;
                high_watermark: i64 (18..) tag 1;
            ];
        ];
        forgotten_topics_data: [
            topic: text (..=12);
            topic_id: uuid (13..);
            partitions: [i32];
        ] (7..);
        rack_id: text (11..);
        cluster_id: text tag 0;
        replica_state: {
            replica_id: i32;
            replica_epoch: i64;
        } (15..) tag 1;
    }
    response {
        throttle_time_ms: i32;
        error_code: i16 (7..);
        session_id: i32 (7..);
        responses: [
            topic: text (..=12);
            topic_id: uuid (13..);
            partitions: [
                partition_index: i32;
                error_code: i16;
                high_watermark: i64;
                last_stable_offset: i64;
                log_start_offset: i64 (5..);
                aborted_transactions: [
                    producer_id: i64;
                    first_offset: i64;
                ];
                preferred_read_replica: i32 (11..);
                records: bytes;
                diverging_epoch: {
                    epoch: i32 (12..);
                    end_offset: i64 (12..);
                } tag 0;
                current_leader: {
                    leader_id: i32 (12..);
                    leader_epoch: i32 (12..);
                } tag 1;
                snapshot_id: {
                    end_offset: i64;
                    epoch: i32;
                } tag 2;
            ];
        ];
        node_endpoints: [
            node_id: i32;
            host: text;
            port: i32;
            rack: text;
        ] (16..) tag 0;
    }
}

api! {
    LIST_OFFSETS flexible 6;
    request {
        replica_id: i32;
        isolation_level: i8 (2..);
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                current_leader_epoch: i32 (4..);
                timestamp: i64;
            ];
        ];
        timeout_ms: i32 (10..);
    }
    response {
        throttle_time_ms: i32 (2..);
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                error_code: i16;
                timestamp: i64;
                offset: i64;
                leader_epoch: i32 (4..);
            ];
        ];
    }
}

api! {
    OFFSET_FOR_LEADER_EPOCH flexible 4;
    request {
        replica_id: i32 (3..);
        topics: [
            topic: text;
            partitions: [
                partition: i32;
                current_leader_epoch: i32;
                leader_epoch: i32;
            ];
        ];
    }
    response {
        throttle_time_ms: i32;
        topics: [
            topic: text;
            partitions: [
                error_code: i16;
                partition: i32;
                leader_epoch: i32;
                end_offset: i64;
            ];
        ];
    }
}

api! {
    DELETE_RECORDS flexible 2;
    request {
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                offset: i64;
            ];
        ];
        timeout_ms: i32;
    }
    response {
        throttle_time_ms: i32;
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                low_watermark: i64;
                error_code: i16;
            ];
        ];
    }
}

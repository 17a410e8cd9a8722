//! The offsets that groups commit.

use super::super::table::api;

api! {
    OFFSET_COMMIT flexible 8;
    request {
        group_id: text;
        generation_id_or_member_epoch: i32;
        member_id: text;
        group_instance_id: text (7..);
        retention_time_ms: i64 (..=4);
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                committed_offset: i64;
                committed_leader_epoch: i32 (6..);
                committed_metadata: text;
            ];
        ];
    }
    response {
        throttle_time_ms: i32 (3..);
        topics: [
            name: text (..=9);
            topic_id: uuid (10..);
            partitions: [
                partition_index: i32;
                error_code: i16;
            ];
        ];
    }
}

api! {
    OFFSET_FETCH flexible 6;
    request {
        group_id: text (..=7);
        topics: [
            name: text;
            partition_indexes: [i32];
        ] (..=7);
        groups: [
            group_id: text;
            member_id: text (9..);
            member_epoch: i32 (9..);
            topics: [
                name: text;
                partition_indexes: [i32];
            ];
        ] (8..);
        require_stable: flag (7..);
    }
    response {
        throttle_time_ms: i32 (3..);
        topics: [
            name: text;
            partitions: [
                partition_index: i32;
                committed_offset: i64;
                committed_leader_epoch: i32 (5..);
                metadata: text;
                error_code: i16;
            ];
        ] (..=7);
        error_code: i16 (2..=7);
        groups: [
            group_id: text;
            topics: [
                name: text (..=9);
                topic_id: uuid (10..);
                partitions: [
                    partition_index: i32;
                    committed_offset: i64;
                    committed_leader_epoch: i32;
                    metadata: text;
                    error_code: i16;
                ];
            ];
            error_code: i16;
        ] (8..);
    }
}

api! {
    OFFSET_DELETE flexible never;
    request {
        group_id: text;
        topics: [
            name: text;
            partitions: [ partition_index: i32; ];
        ];
    }
    response {
        error_code: i16;
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

//! The cluster: what it speaks, who is in it, who coordinates.

use super::super::table::api;

api! {
    API_VERSIONS flexible 3;
    request {
        client_software_name: text (3..);
        client_software_version: text (3..);
    }
    response {
        error_code: i16;
        api_keys: [
            api_key: i16;
            min_version: i16;
            max_version: i16;
        ];
        throttle_time_ms: i32 (1..);
        supported_features: [
            name: text (3..);
            min_version: i16 (3..);
            max_version: i16 (3..);
        ] tag 0;
        finalized_features_epoch: i64 tag 1;
        finalized_features: [
            name: text (3..);
            max_version_level: i16 (3..);
            min_version_level: i16 (3..);
        ] tag 2;
        zk_migration_ready: flag tag 3;
    }
}

api! {
    METADATA flexible 9;
    request {
        topics: [
            topic_id: uuid (10..);
            name: text;
        ];
        allow_auto_topic_creation: flag (4..);
        include_cluster_authorized_operations: flag (8..=10);
        include_topic_authorized_operations: flag (8..);
    }
    response {
        throttle_time_ms: i32 (3..);
        brokers: [
            node_id: i32;
            host: text;
            port: i32;
            rack: text (1..);
        ];
        cluster_id: text (2..);
        controller_id: i32 (1..);
        topics: [
            error_code: i16;
            name: text;
            topic_id: uuid (10..);
            is_internal: flag (1..);
            partitions: [
                error_code: i16;
                partition_index: i32;
                leader_id: i32;
                leader_epoch: i32 (7..);
                replica_nodes: [i32];
                isr_nodes: [i32];
                offline_replicas: [i32] (5..);
            ];
            topic_authorized_operations: i32 (8..);
        ];
        cluster_authorized_operations: i32 (8..=10);
        error_code: i16 (13..);
    }
}

api! {
    FIND_COORDINATOR flexible 3;
    request {
        key: text (..=3);
        key_type: i8 (1..);
        coordinator_keys: [text] (4..);
    }
    response {
        throttle_time_ms: i32 (1..);
        error_code: i16 (..=3);
        error_message: text (1..=3);
        node_id: i32 (..=3);
        host: text (..=3);
        port: i32 (..=3);
        coordinators: [
            key: text;
            node_id: i32;
            host: text;
            port: i32;
            error_code: i16;
            error_message: text;
        ] (4..);
    }
}

api! {
    DESCRIBE_CLUSTER flexible 0;
    request {
        include_cluster_authorized_operations: flag;
        endpoint_type: i8 (1..);
        include_fenced_brokers: flag (2..);
    }
    response {
        throttle_time_ms: i32;
        error_code: i16;
        error_message: text;
        endpoint_type: i8 (1..);
        cluster_id: text;
        controller_id: i32;
        brokers: [
            broker_id: i32;
            host: text;
            port: i32;
            rack: text;
            is_fenced: flag (2..);
        ];
        cluster_authorized_operations: i32;
    }
}

//! Topics and their settings.

use super::super::table::api;

api! {
    CREATE_TOPICS flexible 5;
    request {
        topics: [
            name: text;
            num_partitions: i32;
            replication_factor: i16;
            assignments: [
                partition_index: i32;
                broker_ids: [i32];
            ];
            configs: [
                name: text;
                value: text;
            ];
        ];
        timeout_ms: i32;
        validate_only: flag;
    }
    response {
        throttle_time_ms: i32;
        topics: [
            name: text;
            topic_id: uuid (7..);
            error_code: i16;
            error_message: text;
            num_partitions: i32 (5..);
            replication_factor: i16 (5..);
            configs: [
                name: text;
                value: text;
                read_only: flag;
                config_source: i8;
                is_sensitive: flag;
            ] (5..);
            topic_config_error_code: i16 tag 0;
        ];
    }
}

api! {
    DELETE_TOPICS flexible 4;
    request {
        topics: [
            name: text;
            topic_id: uuid;
        ] (6..);
        topic_names: [text] (..=5);
        timeout_ms: i32;
    }
    response {
        throttle_time_ms: i32;
        responses: [
            name: text;
            topic_id: uuid (6..);
            error_code: i16;
            error_message: text (5..);
        ];
    }
}

api! {
    CREATE_PARTITIONS flexible 2;
    request {
        topics: [
            name: text;
            count: i32;
            assignments: [ broker_ids: [i32]; ];
        ];
        timeout_ms: i32;
        validate_only: flag;
    }
    response {
        throttle_time_ms: i32;
        results: [
            name: text;
            error_code: i16;
            error_message: text;
        ];
    }
}

api! {
    DESCRIBE_CONFIGS flexible 4;
    request {
        resources: [
            resource_type: i8;
            resource_name: text;
            configuration_keys: [text];
        ];
        include_synonyms: flag;
        include_documentation: flag (3..);
    }
    response {
        throttle_time_ms: i32;
        results: [
            error_code: i16;
            error_message: text;
            resource_type: i8;
            resource_name: text;
            configs: [
                name: text;
                value: text;
                read_only: flag;
                config_source: i8;
                is_sensitive: flag;
                synonyms: [
                    name: text;
                    value: text;
                    source: i8;
                ];
                config_type: i8 (3..);
                documentation: text (3..);
            ];
        ];
    }
}

api! {
    INCREMENTAL_ALTER_CONFIGS flexible 1;
    request {
        resources: [
            resource_type: i8;
            resource_name: text;
            configs: [
                name: text;
                config_operation: i8;
                value: text;
            ];
        ];
        validate_only: flag;
    }
    response {
        throttle_time_ms: i32;
        responses: [
            error_code: i16;
            error_message: text;
            resource_type: i8;
            resource_name: text;
        ];
    }
}

//! Groups of the consumer protocol (KIP-848).

use super::super::table::api;

api! {
    CONSUMER_GROUP_HEARTBEAT flexible 0;
    request {
        group_id: text;
        member_id: text;
        member_epoch: i32;
        instance_id: text;
        rack_id: text;
        rebalance_timeout_ms: i32;
        subscribed_topic_names: [text];
        subscribed_topic_regex: text (1..);
        server_assignor: text;
        topic_partitions: [
            topic_id: uuid;
            partitions: [i32];
        ];
    }
    response {
        throttle_time_ms: i32;
        error_code: i16;
        error_message: text;
        member_id: text;
        member_epoch: i32;
        heartbeat_interval_ms: i32;
        assignment: (maybe {
            topic_partitions: [
                topic_id: uuid;
                partitions: [i32];
            ];
        });
    }
}

api! {
    CONSUMER_GROUP_DESCRIBE flexible 0;
    request {
        group_ids: [text];
        include_authorized_operations: flag;
    }
    response {
        throttle_time_ms: i32;
        groups: [
            error_code: i16;
            error_message: text;
            group_id: text;
            group_state: text;
            group_epoch: i32;
            assignment_epoch: i32;
            assignor_name: text;
            members: [
                member_id: text;
                instance_id: text;
                rack_id: text;
                member_epoch: i32;
                client_id: text;
                client_host: text;
                subscribed_topic_names: [text];
                subscribed_topic_regex: text;
                assignment: {
                    topic_partitions: [
                        topic_id: uuid;
                        topic_name: text;
                        partitions: [i32];
                    ];
                };
                target_assignment: {
                    topic_partitions: [
                        topic_id: uuid;
                        topic_name: text;
                        partitions: [i32];
                    ];
                };
                member_type: i8 (1..);
            ];
            authorized_operations: i32;
        ];
    }
}

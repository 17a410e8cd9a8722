//! Groups and their members.

use super::super::table::api;

api! {
    JOIN_GROUP flexible 6;
    request {
        group_id: text;
        session_timeout_ms: i32;
        rebalance_timeout_ms: i32 (1..);
        member_id: text;
        group_instance_id: text (5..);
        protocol_type: text;
        protocols: [
            name: text;
            metadata: bytes;
        ];
        reason: text (8..);
    }
    response {
        throttle_time_ms: i32 (2..);
        error_code: i16;
        generation_id: i32;
        protocol_type: text (7..);
        protocol_name: text;
        leader: text;
        skip_assignment: flag (9..);
        member_id: text;
        members: [
            member_id: text;
            group_instance_id: text (5..);
            metadata: bytes;
        ];
    }
}

api! {
    SYNC_GROUP flexible 4;
    request {
        group_id: text;
        generation_id: i32;
        member_id: text;
        group_instance_id: text (3..);
        protocol_type: text (5..);
        protocol_name: text (5..);
        assignments: [
            member_id: text;
            assignment: bytes;
        ];
    }
    response {
        throttle_time_ms: i32 (1..);
        error_code: i16;
        protocol_type: text (5..);
        protocol_name: text (5..);
        assignment: bytes;
    }
}

api! {
    HEARTBEAT flexible 4;
    request {
        group_id: text;
        generation_id: i32;
        member_id: text;
        group_instance_id: text (3..);
    }
    response {
        throttle_time_ms: i32 (1..);
        error_code: i16;
    }
}

api! {
    LEAVE_GROUP flexible 4;
    request {
        group_id: text;
        member_id: text (..=2);
        members: [
            member_id: text;
            group_instance_id: text;
            reason: text (5..);
        ] (3..);
    }
    response {
        throttle_time_ms: i32 (1..);
        error_code: i16;
        members: [
            member_id: text;
            group_instance_id: text;
            error_code: i16;
        ] (3..);
    }
}

api! {
    DESCRIBE_GROUPS flexible 5;
    request {
        groups: [text];
        include_authorized_operations: flag (3..);
    }
    response {
        throttle_time_ms: i32 (1..);
        groups: [
            error_code: i16;
            error_message: text (6..);
            group_id: text;
            group_state: text;
            protocol_type: text;
            protocol_data: text;
            members: [
                member_id: text;
                group_instance_id: text (4..);
                client_id: text;
                client_host: text;
                member_metadata: bytes;
                member_assignment: bytes;
            ];
            authorized_operations: i32 (3..);
        ];
    }
}

api! {
    LIST_GROUPS flexible 3;
    request {
        states_filter: [text] (4..);
        types_filter: [text] (5..);
    }
    response {
        throttle_time_ms: i32 (1..);
        error_code: i16;
        groups: [
            group_id: text;
            protocol_type: text;
            group_state: text (4..);
            group_type: text (5..);
        ];
    }
}

api! {
    DELETE_GROUPS flexible 2;
    request {
        groups_names: [text];
    }
    response {
        throttle_time_ms: i32;
        results: [
            group_id: text;
            error_code: i16;
        ];
    }
}

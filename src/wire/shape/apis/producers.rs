//! Producers.

use super::super::table::api;

api! {
    INIT_PRODUCER_ID flexible 2;
    request {
        transactional_id: text;
        transaction_timeout_ms: i32;
        producer_id: i64 (3..);
        producer_epoch: i16 (3..);
    }
    response {
        throttle_time_ms: i32;
        error_code: i16;
        producer_id: i64;
        producer_epoch: i16;
        ongoing_txn_producer_id: i64 (6..);
        ongoing_txn_producer_epoch: i16 (6..);
    }
}

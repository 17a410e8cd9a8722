//! The audit of a group finds what is wrong.

use serde_json::{Value, json};

use crate::support::audit::{Audit, KILLED};

/// Each story is right but for its last event.
pub(super) async fn the_audit_finds_what_is_wrong() {
    let of = |partition: i64| json!({"topic": "t", "partition": partition});
    let assigned = |p| json!({"name": "partitions_assigned", "partitions": [of(p)]});
    let revoked = |p| json!({"name": "partitions_revoked", "partitions": [of(p)]});
    let committed = |p: i64, offset: i64| {
        let offsets = [json!({"topic": "t", "partition": p, "offset": offset})];
        json!({"name": "offsets_committed", "success": true, "offsets": offsets})
    };
    let consumed = |p: i64, offsets: std::ops::Range<i64>| {
        let count = offsets.end - offsets.start;
        let span = json!({
            "topic": "t", "partition": p, "count": count,
            "minOffset": offsets.start, "maxOffset": offsets.end - 1,
        });
        json!({"name": "records_consumed", "count": count, "partitions": [span]})
    };
    let ended = || json!({"name": "shutdown_complete"});
    let killed = || json!({"name": KILLED});
    let kept = || {
        vec![
            ("a", assigned(0)),
            ("a", consumed(0, 0..5)),
            ("a", committed(0, 3)),
        ]
    };
    let then = |more: &[(&'static str, Value)]| [kept(), more.to_vec()].concat();

    for (wrong, story) in [
        ("owns", then(&[("b", assigned(0))])),
        ("not its own", then(&[("b", consumed(0, 5..6))])),
        ("not its own", then(&[("a", consumed(1, 0..1))])),
        ("not its own", then(&[("a", committed(1, 1))])),
        ("not its own", then(&[("a", revoked(1))])),
        ("begins at 6", then(&[("a", consumed(0, 6..7))])),
        ("begins at 4", then(&[("a", consumed(0, 4..7))])),
        (
            "begins at 1",
            then(&[("b", assigned(1)), ("b", consumed(1, 1..2))]),
        ),
        (
            "begins at 2",
            then(&[
                ("a", killed()),
                ("b", assigned(0)),
                ("b", consumed(0, 2..6)),
            ]),
        ),
        (
            "begins at 6",
            then(&[
                ("a", killed()),
                ("b", assigned(0)),
                ("b", consumed(0, 6..7)),
            ]),
        ),
        ("beyond", then(&[("a", committed(0, 6))])),
        ("goes back", then(&[("a", committed(0, 2))])),
        ("uncommitted", then(&[("a", revoked(0))])),
        (
            "still owns",
            then(&[("a", committed(0, 5)), ("a", ended())]),
        ),
        ("has left", then(&[("a", killed()), ("a", revoked(0))])),
    ] {
        let mut audit = Audit::default();
        let (last, before) = story.split_last().unwrap();
        for (member, event) in before {
            audit.handle(member, event).unwrap();
        }
        let told = audit.handle(last.0, &last.1).unwrap_err();
        assert!(told.contains(wrong), "{wrong}: {told}");
    }
}

use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::engine::testing::{
    WALL_MS, record_with_headers, rejected, retry_after, sink_down, transient, unreachable,
};

fn now() -> Moment {
    Moment {
        at: Instant::now(),
        wall_ms: WALL_MS,
    }
}

fn after(path: Path, verdicts: &[Verdict]) -> Step {
    let mut attempts = Attempts::default();
    let steps = verdicts.iter().map(|verdict| {
        step(
            &Config::default(),
            path,
            verdict.clone(),
            &mut attempts,
            now(),
        )
    });
    steps.last().unwrap()
}

#[test]
fn the_table() {
    use Destination::{DeadLetter, Permanent};
    use Path::{Drain, Main};
    let again = Step::Again(Duration::from_secs(1));
    let failed = transient;
    for (path, verdicts, wanted) in [
        (Main, vec![Verdict::Delivered], Step::Done),
        (Drain, vec![Verdict::Delivered], Step::Done),
        (Main, vec![rejected()], Step::Forward(Permanent)),
        (Drain, vec![rejected()], Step::Forward(Permanent)),
        (Main, vec![failed(); 3], again.clone()),
        (Main, vec![failed(); 4], Step::Forward(DeadLetter)),
        (Drain, vec![failed()], Step::Forward(DeadLetter)),
        (Main, vec![unreachable(); 3], again.clone()),
        (
            Main,
            vec![failed(), failed(), retry_after(1), sink_down(), failed()],
            again,
        ),
    ] {
        assert_eq!(after(path, &verdicts), wanted, "{path} {verdicts:?}");
    }
    for (path, verdicts) in [
        (Main, vec![sink_down()]),
        (Drain, vec![sink_down()]),
        (Main, vec![unreachable(); 4]),
        (Drain, vec![unreachable()]),
    ] {
        let step = after(path, &verdicts);
        assert!(matches!(step, Step::Held(Hold::Stop(_))), "{path} {step:?}");
    }
    let held = after(Drain, &[retry_after(7)]);
    assert!(matches!(held, Step::Held(Hold::For(wait, _)) if wait.as_secs() == 7));
}

fn rested(delays: &[u64], count: u32, failed_ago_ms: i64) -> bool {
    let drain = DrainConfig {
        delays: delays.iter().copied().map(Duration::from_secs).collect(),
        ..DrainConfig::default()
    };
    let time = (WALL_MS - failed_ago_ms).to_string();
    let header = (headers::LAST_FAILURE_TIME.as_bytes(), Some(time.as_bytes()));
    let record = record_with_headers(0, &[header]);
    is_rested(&drain, &record.as_ref(), count, now())
}

#[test]
fn a_record_rests_as_long_as_its_count_says() {
    assert!(rested(&[], 0, 0));
    assert!(!rested(&[1, 60], 0, 999));
    assert!(rested(&[1, 60], 0, 1_000));
    assert!(!rested(&[1, 60], 1, 59_999));
    assert!(rested(&[1, 60], 1, 60_000));
    assert!(!rested(&[1, 60], u32::MAX, 59_999), "the last one repeats");
}

#[test]
fn a_time_in_the_future_blocks_nothing() {
    assert!(!rested(&[1], 0, -60_000), "clocks differ");
    assert!(rested(&[1], 0, -60_001));
}

#[test]
fn without_a_failure_time_it_rests_from_its_timestamp() {
    let drain = DrainConfig {
        delays: vec![Duration::from_secs(60)],
        ..DrainConfig::default()
    };
    for (timestamp, wanted) in [
        (WALL_MS - 59_999, false),
        (WALL_MS - 60_000, true),
        (-1, true),
        (i64::MIN, true),
        (i64::MAX, true),
    ] {
        let mut record = record_with_headers(0, &[]);
        record.timestamp = timestamp;
        assert_eq!(is_rested(&drain, &record.as_ref(), 0, now()), wanted);
    }
}

proptest! {
    #[test]
    fn no_time_and_no_delay_overflows(time in any::<i64>(), wall_ms in any::<i64>(), delay in any::<u64>()) {
        let drain = DrainConfig { delays: vec![Duration::from_secs(delay)], ..DrainConfig::default() };
        let mut record = record_with_headers(0, &[]);
        record.timestamp = time;
        let now = Moment { wall_ms, ..now() };
        is_rested(&drain, &record.as_ref(), 0, now);
    }

    #[test]
    fn every_record_of_the_main_path_has_at_most_so_many_deliveries(max_retries in 0..20_u32) {
        let config = Config { max_retries, ..Config::default() };
        let mut attempts = Attempts::default();
        let mut deliveries = 1;
        while let Step::Again(_) = step(&config, Path::Main, transient(), &mut attempts, now()) {
            deliveries += 1;
        }
        prop_assert_eq!(deliveries, 1 + max_retries);
    }
}

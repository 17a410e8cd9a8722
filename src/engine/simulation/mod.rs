//! The engine in a small world of logs, consumers and a sink, with all that can go wrong there:
//! attempts, forwards and commits that fail, rebalances, partitions lost, crashes, shutdowns.
//! Each world follows from its seed alone: a failing one is run again by its number.

mod answers;
mod chaos;
mod ledger;
mod rest;
mod rules;
mod world;

use super::testing::tp;
use super::*;
use ledger::Fate;
use world::World;

/// Goes through a world's troubles, then lets it come to rest; true if nothing happened that
/// may deliver a record twice.
fn live(seed: u64) -> bool {
    let _named = Named(seed);
    let mut world = World::new(seed, chaos::config(seed));
    for _ in 0..250 {
        chaos::happen(&mut world);
    }
    world.come_to_rest();
    world.ledger.check_outcomes();
    world.ledger.is_clean()
}

/// Says which world a panic was in.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the world of seed {}", self.0);
        }
    }
}

#[test]
fn whatever_happens_every_record_comes_to_its_end() {
    let mut clean = 0;
    for seed in 0..500 {
        clean += u32::from(live(seed));
    }
    assert!(
        clean >= 100,
        "too few worlds saw exactly one delivery: {clean}"
    );
}

/// What the Spring service did with six payments while every send was answered 503.
#[test]
fn the_reference_figures() {
    let mut world = World::new(0, Config::default());
    for _ in 0..6 {
        world.publish(Path::Main, 0, Fate::Broken, &[]);
    }
    world.come_to_rest();
    let main = world.engine.totals(Path::Main);
    let drain = world.engine.totals(Path::Drain);
    assert_eq!((main.sent, drain.sent), (6 * 4, 6 * 3), "42 sends");
    assert_eq!(world.len(Destination::DeadLetter), 24);
    assert_eq!(world.len(Destination::Permanent), 6);
    world.ledger.check_outcomes();
    assert!(world.ledger.is_clean());
}

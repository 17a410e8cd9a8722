//! From one assignment to the next.

use super::*;

#[test]
fn what_goes_is_given_up_before_it_is_told_and_before_anything_is_added() {
    let mut member = Member::stable(&[0, 1]);
    let beat = member.beat();
    member.answer(beat.attempt, 4, Some(assigned(&[1, 2])));
    let (attempt, going) = member.take_revocation();
    assert_eq!((going, member.state()), (tps(&[0]), State::Reconciling));
    assert!(member.machine.commit_stamp().is_some(), "the last commit");
    member.machine.handle_revoked(attempt, member.now);
    assert_eq!(member.effect(), Some(Effect::Assigned(tps(&[2]))));
    assert_eq!(member.take_beat().owned, Some(assigned(&[1, 2])));
}

#[test]
fn heartbeats_go_on_while_the_application_gives_up() {
    let mut member = Member::stable(&[0, 1]);
    let beat = member.beat();
    member.answer(beat.attempt, 4, Some(assigned(&[1])));
    member.take_revocation();
    for _ in 0..9 {
        let beat = member.beat();
        assert_ne!(beat.owned, Some(assigned(&[1])), "it is owned still");
        member.answer(beat.attempt, 4, None);
        assert_eq!(member.effects(), []);
    }
}

#[test]
fn who_does_not_give_up_in_time_loses() {
    let mut member = Member::stable(&[0, 1]);
    let beat = member.beat();
    member.answer(beat.attempt, 4, Some(assigned(&[1])));
    let (attempt, _) = member.take_revocation();
    for _ in 0..9 {
        let beat = member.beat();
        member.answer(beat.attempt, 4, None);
    }
    member.advance(5 * SECOND);
    assert_eq!(member.effect(), Some(Effect::Lost(tps(&[0]))));
    assert_eq!(member.effect(), Some(Effect::Assigned(vec![])));
    assert_eq!(member.take_beat().owned, Some(assigned(&[1])));
    member.machine.handle_revoked(attempt, member.now);
    assert_eq!(member.effects(), [], "too late");
}

#[test]
fn an_assignment_that_comes_meanwhile_is_what_counts_afterwards() {
    let mut member = Member::stable(&[0, 1, 2]);
    let beat = member.beat();
    member.answer(beat.attempt, 4, Some(assigned(&[1, 2])));
    let (first, _) = member.take_revocation();
    let beat = member.beat();
    member.answer(beat.attempt, 5, Some(assigned(&[0, 2])));
    assert_eq!(member.effects(), []);
    member.machine.handle_revoked(first, member.now);
    let (second, going) = member.take_revocation();
    assert_eq!(going, tps(&[1]));
    member.machine.handle_revoked(second, member.now);
    assert_eq!(member.effect(), Some(Effect::Assigned(tps(&[0]))), "again");
    assert_eq!(member.take_beat().owned, Some(assigned(&[0, 2])));
}

#[test]
fn a_topic_without_a_name_is_asked_for_and_waited_for() {
    let mut member = Member::stable(&[0]);
    member
        .machine
        .handle_topics_changed(TopicNames::new(), member.now);
    let other = [8; 16];
    let beat = member.beat();
    let both = vec![(ID, vec![0]), (other, vec![0])];
    member.answer(beat.attempt, 4, Some(both.clone()));
    let Some(Effect::NeedTopics { attempt, topics }) = member.effect() else {
        panic!("does not ask")
    };
    assert_eq!((topics, member.state()), (vec![other], State::Reconciling));
    let told = member.take_beat();
    assert_eq!(told.owned, Some(assigned(&[0])), "what there is is told");
    member.answer(told.attempt, 4, None);
    member
        .machine
        .handle_topics(attempt, Err(RequestError::Timeout), member.now);
    assert_eq!(member.effects(), []);
    member.advance(SECOND);
    let Some(Effect::NeedTopics { attempt, .. }) = member.effect() else {
        panic!("does not ask again")
    };
    let known = TopicNames::from([(other, Arc::from("u"))]);
    member.machine.handle_topics(attempt, Ok(known), member.now);
    let added = vec![TopicPartition::new("u", 0)];
    assert_eq!(member.effect(), Some(Effect::Assigned(added)));
    assert_eq!(member.take_beat().owned, Some(both));
}

/// The coordinator took back what was never owned, as its topic had no name: it waits to hear so.
#[test]
fn every_assignment_is_answered_even_if_nothing_changes() {
    let mut member = Member::new();
    member
        .machine
        .handle_topics_changed(TopicNames::new(), member.now);
    let join = member.start();
    member.answer(join.attempt, 3, Some(assigned(&[0, 1])));
    let effects = member.effects();
    let [Effect::NeedTopics { .. }, Effect::ConsumerHeartbeat(told)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(told.owned, Some(vec![]));
    member.answer(told.attempt, 4, Some(vec![]));
    assert_eq!(member.effect(), Some(Effect::Assigned(vec![])));
    assert_eq!(member.take_beat().owned, Some(vec![]));
}

#[test]
fn an_assignment_that_is_told_again_changes_nothing() {
    let mut member = Member::stable(&[0]);
    let beat = member.beat();
    member.answer(beat.attempt, 4, Some(assigned(&[0])));
    assert_eq!((member.effects(), member.state()), (vec![], State::Stable));
}

#[test]
fn a_topic_made_again_is_given_up_and_taken_on() {
    let mut member = Member::stable(&[0]);
    let again = [9; 16];
    let named = TopicNames::from([(again, Arc::from("t"))]);
    member.machine.handle_topics_changed(named, member.now);
    assert_eq!(member.effects(), [], "the coordinator has the say");
    let beat = member.beat();
    member.answer(beat.attempt, 4, Some(vec![(again, vec![0])]));
    let (attempt, going) = member.take_revocation();
    assert_eq!(going, tps(&[0]));
    member.machine.handle_revoked(attempt, member.now);
    assert_eq!(member.effect(), Some(Effect::Assigned(tps(&[0]))));
    assert_eq!(member.take_beat().owned, Some(vec![(again, vec![0])]));
}

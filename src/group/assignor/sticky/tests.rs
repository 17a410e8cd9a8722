use proptest::prelude::*;

use super::super::testing::{
    assert_complete, assignment, counts, groups, member, owner, owners, partitions,
};
use super::*;

/// The assignment before anything is held back, to check what it aims at.
fn aim(members: &[MemberSubscription], counts: &PartitionCounts) -> Assignment {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|member| &member.member_id);
    let claims = Claims::new(&members, counts);
    let mut balance = Balance::new(&members, counts, &claims);
    balance.fill(counts);
    balance.level();
    let share = |(index, member): (_, &&MemberSubscription)| {
        (member.member_id.clone(), balance.share(index, |_| true))
    };
    members.iter().enumerate().map(share).collect()
}

/// The members in the next generation, owning what they were given.
fn next(members: &[MemberSubscription], assignment: &Assignment) -> Vec<MemberSubscription> {
    let generation = members.iter().map(|it| it.generation).max().unwrap_or(0) + 1;
    let member = |member: &MemberSubscription| MemberSubscription {
        owned: assignment
            .get(&member.member_id)
            .cloned()
            .unwrap_or_default(),
        generation,
        ..member.clone()
    };
    members.iter().map(member).collect()
}

/// Rounds until nothing changes, as the members' rejoins make them.
fn settle(members: &[MemberSubscription], counts: &PartitionCounts) -> Vec<MemberSubscription> {
    let once = next(members, &assign(members, counts));
    next(&once, &assign(&once, counts))
}

fn loads(assignment: &Assignment) -> Vec<usize> {
    assignment.values().map(Vec::len).collect()
}

#[test]
fn java_a_second_member_gets_its_part_in_the_second_round() {
    let counts = counts(&[("t", 3)]);
    let members = [
        owner("consumer1", &["t"], "t-0 t-1 t-2", 1),
        member("consumer2", &["t"]),
    ];
    let first = assign(&members, &counts);
    assert_eq!(
        first,
        assignment(&[("consumer1", "t-0 t-1"), ("consumer2", "")])
    );
    let second = assign(&next(&members, &first), &counts);
    assert_eq!(
        second,
        assignment(&[("consumer1", "t-0 t-1"), ("consumer2", "t-2")])
    );
}

#[test]
fn java_what_a_member_leaves_goes_to_the_others_at_once() {
    let members = [owner("consumer2", &["t"], "t-2", 2)];
    let expected = assignment(&[("consumer2", "t-0 t-1 t-2")]);
    assert_eq!(assign(&members, &counts(&[("t", 3)])), expected);
}

#[test]
fn java_claims_of_an_older_generation_do_not_count() {
    let both = ["topic", "topic2"];
    let members = [
        owner("consumer1", &both, "topic-0 topic2-1 topic-1", 5),
        owner("consumer2", &both, "topic-0 topic2-1 topic2-2", 3),
    ];
    let expected = assignment(&[
        ("consumer1", "topic-0 topic-1 topic2-1"),
        ("consumer2", "topic-2 topic2-0 topic2-2"),
    ]);
    assert_eq!(
        assign(&members, &counts(&[("topic", 3), ("topic2", 3)])),
        expected
    );
}

#[test]
fn java_a_partition_claimed_twice_is_held_back_from_both() {
    let members = [
        owner("consumer1", &["t"], "t-0 t-1", 1),
        owner("consumer2", &["t"], "t-0 t-2", 1),
    ];
    let first = assign(&members, &counts(&[("t", 3)]));
    assert_eq!(
        first,
        assignment(&[("consumer1", "t-1"), ("consumer2", "t-2")])
    );
    let second = assign(&next(&members, &first), &counts(&[("t", 3)]));
    assert_eq!(owners(&second).len(), 3);
}

#[test]
fn java_poor_round_robin_scenario_comes_out_even() {
    let all = ["topic1", "topic2", "topic3", "topic4", "topic5"];
    let odd = ["topic1", "topic3", "topic5"];
    let members = [
        member("c1", &all),
        member("c2", &odd),
        member("c3", &odd),
        member("c4", &all),
    ];
    let counts = counts(&[
        ("topic1", 2),
        ("topic2", 1),
        ("topic3", 2),
        ("topic4", 1),
        ("topic5", 2),
    ]);
    assert_eq!(loads(&assign(&members, &counts)), [2, 2, 2, 2]);
}

#[test]
fn a_chain_of_members_evens_out_what_no_single_move_can() {
    let members = [
        owner("a", &["x"], "x-0 x-1 x-2", 1),
        owner("b", &["x", "y"], "y-0 y-1", 1),
        owner("c", &["y"], "y-2", 1),
    ];
    assert_eq!(
        loads(&aim(&members, &counts(&[("x", 3), ("y", 3)]))),
        [2, 2, 2]
    );
}

#[test]
fn what_was_held_back_finds_its_place_without_moving_what_is_owned() {
    let members = [
        owner("m0", &["c"], "a-2", 0),
        owner("m1", &["a", "b"], "", 0),
        owner("m2", &["b", "c"], "", 0),
        owner("m3", &["a", "b"], "", 0),
        owner("m4", &["a", "c"], "b-3", 0),
    ];
    let counts = counts(&[("a", 3), ("b", 5), ("c", 3)]);
    let second = assign(&next(&members, &assign(&members, &counts)), &counts);
    assert_complete(&members, &counts, &second);
}

#[test]
fn what_is_new_is_passed_on_rather_than_what_is_owned() {
    let members = [owner("a", &["x", "y"], "x-2", 1), member("b", &["x"])];
    let expected = assignment(&[("a", "x-2 y-0"), ("b", "x-0 x-1")]);
    assert_eq!(aim(&members, &counts(&[("x", 3), ("y", 1)])), expected);
}

#[test]
fn claims_to_what_does_not_exist_are_dropped() {
    let members = [owner("a", &["t"], "t-0 t-7 gone-0", 1)];
    assert_eq!(
        assign(&members, &counts(&[("t", 1)])),
        assignment(&[("a", "t-0")])
    );
}

#[test]
fn a_topic_no_longer_wanted_waits_until_it_is_given_up() {
    let members = [owner("a", &["s"], "t-0", 1), member("b", &["t"])];
    let counts = counts(&[("s", 1), ("t", 1)]);
    let first = assign(&members, &counts);
    assert_eq!(first, assignment(&[("a", "s-0"), ("b", "")]));
    assert_eq!(
        assign(&next(&members, &first), &counts)["b"],
        partitions("t-0")
    );
}

/// Members that own anything whatever, in any generation.
fn wild_groups() -> impl Strategy<Value = (Vec<MemberSubscription>, PartitionCounts)> {
    let owned = prop::collection::vec((prop::sample::select(vec!["a", "b", "z"]), 0..9), 0..6);
    let claims = prop::collection::vec((owned, -1..3), 5);
    (groups(5, false), claims).prop_map(|((mut members, counts), claims)| {
        for (member, (owned, generation)) in members.iter_mut().zip(claims) {
            member.generation = generation;
            member.owned = owned
                .into_iter()
                .map(|(t, p)| TopicPartition::new(t, p))
                .collect();
        }
        (members, counts)
    })
}

/// The least sum of squares of loads that any assignment has.
fn least_cost(members: &[MemberSubscription], counts: &PartitionCounts) -> usize {
    fn search(loads: &mut [usize], choices: &[Vec<usize>]) -> usize {
        let Some((first, rest)) = choices.split_first() else {
            return loads.iter().map(|load| load * load).sum();
        };
        let mut best = usize::MAX;
        for &index in first {
            loads[index] += 1;
            best = best.min(search(loads, rest));
            loads[index] -= 1;
        }
        best
    }
    let choices = counts.iter().flat_map(|(topic, count)| {
        let wants = members
            .iter()
            .enumerate()
            .filter(|(_, it)| it.topics.contains(topic));
        let choice: Vec<usize> = wants.map(|(index, _)| index).collect();
        vec![choice; *count as usize]
    });
    let choices: Vec<_> = choices.filter(|choice| !choice.is_empty()).collect();
    search(&mut vec![0; members.len()], &choices)
}

proptest! {
    #[test]
    fn each_partition_once((members, counts) in wild_groups()) {
        assert_complete(&members, &counts, &aim(&members, &counts));
    }

    #[test]
    fn nothing_goes_where_another_says_it_has_it((members, counts) in wild_groups()) {
        let latest = members.iter().map(|it| it.generation).max();
        for (partition, owners) in owners(&assign(&members, &counts)) {
            let claims = |it: &&MemberSubscription| it.owned.contains(&partition);
            let mut others = members.iter().filter(claims).filter(|it| it.member_id != owners[0]);
            // An older claim does not take from a member what it validly has.
            let has_it = members.iter().filter(claims).any(|it| {
                it.member_id == owners[0] && Some(it.generation) == latest
            });
            prop_assert!(others.all(|it| has_it && Some(it.generation) != latest), "{partition}");
        }
    }

    #[test]
    fn two_rounds_are_enough((members, counts) in wild_groups()) {
        let settled = settle(&members, &counts);
        let again = assign(&settled, &counts);
        assert_complete(&settled, &counts, &again);
        for member in &settled {
            prop_assert_eq!(&member.owned, &again[&member.member_id]);
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter(
        ((members, counts), shuffled) in wild_groups()
            .prop_flat_map(|group| (Just(group.clone()), Just(group.0).prop_shuffle())),
    ) {
        prop_assert_eq!(assign(&members, &counts), assign(&shuffled, &counts));
    }

    #[test]
    fn equal_wishes_come_out_even_with_the_fewest_moves(
        (members, counts) in groups(6, true),
        (left, joined) in (0..3usize, 0..3usize),
    ) {
        let mut members = settle(&members, &counts);
        members.drain(..left.min(members.len() - 1));
        let wish: Vec<_> = members[0].topics.iter().map(String::as_str).collect();
        let newcomers: Vec<_> = (0..joined).map(|i| member(&format!("n{i}"), &wish)).collect();
        members.extend(newcomers);
        let aimed = aim(&members, &counts);
        let loads = loads(&aimed);
        prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1);

        let total: usize = loads.iter().sum();
        let (quota, extra) = (total / members.len(), total % members.len());
        let mut owned: Vec<_> = members.iter().map(|it| it.owned.len()).collect();
        owned.sort_by_key(|count| Reverse(*count));
        let could_stay = owned.iter().enumerate().map(|(i, n)| (*n).min(quota + usize::from(i < extra)));
        let stayed = members.iter().map(|it| {
            it.owned.iter().filter(|tp| aimed[&it.member_id].contains(tp)).count()
        });
        prop_assert_eq!(stayed.sum::<usize>(), could_stay.sum::<usize>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_assignment_is_more_even((members, mut counts) in wild_groups()) {
        for count in counts.values_mut() {
            *count %= 3;
        }
        let cost: usize = loads(&aim(&members, &counts)).iter().map(|load| load * load).sum();
        prop_assert_eq!(cost, least_cost(&members, &counts));
    }
}

//! Members with an instance.

use super::*;

fn back(id: &str) -> Beat {
    of_instance("1", joining(id))
}

#[test]
fn an_instance_that_was_away_has_what_it_had() {
    let mut rig = Rig::new(2);
    rig.beat(&back("a")).unwrap();
    rig.join("b");
    let owned = Beat {
        owned: Some(rig.payments(&[0])),
        ..of_instance("1", quiet("a", 2))
    };
    rig.beat(&owned).unwrap();
    rig.report("b", 3, &[]).unwrap();
    let away = of_instance("1", quiet("a", LEAVING_FOR_A_WHILE));
    assert_eq!(rig.beat(&away).unwrap().epoch, LEAVING_FOR_A_WHILE);
    let again = rig.beat(&back("c")).unwrap();
    assert_eq!(
        (again.epoch, again.assignment),
        (3, Some(rig.payments(&[0])))
    );
    assert_eq!(rig.group.epoch(), 3);
    // The other has not noticed, and the old id is fenced.
    assert_eq!(rig.report("b", 3, &[1]).unwrap().epoch, 3);
    let fenced = Err(ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(rig.beat(&of_instance("1", quiet("a", 3))), fenced);
    let leaving = of_instance("1", quiet("a", LEAVING));
    assert_eq!(rig.beat(&leaving), fenced);
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.report("a", 3, &[]), unknown);
}

#[test]
fn an_instance_is_one_members() {
    let mut rig = Rig::new(2);
    rig.beat(&back("a")).unwrap();
    let unreleased = Err(ErrorCode::UNRELEASED_INSTANCE_ID);
    assert_eq!(rig.beat(&back("b")), unreleased);
    assert_eq!(rig.beat(&back("a")), unreleased);
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.beat(&of_instance("2", quiet("a", 2))), unknown);
    let leaving = of_instance("2", quiet("a", LEAVING));
    assert_eq!(rig.beat(&leaving), unknown);
    let leaving = of_instance("1", quiet("a", LEAVING));
    rig.beat(&leaving).unwrap();
    assert_eq!(rig.beat(&back("b")).unwrap().epoch, 4);
}

#[test]
fn an_instance_is_away_until_its_session_ends() {
    let mut rig = Rig::new(2);
    rig.beat(&back("a")).unwrap();
    rig.join("b");
    rig.beat(&of_instance("1", quiet("a", LEAVING_FOR_A_WHILE)))
        .unwrap();
    assert_eq!(rig.report("b", 3, &[]).unwrap().assignment, None);
    rig.pass(SESSION / 2);
    rig.report("b", 3, &[]).unwrap();
    rig.pass(SESSION / 2);
    let rest = rig.report("b", 3, &[]).unwrap();
    assert_eq!(
        (rest.epoch, rest.assignment),
        (4, Some(rig.payments(&[0, 1])))
    );
    assert_eq!(rig.beat(&back("c")).unwrap().epoch, 5);
}

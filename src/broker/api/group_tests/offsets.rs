//! Commits, and what is found of them, in every version.

use super::*;

#[tokio::test]
async fn commits_are_fenced_and_kept_in_every_version() {
    let (broker, mut peer) = with_payments().await;
    let member = stable(&mut peer).await;
    let (id, generation) = (&member.member_id, member.generation_id);
    let stranger = text("stranger");
    for version in 2..=9 {
        let refusals = [
            (id, generation - 1, ErrorCode::ILLEGAL_GENERATION),
            (&stranger, generation, ErrorCode::UNKNOWN_MEMBER_ID),
            (&StrBytes::default(), -1, ErrorCode::UNKNOWN_MEMBER_ID),
        ];
        for (id, generation, code) in refusals {
            let refused = commit(&mut peer, version, (id, generation), 0, 1000).await;
            assert_eq!(refused, code, "version {version}");
        }
        let missing = commit(&mut peer, version, (&stranger, generation), 2, 1000).await;
        assert_eq!(missing, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let offset = i64::from(version);
        let done = commit(&mut peer, version, (id, generation), 0, offset).await;
        assert_eq!(done, ErrorCode::NONE);
        let committed = broker.committed(GROUP, "payments", 0).unwrap();
        assert_eq!(committed.offset, offset);
        assert_eq!(committed.metadata, "by hand");
        assert_eq!(committed.leader_epoch, if version < 6 { -1 } else { 4 });
    }
}

#[tokio::test]
async fn a_generation_of_a_group_that_there_is_not_is_refused() {
    let (_broker, mut peer) = with_payments().await;
    let id = text("somebody");
    let older = commit(&mut peer, 8, (&id, 1), 0, 1).await;
    assert_eq!(older, ErrorCode::ILLEGAL_GENERATION);
    let newer = commit(&mut peer, 9, (&id, 1), 0, 1).await;
    assert_eq!(newer, ErrorCode::GROUP_ID_NOT_FOUND);
}

#[tokio::test]
async fn every_version_finds_what_was_committed() {
    let (_broker, mut peer) = with_payments().await;
    let done = commit(&mut peer, 9, (&StrBytes::default(), -1), 1, 42).await;
    assert_eq!(done, ErrorCode::NONE);
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(topic_name("payments"))
            .with_partition_indexes(vec![0, 1]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group_id(GROUP))
            .with_topics(Some(vec![topic]));
        let answer = peer.ask(version, &request).await;
        let partitions = &answer.topics[0].partitions;
        let offsets = [
            partitions[0].committed_offset,
            partitions[1].committed_offset,
        ];
        assert_eq!(offsets, [-1, 42], "version {version}");
        assert_eq!(partitions[1].metadata, Some(text("by hand")));
        if version >= 2 {
            let all = peer.ask(version, &request.with_topics(None)).await;
            assert_eq!(all.topics[0].partitions.len(), 1);
            assert_eq!(all.topics[0].partitions[0].partition_index, 1);
        }
    }
    for version in 8..=9 {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(topic_name("payments"))
            .with_partition_indexes(vec![1]);
        let group = |id: &str| OffsetFetchRequestGroup::default().with_group_id(group_id(id));
        let groups = vec![
            group(GROUP).with_topics(None),
            group("another").with_topics(Some(vec![topic])),
        ];
        let request = OffsetFetchRequest::default().with_groups(groups);
        let answer = peer.ask(version, &request).await;
        let first = &answer.groups[0].topics[0].partitions;
        assert_eq!((first.len(), first[0].committed_offset), (1, 42));
        assert_eq!(first[0].committed_leader_epoch, 4);
        let second = &answer.groups[1].topics[0].partitions[0];
        assert_eq!((second.committed_offset, second.error_code), (-1, 0));
    }
}

//! A machine with a clock, and the steps that most tests begin with.

use super::*;
use crate::group::assignor::Assignor;

pub(super) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

pub(super) fn tps(partitions: &[i32]) -> Vec<TopicPartition> {
    partitions.iter().copied().map(tp).collect()
}

pub(super) fn config(assignors: &[Assignor]) -> Config {
    Config {
        protocol: GroupProtocol::Classic,
        group_id: "g".to_owned(),
        member_id: "own".to_owned(),
        remote_assignor: None,
        rack: None,
        instance_id: None,
        session_timeout: 10 * SECOND,
        rebalance_timeout: 60 * SECOND,
        heartbeat_interval: 3 * SECOND,
        retry_backoff: (SECOND / 10, SECOND),
        assignors: assignors.to_vec(),
        topics: vec!["t".to_owned()],
        revoke_timeout: 5 * SECOND,
        seed: 1,
    }
}

pub(super) struct Member {
    pub(super) machine: Machine,
    pub(super) now: Instant,
}

impl Member {
    pub(super) fn new(assignors: &[Assignor]) -> Self {
        Self::with(config(assignors))
    }

    fn with(config: Config) -> Self {
        Self {
            machine: Machine::new(config),
            now: Instant::now(),
        }
    }

    pub(super) fn stable(assignors: &[Assignor], partitions: &[i32]) -> Self {
        Self::new(assignors).settle(partitions)
    }

    pub(super) fn stable_static(partitions: &[i32]) -> Self {
        let instance_id = Some("i".to_owned());
        Self::with(Config {
            instance_id,
            ..config(&[Assignor::Range])
        })
        .settle(partitions)
    }

    pub(super) fn stable_leader(assignors: &[Assignor], count: Option<i32>) -> Self {
        let mut member = Self::new(assignors);
        member.start();
        let (question, _) = member.asked_as_leader();
        let counts = count
            .into_iter()
            .map(|count| ("t".to_owned(), count))
            .collect();
        member
            .machine
            .handle_partitions(question, Ok(counts), member.now);
        let sync = member.take_sync();
        member.synced(sync.attempt, &[0]);
        member.effects();
        member
    }

    fn settle(mut self, partitions: &[i32]) -> Self {
        self.start();
        let sync = self.join_as_follower(1);
        self.synced(sync.attempt, partitions);
        self.effects();
        self
    }

    pub(super) fn start(&mut self) {
        self.machine.handle_start(self.now);
        self.find();
    }

    pub(super) fn find(&mut self) {
        let Some(Effect::FindCoordinator(attempt)) = self.effect() else {
            panic!("does not seek the coordinator")
        };
        self.machine.handle_coordinator(attempt, Ok(()), self.now);
    }

    /// Hears nothing for a session, finds the coordinator again, and gives what it tells it then.
    pub(super) fn ended_session(&mut self) -> LeaveRequest {
        self.advance(10 * SECOND);
        self.effects();
        self.advance(SECOND);
        self.find();
        self.take_departure()
    }

    pub(super) fn take_departure(&mut self) -> LeaveRequest {
        match self.effect() {
            Some(Effect::Leave(departure)) => departure,
            other => panic!("no departure but {other:?}"),
        }
    }

    pub(super) fn join_as_follower(&mut self, generation: i32) -> SyncRequest {
        let join = self.take_join();
        self.joined_as_follower(join.attempt, generation)
    }

    pub(super) fn joined_as_follower(&mut self, attempt: Attempt, generation: i32) -> SyncRequest {
        self.machine
            .handle_join(attempt, Ok(self.follower_answer(generation)), self.now);
        self.take_sync()
    }

    /// Joined as the leader: the question for partitions, and the heartbeat with it.
    pub(super) fn asked_as_leader(&mut self) -> (Attempt, Attempt) {
        let attempt = self.take_join().attempt;
        self.machine
            .handle_join(attempt, Ok(self.leader_answer(1, false)), self.now);
        match &self.effects()[..] {
            [
                Effect::NeedPartitions { attempt, .. },
                Effect::Heartbeat(beat),
            ] => (*attempt, beat.attempt),
            other => panic!("no question but {other:?}"),
        }
    }

    pub(super) fn synced(&mut self, attempt: Attempt, partitions: &[i32]) {
        let assignment = encode_assignment(&tps(partitions));
        self.machine
            .handle_sync(attempt, Ok(SyncAnswer { assignment }), self.now);
    }

    /// Lets time pass until a heartbeat is sent, and answers it.
    pub(super) fn beat(&mut self, answer: Result<(), RequestError>) {
        self.advance(3 * SECOND);
        let Some(Effect::Heartbeat(beat)) = self.effect() else {
            panic!("no heartbeat")
        };
        self.machine
            .handle_heartbeat(beat.attempt, answer, self.now);
    }

    pub(super) fn follower_answer(&self, generation: i32) -> JoinAnswer {
        JoinAnswer {
            generation,
            protocol_name: self.machine.base.config.assignors[0].name().to_owned(),
            leader: "m2".to_owned(),
            member_id: "m1".to_owned(),
            members: Vec::new(),
            skip_assignment: false,
        }
    }

    pub(super) fn leader_answer(&self, generation: i32, skip_assignment: bool) -> JoinAnswer {
        let topics = vec!["t".to_owned()];
        let subscription = Subscription {
            topics,
            ..Subscription::nothing()
        };
        let member = |id: &str| GroupMember {
            member_id: id.to_owned(),
            instance_id: None,
            metadata: subscription.encode(Assignor::Range),
        };
        JoinAnswer {
            leader: "m1".to_owned(),
            members: vec![member("m2"), member("m1")],
            skip_assignment,
            ..self.follower_answer(generation)
        }
    }

    pub(super) fn take_join(&mut self) -> JoinRequest {
        match self.effect() {
            Some(Effect::Join(join)) => join,
            other => panic!("no join but {other:?}"),
        }
    }

    pub(super) fn take_sync(&mut self) -> SyncRequest {
        match self.effect() {
            Some(Effect::Sync(sync)) => sync,
            other => panic!("no sync but {other:?}"),
        }
    }

    pub(super) fn state(&self) -> State {
        self.machine.state()
    }

    pub(super) fn effect(&mut self) -> Option<Effect> {
        self.machine.poll_effect()
    }

    pub(super) fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.machine.poll_effect()).collect()
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.now += by;
        self.machine.handle_timeout(self.now);
    }
}

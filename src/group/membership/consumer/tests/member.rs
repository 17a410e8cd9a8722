//! A machine with a clock, and the steps that most tests begin with.

use super::*;

pub(super) const ID: TopicId = [7; 16];

pub(super) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

pub(super) fn tps(partitions: &[i32]) -> Vec<TopicPartition> {
    partitions.iter().copied().map(tp).collect()
}

/// These partitions of topic `t`, by its id.
pub(super) fn assigned(partitions: &[i32]) -> TopicPartitions {
    vec![(ID, partitions.to_vec())]
}

pub(super) fn names() -> TopicNames {
    TopicNames::from([(ID, Arc::from("t"))])
}

pub(super) fn code(code: ErrorCode) -> RequestError {
    RequestError::Code(code)
}

pub(super) fn config() -> Config {
    Config {
        protocol: GroupProtocol::Consumer,
        group_id: "g".to_owned(),
        member_id: "own".to_owned(),
        instance_id: None,
        session_timeout: 10 * SECOND,
        rebalance_timeout: 60 * SECOND,
        heartbeat_interval: 3 * SECOND,
        retry_backoff: (SECOND / 10, SECOND),
        assignors: Vec::new(),
        remote_assignor: Some("uniform".to_owned()),
        rack: Some("north".to_owned()),
        topics: vec!["t".to_owned()],
        revoke_timeout: 50 * SECOND,
        seed: 1,
    }
}

pub(super) struct Member {
    pub(super) machine: Machine,
    pub(super) now: Instant,
}

impl Member {
    /// One that knows the topic's name.
    pub(super) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: Config) -> Self {
        let now = Instant::now();
        let mut machine = Machine::new(config);
        machine.handle_topics_changed(names(), now);
        Self { machine, now }
    }

    /// One at rest in epoch 3, with heartbeats every 5 seconds.
    pub(super) fn stable(partitions: &[i32]) -> Self {
        Self::new().settle(partitions)
    }

    pub(super) fn stable_static(partitions: &[i32]) -> Self {
        let instance_id = Some("i".to_owned());
        Self::with(Config {
            instance_id,
            ..config()
        })
        .settle(partitions)
    }

    fn settle(mut self, partitions: &[i32]) -> Self {
        let join = self.start();
        self.answer(join.attempt, 3, Some(assigned(partitions)));
        self.settled();
        self
    }

    /// Answers what is told of what is owned.
    pub(super) fn settled(&mut self) {
        let beats = self
            .effects()
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::ConsumerHeartbeat(beat) => Some(beat.attempt),
                _ => None,
            });
        let beats: Vec<_> = beats.collect();
        assert_eq!(beats.len(), 1);
        let epoch = self.machine.epoch().unwrap();
        self.answer(beats[0], epoch, None);
        assert_eq!((self.effects(), self.state()), (vec![], State::Stable));
    }

    /// Starts, finds the coordinator, and gives the heartbeat that joins.
    pub(super) fn start(&mut self) -> ConsumerHeartbeat {
        self.machine.handle_start(self.now);
        self.find();
        self.take_beat()
    }

    pub(super) fn find(&mut self) {
        let Some(Effect::FindCoordinator(attempt)) = self.effect() else {
            panic!("does not seek the coordinator")
        };
        self.machine.handle_coordinator(attempt, Ok(()), self.now);
    }

    pub(super) fn take_beat(&mut self) -> ConsumerHeartbeat {
        match self.effect() {
            Some(Effect::ConsumerHeartbeat(beat)) => beat,
            other => panic!("no heartbeat but {other:?}"),
        }
    }

    /// Takes the only effect, a revocation.
    pub(super) fn take_revocation(&mut self) -> (Attempt, Vec<TopicPartition>) {
        match &self.effects()[..] {
            [
                Effect::Revoke {
                    attempt,
                    partitions,
                },
            ] => (*attempt, partitions.clone()),
            other => panic!("no revocation but {other:?}"),
        }
    }

    pub(super) fn good_answer(
        &self,
        epoch: i32,
        assignment: Option<TopicPartitions>,
    ) -> ConsumerHeartbeatAnswer {
        ConsumerHeartbeatAnswer {
            member_id: None,
            epoch,
            interval: 5 * SECOND,
            assignment,
        }
    }

    pub(super) fn answer(
        &mut self,
        attempt: Attempt,
        epoch: i32,
        assignment: Option<TopicPartitions>,
    ) {
        self.answer_with(attempt, self.good_answer(epoch, assignment));
    }

    pub(super) fn answer_with(&mut self, attempt: Attempt, answer: ConsumerHeartbeatAnswer) {
        self.machine
            .handle_consumer_heartbeat(attempt, Ok(answer), self.now);
    }

    pub(super) fn fail(&mut self, attempt: Attempt, error: RequestError) {
        self.machine
            .handle_consumer_heartbeat(attempt, Err(error), self.now);
    }

    /// Lets time pass until a heartbeat is sent.
    pub(super) fn beat(&mut self) -> ConsumerHeartbeat {
        self.advance(5 * SECOND);
        self.take_beat()
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

//! What goes out: requests for what is ready, and questions for what is missing.

use std::collections::BTreeMap;

use super::ProducerMachine;
use super::agenda::Place;
use super::vocabulary::{Effect, RequestId};

impl ProducerMachine {
    /// The next thing to do, or `None` until the next event.
    ///
    /// Requests are put together here and not at the event, so that records given in one go
    /// travel together even where nothing lingers.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        if self.effects.is_empty() {
            self.ask();
            self.form_requests();
        }
        self.effects.pop_front()
    }

    fn ask(&mut self) {
        if self.agenda.has(Place::Unidentified) && self.identity.ask(self.now) {
            self.effects.push_back(Effect::InitProducerId);
        }
        self.ask_to_enlist();
        if self.agenda.has(Place::Leaderless) && self.metadata_pace.is_due(self.now) {
            self.metadata_pace.defer(&mut self.backoff, self.now);
            self.effects.push_back(Effect::RefreshMetadata);
        }
    }

    /// Puts everything that is ready for a node into as few requests as the limits allow.
    fn form_requests(&mut self) {
        let mut ready = BTreeMap::<i32, Vec<usize>>::new();
        for index in self.agenda.at(Place::Sendable) {
            if let Some(leader) = self.partitions[index].leader {
                ready.entry(leader).or_default().push(index);
            }
        }
        for (node, indices) in ready {
            let mut indices = indices.into_iter().peekable();
            while indices.peek().is_some() && self.may_ask(node) {
                let mut bytes = 0;
                let mut request = Vec::new();
                while let Some(index) = indices.next_if(|index| {
                    bytes += self.partitions[*index].next_bytes(&self.config);
                    request.is_empty() || bytes <= self.config.max_request_bytes
                }) {
                    request.push(index);
                }
                self.launch(node, request);
            }
        }
    }

    /// True where another request may be under way to the node.
    fn may_ask(&self, node: i32) -> bool {
        let under_way = self.under_way.get(&node);
        under_way.is_none_or(|count| *count < self.config.max_in_flight)
    }

    /// A request to the node has been answered, or will not be.
    pub(super) fn note_answered(&mut self, node: i32) {
        if let Some(count) = self.under_way.get_mut(&node) {
            *count -= 1;
        }
    }

    fn launch(&mut self, node: i32, partitions: Vec<usize>) {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let mut batches = Vec::with_capacity(partitions.len());
        for index in &partitions {
            batches.extend(self.partitions[*index].launch(request, &self.config));
            self.settle(*index);
        }
        *self.under_way.entry(node).or_default() += 1;
        self.requests.insert(request, Sent { node, partitions });
        self.effects.push_back(Effect::Produce {
            request,
            node,
            batches,
        });
    }
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) node: i32,
    pub(super) partitions: Vec<usize>,
}

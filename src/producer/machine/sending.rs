//! What goes out: requests for what is ready, and questions for what is missing.

use std::collections::BTreeMap;

use super::agenda::Place;
use super::batch::Batch;
use super::vocabulary::{Effect, RequestId};
use super::{Partition, ProducerMachine};

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

    /// Puts everything that is ready for a node into as few requests as the limit allows.
    fn form_requests(&mut self) {
        let mut ready = BTreeMap::<i32, Vec<usize>>::new();
        for index in self.agenda.at(Place::Sendable) {
            if let Some(leader) = self.partitions[index].leader {
                ready.entry(leader).or_default().push(index);
            }
        }
        for (node, indices) in ready {
            let mut request = Vec::new();
            let mut bytes = 0;
            for index in indices {
                let size = head_bytes(&self.partitions[index]);
                if bytes + size > self.config.max_request_bytes && !request.is_empty() {
                    self.launch(node, std::mem::take(&mut request));
                    bytes = 0;
                }
                bytes += size;
                request.push(index);
            }
            self.launch(node, request);
        }
    }

    fn launch(&mut self, node: i32, indices: Vec<usize>) {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        let mut batches = Vec::with_capacity(indices.len());
        for index in &indices {
            batches.extend(self.partitions[*index].launch(request));
            self.settle(*index);
        }
        self.requests.insert(request, indices);
        self.effects.push_back(Effect::Produce {
            request,
            node,
            batches,
        });
    }
}

fn head_bytes(partition: &Partition) -> usize {
    partition.head().map_or(0, Batch::size_bytes)
}

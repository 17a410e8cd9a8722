//! What the cluster tells of the topics: some are forbidden, some are made again.

use std::sync::Arc;

use super::Driver;
use crate::Error;
use crate::consumer::Event;
use crate::wire::ErrorCode;

impl Driver {
    pub(super) fn handle_metadata(&mut self) {
        let metadata = self.metadata.borrow_and_update().clone();
        let topics: Vec<Arc<str>> = self.config.topics.iter().map(|t| Arc::from(&**t)).collect();
        for name in topics {
            let Some(topic) = metadata.topic(&name) else {
                continue;
            };
            if topic.error.is_fatal() || topic.error == ErrorCode::INVALID_TOPIC_EXCEPTION {
                self.fail(Error::broker(topic.error, format!("topic {name}")));
            }
            // A topic that is missing, or an old broker's, has no id to tell.
            if topic.id == [0; 16] {
                continue;
            }
            let known = self.topic_ids.insert(name.clone(), topic.id);
            if known.is_some_and(|known| known != topic.id) {
                tracing::warn!(topic = %name, "the topic was deleted and made again");
                self.begin_anew(&name);
            }
        }
        self.group.handle_metadata(&metadata);
    }

    /// All that is known of a topic's partitions, and all that the application has of them, is
    /// another topic's. Where they begin is told once it is found.
    fn begin_anew(&mut self, topic: &Arc<str>) {
        self.told.end_all(topic);
        let assigned = self.positions.assigned().filter(|tp| tp.topic == *topic);
        let assigned: Vec<_> = assigned.cloned().collect();
        for tp in &assigned {
            self.positions.made_again(tp);
        }
        if !assigned.is_empty() {
            self.told.announce(Event::Lost(assigned));
        }
    }
}

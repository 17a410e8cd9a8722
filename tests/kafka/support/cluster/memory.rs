//! The broker in memory, set up as the script sets up Apache Kafka.

use std::sync::Arc;
use std::time::Duration;

use payment_notifier::broker::{Broker, BrokerConfig};
use tokio::runtime::Runtime;

/// A cluster in this process, on a thread of its own: the tests' own runtimes come and go.
pub(super) struct Memory {
    pub(super) broker: Arc<Broker>,
    runtime: Option<Runtime>,
}

impl Memory {
    /// Must not be called on a runtime.
    pub(super) fn launch(nodes: usize, settings: &[(String, String)]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("broker")
            .enable_all()
            .build()
            .expect("a thread can be had");
        let config = settings.iter().fold(defaults(nodes), set);
        let broker = runtime.block_on(Broker::start(config));
        Self {
            broker: Arc::new(broker.expect("ports can be had")),
            runtime: Some(runtime),
        }
    }

    /// Does to a node what the script does to one of Apache Kafka's.
    pub(super) async fn command(&self, name: &'static str, node: usize) {
        let node = i32::try_from(node).expect("a small number");
        let broker = self.broker.clone();
        let runtime = self.runtime.as_ref().expect("it is there until the end");
        let done = runtime.spawn(async move {
            match name {
                "kill" | "stop" => broker.stop_node(node).await,
                "start" => broker.start_node(node).await.expect("its port is free"),
                // Kafka's controller takes some seconds for that.
                "pause" => {
                    broker.pause_node(node);
                    broker.fence_node(node);
                }
                "resume" => {
                    broker.resume_node(node);
                    broker.unfence_node(node);
                }
                _ => panic!("there is no {name}"),
            }
        });
        done.await.expect("it can be done");
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // Waiting for a runtime is not allowed on another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What `settings.py` says.
fn defaults(nodes: usize) -> BrokerConfig {
    BrokerConfig {
        nodes: i32::try_from(nodes).expect("a small number"),
        auto_create_topics: false,
        default_replication_factor: nodes.min(3),
        log_retention: Duration::MAX,
        group_min_session_timeout: Duration::from_millis(500),
        ..BrokerConfig::default()
    }
}

/// Takes a setting of Kafka's.
fn set(config: BrokerConfig, (name, value): &(String, String)) -> BrokerConfig {
    match &**name {
        // A node that is gone is noticed at once.
        "broker.session.timeout.ms" => config,
        _ => panic!("the broker in memory has no {name} (that would be {value})"),
    }
}

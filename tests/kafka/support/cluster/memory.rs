//! The broker in memory, set up as the script sets up Apache Kafka.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use payment_notifier::broker::{
    Broker, BrokerConfig, Listener, Logins, TokenCheck, TransactionVersion,
};
use payment_notifier::net::sasl::Login;
use payment_notifier::tls::{Identity, Pem, ServerTls, Versions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::now_ms;
use crate::support::tls::put_together;

/// A cluster in this process, on a thread of its own: the tests' own runtimes come and go.
pub(super) struct Memory {
    pub(super) broker: Arc<Broker>,
    runtime: Option<Runtime>,
    /// Where the certificates are, as beside Apache Kafka.
    directory: TempDir,
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
        let directory = tempfile::tempdir().expect("a directory");
        let tls = directory.path().join("tls");
        std::fs::create_dir(&tls).expect("a directory to write to");
        put_together(&tls.join("server.pem"), &["p256-key.pem", "server.pem"]);
        put_together(&tls.join("trusted.pem"), &["ca.pem"]);
        let config = settings.iter().fold(defaults(nodes, &tls), set);
        let broker = runtime.block_on(Broker::start(config));
        Self {
            broker: Arc::new(broker.expect("ports can be had")),
            runtime: Some(runtime),
            directory,
        }
    }

    /// The addresses of a listener.
    pub(super) fn bootstrap_of(&self, listener: &str) -> String {
        let servers = self.broker.bootstrap_servers_of(listener);
        servers.expect("it has the listener")
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.path()
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
fn defaults(nodes: usize, tls: &Path) -> BrokerConfig {
    let [server, trusted] = ["server.pem", "trusted.pem"].map(|name| tls.join(name));
    let encrypted = |clients: Option<&Path>| {
        let tls = ServerTls {
            identity: identity(&server),
            clients: clients.map(|path| Pem::File(path.to_owned())),
            versions: Versions::All,
        };
        Some(tls.into())
    };
    let listener = |name: &str, tls, sasl| Listener {
        name: name.to_owned(),
        tls,
        sasl,
    };
    BrokerConfig {
        listeners: vec![
            Listener::default(),
            listener("sasl", None, true),
            listener("tls", encrypted(None), false),
            listener("mtls", encrypted(Some(&trusted)), false),
            listener("sasltls", encrypted(None), true),
        ],
        logins: Logins {
            users: ["admin", "alice", "bob"].map(user).into(),
            tokens: Some(TokenCheck::new(user_of)),
        },
        nodes: i32::try_from(nodes).expect("a small number"),
        auto_create_topics: false,
        default_replication_factor: nodes.min(3),
        log_retention: Duration::MAX,
        group_min_session_timeout: Duration::from_millis(500),
        group_consumer_session_timeout: Duration::from_secs(10),
        group_consumer_heartbeat_interval: Duration::from_secs(1),
        ..BrokerConfig::default()
    }
}

fn millis(value: &str) -> Duration {
    Duration::from_millis(value.parse().expect("a number"))
}

/// Takes a setting of Kafka's.
fn set(mut config: BrokerConfig, (name, value): &(String, String)) -> BrokerConfig {
    match &**name {
        // A node that is gone is noticed at once, and so is a transaction's timeout.
        "broker.session.timeout.ms"
        | "transaction.abort.timed.out.transaction.cleanup.interval.ms" => config,
        "group.consumer.session.timeout.ms" => {
            config.group_consumer_session_timeout = millis(value);
            config
        }
        "group.consumer.heartbeat.interval.ms" => {
            config.group_consumer_heartbeat_interval = millis(value);
            config
        }
        "group.coordinator.rebalance.protocols" => {
            config.group_version = i16::from(value.contains("consumer"));
            config
        }
        "transaction.version" => {
            config.transaction_version = match &**value {
                "0" => Some(TransactionVersion::V0),
                "2" => Some(TransactionVersion::V2),
                _ => unknown(name, value),
            };
            config
        }
        "connections.max.reauth.ms" => {
            config.connections_max_reauth = Some(millis(value));
            config
        }
        _ => {
            let of_listener = name.strip_prefix("listener.name.");
            let of_listener = of_listener.and_then(|rest| rest.split_once('.'));
            let (listener, key) = of_listener.unwrap_or_else(|| unknown(name, value));
            let mut listeners = config.listeners.iter_mut();
            let tls = listeners.find(|it| it.name == listener);
            let tls = tls.and_then(|it| it.tls.as_mut());
            set_tls(&mut tls.expect("a listener with TLS").config, key, value);
            config
        }
    }
}

fn set_tls(tls: &mut ServerTls, key: &str, value: &str) {
    match (key, value) {
        ("ssl.keystore.location", path) => tls.identity = identity(Path::new(path)),
        ("ssl.enabled.protocols", "TLSv1.2") => tls.versions = Versions::Tls12,
        ("ssl.enabled.protocols", "TLSv1.3") => tls.versions = Versions::Tls13,
        _ => unknown(key, value),
    }
}

fn unknown(name: &str, value: &str) -> ! {
    panic!("the broker in memory has no {name} (that would be {value})")
}

/// Certificate and key in one file.
fn identity(path: &Path) -> Identity {
    let pem = Pem::File(PathBuf::from(path));
    Identity {
        certificate: pem.clone(),
        key: pem,
    }
}

fn user(name: &str) -> Login {
    Login {
        username: name.to_owned(),
        password: format!("{name}-secret").into(),
    }
}

/// Whose an unsecured token is, the kind that Kafka takes by default, where it holds still.
fn user_of(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    let ends = claims["exp"].as_f64()?;
    let user = claims["sub"].as_str().map(str::to_owned);
    user.filter(|_| (now_ms() as f64) < 1000.0 * ends)
}

//! Keeps a broker in memory up until Ctrl-C, for any client to try.
//!
//! ```text
//! cargo run --release --example broker -- --port 9092 --nodes 3
//! ```

use clap::Parser;
use payment_notifier::Error;
use payment_notifier::broker::{Broker, BrokerConfig};

/// Keeps a Kafka broker in memory up until Ctrl-C.
#[derive(Debug, Parser)]
struct Arguments {
    /// The port of the first node on 127.0.0.1; further nodes have those after it. 0 takes free
    /// ones.
    #[arg(long, default_value_t = 9092)]
    port: u16,
    /// How many nodes.
    #[arg(long, default_value_t = 1)]
    nodes: i32,
    /// What each partition keeps, in bytes.
    #[arg(long, default_value_t = 256 << 20)]
    retention_bytes: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments = Arguments::parse();
    let broker = Broker::start(BrokerConfig {
        nodes: arguments.nodes,
        first_port: arguments.port,
        log_retention_bytes: arguments.retention_bytes,
        ..BrokerConfig::default()
    })
    .await?;
    #[expect(clippy::print_stdout, reason = "an example talks to a person")]
    {
        println!("bootstrap.servers={}", broker.bootstrap_servers());
    }
    // Without signals there is nothing to wait for.
    let _ = tokio::signal::ctrl_c().await;
    Ok(())
}

//! Our verifiable clients: the crate's examples, which `cargo test` builds (`cargo test --test`
//! alone does not; `cargo build --examples` does).

use std::path::Path;

use tokio::process::Command;

use super::cluster::Cluster;
use super::verifiable::Verifiable;

impl Cluster {
    /// Our verifiable consumer, from the earliest offset, with any further arguments.
    pub(crate) fn our_consumer(&self, topic: &str, group: &str, further: &[&str]) -> Verifiable {
        let mut command = example("verifiable_consumer");
        command
            .args(["--bootstrap-server", self.bootstrap(), "--topic", topic])
            .args(["--group-id", group, "--reset-policy", "earliest"])
            .args(further);
        Verifiable::start("our consumer", &mut command)
    }

    /// Our verifiable producer; without `--max-messages` it goes on until it is shut down.
    pub(crate) fn our_producer(&self, topic: &str, further: &[&str]) -> Verifiable {
        let mut command = example("verifiable_producer");
        command
            .args(["--bootstrap-server", self.bootstrap(), "--topic", topic])
            .args(further);
        Verifiable::start("our producer", &mut command)
    }
}

/// The command of an example, which is beside the program.
pub(crate) fn example(name: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_payment-notifier"));
    let path = program.with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "there is no {}: `cargo build --examples` makes it",
        path.display()
    );
    Command::new(path)
}

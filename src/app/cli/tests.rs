//! What the command line takes, and what its help says.

use clap::CommandFactory;

use super::*;
use crate::app::config::{Config, PublishConfig};

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

fn refusal(line: &str) -> String {
    parse(line).err().expect("a refusal").to_string()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_help_has_an_example_and_explains_every_argument() {
    let mut command = Cli::command();
    command.build();
    assert!(command.render_long_help().to_string().contains("Example"));
    let commands: Vec<_> = command.get_subcommands_mut().collect();
    assert_eq!(
        commands.len(),
        8,
        "demo, run, drain, publish, config, completions, man and help"
    );
    for command in commands
        .into_iter()
        .filter(|command| command.get_name() != "help")
    {
        let name = command.get_name().to_owned();
        let help = command.render_long_help().to_string();
        assert!(help.contains("Example"), "{name}: {help}");
        assert!(
            help.contains(&format!("payment-notifier {name} --")),
            "{name}: {help}"
        );
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{name}: {}",
                argument.get_id()
            );
        }
    }
}

#[test]
fn usage_errors_exit_with_2() {
    for line in [
        "payment-notifier",
        "payment-notifier walk",
        "payment-notifier run --json",
        "payment-notifier run --log-format xml",
        "payment-notifier run --log-level a=b=c",
        "payment-notifier demo --payments 0",
        "payment-notifier demo --config a.toml",
        "payment-notifier publish --sample 0",
        "payment-notifier publish --sample 3 --file -",
        "payment-notifier publish --seed 3",
        "payment-notifier config --example --config a.toml",
    ] {
        let error = parse(line).err().expect(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
    assert!(refusal("payment-notifier drian").contains("'drain'"));
}

#[test]
fn flags_become_settings() {
    let line = "payment-notifier run --set topics.source=a=b --set topics.create \
                --bootstrap-servers b:1 --group-id g --log-format json";
    let Command::Run(args) = parse(line)
        .unwrap_or_else(|error| panic!("{error}"))
        .command
    else {
        panic!("another command");
    };
    let flags = args.source.flags();
    let flags: Vec<_> = flags
        .iter()
        .map(|flag| (flag.flag, flag.key.as_deref(), &*flag.value))
        .collect();
    assert_eq!(
        flags,
        [
            ("--set", Some("topics.source"), "a=b"),
            ("--set", None, ""),
            (
                "--bootstrap-servers",
                Some("kafka.bootstrap.servers"),
                "b:1"
            ),
            ("--group-id", Some("consumer.group_id"), "g"),
        ]
    );
}

#[test]
fn the_named_flags_name_keys() {
    let line = "payment-notifier publish --bootstrap-servers b:1 --group-id g";
    let Command::Publish(args) = parse(line)
        .unwrap_or_else(|error| panic!("{error}"))
        .command
    else {
        panic!("another command");
    };
    let sources = || Sources::gather(None, [], args.source.flags());
    let loaded = PublishConfig::load(&sources()).unwrap();
    assert_eq!(loaded.config.kafka.bootstrap_servers[0].to_string(), "b:1");
    let problems = Config::load(&sources())
        .err()
        .expect("no token")
        .to_string();
    assert!(!problems.contains("--group-id"), "{problems}");
}

#[test]
fn publishing_reads_the_standard_input_by_default() {
    let Command::Publish(args) = parse("payment-notifier publish")
        .unwrap_or_else(|error| panic!("{error}"))
        .command
    else {
        panic!("another command");
    };
    assert_eq!(args.file, PathBuf::from("-"));
    assert!(args.sample.is_none() && args.key.is_none() && !args.skip_invalid);
}

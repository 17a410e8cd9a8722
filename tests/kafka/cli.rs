//! The command line: what goes in, what comes out, and the exit code.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::payments::{payment, record, text, texts};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::stage::Stage;
use crate::support::telegram::{CHAT_ID, TOKEN};

pub(crate) const TESTS: &[Test] = tests![
    // No cluster is reached: either will do.
    help_is_complete_and_has_an_example(Memory),
    the_version_is_told(Memory),
    wrong_usage_is_told(Memory),
    // From here on one is.
    a_file_is_published_line_by_line(Cluster),
    the_standard_input_is_published(Cluster),
    a_field_becomes_the_key(Cluster),
    nothing_is_published_where_a_line_is_bad(Cluster),
    bad_lines_may_be_skipped(Cluster),
    many_bad_lines_are_all_told(Cluster),
    a_missing_file_is_named(Cluster),
    a_line_too_large_for_the_topic_fails(Cluster),
    samples_are_published_and_sent(Cluster),
    many_samples_are_published_in_order_of_their_keys(Cluster),
    publishing_needs_no_token(Cluster),
    a_drain_prints_what_it_did(Cluster),
    a_drain_beside_the_service_loses_nothing(Cluster),
    the_configuration_is_printed_without_secrets(Cluster),
    the_example_is_a_configuration(Cluster),
    a_file_of_settings_and_a_file_of_the_token_are_used(Cluster),
    the_log_can_be_json(Cluster),
];

const COMMANDS: [&str; 4] = ["run", "drain", "publish", "config"];

async fn call(stage: &Stage, arguments: &[&str]) -> Output {
    stage.setup.call(arguments, "").await
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("it logs text")
}

async fn help_is_complete_and_has_an_example() {
    let stage = Stage::without_topics().await;
    let help = stdout(&call(&stage, &["--help"]).await);
    assert!(help.contains("Exit codes"), "{help}");
    assert!(
        COMMANDS
            .iter()
            .all(|it| help.contains(&format!("\n  {it} "))),
        "{help}"
    );
    for command in COMMANDS {
        let output = call(&stage, &[command, "--help"]).await;
        assert_eq!(output.status.code(), Some(0));
        let help = stdout(&output);
        let example = format!("\n  payment-notifier {command}");
        assert!(
            help.contains("Examples:") && help.contains(&example),
            "{help}"
        );
        for option in ["--config", "--set", "--log-format", "--log-level", "--help"] {
            assert!(help.contains(option), "{command} {option}: {help}");
        }
    }
    let of_publish = stdout(&call(&stage, &["publish", "--help"]).await);
    for option in ["--file", "--key", "--skip-invalid", "--sample", "--seed"] {
        assert!(of_publish.contains(option), "{option}: {of_publish}");
    }
    let of_drain = stdout(&call(&stage, &["drain", "--help"]).await);
    assert!(of_drain.contains("--json"), "{of_drain}");
}

async fn the_version_is_told() {
    let stage = Stage::without_topics().await;
    let output = call(&stage, &["--version"]).await;
    assert_eq!(output.status.code(), Some(0));
    let told = stdout(&output);
    let version = concat!("payment-notifier ", env!("CARGO_PKG_VERSION"), " (");
    assert!(told.starts_with(version), "{told}");
    let target = format!("{}-unknown-linux-", std::env::consts::ARCH);
    assert!(told.contains(&target), "{told}");
}

async fn wrong_usage_is_told() {
    let stage = Stage::without_topics().await;
    let wrong: [(&[&str], &str); 8] = [
        (&[], "Usage"),
        (&["rum"], "rum"),
        (&["run", "--jsn"], "--jsn"),
        (&["publish", "--sample", "0"], "--sample"),
        (&["publish", "--sample", "5", "--file", "f"], "--file"),
        (&["publish", "--seed", "5"], "--sample"),
        (&["run", "--set", "retry.backof=1s"], "retry.backoff"),
        (
            &["run", "--config", "/no/such/file.toml"],
            "/no/such/file.toml",
        ),
    ];
    for (arguments, word) in wrong {
        let output = call(&stage, arguments).await;
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(word), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

async fn a_file_is_published_line_by_line() {
    let stage = Stage::new().await;
    // Line ends of both kinds, empty lines, and none at the end.
    let file = file(&format!(
        "{}\r\n\n{}\n  \n{}",
        payment(1),
        payment(2),
        payment(3)
    ));
    let path = file.path().to_str().unwrap();
    let output = call(&stage, &["publish", "--file", path]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = format!("published 3 to {}\n", stage.setup.source);
    assert_eq!(stdout(&output), told);
    assert_eq!(values(&stage).await, [payment(1), payment(2), payment(3)]);
    let records = stage.cluster.read(&stage.setup.source).await;
    assert!(
        records
            .iter()
            .all(|it| it.key.is_none() && it.headers.is_empty())
    );
    assert!(records.iter().all(|it| it.timestamp > 1_735_000_000_000));
}

async fn the_standard_input_is_published() {
    let stage = Stage::new().await;
    let lines = format!("{}\n{}\n", payment(1), payment(2));
    for arguments in [&["publish"][..], &["publish", "--file", "-"]] {
        let output = stage.setup.call(arguments, &lines).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(values(&stage).await.len(), 4);
    // Nothing is not wrong.
    let output = call(&stage, &["publish"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).starts_with("published 0 "), "{output:?}");
}

async fn a_field_becomes_the_key() {
    let stage = Stage::new().await;
    let lines: Vec<_> = (0..20).map(payment).collect();
    let lines = lines.join("\n");
    let output = stage
        .setup
        .call(&["publish", "--key", "mail"], &lines)
        .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let records = stage
        .cluster
        .wait_for_records(&stage.setup.source, 20)
        .await;
    for record in &records {
        let json: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        let mail = json["mail"].as_str().unwrap().as_bytes();
        assert_eq!(record.key.as_deref(), Some(mail));
    }
    let used = |partition| records.iter().any(|it| it.partition == partition);
    assert!((0..3).all(used), "keys spread over the partitions");
    let output = stage
        .setup
        .call(&["publish", "--key", "amount"], &payment(1))
        .await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let all = stage
        .cluster
        .wait_for_records(&stage.setup.source, 21)
        .await;
    let of_amount = |it: &&Record| it.key.as_deref() == Some(b"50001");
    assert_eq!(all.iter().filter(of_amount).count(), 1);
}

async fn nothing_is_published_where_a_line_is_bad() {
    let stage = Stage::new().await;
    let lines = format!(
        "{}\n\nnot json\n{}\n{{\"mail\":1}}\n",
        payment(1),
        payment(2)
    );
    let output = stage.setup.call(&["publish"], &lines).await;
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("line 3: ") && told.contains("line 5: "),
        "{told}"
    );
    assert!(
        told.contains("mail") && told.contains("nothing is published"),
        "{told}"
    );
    assert!(
        !told.contains("line 1:") && !told.contains("line 4:"),
        "{told}"
    );
    // A line without the field of its key is bad too.
    let output = stage
        .setup
        .call(&["publish", "--key", "id"], &payment(1))
        .await;
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("line 1: ") && told.contains("`id`"), "{told}");
    assert_eq!(values(&stage).await, [""; 0]);
}

async fn bad_lines_may_be_skipped() {
    let stage = Stage::new().await;
    let lines = format!("{}\nnot json\n{}\n[]\n", payment(1), payment(2));
    let output = stage
        .setup
        .call(&["publish", "--skip-invalid"], &lines)
        .await;
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("line 2: ") && told.contains("line 4: "),
        "{told}"
    );
    let published = format!("published 2 to {}, skipped 2\n", stage.setup.source);
    assert_eq!(stdout(&output), published);
    assert_eq!(values(&stage).await, [payment(1), payment(2)]);
}

async fn many_bad_lines_are_all_told() {
    let stage = Stage::without_topics().await;
    let output = stage.setup.call(&["publish"], &"bad\n".repeat(1000)).await;
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for number in 1..=1000 {
        assert!(told.contains(&format!("line {number}: ")), "{number}");
    }
    assert!(told.contains("1000 of the lines"), "{told}");
}

async fn a_missing_file_is_named() {
    let stage = Stage::without_topics().await;
    let output = call(&stage, &["publish", "--file", "/no/such/payments.jsonl"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = stderr(&output);
    assert!(told.contains("/no/such/payments.jsonl"), "{told}");
}

async fn a_line_too_large_for_the_topic_fails() {
    let stage = Stage::without_topics().await;
    let limit = [("max.message.bytes", "2000")];
    stage
        .cluster
        .create_topic(&stage.setup.source, 1, &limit)
        .await;
    let mut large: Value = serde_json::from_str(&payment(2)).unwrap();
    large["note"] = "x".repeat(3000).into();
    let lines = format!("{}\n{large}\n", payment(1));
    let output = stage.setup.call(&["publish"], &lines).await;
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("MESSAGE_TOO_LARGE"), "{told}");
    assert!(told.contains("acknowledged 1 of 2"), "{told}");
    assert_eq!(values(&stage).await, [payment(1)]);
}

async fn samples_are_published_and_sent() {
    let stage = Stage::new().await.without_drain();
    let sample = ["publish", "--sample", "7", "--seed", "42"];
    for _ in 0..2 {
        let output = call(&stage, &sample).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(stdout(&output).starts_with("published 7 "), "{output:?}");
    }
    // The same seed, the same payments.
    let mut values = values(&stage).await;
    assert_eq!(values.len(), 14);
    values.sort_unstable();
    values.dedup();
    assert_eq!(values.len(), 7);
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(14).await;
        })
        .await;
    stage.sent(14);
    stage.permanent(0).await;
    stage.dead_letters(0).await;
}

async fn many_samples_are_published_in_order_of_their_keys() {
    let stage = Stage::new().await;
    let one = ["publish", "--sample", "3000", "--seed", "1"];
    let output = call(&stage, &one).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let records = stage
        .cluster
        .wait_for_records(&stage.setup.source, 3000)
        .await;
    assert_eq!(records.len(), 3000);
    let key = |record: &Record| record.key.clone().unwrap();
    for record in &records {
        let json: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        assert_eq!(json["mail"].as_str().unwrap().as_bytes(), key(record));
    }
    // One key, one partition.
    let mut places: Vec<_> = records.iter().map(|it| (key(it), it.partition)).collect();
    places.sort_unstable();
    places.dedup();
    let in_all = places.len();
    places.dedup_by_key(|(key, _)| key.clone());
    assert_eq!(places.len(), in_all);
}

async fn publishing_needs_no_token() {
    let stage = Stage::new().await;
    let setup = stage
        .setup
        .clone()
        .set("NOTIFIER_TELEGRAM_TOKEN", "")
        .set("NOTIFIER_TELEGRAM_CHAT_ID", "");
    let output = setup.call(&["publish"], &payment(1)).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(values(&stage).await, [payment(1)]);
    let output = setup.call(&["run"], "").await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        stderr(&output).contains("NOTIFIER_TELEGRAM_TOKEN"),
        "{output:?}"
    );
}

async fn a_drain_prints_what_it_did() {
    let stage = Stage::new().await;
    stage.busy(|call| call.text.contains("user2@"));
    stage.bury(&[record(1), record(2), record(3)]).await;
    let output = call(&stage, &["drain"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = "sent 5: delivered 2, put back 3, permanent 1\n";
    assert_eq!(stdout(&output), told);
    let output = call(&stage, &["drain", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = stdout(&output);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    let expected = json!({
        "sent": 0, "delivered": 0, "put_back": 0, "permanent": 0,
        "partitions": 3, "partitions_of_topic": 3, "stuck": 0, "interrupted": false
    });
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), expected);
    assert_eq!(
        stage.cluster.members(&stage.setup.drain_group()).await,
        [""; 0]
    );
}

async fn a_drain_beside_the_service_loses_nothing() {
    let stage = Stage::new().await.set("NOTIFIER_DRAIN_INTERVAL", "1s");
    let mut notifier = stage.setup.run();
    notifier.wait_for_log("drain finished").await;
    let buried: Vec<_> = (0..12)
        .map(|n| record(n).at(i32::try_from(n).unwrap() % 3))
        .collect();
    stage.bury(&buried).await;
    let drained = stage.drain().await;
    assert_eq!(drained["interrupted"], false);
    // The group shares them out between the two.
    let share = drained["partitions"].as_u64().unwrap();
    assert!((1..=2).contains(&share), "{drained}");
    stage.telegram.wait_for(12).await;
    assert!(notifier.shut_down().await.success());
    stage.drain_committed(&[(0, 4), (1, 4), (2, 4)]).await;
    let mut sent = texts(&stage.sent(12));
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), 12);
}

async fn the_configuration_is_printed_without_secrets() {
    let stage = Stage::without_topics().await;
    let arguments = [
        "config",
        "--set",
        "drain.interval=90s",
        "--group-id",
        "mine",
    ];
    let output = call(&stage, &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let printed = stdout(&output);
    let line = |start: &str| {
        let mut lines = printed.lines();
        let found = lines.find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no {start}: {printed}"))
    };
    assert!(line("source = ").contains(&stage.setup.source));
    assert!(line("source = ").ends_with("# NOTIFIER_TOPICS_SOURCE"));
    assert!(line("interval = ").ends_with("# flag --set"), "{printed}");
    assert!(line("group_id = \"mine\"").ends_with("# flag --group-id"));
    assert!(line("max_retries = 3").ends_with("# default"));
    assert!(line("token = \"***\"").ends_with("# NOTIFIER_TELEGRAM_TOKEN"));
    let secret = TOKEN.split_once(':').unwrap().1;
    assert!(!printed.contains(secret), "{printed}");

    // What is printed is a configuration; but for the token it is this one.
    let file = file(&printed.replace("\"***\"", &format!("\"{TOKEN}\"")));
    let path = file.path().to_str().unwrap();
    let output = plain().args(["config", "--config", path]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.split(" # ").next().unwrap());
        lines.map(|line| line.trim_end().to_owned()).collect()
    };
    assert_eq!(values(&stdout(&output)), values(&printed));
}

async fn the_example_is_a_configuration() {
    let output = plain().args(["config", "--example"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let example = stdout(&output);
    let needed = format!("[telegram]\nchat_id = \"{CHAT_ID}\"\ntoken = \"{TOKEN}\"\n");
    let file = file(&example.replace("[telegram]\n", &needed));
    let path = file.path().to_str().unwrap();
    let output = plain().args(["config", "--config", path]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

async fn a_file_of_settings_and_a_file_of_the_token_are_used() {
    let stage = Stage::new().await;
    let token = file(&format!("{TOKEN}\n"));
    let template = file("{concertTitle}: {amount}\n");
    let [source, dead_letter, permanent] = stage.setup.topics();
    let settings = file(&format!(
        "[kafka]\n\"bootstrap.servers\" = \"{}\"\n\
         [topics]\nsource = \"{source}\"\ndead_letter = \"{dead_letter}\"\npermanent = \"{permanent}\"\n\
         [consumer]\ngroup_id = \"{}\"\n\
         [telegram]\nbase_url = \"{}\"\ntoken_file = {:?}\nchat_id = \"{CHAT_ID}\"\n\
         [message]\ntemplate_file = {:?}\n",
        stage.cluster.bootstrap(),
        stage.setup.group,
        stage.telegram.url(),
        token.path(),
        template.path(),
    ));
    stage.bury(&[record(1)]).await;
    let output = tokio::process::Command::from(plain())
        .args(["drain", "--config", settings.path().to_str().unwrap()])
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(texts(&stage.sent(1)), ["아이유 콘서트 1: 50001\n"]);
}

async fn the_log_can_be_json() {
    let stage = Stage::new().await;
    stage.publish(&[record(1)]).await;
    let mut notifier = stage.setup.start(&["run", "--log-format", "json"]);
    stage.telegram.wait_for(1).await;
    assert!(notifier.shut_down().await.success());
    assert_eq!(texts(&stage.sent(1)), [text(1)]);
    let log = notifier.log();
    for line in &log {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(
            json["level"].is_string() && json["message"].is_string(),
            "{line}"
        );
    }
    // A line for each event of its life, none for a record.
    assert!(log.last().unwrap().contains("stopped"), "{log:#?}");
    assert!(log.iter().all(|line| !line.contains("user1@")), "{log:#?}");
}

/// The values in the source topic, in the order of their partitions' offsets.
async fn values(stage: &Stage) -> Vec<String> {
    let records = stage.cluster.read(&stage.setup.source).await;
    records.iter().map(Record::text).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// The program without any variable of its own.
fn plain() -> std::process::Command {
    let mut command = std::process::Command::new(crate::support::notifier::PROGRAM);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NOTIFIER_") {
            command.env_remove(name);
        }
    }
    command
}

//! No secret is ever shown.

use super::{file, needed, nothing};

const SECRET: &str = "778899:hunter2";

#[test]
fn neither_debug_nor_the_effective_configuration_shows_it() {
    let loaded = nothing()
        .set("telegram.token", SECRET)
        .set("telegram.chat_id", "1")
        .load()
        .unwrap();
    assert_eq!(loaded.config.bot.token.expose(), SECRET);
    for text in [
        format!("{:?}", loaded.config),
        format!("{:#?}", loaded.config),
        loaded.effective(),
        loaded.warnings.join("\n"),
    ] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(loaded.effective().contains("token = \"***\""));
}

#[test]
fn no_problem_shows_it() {
    let secret = format!("{SECRET} /?");
    for sources in [
        // Wrong by itself, or by its type.
        needed().set("telegram.token", &secret),
        needed().variable("NOTIFIER_TELEGRAM_TOKEN", &secret),
        nothing().file(&format!("[telegram]\ntoken = \"{secret}\"")),
        nothing().file(&format!("[telegram]\ntoken = [\"{SECRET}\"]")),
        // Not TOML: the parser's own error quotes the line.
        nothing().file(&format!("[telegram]\ntoken = {SECRET}")),
        nothing().file(&format!("[telegram]\ntoken = \"{SECRET}")),
        nothing().file(&format!("[telegram]\ntoken \"{SECRET}\"")),
        nothing().file(&format!("[telegram]\ntoken =\n  \"{SECRET}\"")),
        nothing().file(&format!("[telegram]\n{SECRET}")),
        nothing().file("[telegram]\ntoken hunter2"),
        nothing().file("[telegram]\ntoken =\nhunter2=\n"),
        // Under a wrong name, or in the wrong place.
        needed().set("telegram.tokn", SECRET),
        needed().variable("NOTIFIER_TELEGRAM_TOKN", SECRET),
        needed().flag("--set", None, SECRET),
        file(&format!("[telegram]\ntokn = \"{SECRET}\"")),
        needed().set("telegram.chat_id", SECRET),
        needed().set("telegram.base_url", SECRET),
        needed().set(
            "telegram.base_url",
            &format!("https://api.telegram.org/bot{SECRET}"),
        ),
        needed().set(
            "telegram.base_url",
            &format!("https://{SECRET}@api.telegram.org"),
        ),
        // Both.
        file(&format!(
            "[telegram]\ntoken = \"{SECRET}\"\ntoken_file = \"/nowhere\""
        )),
    ] {
        let problems = sources.problems();
        assert!(!problems.is_empty());
        assert!(!problems.join("\n").contains("hunter2"), "{problems:#?}");
    }
}

#[test]
fn a_problem_does_not_move_the_cursor() {
    let problems = file("[retry]\n\"a\\u001b[2J\\nb\" = 1\nbackoff = \"\\r1\"")
        .variable("NOTIFIER_\u{1b}[2J\n", "1")
        .problems();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(
        problems
            .iter()
            .all(|line| !line.chars().any(char::is_control)),
        "{problems:#?}"
    );
}

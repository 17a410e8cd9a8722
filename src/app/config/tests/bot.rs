//! The token, the chat and the template, wherever they are.

use std::io::Write;

use super::{needed, nothing};

#[test]
fn a_bot_needs_a_token_and_a_chat() {
    assert_eq!(
        nothing().problems(),
        [
            "telegram.chat_id: is missing: set chat_id in [telegram], or NOTIFIER_TELEGRAM_CHAT_ID",
            "telegram.token: is missing: set token or token_file in [telegram], or NOTIFIER_TELEGRAM_TOKEN",
        ]
    );
}

#[test]
fn a_chat_is_a_number_or_a_channel() {
    for (text, id) in [
        ("-100123", "-100123"),
        ("\"42\"", "42"),
        ("\"@pay_ments\"", "@pay_ments"),
    ] {
        let sources = nothing().file(&format!("[telegram]\ntoken = \"1:a\"\nchat_id = {text}"));
        assert_eq!(sources.config().bot.chat_id, id);
    }
    for text in ["\"payments\"", "\"@\"", "\"@a b\"", "1.5", "true"] {
        let sources = nothing().file(&format!("[telegram]\ntoken = \"1:a\"\nchat_id = {text}"));
        assert_eq!(sources.problems().len(), 1, "{text}");
    }
}

#[test]
fn the_token_may_be_in_a_file() {
    let mut token = tempfile::NamedTempFile::new().unwrap();
    writeln!(token, "  1:from-file ").unwrap();
    let path = token.path().to_str().unwrap();
    let sources = nothing()
        .set("telegram.chat_id", "1")
        .set("telegram.token_file", path);
    let loaded = sources.load().unwrap();
    assert_eq!(loaded.config.bot.token.expose(), "1:from-file");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);

    let both = sources
        .variable("NOTIFIER_TELEGRAM_TOKEN", "1:a")
        .problems();
    assert_eq!(
        both,
        [
            "--set telegram.token_file: is set, and so is token (NOTIFIER_TELEGRAM_TOKEN): leave one of them out"
        ]
    );
}

#[test]
fn a_token_file_must_hold_one() {
    for (text, expected) in [("\n", "is empty"), ("1:a/b", "not a bot's token")] {
        let mut token = tempfile::NamedTempFile::new().unwrap();
        token.write_all(text.as_bytes()).unwrap();
        let path = token.path().to_str().unwrap();
        let sources = nothing()
            .set("telegram.chat_id", "1")
            .set("telegram.token_file", path);
        assert!(sources.problems()[0].contains(expected), "{text}");
    }
    let sources = nothing()
        .set("telegram.chat_id", "1")
        .set("telegram.token_file", "/nowhere/t");
    assert!(sources.problems()[0].contains("/nowhere/t can't be read"));
}

#[cfg(unix)]
#[test]
fn a_token_that_others_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let mut token = tempfile::NamedTempFile::new().unwrap();
    token.write_all(b"1:abc").unwrap();
    token
        .as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
        .unwrap();
    let path = token.path().to_str().unwrap();
    let sources = nothing()
        .set("telegram.chat_id", "1")
        .set("telegram.token_file", path);
    let warnings = sources.load().unwrap().warnings;
    assert!(warnings[0].contains("chmod 600"), "{warnings:?}");

    let by_flag = nothing()
        .set("telegram.chat_id", "1")
        .set("telegram.token", "1:abc");
    assert!(by_flag.load().unwrap().warnings[0].contains("command line"));
}

#[test]
fn a_template_must_be_readable_and_right() {
    let mut template = tempfile::NamedTempFile::new().unwrap();
    template.write_all(b"{mail} {nope}").unwrap();
    let path = template.path().to_str().unwrap();
    let problems = needed().set("message.template_file", path).problems();
    assert!(problems[0].starts_with(&format!("--set message.template_file: {path}: line 1: ")));

    let large = tempfile::NamedTempFile::new().unwrap();
    large.as_file().set_len(64 * 1024 + 1).unwrap();
    let path = large.path().to_str().unwrap();
    let problems = needed().set("message.template_file", path).problems();
    assert!(
        problems[0].contains("is larger than 65536 bytes"),
        "{problems:?}"
    );

    std::fs::write(template.path(), "{mail}: {amount}").unwrap();
    let path = template.path().to_str().unwrap();
    needed().set("message.template_file", path).config();
}

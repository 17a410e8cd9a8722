use chrono::NaiveDate;
use proptest::prelude::*;

use super::*;

fn event() -> PaymentEvent {
    let at = |month, day, hour, minute, second| {
        NaiveDate::from_ymd_opt(2024, month, day)
            .and_then(|date| date.and_hms_opt(hour, minute, second))
            .unwrap()
    };
    PaymentEvent {
        mail: "user0@example.com".to_owned(),
        concert_title: "아이유 콘서트 0".to_owned(),
        start: at(12, 24, 19, 0, 0),
        confirmed: at(11, 21, 10, 15, 30),
        amount: 50_000,
    }
}

fn titled(title: impl Into<String>) -> PaymentEvent {
    PaymentEvent {
        concert_title: title.into(),
        ..event()
    }
}

fn error(template: &str) -> String {
    Template::parse(template).unwrap_err().to_string()
}

#[test]
fn default_says_what_the_java_notifier_says() {
    let first = "\
🎫 콘서트 결제가 완료되었습니다!
예약자 ID: user0@example.com
콘서트: 아이유 콘서트 0
시작 날짜: 2024-12-24 19:00:00
결제 날짜: 2024-11-21 10:15:30
결제 금액: 50000원
콘서트 시작 10분전에는 꼭 입장 부탁드립니다!!
";
    let template = Template::default();
    assert_eq!(template.render(&event(), None), first);
    assert_eq!(
        template.render(&event(), Some(2)),
        format!("{first}[재시도 발송 - 시도 횟수: 2]\n")
    );
}

#[test]
fn a_line_about_the_retry_is_left_out_of_a_first_send_wherever_it_stands() {
    let template = Template::parse("again: {n}\n{mail}").unwrap();
    assert_eq!(template.render(&event(), None), "user0@example.com");
    assert_eq!(
        template.render(&event(), Some(1)),
        "again: 1\nuser0@example.com"
    );
}

#[test]
fn doubled_braces_are_braces() {
    let template = Template::parse("{{mail}} {{{mail}}} }}{{").unwrap();
    assert_eq!(
        template.render(&event(), None),
        "{mail} {user0@example.com} }{"
    );
}

#[test]
fn a_file_of_a_windows_editor_reads_the_same() {
    assert_eq!(
        Template::parse("\u{feff}a {mail}\r\nb\r\n"),
        Template::parse("a {mail}\nb\n")
    );
}

#[test]
fn values_are_not_read_as_templates() {
    let template = Template::parse("{concertTitle}").unwrap();
    assert_eq!(
        template.render(&titled("{mail} {{ <b>&"), None),
        "{mail} {{ <b>&"
    );
}

#[test]
fn a_misspelt_placeholder_gets_the_nearest_name_and_its_line() {
    assert_eq!(
        error("ok {mail}\n{{ {concertTitel}"),
        "line 2: there is no placeholder {concertTitel}; did you mean {concertTitle}?"
    );
    assert!(error("{MAIL}").ends_with("did you mean {mail}?"));
    assert!(error("{ startdt }").ends_with("did you mean {startDt}?"));
}

#[test]
fn a_placeholder_like_none_gets_the_list() {
    assert_eq!(
        error("{xyz}"),
        "line 1: there is no placeholder {xyz}; there are \
         {mail}, {concertTitle}, {startDt}, {confirmDt}, {amount}, {n}"
    );
    assert!(
        error(&format!("{{{}}}", "가".repeat(10_000)))
            .chars()
            .count()
            < 200
    );
}

#[test]
fn a_lone_brace_is_an_error_in_its_line() {
    for unclosed in ["a\n{mail\n}", "a\n{", "a\n{mail {n}"] {
        let error = Template::parse(unclosed).unwrap_err();
        assert_eq!(error.line(), 2, "{unclosed}");
        assert!(
            error.to_string().contains("never closed"),
            "{unclosed}: {error}"
        );
    }
    assert!(error("a } b").contains("never opened"));
}

#[test]
fn a_template_without_a_first_send_is_an_error() {
    for blank in ["", " \n\t\n", "only {n}\n"] {
        assert!(error(blank).contains("blank"), "{blank:?}");
    }
}

#[test]
fn a_text_of_just_the_limit_stays_whole() {
    let template = Template::parse("{concertTitle}").unwrap();
    // An emoji is two UTF-16 units.
    let whole = "🎫".repeat(MAX_UTF16_UNITS / 2);
    assert_eq!(template.render(&titled(&*whole), None), whole);
    let cut = template.render(&titled(whole + "x"), None);
    assert_eq!(cut, "🎫".repeat(MAX_UTF16_UNITS / 2 - 1) + "…\n");
}

#[test]
fn the_retry_line_survives_a_cut_at_the_end() {
    let text = Template::default().render(&titled("가".repeat(5000)), Some(3));
    assert!(text.ends_with("가…\n[재시도 발송 - 시도 횟수: 3]\n"));
    assert_eq!(utf16_units(&text), MAX_UTF16_UNITS);
    let text = Template::default().render(&titled("가".repeat(5000)), None);
    assert!(text.ends_with("가…\n"));
}

proptest! {
    #[test]
    fn no_text_is_beyond_the_limit(
        lengths in prop::array::uniform2(0usize..5000),
        filler in prop::sample::select(vec!["a", "가", "🎫", "\n"]),
        retry in prop::option::of(any::<u32>()),
    ) {
        let template = Template::parse("{n} {mail}\n{concertTitle}\n{mail}{n}").unwrap();
        let event = PaymentEvent {
            mail: filler.repeat(lengths[0]),
            ..titled(filler.repeat(lengths[1]))
        };
        prop_assert!(utf16_units(&template.render(&event, retry)) <= MAX_UTF16_UNITS);
    }

    #[test]
    fn no_template_panics(text in r"([a-z]|\{|\}|\r|\n|\{n\}|\{mail\}|.){0,40}") {
        if let Ok(template) = Template::parse(&text) {
            template.render(&event(), Some(1));
        }
    }
}

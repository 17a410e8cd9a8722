//! What people and other services write.

use payment_notifier::app::config::{Config, Sources};
use payment_notifier::payment::{PaymentEvent, Template};

/// A configuration file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // A key may name a file, and a device may have no end.
    if ["/dev", "/proc", "/sys"]
        .iter()
        .any(|path| text.contains(path))
    {
        return;
    }
    match Config::load(&Sources::of_text(text)) {
        Ok(loaded) => assert!(!loaded.effective().is_empty()),
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// A message's template, with a payment in it.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(template) = Template::parse(text) else {
        return;
    };
    let event = PaymentEvent::from_json(br#"{"mail":"a@b.c","concertTitle":"t","startDt":"2024-12-24T19:00:00","confirmDt":[2024,12,24,19,0],"amount":1}"#);
    let event = event.expect("a payment in order");
    for retry in [None, Some(3)] {
        let units = template.render(&event, retry).encode_utf16().count();
        assert!(units <= 4096, "Telegram takes no more");
    }
}

/// A payment, as any producer may write one.
pub fn event(data: &[u8]) {
    if let Ok(event) = PaymentEvent::from_record_value(Some(data)) {
        let written = event.to_json();
        let back = PaymentEvent::from_json(written.as_bytes());
        assert_eq!(
            back.expect("what was written can be read").to_json(),
            written
        );
        let _ = Template::default().render(&event, None);
    }
}

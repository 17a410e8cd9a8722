//! Payments, and what Telegram gets of them: written down a second time, so that the product's
//! own reader and template are not their own judges.

use serde_json::json;

use super::records::Record;
use super::telegram::Sent;

/// The JSON of payment number `n`, as a Java service writes it.
pub(crate) fn payment(n: usize) -> String {
    json!({
        "mail": format!("user{n}@example.com"),
        "concertTitle": format!("아이유 콘서트 {n}"),
        "startDt": [2024, 12, 24, 19, 0],
        "confirmDt": [2024, 11, 21, 10, 15, 30, 123_456_789],
        "amount": 50_000 + n,
    })
    .to_string()
}

/// The text of payment number `n`.
pub(crate) fn text(n: usize) -> String {
    format!(
        "🎫 콘서트 결제가 완료되었습니다!\n\
         예약자 ID: user{n}@example.com\n\
         콘서트: 아이유 콘서트 {n}\n\
         시작 날짜: 2024-12-24 19:00:00\n\
         결제 날짜: 2024-11-21 10:15:30\n\
         결제 금액: {}원\n\
         콘서트 시작 10분전에는 꼭 입장 부탁드립니다!!\n",
        50_000 + n
    )
}

/// The text of payment number `n` in the drain's attempt number `attempt`, counted from 1.
pub(crate) fn retry_text(n: usize, attempt: usize) -> String {
    format!("{}[재시도 발송 - 시도 횟수: {attempt}]\n", text(n))
}

/// A record of payment number `n`, for partition 0, as Spring's producer writes it.
pub(crate) fn record(n: usize) -> Record {
    Record::new(payment(n))
        .key(format!("user{n}@example.com"))
        .header("__TypeId__", "peer.PaymentMessageSendEvent")
}

/// Whether a call is about payment number `n`.
pub(crate) fn is_about(call: &Sent, n: usize) -> bool {
    call.text.contains(&format!(" user{n}@example.com\n"))
}

/// Whether a call is an attempt of the drain.
pub(crate) fn is_retry(call: &Sent) -> bool {
    call.text.contains("[재시도 발송 - 시도 횟수: ")
}

/// The texts of calls, in order.
pub(crate) fn texts(sent: &[Sent]) -> Vec<String> {
    sent.iter().map(|call| call.text.clone()).collect()
}

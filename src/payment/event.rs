//! The payment event.

use chrono::NaiveDateTime;

/// A payment for a concert that was confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentEvent {
    /// Who paid: a mail address, unchecked (`mail`).
    pub mail: String,
    /// The concert's title (`concertTitle`).
    pub concert_title: String,
    /// When the concert starts, in local time (`startDt`).
    pub start: NaiveDateTime,
    /// When the payment was confirmed, in local time (`confirmDt`).
    pub confirmed: NaiveDateTime,
    /// What was paid, in won (`amount`).
    pub amount: i64,
}

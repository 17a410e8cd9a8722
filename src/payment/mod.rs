//! The payment event, its JSON, its text and samples of it: the one part that is about payments.
//! Whoever has another event changes this module and nothing else. Pure.

mod event;
mod sample;
#[cfg(test)]
mod tests;
mod text;

pub use event::PaymentEvent;
pub use sample::samples;
pub use text::{Template, TemplateError};

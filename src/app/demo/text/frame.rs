//! What is said around the events: where everything is, and what can be done with it.

use super::super::event::Stage;
use super::super::paint::Tone;
use super::super::script::DELIVERIES;
use super::{Text, span};

impl Text {
    /// Before the first event.
    pub(super) fn ready(&self, stage: &Stage) -> String {
        let strong = |text: &str| self.paint.tone(Tone::Strong, text);
        let dim = |text: &str| self.paint.tone(Tone::Dim, text);
        let Stage {
            kafka,
            telegram,
            topics: [source, dead_letter, permanent],
            payments,
            seed,
            pace,
            ..
        } = stage;
        let signs = [
            (Tone::Good, "✓ delivered"),
            (Tone::Bad, "✗ failed"),
            (Tone::Wait, "‖ told to wait"),
            (Tone::Letter, "→ dead letter"),
            (Tone::End, "■ permanent"),
        ];
        let signs = signs.map(|(tone, text)| self.paint.tone(tone, text));
        let shown = if self.is_short {
            "\n  Payments that go well have no lines of their own here.\n"
        } else {
            ""
        };
        format!(
            "{}  {}\n\n  \
             Kafka     in memory, at {kafka}\n  \
             Topics    {source} → {dead_letter} → {permanent}\n  \
             Telegram  a stand-in over HTTP, at {telegram}\n  \
             Service   the one of `run`: {DELIVERIES} deliveries {} apart, {} for an answer, a drain every {}\n\n  \
             #07 a payment   p2@3 its partition and offset\n  {}\n{shown}",
            strong("payment-notifier demo"),
            dim(&format!("{payments} payments, seed {seed}")),
            span(pace.backoff),
            span(pace.timeout),
            span(pace.drain_interval),
            signs.join("   "),
        )
    }

    /// After the last one of the script.
    pub(super) fn staying(&self, stage: &Stage) -> String {
        let Stage {
            kafka,
            program,
            topics: [source, _, permanent],
            ..
        } = stage;
        let strong = |text: String| self.paint.tone(Tone::Strong, &text);
        let commands = [
            (
                "What is in the topics:",
                format!("kcat -b {kafka} -C -e -t {permanent} -f '%p@%o %s\\n  %h\\n'"),
            ),
            (
                "One payment more, made up or your own; it is shown here:",
                format!("{program} publish --sample 1 --bootstrap-servers {kafka}"),
            ),
            (
                "",
                format!(
                    "echo '{{\"mail\":\"me@example.com\",\"concertTitle\":\"Mine\",\"startDt\":\"2026-12-24T19:00\",\
                     \"confirmDt\":\"2026-11-22T10:15\",\"amount\":50000}}' |\n    \
                     NOTIFIER_KAFKA_BOOTSTRAP_SERVERS={kafka} {program} publish"
                ),
            ),
            (
                "One that nobody can read:",
                format!("echo 'no payment' | kcat -b {kafka} -P -t {source}"),
            ),
        ];
        let mut text = format!(
            "\n{}\n",
            strong("Up until Ctrl-C. In another terminal:".to_owned())
        );
        for (what, command) in commands {
            if !what.is_empty() {
                text += &format!("\n  {what}\n");
            }
            text += &format!("  {}\n", strong(format!("  {command}")));
        }
        text
    }
}

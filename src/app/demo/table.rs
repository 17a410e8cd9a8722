//! The account as a table for a person. Pure.

use super::account::{Account, End, Row};
use super::paint::{Paint, Tone};
use super::script::Answer;

/// Of what is missing, this many sentences are shown.
const MOST: usize = 20;
/// Of why one did not go well, this many characters.
const WIDEST: usize = 56;
/// Of those that did not go well at once, this many rows.
const MOST_ROWS: usize = 100;

const ENDS: [(End, Tone, &str); 5] = [
    (End::FirstTime, Tone::Good, "delivered the first time"),
    (End::AfterRetry, Tone::Good, "delivered after a retry"),
    (
        End::FromDeadLetters,
        Tone::Letter,
        "delivered from the dead letters",
    ),
    (End::Permanent, Tone::End, "permanent failures"),
    (End::Open, Tone::Bad, "without an end"),
];

/// The sums, the payments that did not go well at once, and whether it all adds up.
pub(super) fn account(paint: Paint, account: &Account) -> String {
    let mut text = sums(paint, account);
    text += &others(paint, account);
    for note in &account.notes {
        text += &format!("\n  note: {note}");
    }
    text += &verdict(paint, account);
    text
}

fn sums(paint: Paint, account: &Account) -> String {
    let published = account.rows.len();
    let title = format!("{published:>7}  published");
    let mut text = format!("\n{}\n", paint.tone(Tone::Strong, &title));
    for (end, tone, name) in ENDS {
        let count = account.count(end);
        if end == End::Open && count == 0 {
            continue;
        }
        let line = format!("{count:>7}  {name}");
        let tone = if count == 0 { Tone::Dim } else { tone };
        text += &format!("{}\n", paint.tone(tone, &line));
    }
    text
}

fn others(paint: Paint, account: &Account) -> String {
    let others = account.rows.iter().filter(|row| row.end != End::FirstTime);
    let others = others.take(MOST_ROWS).map(|row| (row, columns(row)));
    let others: Vec<(&Row, [String; 4])> = others.collect();
    if others.is_empty() {
        return String::new();
    }
    let head = ["payment", "what Telegram answered", "where it went", "why"].map(str::to_owned);
    let widths = [0, 1, 2, 3].map(|column| {
        let rows = others.iter().map(|(_, columns)| columns).chain([&head]);
        rows.map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    });
    let title = line(&widths, &head, |_, text| text);
    let mut text = format!("\n{}\n", paint.tone(Tone::Strong, &title));
    for (row, columns) in &others {
        let tone = ENDS.iter().find(|(end, ..)| *end == row.end);
        let tone = tone.map_or(Tone::Strong, |(_, tone, _)| *tone);
        let painted = |column, text: String| match (column, row.number) {
            (0, Some(number)) => paint.name(number, true, &text),
            (2, _) => paint.tone(tone, &text),
            _ => text,
        };
        text += &format!("{}\n", line(&widths, columns, painted));
    }
    text
}

/// Columns of these widths; nothing follows the last one that says something.
fn line(
    widths: &[usize; 4],
    columns: &[String; 4],
    painted: impl Fn(usize, String) -> String,
) -> String {
    let last = columns.iter().rposition(|text| !text.is_empty());
    let mut line = String::new();
    for (column, (text, width)) in columns.iter().zip(widths).enumerate() {
        if Some(column) < last {
            line += &format!("  {}", painted(column, format!("{text:width$}")));
        } else if Some(column) == last {
            line += &format!("  {}", painted(column, text.clone()));
        }
    }
    line
}

fn columns(row: &Row) -> [String; 4] {
    let went = match (row.end, row.permanent) {
        (End::AfterRetry, _) => format!("delivered, call {}", row.main.len()),
        (End::FromDeadLetters, _) => format!("delivered by the drain, call {}", row.drain.len()),
        // Its offset there is a matter of luck, and the same seed has the same table.
        (End::Permanent, Some(at)) => format!("permanent, partition {}", at.partition),
        (End::FirstTime, _) => "delivered".to_owned(),
        _ => "nowhere".to_owned(),
    };
    let why = row.why.as_deref().unwrap_or_default();
    [row.name(), answers(row), went, clipped(why)]
}

/// As much as fits into a line with the other columns.
fn clipped(text: &str) -> String {
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn answers(row: &Row) -> String {
    let mut text = series(&row.main);
    if row.dead_letters > 0 {
        text += " → DLQ";
        if !row.drain.is_empty() {
            text += &format!(" → {}", series(&row.drain));
        }
    }
    if text.is_empty() {
        text.push_str("(was not asked)");
    }
    text
}

/// Equal answers in a row are one: `503 ×2, 200`.
fn series(answers: &[Answer]) -> String {
    let runs = answers.chunk_by(|a, b| a == b).map(|run| {
        let answer = match run[0].status() {
            Some(status) => status.to_string(),
            None => "none".to_owned(),
        };
        match run.len() {
            1 => answer,
            times => format!("{answer} ×{times}"),
        }
    });
    runs.collect::<Vec<_>>().join(", ")
}

fn verdict(paint: Paint, account: &Account) -> String {
    let accounted = account.rows.len() - account.count(End::Open);
    if account.adds_up() {
        let line = format!("  ✓ All {accounted} are accounted for");
        let line = paint.tone(Tone::Good, &line);
        let engine = if account.engine_agrees {
            "; the engine's sums agree"
        } else {
            ""
        };
        return format!(
            "\n{line}: by the topics, the committed offsets and Telegram's own record{engine}."
        );
    }
    let mut text = format!(
        "\n{}",
        paint.tone(Tone::End, "  ✗ Not everything is accounted for:")
    );
    for missing in account.missing.iter().take(MOST) {
        text += &format!("\n    {missing}");
    }
    let more = account.missing.len().saturating_sub(MOST);
    if more > 0 {
        text += &format!("\n    … and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Evidence;
    use super::super::script::Script;
    use super::super::testing::played;
    use super::*;

    const PLAIN: Paint = Paint { colour: false };

    fn shown(change: impl FnOnce(&mut Evidence)) -> String {
        let mut evidence = played(&Script::new(24, 7));
        change(&mut evidence);
        account(PLAIN, &Account::of(&evidence))
    }

    #[test]
    fn it_has_the_sums_and_the_way_of_each_that_failed() {
        let text = shown(|_| {});
        for part in [
            "     24  published",
            "     17  delivered the first time",
            "      2  delivered after a retry",
            "      2  delivered from the dead letters",
            "      3  permanent failures",
            "503 ×2, 200 ",
            "503 ×4 → DLQ → 503 ×3 ",
            "none ×4 → DLQ → 200 ",
            "503 ×4 → DLQ → 503, 200 ",
            "429, 200 ",
            "(was not asked) ",
            "✓ All 24 are accounted for",
            "the engine's sums agree",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("without an end"), "{text}");
    }

    #[test]
    fn what_is_missing_is_named_and_no_more_than_can_be_read() {
        let text = shown(|evidence| evidence.progress[0].committed -= 1);
        assert!(
            text.contains("✗ Not everything is accounted for:\n    group stands at"),
            "{text}"
        );
        let text = shown(|evidence| evidence.calls.clear());
        assert!(text.contains("without an end"), "{text}");
        assert!(text.contains("    … and "), "{text}");
    }

    #[test]
    fn columns_stand_under_each_other() {
        let text = shown(|_| {});
        let rows: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.starts_with("  payment"))
            .take_while(|line| !line.is_empty())
            .collect();
        assert_eq!(rows.len(), 1 + 7, "{text}");
        let column = |line: &str, what: &str| {
            let at = line.find(what)?;
            Some(line[..at].chars().count())
        };
        let head = column(rows[0], "where it went");
        let went = rows[1..]
            .iter()
            .filter_map(|line| column(line, "delivered").or(column(line, "permanent")));
        assert!(went.map(Some).all(|at| at == head), "{text}");
    }
}

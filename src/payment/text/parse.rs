//! Reading a template.

use std::fmt;

use super::{Line, Piece, Placeholder, Template};

/// Below this a name is no misspelling of another (Jaro-Winkler, 0 to 1).
const SIMILAR: f64 = 0.7;

/// Quoted names are cut to this many characters.
const MAX_QUOTED_CHARS: usize = 40;

/// Why a template can't be used, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    line: usize,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Unknown { name: String },
    NeverClosed,
    NeverOpened,
    Blank,
}

impl TemplateError {
    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.problem {
            Problem::Unknown { name } => {
                write!(f, "there is no placeholder {{{name}}}")?;
                match nearest(name) {
                    Some(nearest) => write!(f, "; did you mean {{{nearest}}}?"),
                    None => write!(f, "; there are {}", names()),
                }
            }
            Problem::NeverClosed => {
                f.write_str("a { is never closed; a brace of the text itself is written {{")
            }
            Problem::NeverOpened => {
                f.write_str("a } was never opened; a brace of the text itself is written }}")
            }
            Problem::Blank => f.write_str("the template is blank: a first send would say nothing"),
        }
    }
}

impl std::error::Error for TemplateError {}

pub(super) fn template(text: &str) -> Result<Template, TemplateError> {
    // What some editors write before the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text
        .replace("\r\n", "\n")
        .split_inclusive('\n')
        .zip(1..)
        .map(|(text, number)| {
            line(text).map_err(|problem| TemplateError {
                line: number,
                problem,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if lines
        .iter()
        .all(|line| line.is_about_retry() || line.is_blank())
    {
        return Err(TemplateError {
            line: 1,
            problem: Problem::Blank,
        });
    }
    Ok(Template { lines })
}

fn line(text: &str) -> Result<Line, Problem> {
    let mut line = Line::default();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        line.push_text(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        rest = if let Some(after) = after.strip_prefix(brace) {
            line.push_text(brace);
            after
        } else if brace == "}" {
            return Err(Problem::NeverOpened);
        } else {
            let (name, after) = after
                .split_once('}')
                .filter(|(name, _)| !name.contains('{'))
                .ok_or(Problem::NeverClosed)?;
            line.pieces.push(Piece::Value(placeholder(name)?));
            after
        };
    }
    line.push_text(rest);
    Ok(line)
}

fn placeholder(name: &str) -> Result<Placeholder, Problem> {
    Placeholder::ALL
        .into_iter()
        .find(|placeholder| placeholder.name() == name)
        .ok_or_else(|| Problem::Unknown {
            name: name.chars().take(MAX_QUOTED_CHARS).collect(),
        })
}

fn nearest(name: &str) -> Option<&'static str> {
    let name = name.trim().to_lowercase();
    Placeholder::ALL
        .into_iter()
        .map(Placeholder::name)
        .map(|right| (strsim::jaro_winkler(&name, &right.to_lowercase()), right))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, right)| right)
}

fn names() -> String {
    Placeholder::ALL
        .map(|placeholder| format!("{{{}}}", placeholder.name()))
        .join(", ")
}

impl Line {
    fn push_text(&mut self, more: &str) {
        if let Some(Piece::Text(text)) = self.pieces.last_mut() {
            text.push_str(more);
        } else if !more.is_empty() {
            self.pieces.push(Piece::Text(more.to_owned()));
        }
    }

    fn is_blank(&self) -> bool {
        self.pieces
            .iter()
            .all(|piece| matches!(piece, Piece::Text(text) if text.trim().is_empty()))
    }
}

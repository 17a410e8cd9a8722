//! `sasl.jaas.config`: the login of Java's client, in one line.
//!
//! ```text
//! org.apache.kafka.common.security.plain.PlainLoginModule required username="a" password="b";
//! ```

use std::collections::BTreeMap;

/// A login module and its options. Not `Debug`: there are passwords among them.
pub(super) struct Jaas {
    /// The class without its package: `PlainLoginModule`.
    pub(super) module: String,
    pub(super) options: BTreeMap<String, String>,
}

/// Reads one entry. Nothing of it is quoted where it can't be read.
pub(super) fn parse(text: &str) -> Option<Jaas> {
    let mut tokens = tokens(text)?.into_iter();
    let (Token::Word(class), Token::Word(_control)) = (tokens.next()?, tokens.next()?) else {
        return None;
    };
    let mut options = BTreeMap::new();
    loop {
        match tokens.next()? {
            Token::Mark(';') => break,
            Token::Word(name) => {
                let (Token::Mark('='), Token::Word(value)) = (tokens.next()?, tokens.next()?)
                else {
                    return None;
                };
                options.insert(name, value);
            }
            Token::Mark(_) => return None,
        }
    }
    let module = class.rsplit('.').next()?.to_owned();
    tokens.next().is_none().then_some(Jaas { module, options })
}

enum Token {
    Word(String),
    Mark(char),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
        } else if c == '=' || c == ';' {
            chars.next();
            tokens.push(Token::Mark(c));
        } else if c == '"' || c == '\'' {
            chars.next();
            tokens.push(Token::Word(quoted(&mut chars, c)?));
        } else {
            let ends = |c: &char| c.is_whitespace() || "=;\"'".contains(*c);
            let word = std::iter::from_fn(|| chars.next_if(|c| !ends(c)));
            tokens.push(Token::Word(word.collect()));
        }
    }
    Some(tokens)
}

fn quoted(chars: &mut impl Iterator<Item = char>, quote: char) -> Option<String> {
    let mut word = String::new();
    loop {
        match chars.next()? {
            c if c == quote => return Some(word),
            '\\' => word.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            c => word.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_java_reads() {
        let jaas = parse(
            "org.apache.kafka.common.security.scram.ScramLoginModule required\n  \
             username=\"al ice\" password='s=e;c\"r' tokenauth=true ;",
        );
        let jaas = jaas.unwrap();
        assert_eq!(jaas.module, "ScramLoginModule");
        assert_eq!(jaas.options["username"], "al ice");
        assert_eq!(jaas.options["password"], "s=e;c\"r");
        assert_eq!(jaas.options["tokenauth"], "true");
        let escaped = parse(r#"a.B required password="x\"y\\z";"#).unwrap();
        assert_eq!(escaped.options["password"], "x\"y\\z");
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "a.B",
            "a.B required",
            "a.B required password=\"x\"",
            "a.B required password=\"x",
            "a.B required password;",
            "a.B required password=;",
            "a.B required; c.D required;",
            "= required;",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a.= ;\"'\\\\n]{0,40}") {
            let _ = parse(&text);
        }
    }
}

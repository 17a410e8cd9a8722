//! Java's `.properties` files, as `java.util.Properties` reads them.

/// A property and its line, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// Reads a file's text. The error is the number of a line with a malformed `\u`.
pub(super) fn parse(text: &str) -> Result<Vec<Property>, usize> {
    let mut properties = Vec::new();
    for (line, logical) in logical_lines(text) {
        let (name, value) = split(&logical);
        let unescape = |text| unescape(text).ok_or(line);
        properties.push(Property {
            line,
            name: unescape(name)?,
            value: unescape(value)?,
        });
    }
    Ok(properties)
}

/// Lines with those that go on in the next joined; without comments and empty ones.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut logical: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches([' ', '\t', '\u{c}']);
        if !goes_on && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        // An even number of backslashes at the end is those backslashes.
        let slashes = line.len() - line.trim_end_matches('\\').len();
        let more = slashes % 2 == 1;
        let text = if more { &line[..line.len() - 1] } else { line };
        match logical.last_mut() {
            Some((_, last)) if goes_on => last.push_str(text),
            _ => logical.push((index + 1, text.to_owned())),
        }
        goes_on = more;
    }
    logical
}

/// The name ends at the first `=`, `:` or white space that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.char_indices().find(|&(_, c)| {
        let ends = !escaped && (c == '=' || c == ':' || is_space(c));
        escaped = c == '\\' && !escaped;
        ends
    });
    let (name, rest) = line.split_at(end.map_or(line.len(), |(index, _)| index));
    let rest = rest.trim_start_matches(is_space);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (name, rest.trim_start_matches(is_space))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

fn unescape(text: &str) -> Option<String> {
    let mut units = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let hex = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| hex)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => continue,
            },
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<(usize, String, String)> {
        let properties = parse(text).unwrap().into_iter();
        properties.map(|it| (it.line, it.name, it.value)).collect()
    }

    /// The examples of the documentation of `java.util.Properties.load`, and its rules.
    #[test]
    fn reads_as_java_does() {
        for (text, name, value) in [
            ("Truth = Beauty", "Truth", "Beauty"),
            (" Truth:Beauty", "Truth", "Beauty"),
            ("Truth                    :Beauty", "Truth", "Beauty"),
            (
                "fruits  apple, banana, \\\n   cherry",
                "fruits",
                "apple, banana, cherry",
            ),
            ("cheeses", "cheeses", ""),
            ("a=b=c", "a", "b=c"),
            ("a = # no comment", "a", "# no comment"),
            ("a\\:b\\ c\\=d = e", "a:b c=d", "e"),
            ("a=\\u0041\\t\\q\\\\", "a", "A\tq\\"),
            ("a=\\uD83C\\uDFAB", "a", "🎫"),
            ("a=b \r\n", "a", "b "),
            ("a=b\\\\\nc=d", "a", "b\\"),
        ] {
            let (_, first, read) = read(text).remove(0);
            assert_eq!((&*first, &*read), (name, value), "{text:?}");
        }
        let lines = read("# a\n\n! b\n a=1\nb=\\\n  # 2\nc=3");
        let expected = [(4, "a", "1"), (5, "b", "# 2"), (7, "c", "3")];
        let lines: Vec<_> = lines
            .iter()
            .map(|(line, a, b)| (*line, &**a, &**b))
            .collect();
        assert_eq!(lines, expected);
        assert_eq!(parse("a=1\nb=\\u00"), Err(2));
        assert_eq!(parse("a=\\u+123"), Err(1));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[ab\\\\u0=: \t\n\r#!가]{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_java_would_write_is_read_back(name in "[a-z.]{1,20}", value in "[ -~가-힣]{0,40}") {
            let escaped: String = value.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
            let read = read(&format!("{name}={escaped}"));
            prop_assert_eq!(&read[0], &(1, name, value));
        }
    }
}

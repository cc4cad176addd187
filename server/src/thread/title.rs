//! A thread's title.

/// Characters of a title.
const LENGTH: usize = 60;

/// The first sixty characters of a message, made printable: white space and control characters
/// become single spaces, invisible direction marks are dropped.
#[must_use]
pub fn title_of(message: &str) -> String {
    let is_hidden = |c: char| {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut title = String::new();
    let mut length = 0;
    for c in message.chars().filter(|c| !is_hidden(*c)) {
        if length == LENGTH {
            break;
        }
        if !c.is_whitespace() && !c.is_control() {
            title.push(c);
            length += 1;
        } else if !title.is_empty() && !title.ends_with(' ') {
            title.push(' ');
            length += 1;
        }
    }
    let trimmed = title.trim_end();
    if trimmed.is_empty() {
        "untitled".to_owned()
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_short_printable_and_never_empty() {
        let cases = [
            ("  Why\tis\r\nthis slow?\u{0}", "Why is this slow?"),
            ("", "untitled"),
            ("\u{202e}\n\u{7}", "untitled"),
            ("\u{202e}abc", "abc"),
        ];
        for (message, title) in cases {
            assert_eq!(title_of(message), title, "{message:?}");
        }
        assert_eq!(title_of(&"日".repeat(99)).chars().count(), 60);
    }
}

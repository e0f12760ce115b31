//! Sentences in which something is quoted by backticks, drawn with the quoted part as code.
//!
//! In: any text, also what peers typed. Out: escaped HTML. Invariant: whatever goes in, only `<code>` and
//! `</code>` come out as markup. It does not know what the sentence is about.

use std::fmt::{self, Display, Formatter, Write as _};

use askama::filters::HtmlSafe;

/// A sentence with quoted parts.
#[derive(Debug)]
pub(crate) struct Prose<'t>(&'t str);

/// Draws the parts between backticks as code. A backtick without its partner stands for itself.
pub(crate) fn prose(text: &(impl AsRef<str> + ?Sized)) -> Prose<'_> {
    Prose(text.as_ref())
}

impl Display for Prose<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((before, after)) = rest.split_once('`') {
            let Some((quoted, after)) = after.split_once('`') else {
                break;
            };
            escape(f, before)?;
            f.write_str("<code>")?;
            escape(f, quoted)?;
            f.write_str("</code>")?;
            rest = after;
        }
        escape(f, rest)
    }
}
impl HtmlSafe for Prose<'_> {}

fn escape(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    for letter in text.chars() {
        match letter {
            '<' => f.write_str("&#60;")?,
            '>' => f.write_str("&#62;")?,
            '&' => f.write_str("&#38;")?,
            '"' => f.write_str("&#34;")?,
            '\'' => f.write_str("&#39;")?,
            plain => f.write_char(plain)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_parts_are_code_and_nothing_else_is_markup() {
        let table = [
            ("write `a<b>` here", "write <code>a&#60;b&#62;</code> here"),
            ("one ` alone & <i>", "one ` alone &#38; &#60;i&#62;"),
            ("`a``b`", "<code>a</code><code>b</code>"),
            (
                "`</code><script>`",
                "<code>&#60;/code&#62;&#60;script&#62;</code>",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(prose(text).to_string(), expected);
        }
    }
}

//! Renders biographies as HTML for the `short_description_rendered` of a community profile.
//!
//! Mirrors what FluentCommunity 2.8 does when it creates a profile for a user who already has a
//! biography: Markdown by Parsedown 1.7 with line breaks on and bare addresses left alone, links
//! marked `nofollow`, then `wp_kses` with a short list of tags.
//!
//! Three steps: `pulldown_cmark` parses the Markdown, `parsedown` writes HTML with Parsedown's
//! entities and line breaks, `kses` removes what is not allowed.

mod kses;
mod parsedown;

use self::kses::REFERENCE;
use crate::wordpress::php::loose;

/// The longest biography rendered as Markdown, in bytes. Cleaning deeply nested quotes takes
/// quadratic time: about a sixth of a second at this length.
const MAX_MARKDOWN: usize = 8_000;

/// Renders a biography (user meta `description`) as FluentCommunity stores it.
///
/// Empty text, white space and `0` give an empty string. The result is safe to embed. Text over
/// 8,000 bytes is not parsed as Markdown but becomes one escaped paragraph. Hostile text makes
/// this slow, so call it on the blocking pool.
#[must_use]
pub fn render_description(description: &str) -> String {
    // A line of no-break spaces is a paragraph.
    if loose::trim(description.as_bytes()).is_empty() || description == "0" {
        return String::new();
    }
    let markdown = prepare(description);
    if markdown.len() > MAX_MARKDOWN {
        // Escaped, so there is nothing to remove.
        return parsedown::render_plain(&markdown).replace(REFERENCE, "&");
    }
    kses::clean(&parsedown::render(&markdown))
}

/// Normalises line endings and drops what PHP drops (control characters, `&#x20;`) and the reserved
/// placeholder.
fn prepare(description: &str) -> String {
    let text = description
        .replace("&#x20;", "")
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let is_kept = |&c: &char| (c >= ' ' || c == '\n' || c == '\t') && c != REFERENCE;
    text.chars().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::render_description;

    /// Description and rendered HTML.
    const RECORDED: &[(&str, &str)] = &[
        (
            "I **love** [docs](https://example.org) &amp; <b>html</b>\nsecond line",
            "<p>I <strong>love</strong> <a href=\"https://example.org\" rel=\"nofollow\">docs</a> \
             &amp; <b>html</b><br />\nsecond line</p>",
        ),
        ("a\nb", "<p>a<br />\nb</p>"),
        (
            "[l](https://y.test)",
            "<p><a href=\"https://y.test\" rel=\"nofollow\">l</a></p>",
        ),
    ];

    /// Recorded from Parsedown 1.7.4 and the `wp_kses` of WordPress 6.1 under PHP 8.2.
    const PARSEDOWN: &[(&str, &str)] = &[
        ("a\r\n\r\n\r\nb  \nc", "<p>a</p>\n<p>b<br />\nc</p>"),
        (
            "*a* _b_ __c__ ~~d~~ ~e~",
            "<p><em>a</em> <em>b</em> <strong>c</strong> <del>d</del> ~e~</p>",
        ),
        (
            "- a\n  - b\n  - c\n- d",
            "<ul>\n<li>a\n<ul>\n<li>b</li>\n<li>c</li>\n</ul></li>\n<li>d</li>\n</ul>",
        ),
        (
            "- a\n\n- b\n\npara",
            "<ul>\n<li>\n<p>a</p>\n</li>\n<li>\n<p>b</p>\n</li>\n</ul>\n<p>para</p>",
        ),
        (
            "a\n1. b\n2. c",
            "<p>a</p>\n<ol>\n<li>b</li>\n<li>c</li>\n</ol>",
        ),
        ("1) a\n2) b\\\nc", "<p>1) a<br />\n2) b\\<br />\nc</p>"),
        ("3. a", "<ol start=\"3\">\n<li>a</li>\n</ol>"),
        (
            "# H1\n## H2\ntext\n### H3 ###",
            "<h1>H1</h1>\n<h2>H2</h2>\n<p>text</p>\n<h3>H3</h3>",
        ),
        ("Title\n===\nSub\n---", "<h1>Title</h1>\n<h2>Sub</h2>"),
        ("text\n#tag", "<p>text</p>\n<h1>tag</h1>"),
        (
            "`code <b>` and ``a`b``",
            "<p><code>code &lt;b&gt;</code> and <code>a`b</code></p>",
        ),
        (
            "```rust\nfn main() {}\n\n#no 1 < \"2\";\n```",
            "<pre><code class=\"language-rust\">fn main() {}\n\n#no 1 &lt; \"2\";</code></pre>",
        ),
        (
            "    indented\n    code",
            "<pre><code>indented\ncode</code></pre>",
        ),
        (
            "> quote\n> more\n>\n> - b\n\nafter",
            "<blockquote>\n<p>quote<br />\nmore</p>\n<ul>\n<li>b</li>\n</ul>\n</blockquote>\n\
             <p>after</p>",
        ),
        (
            "![alt text](https://x.test/i.png \"Ti\")",
            "<p><img src=\"https://x.test/i.png\" alt=\"alt text\" title=\"Ti\" /></p>",
        ),
        (
            "[a](https://x.test/?a=1&b=2 \"it's\")",
            "<p><a href=\"https://x.test/?a=1&amp;b=2\" title=\"it&#039;s\" rel=\"nofollow\">a</a></p>",
        ),
        (
            "<https://auto.test/x> <me@x.test>",
            "<p><a href=\"https://auto.test/x\" rel=\"nofollow\">https://auto.test/x</a> \
             <a href=\"mailto:me@x.test\" rel=\"nofollow\">me@x.test</a></p>",
        ),
        (
            "https://bare.test/ www.x.test",
            "<p>https://bare.test/ www.x.test</p>",
        ),
        ("a\n***\nb", "<p>a</p>\n<hr />\n<p>b</p>"),
        (
            "| a | b |\n|---|:-:|\n| 1 | **2** |",
            "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n\
             <td>1</td>\n<td><strong>2</strong></td>\n</tr>\n</tbody>\n</table>",
        ),
        (
            "it's \"quoted\" & 5 > 3 < 4 nb\u{a0}sp ünï 😀",
            "<p>it's &quot;quoted&quot; &amp; 5 &gt; 3 &lt; 4 nb\u{a0}sp ünï 😀</p>",
        ),
        (
            "&copy; &nbsp; &foo; &#39; &#039; &#x27; &lt;b&gt; x&#x20;y",
            "<p>&copy; &nbsp; &amp;foo; &#039; &#039; &#x27; &lt;b&gt; xy</p>",
        ),
        (
            "<u>u</u> <span style=\"color:red\">s</span> a<br/>b <div>c</div>",
            "<p>u <span>s</span> a<br />b c</p>",
        ),
        ("x <script>alert(1)</script> y", "<p>x alert(1) y</p>"),
        ("<script>alert(1)</script>", "alert(1)"),
    ];

    #[test]
    fn descriptions_are_rendered_as_recorded() {
        for (description, expected) in RECORDED.iter().chain(PARSEDOWN) {
            assert_eq!(render_description(description), *expected, "{description}");
        }
    }

    #[test]
    fn nothing_is_rendered_for_nothing() {
        for description in ["", " ", " \t\r\n\0\x0b", "0"] {
            assert_eq!(render_description(description), "");
        }
        assert_eq!(render_description("00"), "<p>00</p>");
    }

    #[test]
    fn an_overlong_description_is_shown_as_typed() {
        let long = "*x* <b>\n".repeat(3_000);
        let html = render_description(&long);
        let lines = vec!["*x* &lt;b&gt;"; 3_000].join("<br />\n");
        assert_eq!(html, format!("<p>{lines}</p>"));
    }

    #[test]
    fn dangerous_html_does_not_survive() {
        for (description, expected) in [
            (
                "<a href=\"javascript:alert(1)\" onclick=\"x()\">x</a>",
                "<p><a rel=\"nofollow\">x</a></p>",
            ),
            (
                "[x](javascript:alert(1))",
                "<p><a rel=\"nofollow\">x</a></p>",
            ),
            (
                "[x](java&#xFDD0;#x73;cript:alert(1))",
                "<p><a href=\"java#x73;cript:alert(1)\" rel=\"nofollow\">x</a></p>",
            ),
            (
                "<b><a href=\"java&#xFDD0;#x73;cript:alert(1)\">x</a></b>",
                "<p><b><a href=\"java#x73;cript:alert(1)\" rel=\"nofollow\">x</a></b></p>",
            ),
            (
                "y <img src=x onerror=alert(1)>",
                "<p>y <img src=\"x\" /></p>",
            ),
            ("&#xFDD0;lt;script>", "<p>&#xFDD0;lt;script&gt;</p>"),
        ] {
            assert_eq!(render_description(description), expected, "{description}");
        }
    }

    proptest! {
        #[test]
        fn any_description_is_rendered_without_scripts(
            description in r#"([<>&"'/=`*_~#|\[\]()! \n;-]|script|on=|javascript:|a|b|<a href=|</|\PC){0,60}"#
        ) {
            let html = render_description(&description);
            prop_assert!(!html.contains("<script"));
            let is_stable = super::kses::clean(&html) == super::kses::clean(&super::kses::clean(&html));
            prop_assert!(is_stable);
        }
    }
}

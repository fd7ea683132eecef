//! Renders Markdown to HTML as Parsedown 1.7 does: its tags, line breaks and entities.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

use super::kses::{self, REFERENCE};

/// Renders Markdown. The result keeps any HTML in the text, so it must be cleaned.
pub(super) fn render(markdown: &str) -> String {
    let source = adapt_lines(markdown);
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut writer = Writer {
        source: &source,
        ..Writer::default()
    };
    for (event, range) in Parser::new_ext(&source, options).into_offset_iter() {
        writer.write(event, range);
    }
    writer
        .html
        .truncate(writer.html.trim_end_matches('\n').len());
    writer.html
}

/// Writes text as one paragraph that keeps its line breaks, without parsing any Markdown.
pub(super) fn render_plain(text: &str) -> String {
    let lines = escape(text.trim_matches('\n')).replace('\n', "<br />\n");
    format!("<p>{lines}</p>")
}

/// Rewrites the lines that Parsedown and `CommonMark` parse differently: in Parsedown `#tag` is a
/// heading and `1) one` is not a list.
fn adapt_lines(markdown: &str) -> String {
    let mut adapted = String::with_capacity(markdown.len() + 8);
    let mut in_fence = false;
    for line in markdown.split_inclusive('\n') {
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        if text.starts_with("```") || text.starts_with("~~~") {
            in_fence = !in_fence;
        }
        let title = text.trim_start_matches('#');
        let level = text.len() - title.len();
        let item = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = text.len() - item.len();
        let (at, inserted) = if in_fence || indent > 3 {
            (0, "")
        } else if (1..=6).contains(&level) && !title.trim().is_empty() {
            (indent + level, " ")
        } else if number > 0 && item.starts_with(')') {
            (indent + number, "\\")
        } else {
            (0, "")
        };
        adapted.push_str(&line[..at]);
        adapted.push_str(inserted);
        adapted.push_str(&line[at..]);
    }
    adapted
}

#[derive(Default)]
struct Writer<'a> {
    source: &'a str,
    html: String,
    /// For each open list item, the position where its content starts.
    items: Vec<usize>,
    in_table_head: bool,
    in_code_block: bool,
    /// The alternative text of the image being read, and the rest of its tag.
    image: Option<(String, String)>,
}

impl Writer<'_> {
    fn write(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.open(tag, range),
            Event::End(tag) => self.close(tag, range),
            Event::Text(text) => self.text(&text, range),
            Event::Code(code) => {
                if let Some((alt, _)) = &mut self.image {
                    alt.push_str(&code);
                } else {
                    self.push(&format!("<code>{}</code>", escape(&code)));
                }
            }
            Event::Html(html) => self.push(&html),
            // The cleaner would also do this, but it first repairs the paragraph around a block
            // tag.
            Event::InlineHtml(tag) if kses::allows(&tag) => self.push(&tag),
            Event::SoftBreak | Event::HardBreak => {
                // Parsedown breaks every line, so a backslash before the break is a literal
                // backslash.
                if self.source[range].starts_with('\\') {
                    self.html.push('\\');
                }
                self.push("<br />\n");
            }
            Event::Rule => self.block("<hr />\n"),
            _ => {}
        }
    }

    fn open(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Paragraph => self.block("<p>"),
            Tag::Heading { level, .. } => self.block(&format!("<{level}>")),
            Tag::BlockQuote(_) => self.block("<blockquote>\n"),
            Tag::HtmlBlock => self.block(""),
            Tag::CodeBlock(kind) => {
                self.in_code_block = true;
                self.block(&match language(&kind) {
                    Some(name) => {
                        format!("<pre><code class=\"language-{}\">", escape_value(name))
                    }
                    None => "<pre><code>".to_owned(),
                });
            }
            Tag::List(None) => self.block("<ul>\n"),
            Tag::List(Some(1)) => self.block("<ol>\n"),
            Tag::List(Some(start)) => self.block(&format!("<ol start=\"{start}\">\n")),
            Tag::Item => {
                self.block("<li>");
                self.items.push(self.html.len());
            }
            Tag::Table(_) => self.block("<table>\n"),
            Tag::TableHead => {
                self.in_table_head = true;
                self.push("<thead>\n<tr>\n");
            }
            Tag::TableRow => self.push("<tr>\n"),
            Tag::TableCell if self.in_table_head => self.push("<th>"),
            Tag::TableCell => self.push("<td>"),
            Tag::Emphasis => self.push("<em>"),
            Tag::Strong => self.push("<strong>"),
            Tag::Strikethrough => self.strike("<del>", range),
            Tag::Link {
                dest_url,
                title,
                link_type,
                ..
            } => {
                let scheme = match link_type {
                    pulldown_cmark::LinkType::Email => "mailto:",
                    _ => "",
                };
                self.push(&format!(
                    "<a href=\"{scheme}{}\"{}>",
                    escape_value(&dest_url),
                    title_attribute(&title)
                ));
            }
            Tag::Image {
                dest_url, title, ..
            } => {
                self.push(&format!("<img src=\"{}\" alt=\"", escape_value(&dest_url)));
                self.image = Some((String::new(), title_attribute(&title)));
            }
            _ => {}
        }
    }

    fn close(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Paragraph => self.push("</p>\n"),
            TagEnd::Heading(level) => self.push(&format!("</{level}>\n")),
            TagEnd::BlockQuote(_) => self.push("</blockquote>\n"),
            TagEnd::CodeBlock => {
                self.in_code_block = false;
                if self.html.ends_with('\n') {
                    self.html.pop();
                }
                self.push("</code></pre>\n");
            }
            TagEnd::List(false) => self.push("</ul>\n"),
            TagEnd::List(true) => self.push("</ol>\n"),
            TagEnd::Item => {
                let start = self.items.pop().unwrap_or_default();
                // An item that starts with text ends without a line break, even after a block.
                if !self.html[start..].starts_with('\n') && self.html.ends_with('\n') {
                    self.html.pop();
                }
                self.push("</li>\n");
            }
            TagEnd::Table => self.push("</tbody>\n</table>\n"),
            TagEnd::TableHead => {
                self.in_table_head = false;
                self.push("</tr>\n</thead>\n<tbody>\n");
            }
            TagEnd::TableRow => self.push("</tr>\n"),
            TagEnd::TableCell if self.in_table_head => self.push("</th>\n"),
            TagEnd::TableCell => self.push("</td>\n"),
            TagEnd::Emphasis => self.push("</em>"),
            TagEnd::Strong => self.push("</strong>"),
            TagEnd::Strikethrough => self.strike("</del>", range),
            TagEnd::Link => self.push("</a>"),
            TagEnd::Image => {
                if let Some((alt, title)) = self.image.take() {
                    self.push(&escape_value(&alt));
                    self.push(&format!("\"{title} />"));
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, html: &str) {
        self.html.push_str(html);
    }

    /// Starts a block on a line of its own.
    fn block(&mut self, tag: &str) {
        if !self.html.is_empty() && !self.html.ends_with('\n') {
            self.html.push('\n');
        }
        self.push(tag);
    }

    /// Parsedown needs two tildes; the parser also accepts one.
    fn strike(&mut self, tag: &str, range: Range<usize>) {
        let is_double = self.source[range].starts_with("~~");
        self.push(if is_double { tag } else { "~" });
    }

    fn text(&mut self, text: &str, range: Range<usize>) {
        if let Some((alt, _)) = &mut self.image {
            alt.push_str(text);
        } else if self.in_code_block {
            self.push(&escape(text));
        } else if let Some(name) = reference(&self.source[range], text) {
            self.html.push(REFERENCE);
            self.push(&name);
        } else {
            // Parsedown writes quotes as references, except in code.
            let quote = format!("{REFERENCE}quot;");
            self.push(&escape(text).replace('"', &quote));
        }
    }
}

/// The typed character reference that a decoded text came from, without its `&`.
///
/// Decimal references are padded to three digits, as by `wp_kses` (`&#39;` becomes `&#039;`).
fn reference(typed: &str, decoded: &str) -> Option<String> {
    let name = typed.strip_prefix('&').filter(|_| typed != decoded)?;
    let digits = name
        .strip_prefix('#')
        .and_then(|name| name.strip_suffix(';'));
    match digits.and_then(|digits| digits.parse::<u32>().ok()) {
        Some(number) => Some(format!("#{number:03};")),
        None => Some(name.to_owned()),
    }
}

/// The first word after the fence, if any.
fn language<'a>(kind: &'a CodeBlockKind<'_>) -> Option<&'a str> {
    match kind {
        CodeBlockKind::Fenced(info) => info.split_whitespace().next(),
        CodeBlockKind::Indented => None,
    }
}

fn title_attribute(title: &CowStr<'_>) -> String {
    if title.is_empty() {
        String::new()
    } else {
        format!(" title=\"{}\"", escape_value(title))
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn escape_value(text: &str) -> String {
    escape(text).replace('"', "&quot;")
}

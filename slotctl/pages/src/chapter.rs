//! A chapter of the reference, as man pages are written.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, roman};

/// The chapter under `title` of a document in Markdown, without its title, in the
/// language of man pages: a row of a table is an entry with its first cell as the tag.
/// `None` where no chapter of the second level has that title.
pub fn chapter(document: &str, title: &str) -> Option<Roff> {
    let mut events = Parser::new_ext(document, Options::ENABLE_TABLES);
    loop {
        if begins_chapter(&events.next()?) {
            let heading = events.by_ref().take_while(|event| !ends_heading(event));
            if heading.filter_map(words).collect::<String>() == title {
                break;
            }
        }
    }
    let mut writer = Writer::default();
    for event in events.take_while(|event| !begins_chapter(event)) {
        writer.take(event);
    }
    Some(writer.page)
}

fn words(event: Event<'_>) -> Option<String> {
    match event {
        Event::Text(text) | Event::Code(text) => Some(text.into_string()),
        _ => None,
    }
}

fn ends_heading(event: &Event<'_>) -> bool {
    matches!(event, Event::End(TagEnd::Heading(_)))
}

fn begins_chapter(event: &Event<'_>) -> bool {
    matches!(event, Event::Start(Tag::Heading { level, .. }) if *level <= HeadingLevel::H2)
}

/// What has been written, and what has been read and not yet written.
#[derive(Default)]
struct Writer {
    page: Roff,
    line: Vec<Inline>,
    strong: bool,
    in_item: bool,
    link: String,
    head: Vec<String>,
    cells: Vec<Vec<Inline>>,
}

impl Writer {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.begin(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.strong => self.line.push(bold(text.as_ref())),
            Event::Text(text) => self.line.push(roman(text.as_ref())),
            Event::Code(text) => self.line.push(bold(text.as_ref())),
            Event::SoftBreak | Event::HardBreak => self.line.push(roman(" ")),
            _ => {}
        }
    }

    fn begin(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Strong => self.strong = true,
            Tag::Link { dest_url, .. } => self.link = dest_url.into_string(),
            Tag::Item => {
                self.page.control("IP", ["*", "2"]);
                self.in_item = true;
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Strong => self.strong = false,
            TagEnd::Link => self.name_the_document(),
            TagEnd::Heading(_) => {
                let title = plain(&std::mem::take(&mut self.line));
                self.page.control("SS", [title.as_str()]);
            }
            TagEnd::Paragraph => {
                // The first paragraph of an item stands beside its mark.
                if !std::mem::take(&mut self.in_item) {
                    self.page.control("PP", []);
                }
                self.write_line();
            }
            TagEnd::Item => {
                self.in_item = false;
                self.write_line();
            }
            TagEnd::CodeBlock => {
                self.page.control("PP", []).control("nf", []);
                self.write_line();
                self.page.control("fi", []);
            }
            TagEnd::TableCell => self.cells.push(std::mem::take(&mut self.line)),
            TagEnd::TableHead => {
                let cells = std::mem::take(&mut self.cells);
                self.head = cells.iter().map(|cell| plain(cell)).collect();
            }
            TagEnd::TableRow => self.write_row(),
            _ => {}
        }
    }

    fn write_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.page.text(line);
        }
    }

    /// One column says what the row is about: the one without a name, else the last.
    /// Cells of the others have the name of their column before them.
    fn write_row(&mut self) {
        let cells = std::mem::take(&mut self.cells);
        let unnamed = self.head.iter().skip(1).position(String::is_empty);
        let about = unnamed.map_or(cells.len().saturating_sub(1), |column| column + 1);
        let mut cells = cells.into_iter().zip(&self.head).enumerate();
        if let Some((_, (tag, _))) = cells.next() {
            self.page.control("TP", []).text(tag);
        }
        let mut first = true;
        for (column, (cell, name)) in cells.filter(|(_, (cell, _))| !cell.is_empty()) {
            if !std::mem::take(&mut first) {
                self.page.control("br", []);
            }
            let name = (column != about).then(|| roman(format!("{name}: ")));
            let named: Vec<_> = name.into_iter().chain(cell).collect();
            self.page.text(named);
        }
    }

    /// A reader of a man page follows no link to another document, and is told its
    /// name instead.
    fn name_the_document(&mut self) {
        let link = std::mem::take(&mut self.link);
        let document = link.split('#').next().unwrap_or_default();
        let named = self.line.last().map(std::slice::from_ref).map(plain);
        if !document.is_empty() && named.as_deref() != Some(document) {
            self.line.push(roman(format!(" ({document})")));
        }
    }
}

/// The words alone.
fn plain(line: &[Inline]) -> String {
    let words = line.iter().map(|inline| match inline {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.as_str(),
        Inline::LineBreak => " ",
    });
    words.collect()
}

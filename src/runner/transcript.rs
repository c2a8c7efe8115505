//! A child's standard output, understood: Roost's own format, Claude Code's, or plain text.
//!
//! Lines are told apart one by one. Before the first that is of a format, whatever comes is plain text
//! and is told as it comes. With that line it was garbage, as is all that follows and is of no format:
//! only the log hears of it.

use std::borrow::Cow;

use super::{Output, claude, complaints::Complaints, lines, story::Story};
use crate::core::Record;

/// Why an agent fails that asks and does not listen.
const UNHEARD: &str =
    "the agent asks for a permission, and would not hear the answer: it needs AGENT_INPUT=lines";

/// What a child says.
#[derive(Default)]
pub(super) struct Transcript {
    pub(super) story: Story,
    form: Form,
    /// Whether the child hears what is decided on its questions.
    hears: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Form {
    /// Nothing came yet.
    #[default]
    Open,
    Plain,
    Objects,
}

impl Transcript {
    /// The transcript of a child; says whether it hears what is decided on its questions.
    pub(super) fn new(hears: bool) -> Self {
        Self {
            hears,
            ..Self::default()
        }
    }

    /// Takes a line, without its newline.
    pub(super) fn line(&mut self, line: &[u8], complaints: &mut Complaints) {
        match object(line) {
            Some((kind, object)) if lines::knows(&kind) => {
                self.begin(complaints);
                match lines::read(&kind, object) {
                    Some(Output::Permission { .. }) if !self.hears => {
                        self.story.tell(Output::Failed(UNHEARD.to_owned()));
                    }
                    Some(output) => self.story.tell(output),
                    None => complaints.garbage(line),
                }
            }
            Some((kind, object)) if claude::knows(&kind) => {
                self.begin(complaints);
                claude::read(&kind, object, &mut self.story);
            }
            // Types that a later version may have.
            Some(_) if self.form == Form::Objects => {}
            _ if self.form == Form::Objects => {
                if !line.trim_ascii().is_empty() {
                    complaints.garbage(line);
                }
            }
            _ => self.plain(line),
        }
    }

    /// Takes what the end of the output makes of it: how a child ended that did not say so itself.
    pub(super) fn end(&self) -> Output {
        if self.story.spoke() {
            Output::Done
        } else {
            Output::Failed("the agent ended and had said nothing".to_owned())
        }
    }

    /// Notes that objects come.
    fn begin(&mut self, complaints: &mut Complaints) {
        if self.form == Form::Plain {
            for line in self.story.forget().lines() {
                complaints.garbage(line.as_bytes());
            }
        }
        self.form = Form::Objects;
    }

    fn plain(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        // The last newline is none of the message's.
        let text = match self.form {
            Form::Open => text.into_owned(),
            _ => format!("\n{text}"),
        };
        self.form = Form::Plain;
        self.story.speak_on(text);
    }
}

/// An object and its `type`, if the line is one.
fn object(line: &[u8]) -> Option<(String, Record)> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let whole: Option<Record> = serde_json::from_slice(line).ok().or_else(|| {
        let text = String::from_utf8_lossy(line);
        serde_json::from_str(&with_whole_characters(&text)).ok()
    });
    let mut object = whole?;
    let kind = lines::string(&mut object, "type")?;
    Some((kind, object))
}

/// JSON in which halves of characters are replaced: programs that count in UTF-16 cut them in two, and
/// write `\ud83d` without the half that belongs to it.
fn with_whole_characters(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") {
        return Cow::Borrowed(json);
    }
    let (mut mended, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        mended.push_str(before);
        let length = match (half(escape), escape.get(6..).and_then(half)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => {
                mended.push('\u{fffd}');
                rest = &escape[6..];
                continue;
            }
            // The next character, however long, is not the start of an escape.
            _ => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        let (escape, after) = escape.split_at(length);
        mended.push_str(escape);
        rest = after;
    }
    mended.push_str(rest);
    Cow::Owned(mended)
}

/// The number in `\uXXXX` at the start of a text.
fn half(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests;

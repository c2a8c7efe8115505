//! The lines of a pipe, cut out of its buffer and not copied.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memmem};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::sync::CancellationToken;

/// Room that a read finds at least, in bytes.
const ROOM: usize = 16 * 1024;

/// A piece of what came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line, without its newline.
    Line(Bytes),
    /// A part of a line that is longer than lines may be.
    Part(Bytes),
}

/// Reads lines.
pub(super) struct Lines<R> {
    pipe: R,
    buffer: BytesMut,
    /// Bytes at the buffer's start that hold no newline.
    searched: usize,
    /// Bytes that a line may have.
    longest: usize,
    /// Bytes that were read so far.
    pub(super) read: u64,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(pipe: R, longest: usize) -> Self {
        Self {
            pipe,
            buffer: BytesMut::new(),
            searched: 0,
            longest,
            read: 0,
        }
    }

    /// The next line that has arrived already.
    pub(super) fn ready(&mut self) -> Option<Piece> {
        if let Some(found) = memchr(b'\n', &self.buffer[self.searched..]) {
            let end = self.searched + found;
            let mut line = self.buffer.split_to(end + 1);
            self.searched = 0;
            line.truncate(end);
            return Some(if end > self.longest {
                Piece::Part(line.freeze())
            } else {
                Piece::Line(line.freeze())
            });
        }
        self.searched = self.buffer.len();
        if self.searched > self.longest {
            self.searched = 0;
            return Some(Piece::Part(self.buffer.split().freeze()));
        }
        None
    }

    /// What stands before a mark that has arrived already; both are taken.
    pub(super) fn before(&mut self, mark: &[u8]) -> Option<Bytes> {
        // The mark may have come in two reads.
        let from = self.searched.saturating_sub(mark.len());
        let Some(found) = memmem::find(&self.buffer[from..], mark) else {
            self.searched = self.buffer.len();
            return None;
        };
        let text = self.buffer.split_to(from + found);
        self.buffer.advance(mark.len());
        self.searched = 0;
        Some(text.freeze())
    }

    /// Bytes that have arrived and are not taken.
    pub(super) fn waiting(&self) -> u64 {
        u64::try_from(self.buffer.len()).unwrap_or(u64::MAX)
    }

    /// Forgets what has arrived and is not taken.
    pub(super) fn forget(&mut self) {
        self.buffer.clear();
        self.searched = 0;
    }

    /// Waits for more. `false` at the end; and once `over` is cancelled, when nothing is there at once.
    ///
    /// Nothing is lost if it is not awaited to its end.
    pub(super) async fn more(&mut self, over: &CancellationToken) -> bool {
        self.buffer.reserve(ROOM);
        let count = tokio::select! {
            biased;
            // A pipe that cannot be read has ended.
            count = self.pipe.read_buf(&mut self.buffer) => count.unwrap_or(0),
            () = over.cancelled() => 0,
        };
        self.read += u64::try_from(count).unwrap_or(u64::MAX);
        count > 0
    }

    /// What is left at the end, if the last line has no newline.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        self.searched = 0;
        let rest = self.buffer.split();
        (!rest.is_empty()).then(|| rest.freeze())
    }

    /// Reads to the end and forgets it.
    pub(super) async fn discard(&mut self) {
        let (never, mut room) = (CancellationToken::new(), true);
        while room {
            self.forget();
            room = self.more(&never).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pieces(text: &[u8], longest: usize) -> Vec<String> {
        let (mut lines, over) = (Lines::new(text, longest), CancellationToken::new());
        let mut found = Vec::new();
        loop {
            while let Some(piece) = lines.ready() {
                found.push(match piece {
                    Piece::Line(line) => String::from_utf8_lossy(&line).into_owned(),
                    Piece::Part(part) => format!("({})", part.len()),
                });
            }
            if !lines.more(&over).await {
                break;
            }
        }
        let rest = lines.rest();
        found.extend(rest.map(|rest| format!("{}.", String::from_utf8_lossy(&rest))));
        found
    }

    #[tokio::test]
    async fn cuts_lines() {
        assert_eq!(pieces(b"a\n\nbc\nd", 10).await, ["a", "", "bc", "d."]);
        assert_eq!(pieces(b"", 10).await, [""; 0]);
        assert_eq!(pieces(b"123\n12\n", 2).await, ["(3)", "12"]);
        assert_eq!(pieces(b"123", 2).await, ["(3)"]);
    }

    #[tokio::test]
    async fn finds_a_mark_that_comes_in_parts() {
        let pipe = in_parts(&[b"one<", b"<>", b">two<<", b">>rest"]);
        let (mut lines, never) = (Lines::new(pipe, 9), CancellationToken::new());
        let mut texts = Vec::new();
        loop {
            while let Some(text) = lines.before(b"<<>>") {
                texts.push(String::from_utf8_lossy(&text).into_owned());
            }
            if !lines.more(&never).await {
                break;
            }
        }
        assert_eq!(texts, ["one", "two"]);
        assert_eq!(lines.waiting(), 4);
        lines.forget();
        assert_eq!(lines.waiting(), 0);
    }

    /// A pipe from which each read takes one part.
    fn in_parts(parts: &[&'static [u8]]) -> impl AsyncRead + Unpin {
        let empty: Box<dyn AsyncRead + Unpin> = Box::new(tokio::io::empty());
        parts.iter().rev().fold(empty, |rest, part| {
            Box::new(AsyncReadExt::chain(*part, rest))
        })
    }

    #[tokio::test]
    async fn reads_what_is_there_before_it_is_over() {
        let (mut lines, over) = (Lines::new(b"a\nb".as_slice(), 9), CancellationToken::new());
        over.cancel();
        assert!(lines.more(&over).await);
        assert_eq!(lines.ready(), Some(Piece::Line(Bytes::from_static(b"a"))));
        assert!(!lines.more(&over).await);
    }
}

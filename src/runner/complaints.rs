//! What an agent says to the operator: its standard error, and lines that are none of a format.

use std::collections::VecDeque;

/// Bytes of a run that are logged.
const LOGGED: usize = 64 * 1024;

/// Bytes that tell why an agent failed.
pub(super) const WHY: usize = 2 * 1024;

/// Bytes of standard error's end that are kept for that; a few words stand before them.
const LAST: usize = WHY - 64;

/// A run's complaints. They go to the log, line by line.
pub(super) struct Complaints {
    session: String,
    task: String,
    /// Bytes that may still be logged.
    left: usize,
    /// Lines that were not.
    unlogged: u64,
    /// Lines on standard output that are none of a format.
    garbage: u64,
    last: VecDeque<String>,
    kept: usize,
}

impl Complaints {
    pub(super) fn new(session: &str, task: &str) -> Self {
        Self {
            session: session.to_owned(),
            task: task.to_owned(),
            left: LOGGED,
            unlogged: 0,
            garbage: 0,
            last: VecDeque::new(),
            kept: 0,
        }
    }

    /// Takes a line of standard error.
    pub(super) fn hear(&mut self, line: &[u8]) {
        let line = plain(&String::from_utf8_lossy(line));
        if line.is_empty() {
            return;
        }
        self.log(&line);
        self.kept += line.len();
        self.last.push_back(line);
        while self.kept > LAST && self.last.len() > 1 {
            self.kept -= self.last.pop_front().map_or(0, |line| line.len());
        }
    }

    /// Takes a line of standard output that is none of a format.
    pub(super) fn garbage(&mut self, line: &[u8]) {
        self.garbage += 1;
        self.log(&plain(&String::from_utf8_lossy(line)));
    }

    /// The last lines of standard error, as many as a sentence holds.
    pub(super) fn last(&self) -> String {
        let lines = self
            .last
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n");
        let start = lines.len().saturating_sub(LAST);
        lines[lines.ceil_char_boundary(start)..].to_owned()
    }

    fn log(&mut self, line: &str) {
        if line.len() > self.left {
            self.left = 0;
            self.unlogged += 1;
            return;
        }
        self.left -= line.len();
        tracing::info!(session = self.session, task = self.task, "agent: {line}");
    }
}

impl Drop for Complaints {
    fn drop(&mut self) {
        let (session, task) = (&self.session, &self.task);
        if self.garbage > 0 {
            let lines = self.garbage;
            tracing::warn!(
                session,
                task,
                lines,
                "the agent printed lines that are none of its format"
            );
        }
        if self.unlogged > 0 {
            let lines = self.unlogged;
            tracing::warn!(
                session,
                task,
                lines,
                "the agent said more than is logged of a run"
            );
        }
    }
}

/// A text without what steers terminals, and without space at its ends.
pub(super) fn plain(text: &str) -> String {
    let visible = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let text: String = text.chars().filter(visible).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines() {
        let mut complaints = Complaints::new("s", "t");
        complaints.hear(b"first");
        complaints.hear(b"");
        complaints.hear(b"\x1b[31mred\xff\0");
        assert_eq!(complaints.last(), "first\n[31mred\u{fffd}");
        complaints.hear("é".repeat(3_000).as_bytes());
        assert_eq!(complaints.last().len(), LAST);
        for _ in 0..10_000 {
            complaints.hear(b"0123456789012345678901234567890123456789");
        }
        assert!(complaints.last().len() <= LAST && complaints.last.len() < 60);
        assert!(complaints.unlogged > 0 && complaints.left == 0);
    }
}

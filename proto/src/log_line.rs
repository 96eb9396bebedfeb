//! Lines of a container's log file: `<RFC 3339 nanoseconds> <stream> <tags> <content>`.
//!
//! The format is CRI's (kubernetes/design-proposals, *Kubelet: CRI logging*): the stream is `stdout` or
//! `stderr`; tags are separated by colons and the first is `F` for the end of a line or `P` for a piece of one
//! whose rest follows. Content is bytes, not text. The shim has a writer of its own that allocates nothing; this
//! one is for readers and tests.

use std::io::Write as _;

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

/// Stream that a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and a terminal's output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The word in a log line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// One line of a log file, borrowed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// When it was read from the container.
    pub time: OffsetDateTime,
    /// Where it was written to.
    pub stream: Stream,
    /// Whether the content goes on in the next line of the same stream.
    pub partial: bool,
    /// What was written, without the newline.
    pub content: &'a [u8],
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogLineError {
    /// No RFC 3339 time at the start.
    #[error("log line without a time")]
    Time,
    /// Neither `stdout` nor `stderr`.
    #[error("log line without a stream")]
    Stream,
    /// No tag, or a first tag other than `P` and `F`.
    #[error("log line without a tag")]
    Tag,
}

impl<'a> LogLine<'a> {
    /// Parses one line, with or without its newline.
    pub fn parse(line: &'a [u8]) -> Result<Self, LogLineError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (time, rest) = split_word(line).ok_or(LogLineError::Time)?;
        let time = std::str::from_utf8(time).map_err(|_| LogLineError::Time)?;
        let time = OffsetDateTime::parse(time, &Rfc3339).map_err(|_| LogLineError::Time)?;
        let (stream, rest) = split_word(rest).ok_or(LogLineError::Stream)?;
        let stream = match stream {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return Err(LogLineError::Stream),
        };
        // A line of no content may come without the space after its tags.
        let (tags, content) = split_word(rest).unwrap_or((rest, &[]));
        let partial = match tags.split(|byte| *byte == b':').next() {
            Some(b"P") => true,
            Some(b"F") => false,
            _ => return Err(LogLineError::Tag),
        };
        Ok(Self { time, stream, partial, content })
    }

    /// Appends the line with its newline. The time is written in UTC with nine digits of nanoseconds, so that
    /// lines sort by it.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let time = self.time.to_offset(UtcOffset::UTC);
        let tag = if self.partial { "P" } else { "F" };
        let (date, clock) = (time.date(), time.time());
        // Writing to a Vec does not fail.
        let _ = write!(
            out,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z {} {tag} ",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second(),
            clock.nanosecond(),
            self.stream.as_str(),
        );
        out.extend_from_slice(self.content);
        out.push(b'\n');
    }
}

fn split_word(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip() {
        let wire = b"2026-11-23T08:00:00.000000123Z stderr P half of \xff it\n";
        let line = LogLine::parse(wire).unwrap();
        assert_eq!(line.stream, Stream::Stderr);
        assert!(line.partial);
        assert_eq!(line.content, b"half of \xff it");
        assert_eq!(line.time.nanosecond(), 123);
        let mut out = Vec::new();
        line.write_to(&mut out);
        assert_eq!(out, wire);
    }

    #[test]
    fn other_offsets_and_further_tags_are_read() {
        let line = LogLine::parse(b"2026-11-23T10:00:00.5+02:00 stdout F:x:y text").unwrap();
        assert!(!line.partial);
        let mut out = Vec::new();
        line.write_to(&mut out);
        assert_eq!(out, b"2026-11-23T08:00:00.500000000Z stdout F text\n");
    }

    #[test]
    fn empty_content_is_a_line() {
        assert_eq!(LogLine::parse(b"2026-11-23T10:00:00Z stdout F \n").unwrap().content, b"");
        assert_eq!(LogLine::parse(b"2026-11-23T10:00:00Z stdout F").unwrap().content, b"");
    }

    #[test]
    fn malformed_lines_are_refused() {
        assert_eq!(LogLine::parse(b""), Err(LogLineError::Time));
        assert_eq!(LogLine::parse(b"yesterday stdout F x"), Err(LogLineError::Time));
        assert_eq!(LogLine::parse(b"2026-11-23T10:00:00Z stdlog F x"), Err(LogLineError::Stream));
        assert_eq!(LogLine::parse(b"2026-11-23T10:00:00Z stdout X x"), Err(LogLineError::Tag));
        assert_eq!(LogLine::parse(b"2026-11-23T10:00:00Z stdout"), Err(LogLineError::Stream));
    }
}

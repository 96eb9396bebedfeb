//! `<RFC3339Nano> stdout|stderr F|P <line>`: what a kubelet reads (CRI logging format).

/// Longer lines are split into partial ones, as containerd does by default.
pub const MAX_LINE: usize = 16 << 10;

/// Which output a line is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Stdout => b"stdout",
            Self::Stderr => b"stderr",
        }
    }
}

/// Cuts one stream into log lines. Holds at most [`MAX_LINE`] bytes of an unfinished one.
#[derive(Debug)]
pub struct LineWriter {
    stream: Stream,
    pending: Vec<u8>,
}

impl LineWriter {
    /// A writer that has seen nothing.
    #[must_use]
    pub const fn new(stream: Stream) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// Takes the stream's next bytes, and appends the lines that they finish to `out`. `time` is a formatted timestamp.
    pub fn push(&mut self, bytes: &[u8], time: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let newline = rest.iter().position(|&byte| byte == b'\n');
            let (line, after) = match newline {
                Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
                None => (rest, <&[u8]>::default()),
            };
            self.piece(line, newline.is_some(), time, out);
            rest = after;
        }
    }

    /// Ends the stream: an unfinished line becomes a partial one, as with containerd.
    pub fn finish(&mut self, time: &[u8], out: &mut Vec<u8>) {
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.emit(b'P', &[&pending], time, out);
        }
    }

    fn piece(&mut self, mut line: &[u8], complete: bool, time: &[u8], out: &mut Vec<u8>) {
        loop {
            let room = MAX_LINE - self.pending.len().min(MAX_LINE);
            let Some((head, tail)) = line.split_at_checked(room).filter(|(_, tail)| !tail.is_empty()) else {
                break;
            };
            let pending = std::mem::take(&mut self.pending);
            self.emit(b'P', &[&pending, head], time, out);
            line = tail;
        }
        if complete {
            let pending = std::mem::take(&mut self.pending);
            self.emit(b'F', &[&pending, line], time, out);
        } else {
            self.pending.extend_from_slice(line);
        }
    }

    fn emit(&self, tag: u8, parts: &[&[u8]], time: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(time);
        out.push(b' ');
        out.extend_from_slice(self.stream.name());
        out.extend_from_slice(&[b' ', tag, b' ']);
        for part in parts {
            out.extend_from_slice(part);
        }
        out.push(b'\n');
    }
}

/// `2026-11-23T08:27:30.123456789Z` of nanoseconds since 1970.
#[must_use]
pub fn format_timestamp(nanoseconds: i64) -> String {
    const DAY: i64 = 86_400;
    let seconds = nanoseconds.div_euclid(1_000_000_000);
    let fraction = nanoseconds.rem_euclid(1_000_000_000);
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:09}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The date of a day since 1970-01-01, by counting years from March so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut writer = LineWriter::new(Stream::Stdout);
        let mut out = Vec::new();
        for chunk in chunks {
            writer.push(chunk, b"T", &mut out);
        }
        writer.finish(b"T", &mut out);
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_cut_at_newlines_wherever_chunks_end() {
        assert_eq!(lines(&[b"one\ntw", b"o\n\n"]), ["T stdout F one", "T stdout F two", "T stdout F "]);
    }

    #[test]
    fn a_line_without_end_is_partial() {
        assert_eq!(lines(&[b"a\nb"]), ["T stdout F a", "T stdout P b"]);
    }

    #[test]
    fn a_line_of_the_limit_is_whole_and_a_longer_one_is_split() {
        let exact = [vec![b'x'; MAX_LINE], b"\n".to_vec()].concat();
        assert_eq!(lines(&[&exact]).len(), 1);
        let longer = [vec![b'x'; MAX_LINE * 2 + 5], b"\n".to_vec()].concat();
        for chunk in [1, 7, 4096, MAX_LINE, MAX_LINE * 3] {
            let chunks: Vec<&[u8]> = longer.chunks(chunk).collect();
            let lines = lines(&chunks);
            let tags: Vec<&str> = lines.iter().map(|line| &line[9..10]).collect();
            let lengths: Vec<usize> = lines.iter().map(|line| line.len() - 11).collect();
            assert_eq!(
                (tags, lengths),
                (vec!["P", "P", "F"], vec![MAX_LINE, MAX_LINE, 5]),
                "chunks of {chunk}"
            );
        }
    }

    #[test]
    fn timestamps_are_rfc3339_with_nanoseconds() {
        assert_eq!(format_timestamp(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(format_timestamp(951_827_696_000_000_001), "2000-02-29T12:34:56.000000001Z");
        assert_eq!(format_timestamp(1_798_761_599_999_999_999), "2026-12-31T23:59:59.999999999Z");
    }
}

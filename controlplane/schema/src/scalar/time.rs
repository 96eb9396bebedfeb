//! `metav1.Time` and `metav1.MicroTime`: RFC 3339 as Go parses and prints it.

use std::fmt;

use super::civil::{date_from_days, days_from_date, days_in_month};

/// How many digits of a second a time type keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    /// `metav1.Time`: none. A fraction is read and dropped.
    Seconds,
    /// `metav1.MicroTime`: six, which have to be there.
    Micros,
}

impl Precision {
    fn layout(self) -> &'static str {
        match self {
            Self::Seconds => "2006-01-02T15:04:05Z07:00",
            Self::Micros => "2006-01-02T15:04:05.000000Z07:00",
        }
    }
}

/// A moment, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(crate) seconds: i64,
    /// Microseconds within the second.
    pub(crate) micros: u32,
    pub(crate) precision: Precision,
}

/// Go's zero time, 0001-01-01T00:00:00Z: "not set".
const GO_ZERO_SECONDS: i64 = -62_135_596_800;

impl Instant {
    /// Whether upstream takes the moment for "not set".
    pub(crate) fn is_unset(self) -> bool {
        self.seconds == GO_ZERO_SECONDS && self.micros == 0
    }

    /// Parses a text; the error is Go's.
    pub(crate) fn parse(text: &str, precision: Precision) -> Result<Self, String> {
        Parser { text, rest: text, precision }.parse()
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_from_days(self.seconds.div_euclid(86_400));
        let second = self.seconds.rem_euclid(86_400);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if self.precision == Precision::Micros {
            write!(out, ".{:06}", self.micros)?;
        }
        out.write_str("Z")
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    precision: Precision,
}

impl Parser<'_> {
    fn parse(mut self) -> Result<Instant, String> {
        let year = self.number(4, "2006")?;
        self.literal("-")?;
        let month = self.number(2, "01")?;
        self.within(month, 1, 12, "month")?;
        self.literal("-")?;
        let day = self.number(2, "02")?;
        self.literal("T")?;
        let hour = self.number(2, "15")?;
        self.within(hour, 0, 23, "hour")?;
        self.literal(":")?;
        let minute = self.number(2, "04")?;
        self.within(minute, 0, 59, "minute")?;
        self.literal(":")?;
        let second = self.number(2, "05")?;
        self.within(second, 0, 59, "second")?;
        let micros = self.fraction()?;
        let offset = self.offset()?;
        if !self.rest.is_empty() {
            return Err(format!("parsing time {:?}: extra text: {:?}", self.text, self.rest));
        }
        self.within(day, 1, days_in_month(year, month), "day")?;
        let seconds = days_from_date(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
        Ok(Instant { seconds, micros, precision: self.precision })
    }

    fn mismatch(&self, element: &str) -> String {
        let layout = self.precision.layout();
        format!("parsing time {:?} as {layout:?}: cannot parse {:?} as {element:?}", self.text, self.rest)
    }

    fn within(&self, value: i64, low: i64, high: i64, name: &str) -> Result<(), String> {
        if (low..=high).contains(&value) {
            return Ok(());
        }
        Err(format!("parsing time {:?}: {name} out of range", self.text))
    }

    /// Takes `count` digits off the rest.
    fn number(&mut self, count: usize, element: &str) -> Result<i64, String> {
        let digits = self.rest.get(..count).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let value = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| self.mismatch(element))?;
        self.skip(count);
        Ok(value)
    }

    fn literal(&mut self, text: &str) -> Result<(), String> {
        self.rest = self.rest.strip_prefix(text).ok_or_else(|| self.mismatch(text))?;
        Ok(())
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn fraction(&mut self) -> Result<u32, String> {
        let digits = match self.rest.strip_prefix(['.', ',']) {
            Some(rest) => rest.bytes().take_while(u8::is_ascii_digit).count(),
            None => 0,
        };
        match self.precision {
            Precision::Seconds => {
                if digits > 0 {
                    self.skip(digits + 1);
                }
                Ok(0)
            }
            Precision::Micros => {
                if digits < 6 {
                    return Err(self.mismatch(".000000"));
                }
                self.skip(1);
                let micros = self.number(6, ".000000")?;
                u32::try_from(micros).map_err(|_| self.mismatch(".000000"))
            }
        }
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Result<i64, String> {
        const ELEMENT: &str = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(0);
        }
        let sign = match self.rest.bytes().next() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(self.mismatch(ELEMENT)),
        };
        let error = self.mismatch(ELEMENT);
        self.skip(1);
        let hour = self.number(2, ELEMENT).map_err(|_| error.clone())?;
        self.literal(":").map_err(|_| error.clone())?;
        let minute = self.number(2, ELEMENT).map_err(|_| error)?;
        self.within(hour, 0, 24, "time zone offset hour")?;
        self.within(minute, 0, 60, "time zone offset minute")?;
        Ok(sign * (hour * 3600 + minute * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Result<String, String> {
        Instant::parse(text, Precision::Seconds).map(|at| at.to_string())
    }

    #[test]
    fn times_are_printed_in_utc_with_seconds() {
        assert_eq!(seconds("2024-02-29T23:30:00.75+01:30").unwrap(), "2024-02-29T22:00:00Z");
        assert_eq!(seconds("1969-12-31T23:59:59-00:01").unwrap(), "1970-01-01T00:00:59Z");
        assert!(Instant::parse("0001-01-01T00:00:00Z", Precision::Seconds).unwrap().is_unset());
    }

    #[test]
    fn errors_are_those_of_go() {
        assert_eq!(
            seconds("yesterday").unwrap_err(),
            r#"parsing time "yesterday" as "2006-01-02T15:04:05Z07:00": cannot parse "yesterday" as "2006""#
        );
        assert_eq!(
            seconds("2023-02-29T00:00:00Z").unwrap_err(),
            r#"parsing time "2023-02-29T00:00:00Z": day out of range"#
        );
        assert_eq!(
            seconds("2024-01-01 00:00:00").unwrap_err(),
            r#"parsing time "2024-01-01 00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse " 00:00:00" as "T""#
        );
    }

    #[test]
    fn micro_times_want_six_digits() {
        let parse = |text| Instant::parse(text, Precision::Micros).map(|at| at.to_string());
        assert_eq!(parse("2024-01-01T00:00:00.000123Z").unwrap(), "2024-01-01T00:00:00.000123Z");
        assert!(parse("2024-01-01T00:00:00Z").unwrap_err().contains(r#"cannot parse "Z" as ".000000""#));
    }
}

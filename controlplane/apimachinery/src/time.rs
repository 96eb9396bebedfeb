//! Times of the API: seconds for most fields, microseconds for a few, and ages as kubectl prints them.

use std::time::Duration;

use jiff::Timestamp;

/// `2026-01-02T03:04:05Z`, the form of `metav1.Time`.
#[must_use]
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `2026-01-02T03:04:05.000006Z`, the form of `metav1.MicroTime`.
#[must_use]
pub fn rfc3339_micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// A time of either form.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Now, in the form of `metav1.Time`.
#[must_use]
pub fn now() -> String {
    rfc3339(Timestamp::now())
}

/// The age that a table shows for a `metav1.Time`: `<unknown>` without one (`translateTimestampSince`).
#[must_use]
pub fn age(since: Option<&str>, now: Timestamp) -> String {
    let Some(since) = since.and_then(parse) else { return "<unknown>".to_owned() };
    let seconds = now.as_second() - since.as_second();
    human_duration(seconds)
}

/// A span in at most two units (`duration.HumanDuration`): `45s`, `5m30s`, `3h2m`, `2d5h`, `400d`, `2y10d`.
#[must_use]
pub fn human_duration(seconds: i64) -> String {
    // A clock that is a little ahead does no harm.
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    let seconds = seconds.max(0);
    let two = |major: i64, unit: &str, minor: i64, minor_unit: &str| {
        if minor == 0 { format!("{major}{unit}") } else { format!("{major}{unit}{minor}{minor_unit}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 192 {
        two(days, "d", hours % 24, "h")
    } else if hours < 24 * 365 * 2 {
        format!("{days}d")
    } else if hours < 24 * 365 * 8 {
        two(days / 365, "y", days % 365, "d")
    } else {
        format!("{}y", days / 365)
    }
}

/// A span in words of Go's `time.Duration`, whole seconds: `1m0s`.
#[must_use]
pub fn go_duration(span: Duration) -> String {
    let seconds = span.as_secs();
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (600, "10m"),
            (10799, "179m"),
            (10800, "3h"),
            (10860, "3h1m"),
            (28800, "8h"),
            (172_800, "2d"),
            (190_800, "2d5h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (64_000_000, "2y10d"),
            (-5, "<invalid>"),
        ] {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
        assert_eq!(age(None, Timestamp::UNIX_EPOCH), "<unknown>");
    }

    #[test]
    fn times_have_the_precision_of_their_field() {
        let time = parse("2026-01-02T03:04:05.123456789Z").unwrap();
        assert_eq!(rfc3339(time), "2026-01-02T03:04:05Z");
        assert_eq!(rfc3339_micro(time), "2026-01-02T03:04:05.123456Z");
    }
}

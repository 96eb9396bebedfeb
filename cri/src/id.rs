//! Ids of sandboxes and containers, and the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// A new id: 256 random bits as 64 lower-case hexadecimal digits, as every container engine has them.
pub(crate) fn new() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

/// A time as nanoseconds since 1970.
pub(crate) fn nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Now, in nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    nanos(SystemTime::now())
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_64_hexadecimal_digits() {
        let id = super::new();
        assert_eq!(id.len(), 64);
        assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        assert_ne!(id, super::new());
    }
}

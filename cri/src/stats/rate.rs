//! `usage_nano_cores`: CPU time per second, between one question and the next.

use std::collections::HashMap;

use kingpost_proto::cri::{CpuUsage, UInt64Value};
use parking_lot::Mutex;

/// The shortest interval that a rate is taken over; a shorter one gives the last rate again.
const SHORTEST: u64 = 100_000_000;

#[derive(Clone, Copy, Debug)]
struct Sample {
    timestamp: i64,
    total: u64,
    rate: Option<u64>,
}

/// The last sample of each object.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<String, Sample>>);

impl Rates {
    /// Fills in the rate since the last time that this was called for the object; none the first time.
    pub(crate) fn fill(&self, id: &str, usage: &mut CpuUsage) {
        let Some(total) = usage.usage_core_nano_seconds.as_ref().map(|total| total.value) else { return };
        let mut samples = self.0.lock();
        let last = samples.get(id).copied();
        let sample = match last {
            None => Sample { timestamp: usage.timestamp, total, rate: None },
            Some(last) => {
                let elapsed = u64::try_from(usage.timestamp.saturating_sub(last.timestamp)).unwrap_or(0);
                if elapsed < SHORTEST {
                    last
                } else {
                    let used = u128::from(total.saturating_sub(last.total));
                    let rate = u64::try_from(used * 1_000_000_000 / u128::from(elapsed)).ok();
                    Sample { timestamp: usage.timestamp, total, rate }
                }
            }
        };
        samples.insert(id.to_owned(), sample);
        usage.usage_nano_cores = sample.rate.map(|value| UInt64Value { value });
    }

    /// Forgets objects that are gone.
    pub(crate) fn retain(&self, live: impl Fn(&str) -> bool) {
        self.0.lock().retain(|id, _| live(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(timestamp: i64, total: u64) -> CpuUsage {
        CpuUsage {
            timestamp,
            usage_core_nano_seconds: Some(UInt64Value { value: total }),
            ..CpuUsage::default()
        }
    }

    fn rate(rates: &Rates, timestamp: i64, total: u64) -> Option<u64> {
        let mut usage = usage(timestamp, total);
        rates.fill("c", &mut usage);
        usage.usage_nano_cores.map(|rate| rate.value)
    }

    #[test]
    fn rates_are_between_two_questions() {
        let rates = Rates::default();
        assert_eq!(rate(&rates, 0, 0), None);
        assert_eq!(rate(&rates, 2_000_000_000, 1_000_000_000), Some(500_000_000));
        assert_eq!(rate(&rates, 2_000_000_001, 2_000_000_000), Some(500_000_000), "too short an interval");
        assert_eq!(rate(&rates, 3_000_000_000, 1_000_000_000), Some(0));
        rates.retain(|_| false);
        assert_eq!(rate(&rates, 4_000_000_000, 1), None);
    }
}

//! Amounts of resources: `100m`, `1.5Gi`, `2e3` (upstream's `api/resource`).
//!
//! Kept as an integer number of billionths, which is as fine as the API gets: digits below are rounded up, as upstream does.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// Billionths in one.
const NANO: i128 = 1_000_000_000;

/// How a quantity was written, and is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `Ki`, `Mi`, …
    Binary,
    /// `m`, `k`, `M`, …
    Decimal,
    /// `e3`, `E3`.
    Exponent,
}

const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// An amount.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

/// A text that is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidQuantity;

impl fmt::Display for InvalidQuantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        )
    }
}

impl std::error::Error for InvalidQuantity {}

impl Quantity {
    /// None.
    pub const ZERO: Self = Self { nano: 0, format: Format::Decimal };

    /// So many whole units.
    #[must_use]
    pub fn from_units(units: i64) -> Self {
        Self { nano: i128::from(units) * NANO, format: Format::Decimal }
    }

    /// So many thousandths.
    #[must_use]
    pub fn from_milli(milli: i64) -> Self {
        Self { nano: i128::from(milli) * (NANO / 1000), format: Format::Decimal }
    }

    /// The quantity in a field: a text, or a number.
    ///
    /// # Errors
    /// [`InvalidQuantity`].
    pub fn of(value: &Value) -> Result<Self, InvalidQuantity> {
        match value {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            _ => Err(InvalidQuantity),
        }
    }

    /// In whole units, rounded up.
    #[must_use]
    pub fn units(&self) -> i64 {
        self.divided(NANO)
    }

    /// In thousandths, rounded up.
    #[must_use]
    pub fn milli(&self) -> i64 {
        self.divided(NANO / 1000)
    }

    fn divided(&self, by: i128) -> i64 {
        let rounded = self.nano.div_euclid(by) + i128::from(self.nano.rem_euclid(by) != 0);
        i64::try_from(rounded).unwrap_or(if self.nano < 0 { i64::MIN } else { i64::MAX })
    }

    /// Whether it is less than none.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nano < 0
    }

    /// Whether it is none.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.nano == 0
    }

    /// Whether it is a whole number of units.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        self.nano % NANO == 0
    }

    /// The sum, written as this one is.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nano: self.nano.saturating_add(other.nano), format }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl FromStr for Quantity {
    type Err = InvalidQuantity;

    fn from_str(text: &str) -> Result<Self, InvalidQuantity> {
        let end = text
            .char_indices()
            .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || (*at == 0 && matches!(c, '+' | '-'))))
            .map_or(text.len(), |(at, _)| at);
        let (number, suffix) = text.split_at(end);
        if let Some((_, shift)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            return Ok(Self { nano: scaled(number, 0, 1 << shift)?, format: Format::Binary });
        }
        if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            return Ok(Self { nano: scaled(number, *power, 1)?, format: Format::Decimal });
        }
        let exponent = suffix.strip_prefix(['e', 'E']).ok_or(InvalidQuantity)?;
        let power: i32 = exponent.parse().map_err(|_| InvalidQuantity)?;
        Ok(Self { nano: scaled(number, power, 1)?, format: Format::Exponent })
    }
}

/// `number · 10^power · factor` in billionths; digits below are rounded away from zero.
fn scaled(number: &str, power: i32, factor: i128) -> Result<i128, InvalidQuantity> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return Err(InvalidQuantity);
    }
    let all: i128 = format!("{whole}{fraction}").parse().map_err(|_| InvalidQuantity)?;
    let fraction = i32::try_from(fraction.len()).map_err(|_| InvalidQuantity)?;
    let power = power.checked_add(9).and_then(|power| power.checked_sub(fraction)).ok_or(InvalidQuantity)?;
    let all = all.checked_mul(factor).ok_or(InvalidQuantity)?;
    let nano = match 10_i128.checked_pow(power.unsigned_abs()) {
        Some(scale) if power >= 0 => all.checked_mul(scale).ok_or(InvalidQuantity)?,
        Some(scale) => all / scale + i128::from(all % scale != 0),
        None if power < 0 => i128::from(all != 0),
        None => return Err(InvalidQuantity),
    };
    Ok(if negative { -nano } else { nano })
}

impl fmt::Display for Quantity {
    /// The canonical form: the largest suffix that leaves a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.nano % NANO == 0;
        let units = self.nano / NANO;
        // Below 1024 units upstream falls back to decimal.
        if self.format == Format::Binary && whole && units.abs() >= 1024 {
            let fits = |shift: u32| units % (1_i128 << shift) == 0;
            let best = BINARY.iter().rev().find(|(_, shift)| fits(*shift));
            return match best {
                Some((suffix, shift)) => write!(f, "{}{suffix}", units >> shift),
                None => write!(f, "{units}"),
            };
        }
        if self.nano == 0 {
            return f.write_str("0");
        }
        let exact = |power: i32| {
            let scale = 10_i128.pow((power + 9).unsigned_abs());
            (self.nano % scale == 0).then(|| self.nano / scale)
        };
        let best = DECIMAL.iter().rev().find_map(|(suffix, power)| Some((exact(*power)?, suffix, power)));
        match best {
            Some((mantissa, _, power)) if self.format == Format::Exponent && *power != 0 => {
                write!(f, "{mantissa}e{power}")
            }
            Some((mantissa, suffix, _)) => write!(f, "{mantissa}{suffix}"),
            None => write!(f, "{}n", self.nano),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_in_their_canonical_form() {
        for (text, canonical) in [
            ("0", "0"),
            ("100m", "100m"),
            ("0.1", "100m"),
            ("1000m", "1"),
            ("1.5", "1500m"),
            ("1024Ki", "1Mi"),
            ("1.5Gi", "1536Mi"),
            ("1000k", "1M"),
            ("12e6", "12e6"),
            ("1E3", "1e3"),
            ("512", "512"),
            ("64Mi", "64Mi"),
            ("0.5Ki", "512"),
            ("-2", "-2"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("+5", "5"),
            ("100000000000", "100G"),
            (".5", "500m"),
            ("1.", "1"),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn values_round_up_and_compare() {
        let quantity = |text: &str| text.parse::<Quantity>().unwrap();
        assert_eq!(
            [quantity("100m").units(), quantity("1500m").units(), quantity("-1500m").units()],
            [1, 2, -1]
        );
        assert_eq!(quantity("1").milli(), 1000);
        assert!(quantity("1Gi") > quantity("1G") && quantity("1") == quantity("1000m"));
        assert_eq!(quantity("100m").plus(quantity("0.9")).to_string(), "1");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "m",
            "1Zi",
            "1 Gi",
            "a",
            "1.2.3",
            "1e",
            "--1",
            "1mm",
            "0x10",
            "1e99",
            "99999999999999999999999999999999999",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text:?}");
        }
    }
}

//! `resource.Quantity` texts in canonical form.
//!
//! Upstream keeps a text that looks canonical and prints the others anew when an object is encoded; so does this. Numbers
//! have up to 38 digits here, which is more than anything that a quantity counts.

use std::borrow::Cow;

const FORMAT: &str = "quantities must match the regular expression \
                      '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const NUMERIC: &str = "unable to parse numeric part of quantity";
const SUFFIX: &str = "unable to parse quantity's suffix";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Decimal,
    Exponent,
    Binary,
}

/// The parts of a quantity's text.
struct Parts<'a> {
    negative: bool,
    /// Integer digits without leading zeros.
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

/// The canonical text of a quantity; the errors are upstream's.
pub(crate) fn canonical_quantity(text: &str) -> Result<Cow<'_, str>, &'static str> {
    if text.is_empty() {
        return Err(FORMAT);
    }
    let parts = split(text)?;
    let (exponent, format) = interpret(parts.suffix)?;
    if parts.looks_canonical(exponent, format) {
        return Ok(Cow::Borrowed(text));
    }
    let mut mantissa: i128 = 0;
    for digit in parts.whole.bytes().chain(parts.fraction.bytes()) {
        let digit = i128::from(digit - b'0');
        mantissa = mantissa.checked_mul(10).and_then(|m| m.checked_add(digit)).ok_or(NUMERIC)?;
    }
    let mut scale = -i64::try_from(parts.fraction.len()).map_err(|_| NUMERIC)?;
    if format == Format::Binary {
        mantissa = mantissa.checked_mul(1_i128 << exponent).ok_or(NUMERIC)?;
    } else {
        scale += exponent;
    }
    Ok(Cow::Owned(print(parts.negative, mantissa, scale, format)))
}

fn split(text: &str) -> Result<Parts<'_>, &'static str> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let whole_end = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, after) = rest.split_at_checked(whole_end).ok_or(FORMAT)?;
    let (fraction, suffix) = match after.strip_prefix('.') {
        Some(after) => {
            let end = after.bytes().take_while(u8::is_ascii_digit).count();
            after.split_at_checked(end).ok_or(FORMAT)?
        }
        None => ("", after),
    };
    let letters = suffix.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    let signless = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    if !signless.bytes().all(|b| b.is_ascii_digit()) {
        return Err(FORMAT);
    }
    if rest.is_empty() || (rest == ".") {
        return Err(NUMERIC);
    }
    Ok(Parts { negative, whole: whole.trim_start_matches('0'), fraction, suffix })
}

fn interpret(suffix: &str) -> Result<(i64, Format), &'static str> {
    Ok(match suffix {
        "n" => (-9, Format::Decimal),
        "u" => (-6, Format::Decimal),
        "m" => (-3, Format::Decimal),
        "" => (0, Format::Decimal),
        "k" => (3, Format::Decimal),
        "M" => (6, Format::Decimal),
        "G" => (9, Format::Decimal),
        "T" => (12, Format::Decimal),
        "P" => (15, Format::Decimal),
        "E" => (18, Format::Decimal),
        "Ki" => (10, Format::Binary),
        "Mi" => (20, Format::Binary),
        "Gi" => (30, Format::Binary),
        "Ti" => (40, Format::Binary),
        "Pi" => (50, Format::Binary),
        "Ei" => (60, Format::Binary),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E']).ok_or(SUFFIX)?;
            (i64::from(exponent.parse::<i32>().map_err(|_| SUFFIX)?), Format::Exponent)
        }
    })
}

impl Parts<'_> {
    /// Upstream's test for texts that are kept as they are (`ParseQuantity`'s fast path).
    fn looks_canonical(&self, exponent: i64, format: Format) -> bool {
        if self.whole.is_empty() && self.fraction.is_empty() {
            return false;
        }
        let whole = if self.whole.is_empty() { "0" } else { self.whole };
        let digits = whole.len() + self.fraction.len();
        match format {
            Format::Binary => {
                let spare = 15 - i64::try_from(digits).unwrap_or(i64::MAX) - exponent * 3 / 10 - 1;
                let odd = whole.parse::<i64>().is_ok_and(|value| value & 7 != 0);
                self.fraction.is_empty() && spare >= 0 && odd
            }
            Format::Decimal | Format::Exponent => {
                let scale = exponent - i64::try_from(self.fraction.len()).unwrap_or(i64::MAX);
                let ends_in_thousands = {
                    let mut tail = whole.bytes().chain(self.fraction.bytes()).rev();
                    digits >= 3 && tail.by_ref().take(3).all(|b| b == b'0')
                };
                digits <= 18 && scale >= -9 && scale % 3 == 0 && !ends_in_thousands && !whole.starts_with('0')
            }
        }
    }
}

/// `CanonicalizeBytes`: no fraction, the largest suffix that keeps the value whole.
fn print(negative: bool, mut mantissa: i128, mut scale: i64, mut format: Format) -> String {
    if mantissa == 0 {
        return "0".into();
    }
    if scale < -9 {
        // Rounded up to the least that can be told: who asks for something gets something.
        let divisor = u32::try_from(-9 - scale).ok().and_then(|power| 10_i128.checked_pow(power));
        mantissa = divisor.map_or(1, |divisor| mantissa / divisor + i128::from(mantissa % divisor != 0));
        scale = -9;
    }
    while mantissa % 10 == 0 {
        mantissa /= 10;
        scale += 1;
    }
    let sign = if negative { "-" } else { "" };
    if format == Format::Binary {
        // A binary quantity's scale comes from its fraction alone, so it fits.
        let whole = u32::try_from(scale)
            .ok()
            .and_then(|s| 10_i128.checked_pow(s))
            .and_then(|p| mantissa.checked_mul(p));
        match whole {
            Some(value) if value >= 1024 => {
                let mut value = value.min(i128::from(i64::MAX));
                let mut step = 0;
                while value % 1024 == 0 && step < 6 {
                    value /= 1024;
                    step += 1;
                }
                let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(step).copied().unwrap_or_default();
                return format!("{sign}{value}{suffix}");
            }
            _ => format = Format::Decimal,
        }
    }
    match scale.rem_euclid(3) {
        1 => {
            mantissa *= 10;
            scale -= 1;
        }
        2 => {
            mantissa *= 100;
            scale -= 2;
        }
        _ => {}
    }
    let suffix = match scale {
        0 => "",
        _ if format == Format::Exponent => return format!("{sign}{mantissa}e{scale}"),
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        // Upstream finds no suffix beyond exa and prints none.
        _ => "",
    };
    format!("{sign}{mantissa}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_print_as_upstream_prints_them() {
        for (text, printed) in [
            ("0", "0"),
            ("0m", "0"),
            ("500m", "500m"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1024Mi", "1Gi"),
            ("100Mi", "100Mi"),
            ("128Mi", "128Mi"),
            ("1e3", "1e3"),
            ("1000", "1k"),
            ("1100", "1100"),
            ("0.0000000001", "1n"),
            ("-1.5", "-1500m"),
            ("100Ki", "100Ki"),
            ("2.5Ki", "2560"),
            ("0.5Ki", "512"),
            ("12E", "12E"),
            ("9223372036854775808Ki", "9223372036854775807"),
        ] {
            assert_eq!(canonical_quantity(text).unwrap(), printed, "{text}");
        }
    }

    #[test]
    fn bad_quantities_say_what_upstream_says() {
        assert_eq!(canonical_quantity("").unwrap_err(), FORMAT);
        assert_eq!(canonical_quantity("much").unwrap_err(), FORMAT);
        assert_eq!(canonical_quantity("1X").unwrap_err(), FORMAT);
        assert_eq!(canonical_quantity("1Mim").unwrap_err(), SUFFIX);
    }
}

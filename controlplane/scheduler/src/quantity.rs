//! Amounts of resources as whole numbers.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Suffixes and their powers (apimachinery's `resource` package).
const BINARY: [(&str, i128); 6] =
    [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("Ti", 1 << 40), ("Pi", 1 << 50), ("Ei", 1 << 60)];
const DECIMAL: [(&str, i32); 9] =
    [("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// A quantity in thousandths, rounded up; what is no quantity counts as none, the API server lets none through.
pub(crate) fn milli(quantity: &Quantity) -> i64 {
    parse(&quantity.0).map_or(0, |nano| to_i64(nano, 1_000_000))
}

/// A quantity in units, rounded up.
pub(crate) fn units(quantity: &Quantity) -> i64 {
    parse(&quantity.0).map_or(0, |nano| to_i64(nano, 1_000_000_000))
}

fn to_i64(nano: i128, divisor: i128) -> i64 {
    let up = if nano > 0 { divisor - 1 } else { 0 };
    i64::try_from((nano + up) / divisor).unwrap_or(i64::MAX)
}

/// The quantity in billionths.
fn parse(text: &str) -> Option<i128> {
    if let Some((number, factor)) =
        BINARY.iter().find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))
    {
        return decimal(number, 9)?.checked_mul(*factor);
    }
    if let Some((number, power)) =
        DECIMAL.iter().find_map(|(suffix, power)| Some((text.strip_suffix(suffix)?, power)))
    {
        return decimal(number, 9 + power);
    }
    match text.split_once(['e', 'E']) {
        Some((number, exponent)) => decimal(number, exponent.parse::<i32>().ok()?.checked_add(9)?),
        None => decimal(text, 9),
    }
}

/// `number` times ten to the power of `power`; digits below one are rounded up.
fn decimal(number: &str, power: i32) -> Option<i128> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all: i128 = format!("{whole}{fraction}").parse().ok()?;
    let power = power - i32::try_from(fraction.len()).ok()?;
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    let value = if power >= 0 { all.checked_mul(factor)? } else { (all + factor - 1) / factor };
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_and_fractions_mean_what_the_api_says() {
        let milli_of = |text: &str| milli(&Quantity(text.to_owned()));
        let units_of = |text: &str| units(&Quantity(text.to_owned()));
        assert_eq!([milli_of("100m"), milli_of("0.5"), milli_of("2"), milli_of("1u")], [100, 500, 2000, 1]);
        assert_eq!(
            [units_of("64Mi"), units_of("1k"), units_of("1.5Gi"), units_of("1e3")],
            [67_108_864, 1000, 1_610_612_736, 1000]
        );
        assert_eq!([units_of("100m"), units_of("rubbish"), units_of("-1")], [1, 0, -1]);
        assert_eq!(units_of("1E"), 1_000_000_000_000_000_000);
    }
}

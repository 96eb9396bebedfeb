//! A number or a percentage (upstream's `util/intstr`).

use serde_json::Value;

/// A field that is a number or a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntOrString {
    /// A number.
    Int(i64),
    /// A text: a percentage, or the name of a port.
    String(String),
}

impl IntOrString {
    /// The value of such a field; nothing if it is of another type.
    #[must_use]
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().map(Self::Int),
            Value::String(text) => Some(Self::String(text.clone())),
            _ => None,
        }
    }

    /// The percentage, if it is one.
    #[must_use]
    pub fn percent(&self) -> Option<i64> {
        match self {
            Self::Int(_) => None,
            Self::String(text) => {
                let digits = text.strip_suffix('%')?;
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                digits.parse().ok()
            }
        }
    }

    /// The number, or the percentage of `total`, rounded up or down; nothing if it is neither.
    #[must_use]
    pub fn scaled(&self, total: i64, round_up: bool) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::String(_) => {
                let hundredths = total.checked_mul(self.percent()?)?;
                let extra = if round_up { 99 } else { 0 };
                Some(hundredths.checked_add(extra)?.div_euclid(100))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn percentages_are_scaled_and_numbers_stay() {
        let scaled = |value: Value, up| IntOrString::of(&value).and_then(|value| value.scaled(3, up));
        assert_eq!([scaled(json!("25%"), true), scaled(json!("25%"), false)], [Some(1), Some(0)]);
        assert_eq!(scaled(json!(7), true), Some(7));
        assert_eq!(
            [scaled(json!("http"), true), scaled(json!("-5%"), true), scaled(json!("%"), true)],
            [None; 3]
        );
    }
}

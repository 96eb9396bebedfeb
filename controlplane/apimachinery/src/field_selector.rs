//! Which objects are meant, by a few of their fields (upstream's `pkg/fields`).

use std::fmt;

/// One term of a field selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// Path of the field, `status.phase`.
    pub field: String,
    /// The value.
    pub value: String,
    /// Whether the field must have it, or must not.
    pub equal: bool,
}

/// Terms that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

/// A text that is no field selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidFieldSelector(pub String);

impl fmt::Display for InvalidFieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidFieldSelector {}

impl FieldSelector {
    /// From the text of a `fieldSelector` parameter: `a=b,c!=d`; `\`, `,` and `=` in values are escaped by `\`.
    ///
    /// # Errors
    /// A term without a comparison, or a broken escape.
    pub fn parse(text: &str) -> Result<Self, InvalidFieldSelector> {
        let terms = split_terms(text).into_iter().filter(|term| !term.is_empty());
        let terms = terms.map(|term| {
            let invalid =
                || InvalidFieldSelector(format!("invalid selector: '{text}'; can't understand '{term}'"));
            // The first sign of comparison counts; an equals sign in a value is escaped.
            let at = term.find(['=', '!']).ok_or_else(invalid)?;
            let (field, rest) = term.split_at(at);
            let (equal, value) =
                match (rest.strip_prefix("=="), rest.strip_prefix("!="), rest.strip_prefix('=')) {
                    (Some(value), _, _) | (None, None, Some(value)) => (true, value),
                    (None, Some(value), _) => (false, value),
                    (None, None, None) => return Err(invalid()),
                };
            let value = unescape(value).ok_or_else(|| {
                InvalidFieldSelector(format!("invalid field selector: invalid escape sequence in: {value}"))
            })?;
            Ok(FieldTerm { field: field.to_owned(), value, equal })
        });
        Ok(Self { terms: terms.collect::<Result<_, _>>()? })
    }

    /// Whether an object with these fields is selected; a field that it lacks is empty.
    pub fn matches<'a>(&self, field: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.terms.iter().all(|term| (field(&term.field).unwrap_or_default() == term.value) == term.equal)
    }

    /// The terms.
    #[must_use]
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must have, if a term says so.
    #[must_use]
    pub fn required(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && term.field == field).map(|term| term.value.as_str())
    }
}

/// Splits at commas that are not escaped.
fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, character) in text.char_indices() {
        if character == ',' && !escaped {
            terms.push(text.get(start..at).unwrap_or_default());
            start = at + 1;
        }
        escaped = character == '\\' && !escaped;
    }
    terms.push(text.get(start..).unwrap_or_default());
    terms
}

fn unescape(text: &str) -> Option<String> {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => value.push(characters.next().filter(|next| matches!(next, '\\' | ',' | '='))?),
            ',' | '=' => return None,
            other => value.push(other),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(text: &str) -> bool {
        let fields = [("status.phase", "Running"), ("metadata.name", "a,b")];
        let selector = FieldSelector::parse(text).unwrap();
        selector.matches(|name| fields.iter().find(|(field, _)| *field == name).map(|(_, value)| *value))
    }

    #[test]
    fn terms_compare_fields() {
        for (text, expected) in [
            ("", true),
            ("status.phase=Running", true),
            ("status.phase==Running", true),
            ("status.phase!=Running", false),
            ("spec.nodeName=", true),
            ("spec.nodeName!=", false),
            (r"metadata.name=a\,b,status.phase=Running", true),
        ] {
            assert_eq!(matches(text), expected, "{text:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["a", r"a=b\c", "a=b=c"] {
            assert!(FieldSelector::parse(text).is_err(), "{text:?}");
        }
    }
}

//! Which objects are meant, by their labels (upstream's `pkg/labels`).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::names;

/// What a requirement asks of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `key in (a,b)`, `key=a`.
    In,
    /// `key notin (a,b)`, `key!=a`: also of objects without the label.
    NotIn,
    /// `key`.
    Exists,
    /// `!key`.
    DoesNotExist,
    /// `key>1`.
    GreaterThan,
    /// `key<1`.
    LessThan,
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is asked of it.
    pub operator: Operator,
    /// With which values.
    pub values: Vec<String>,
}

/// A text or object that is no selector, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSelector(pub String);

impl fmt::Display for InvalidSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidSelector {}

/// Requirements that must all hold. Without any, everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl LabelSelector {
    /// The selector that matches no object: an absent LabelSelector.
    #[must_use]
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// Equality on each of the labels, as in `spec.selector` of Services and ReplicationControllers.
    pub fn of_map<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let requirement = |(key, value): (&str, &str)| Requirement {
            key: key.to_owned(),
            operator: Operator::In,
            values: vec![value.to_owned()],
        };
        Self { requirements: labels.into_iter().map(requirement).collect(), nothing: false }
    }

    /// From a `metav1.LabelSelector` object; an absent one selects nothing.
    ///
    /// # Errors
    /// An operator or a set of values that does not make sense.
    pub fn of_object(selector: Option<&Value>) -> Result<Self, InvalidSelector> {
        let Some(selector) = selector.filter(|selector| !selector.is_null()) else {
            return Ok(Self::nothing());
        };
        let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        let labels = labels.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
        let mut all = Self::of_map(labels);
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            all.requirements.push(Requirement::of_object(expression)?);
        }
        Ok(all)
    }

    /// From the text of a `labelSelector` parameter: `a=b,c in (d,e),!f`.
    ///
    /// # Errors
    /// What the text lacks, in upstream's words.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let mut parser = Parser { rest: text };
        let mut requirements = Vec::new();
        parser.skip_space();
        while !parser.rest.is_empty() {
            requirements.push(parser.requirement()?);
            parser.skip_space();
            if parser.rest.is_empty() {
                break;
            }
            if !parser.take(",") {
                return Err(InvalidSelector(format!(
                    "found '{}', expected: ',' or 'end of string'",
                    parser.word()
                )));
            }
            parser.skip_space();
            if parser.rest.is_empty() {
                return Err(InvalidSelector("found '', expected: identifier after ','".to_owned()));
            }
        }
        Ok(Self { requirements, nothing: false })
    }

    /// Whether these labels are selected.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing
            && self.requirements.iter().all(|requirement| requirement.holds(label(&requirement.key)))
    }

    /// Whether the labels of an object are selected.
    #[must_use]
    pub fn matches_object(&self, object: &Value) -> bool {
        let labels = object.pointer("/metadata/labels");
        self.matches(|key| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str))
    }

    /// Whether labels in a map are selected.
    #[must_use]
    pub fn matches_map(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches(|key| labels.get(key).map(String::as_str))
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// The requirements.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

impl fmt::Display for LabelSelector {
    /// The text that [`LabelSelector::parse`] reads, as tables print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl Requirement {
    fn of_object(expression: &Value) -> Result<Self, InvalidSelector> {
        let text = |field| expression.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let operator = match text("operator").as_str() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                return Err(InvalidSelector(format!("{other:?} is not a valid label selector operator")));
            }
        };
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
        Self { key: text("key"), operator, values }.checked()
    }

    /// Key, number of values and values are what the operator asks for.
    fn checked(mut self) -> Result<Self, InvalidSelector> {
        self.values.sort();
        if let Some(wrong) = names::qualified_name(&self.key).first() {
            return Err(InvalidSelector(format!("key: Invalid value: {:?}: {wrong}", self.key)));
        }
        let problem = match self.operator {
            Operator::In | Operator::NotIn if self.values.is_empty() => {
                Some("for 'in', 'notin' operators, values set can't be empty")
            }
            Operator::Exists | Operator::DoesNotExist if !self.values.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            Operator::GreaterThan | Operator::LessThan if number(self.values.first()).is_none() => {
                Some("for 'Gt', 'Lt' operators, the value must be an integer")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(InvalidSelector(format!("values: Invalid value: {:?}: {problem}", self.values)));
        }
        for (index, value) in self.values.iter().enumerate() {
            if let Some(wrong) = names::label_value(value).first() {
                return Err(InvalidSelector(format!(
                    "values[{index}][{}]: Invalid value: {value:?}: {wrong}",
                    self.key
                )));
            }
        }
        Ok(self)
    }

    fn holds(&self, value: Option<&str>) -> bool {
        let among = |value: &str| self.values.iter().any(|candidate| candidate == value);
        match self.operator {
            Operator::In => value.is_some_and(among),
            Operator::NotIn => !value.is_some_and(among),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => self.compare(value).is_some_and(|(value, bound)| value > bound),
            Operator::LessThan => self.compare(value).is_some_and(|(value, bound)| value < bound),
        }
    }

    fn compare(&self, value: Option<&str>) -> Option<(i64, i64)> {
        Some((value?.parse().ok()?, number(self.values.first())?))
    }
}

fn number(text: Option<&String>) -> Option<i64> {
    text?.parse().ok()
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.join(",");
        match (self.operator, self.values.len()) {
            (Operator::In, 1) => write!(f, "{}={values}", self.key),
            (Operator::In, _) => write!(f, "{} in ({values})", self.key),
            (Operator::NotIn, 1) => write!(f, "{}!={values}", self.key),
            (Operator::NotIn, _) => write!(f, "{} notin ({values})", self.key),
            (Operator::Exists, _) => f.write_str(&self.key),
            (Operator::DoesNotExist, _) => write!(f, "!{}", self.key),
            (Operator::GreaterThan, _) => write!(f, "{}>{values}", self.key),
            (Operator::LessThan, _) => write!(f, "{}<{values}", self.key),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The next word: everything up to a space or a sign with a meaning.
    fn word(&mut self) -> &'a str {
        self.skip_space();
        let end =
            self.rest.find(|c: char| c.is_whitespace() || "=!(),<>".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn requirement(&mut self) -> Result<Requirement, InvalidSelector> {
        if self.take("!") {
            let key = self.key()?;
            return Requirement { key, operator: Operator::DoesNotExist, values: Vec::new() }.checked();
        }
        let key = self.key()?;
        self.skip_space();
        let one = |parser: &mut Self| vec![parser.word().to_owned()];
        let (operator, values) = if self.take("==") || self.take("=") {
            (Operator::In, one(self))
        } else if self.take("!=") {
            (Operator::NotIn, one(self))
        } else if self.take(">") {
            (Operator::GreaterThan, one(self))
        } else if self.take("<") {
            (Operator::LessThan, one(self))
        } else if self.rest.is_empty() || self.rest.starts_with(',') {
            (Operator::Exists, Vec::new())
        } else {
            match self.word() {
                "in" => (Operator::In, self.set()?),
                "notin" => (Operator::NotIn, self.set()?),
                other => {
                    let found = if other.is_empty() { self.rest } else { other };
                    return Err(InvalidSelector(format!(
                        "unable to parse requirement: found '{found}', expected: in, notin, =, ==, !=, gt, lt"
                    )));
                }
            }
        };
        Requirement { key, operator, values }.checked()
    }

    fn key(&mut self) -> Result<String, InvalidSelector> {
        let key = self.word();
        if key.is_empty() {
            let found: String = self.rest.chars().take(1).collect();
            return Err(InvalidSelector(format!(
                "unable to parse requirement: found '{found}', expected: identifier"
            )));
        }
        Ok(key.to_owned())
    }

    fn set(&mut self) -> Result<Vec<String>, InvalidSelector> {
        self.skip_space();
        if !self.take("(") {
            return Err(InvalidSelector(format!(
                "unable to parse requirement: found '{}', expected: '('",
                self.word()
            )));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.word().to_owned());
            self.skip_space();
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                let found = self.word();
                return Err(InvalidSelector(format!(
                    "unable to parse requirement: found '{found}', expected: ',', or ')'"
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(selector: &str, labels: Value) -> bool {
        LabelSelector::parse(selector).unwrap().matches_object(&json!({"metadata": {"labels": labels}}))
    }

    #[test]
    fn texts_select_what_kubectl_users_expect() {
        let labels = json!({"app": "web", "tier": "front", "n": "5"});
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app!=web", false),
            ("missing!=x", true),
            ("app in (web, db),tier", true),
            ("app notin (web)", false),
            ("!app", false),
            ("!missing", true),
            ("app,missing", false),
            ("n>4", true),
            ("n<5", false),
            (" app = web , tier=front ", true),
            ("app=", false),
        ] {
            assert_eq!(matches(selector, labels.clone()), expected, "{selector:?}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        for text in ["a=b", "a!=b", "a in (b,c)", "a notin (b,c)", "a", "!a", "a>1", "a=b,c"] {
            assert_eq!(LabelSelector::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["a=b=c", "a in b", "a in (b", "=", "a b", ",a", "a,", "a in (b c)", "-a=b", "a=b c", "n>x"]
        {
            assert!(LabelSelector::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_absent_selector_selects_nothing_and_an_empty_one_everything() {
        let object = json!({"metadata": {}});
        assert!(!LabelSelector::of_object(None).unwrap().matches_object(&object));
        assert!(LabelSelector::of_object(Some(&json!({}))).unwrap().matches_object(&object));
        let expression = json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]});
        assert!(LabelSelector::of_object(Some(&expression)).unwrap().matches_object(&object));
        let wrong = json!({"matchExpressions": [{"key": "a", "operator": "Like"}]});
        assert!(LabelSelector::of_object(Some(&wrong)).is_err());
    }
}

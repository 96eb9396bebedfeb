//! What names, labels and keys may look like (upstream's `util/validation` and `api/validation`). Each check gives the texts of
//! what is wrong, none for a good one.

const DNS1123_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const DNS1123_LABEL_EXAMPLES: &str =
    " (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS1123_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
const DNS1123_SUBDOMAIN_EXAMPLES: &str = " (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS1035_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ENV_NAME: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";
const PORT_NAME_CHARS: &str = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";

/// The longest DNS label.
pub const MAX_LABEL: usize = 63;
/// The longest DNS subdomain.
pub const MAX_SUBDOMAIN: usize = 253;

fn too_long(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

fn is_lower_alnum(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Starts and ends with `ends`, and has only `ends` or `inner` between.
fn shaped(text: &str, ends: fn(u8) -> bool, inner: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => {
            ends(*first) && ends(*last) && bytes.iter().all(|byte| ends(*byte) || inner(*byte))
        }
        _ => false,
    }
}

/// A DNS label as in RFC 1123: namespaces, container names.
#[must_use]
pub fn dns1123_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > MAX_LABEL {
        wrong.push(too_long(MAX_LABEL));
    }
    if !shaped(text, is_lower_alnum, |byte| byte == b'-') {
        let dotted = dns1123_subdomain(text).is_empty();
        wrong.push(if dotted {
            "must not contain dots".to_owned()
        } else {
            format!("{DNS1123_LABEL}{DNS1123_LABEL_EXAMPLES}")
        });
    }
    wrong
}

/// A DNS subdomain as in RFC 1123: most object names.
#[must_use]
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > MAX_SUBDOMAIN {
        wrong.push(too_long(MAX_SUBDOMAIN));
    }
    if !text.split('.').all(|part| shaped(part, is_lower_alnum, |byte| byte == b'-')) {
        wrong.push(format!("{DNS1123_SUBDOMAIN}{DNS1123_SUBDOMAIN_EXAMPLES}"));
    }
    wrong
}

/// A DNS label as in RFC 1035: Services.
#[must_use]
pub fn dns1035_label(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > MAX_LABEL {
        wrong.push(too_long(MAX_LABEL));
    }
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !starts || !shaped(text, is_lower_alnum, |byte| byte == b'-') {
        wrong.push(DNS1035_LABEL.to_owned());
    }
    wrong
}

/// A name that is one segment of a path: RBAC objects.
#[must_use]
pub fn path_segment(text: &str) -> Vec<String> {
    if matches!(text, "." | "..") {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"]
        .into_iter()
        .filter(|part| text.contains(part))
        .map(|part| format!("may not contain '{part}'"))
        .collect()
}

/// A key of labels, annotations, taints, resources: `[prefix/]name`.
#[must_use]
pub fn qualified_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut parts = text.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, None) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                wrong.push("prefix part must be non-empty".to_owned());
            } else {
                wrong.extend(dns1123_subdomain(prefix).into_iter().map(|text| format!("prefix part {text}")));
            }
            name
        }
        _ => {
            let both = QUALIFIED_NAME.strip_prefix("name part ").unwrap_or(QUALIFIED_NAME);
            wrong.push(format!(
                "a qualified name {both} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ));
            return wrong;
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    } else if name.len() > MAX_LABEL {
        wrong.push(format!("name part {}", too_long(MAX_LABEL)));
    }
    if !is_qualified_part(name) {
        wrong.push(QUALIFIED_NAME.to_owned());
    }
    wrong
}

fn is_qualified_part(text: &str) -> bool {
    shaped(text, |byte| byte.is_ascii_alphanumeric(), |byte| matches!(byte, b'-' | b'_' | b'.'))
}

/// A value of a label.
#[must_use]
pub fn label_value(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > MAX_LABEL {
        wrong.push(too_long(MAX_LABEL));
    }
    if !text.is_empty() && !is_qualified_part(text) {
        wrong.push(LABEL_VALUE.to_owned());
    }
    wrong
}

/// A key of a ConfigMap or Secret.
#[must_use]
pub fn config_map_key(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > MAX_SUBDOMAIN {
        wrong.push(too_long(MAX_SUBDOMAIN));
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(good) {
        wrong.push(CONFIG_KEY.to_owned());
    }
    match text {
        "." => wrong.push("must not be '.'".to_owned()),
        ".." => wrong.push("must not be '..'".to_owned()),
        text if text.starts_with("..") => wrong.push("must not start with '..'".to_owned()),
        _ => {}
    }
    wrong
}

/// A name of an environment variable (relaxed since 1.34).
#[must_use]
pub fn env_var_name(text: &str) -> Vec<String> {
    if text.is_empty() || !text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        return vec![ENV_NAME.to_owned()];
    }
    Vec::new()
}

/// A name of a container's port, an IANA service name.
#[must_use]
pub fn port_name(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text.len() > 15 {
        wrong.push("must be no more than 15 characters".to_owned());
    }
    if !text.bytes().all(|byte| is_lower_alnum(byte) || byte == b'-') {
        wrong.push(PORT_NAME_CHARS.to_owned());
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".to_owned());
    }
    wrong
}

/// A number of a port.
#[must_use]
pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) {
        Vec::new()
    } else {
        vec!["must be between 1 and 65535, inclusive".to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass_and_bad_ones_say_why() {
        for good in ["a", "a-b", "1a", "x1"] {
            assert!(dns1123_label(good).is_empty(), "{good}");
        }
        assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
        for bad in ["", "-a", "a-", "A", "a_b", "a\n"] {
            assert_eq!(dns1123_label(bad).len(), 1, "{bad:?}");
        }
        assert_eq!(dns1123_label(&"a".repeat(64)), ["must be no more than 63 bytes"]);
        assert!(dns1123_subdomain("a.b-c.d").is_empty());
        assert!(!dns1123_subdomain("a..b").is_empty());
        assert!(!dns1035_label("1a").is_empty() && dns1035_label("a1").is_empty());
    }

    #[test]
    fn keys_may_have_one_prefix() {
        for good in ["a", "a.b/c_D", "example.com/x", "A-1"] {
            assert!(qualified_name(good).is_empty(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "a b", "-a", "Ex.com/a"] {
            assert!(!qualified_name(bad).is_empty(), "{bad:?}");
        }
        assert!(label_value("").is_empty() && label_value("a.B_c").is_empty());
        assert!(!label_value("a b").is_empty() && !label_value("-").is_empty());
    }

    #[test]
    fn files_of_a_volume_cannot_leave_it() {
        for bad in ["", ".", "..", "..a", "a/b", "a b"] {
            assert!(!config_map_key(bad).is_empty(), "{bad:?}");
        }
        assert!(config_map_key(".dotfile").is_empty());
    }
}

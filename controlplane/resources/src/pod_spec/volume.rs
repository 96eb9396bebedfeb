//! Volumes.

use kingpost_apimachinery::{FieldError, Path, Quantity, names};
use serde_json::Value;

use super::environment::is_subscript;
use crate::object::{entries, items, number, text};

const HOST_PATH_TYPES: &[&str] =
    &["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
/// The shortest life of a token in a volume, in seconds, and the longest.
const MIN_TOKEN: i64 = 600;
const MAX_TOKEN: i64 = 1 << 32;

/// Adds what is wrong with the volumes to `errors`; the result are their names.
pub(super) fn validate<'a>(spec: &'a Value, path: &Path, errors: &mut Vec<FieldError>) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for (index, volume) in items(spec, "/volumes").iter().enumerate() {
        let path = path.index(index);
        let name = text(volume, "/name");
        if name.is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else {
            errors.extend(
                names::dns1123_label(name)
                    .into_iter()
                    .map(|why| FieldError::invalid(&path.child("name"), name, why)),
            );
            if seen.contains(&name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
        seen.push(name);
        let sources: Vec<_> = volume
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, value)| *key != "name" && !value.is_null())
            .collect();
        match sources.as_slice() {
            [] => errors.push(FieldError::required(&path, "must specify a volume type")),
            [(kind, source)] => errors.extend(self::source(kind, source, &path.child(kind))),
            [_, others @ ..] => {
                let why = "may not specify more than 1 volume type";
                errors.extend(others.iter().map(|(kind, _)| FieldError::forbidden(&path.child(kind), why)));
            }
        }
    }
    seen
}

fn source(kind: &str, source: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let required = |field: &str| {
        text(source, &format!("/{field}")).is_empty().then(|| FieldError::required(&path.child(field), ""))
    };
    match kind {
        "configMap" => {
            errors.extend(required("name"));
            errors.extend(files(source, path));
        }
        "secret" => {
            errors.extend(required("secretName"));
            errors.extend(files(source, path));
        }
        "hostPath" => {
            errors.extend(required("path"));
            if text(source, "/path").split('/').any(|part| part == "..") {
                errors.push(FieldError::invalid(
                    &path.child("path"),
                    text(source, "/path"),
                    "must not contain '..'",
                ));
            }
            let kind = text(source, "/type");
            if !HOST_PATH_TYPES.contains(&kind) {
                errors.push(FieldError::not_supported(&path.child("type"), kind, HOST_PATH_TYPES));
            }
        }
        "emptyDir" => {
            if let Some(limit) = source.get("sizeLimit").filter(|limit| !limit.is_null()) {
                let good = Quantity::of(limit).is_ok_and(|limit| !limit.is_negative());
                if !good {
                    let why = "SizeLimit field must be a valid resource quantity";
                    errors.push(FieldError::forbidden(&path.child("sizeLimit"), why));
                }
            }
        }
        "downwardAPI" => {
            errors.extend(mode(source, "defaultMode", path));
            for (index, item) in items(source, "/items").iter().enumerate() {
                errors.extend(downward(item, &path.child("items").index(index)));
            }
        }
        "projected" => errors.extend(projected(source, path)),
        "persistentVolumeClaim" => errors.extend(required("claimName")),
        _ => {}
    }
    errors
}

fn mode(object: &Value, field: &str, path: &Path) -> Option<FieldError> {
    let mode = number(object, &format!("/{field}")).filter(|mode| !(0..=0o777).contains(mode))?;
    let why = "must be a number between 0 and 0777 (octal), both inclusive";
    Some(FieldError::invalid(&path.child(field), mode, why))
}

fn files(source: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors: Vec<_> = mode(source, "defaultMode", path).into_iter().collect();
    for (index, item) in items(source, "/items").iter().enumerate() {
        let path = path.child("items").index(index);
        if text(item, "/key").is_empty() {
            errors.push(FieldError::required(&path.child("key"), ""));
        }
        errors.extend(relative(text(item, "/path"), &path.child("path")));
        errors.extend(mode(item, "mode", &path));
    }
    errors
}

/// A path within a volume.
fn relative(file: &str, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if file.is_empty() {
        errors.push(FieldError::required(path, ""));
    }
    if file.starts_with('/') {
        errors.push(FieldError::invalid(path, file, "must be a relative path"));
    }
    if file.split('/').any(|part| part == "..") {
        errors.push(FieldError::invalid(path, file, "must not contain '..'"));
    }
    // Such names belong to the writer that replaces all files of a volume at once.
    if file.starts_with("..") && !file.starts_with("../") {
        errors.push(FieldError::invalid(path, file, "must not start with '..'"));
    }
    errors
}

fn downward(item: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = relative(text(item, "/path"), &path.child("path"));
    errors.extend(mode(item, "mode", path));
    let field = text(item, "/fieldRef/fieldPath");
    let resource = text(item, "/resourceFieldRef/resource");
    match (field.is_empty(), resource.is_empty()) {
        (true, true) => {
            let why = "one of fieldRef and resourceFieldRef is required";
            errors.push(FieldError::required(path, why));
        }
        (false, false) => {
            let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
            errors.push(FieldError::invalid(path, "resource", why));
        }
        (false, true) => {
            let plain = [
                "metadata.name",
                "metadata.namespace",
                "metadata.labels",
                "metadata.annotations",
                "metadata.uid",
            ];
            if !plain.contains(&field) && !is_subscript(field) {
                let path = path.child("fieldRef").child("fieldPath");
                errors.push(FieldError::not_supported(&path, field, &plain));
            }
        }
        (true, false) => {
            if text(item, "/resourceFieldRef/containerName").is_empty() {
                errors.push(FieldError::required(&path.child("resourceFieldRef").child("containerName"), ""));
            }
        }
    }
    errors
}

fn projected(source: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors: Vec<_> = mode(source, "defaultMode", path).into_iter().collect();
    for (index, projection) in items(source, "/sources").iter().enumerate() {
        let path = path.child("sources").index(index);
        let kinds: Vec<_> = entries(projection, "").filter(|(_, value)| !value.is_null()).collect();
        if kinds.len() > 1 {
            errors.push(FieldError::forbidden(&path, "may not specify more than 1 volume type"));
        }
        for (kind, value) in kinds {
            let path = path.child(kind);
            match kind.as_str() {
                "configMap" | "secret" => {
                    if text(value, "/name").is_empty() {
                        errors.push(FieldError::required(&path.child("name"), ""));
                    }
                    errors.extend(files(value, &path));
                }
                "downwardAPI" => {
                    for (index, item) in items(value, "/items").iter().enumerate() {
                        errors.extend(downward(item, &path.child("items").index(index)));
                    }
                }
                "serviceAccountToken" => errors.extend(token(value, &path)),
                _ => {}
            }
        }
    }
    errors
}

fn token(token: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = relative(text(token, "/path"), &path.child("path"));
    let seconds = number(token, "/expirationSeconds").unwrap_or(0);
    let path = path.child("expirationSeconds");
    if seconds < MIN_TOKEN {
        errors.push(FieldError::invalid(&path, seconds, "may not specify a duration less than 10 minutes"));
    }
    if seconds > MAX_TOKEN {
        errors.push(FieldError::invalid(
            &path,
            seconds,
            "may not specify a duration larger than 2^32 seconds",
        ));
    }
    errors
}

//! YAML bodies, read the way upstream's YAML 1.1 reader does.

use serde_json::Value;
use serde_saphyr::Options;
use serde_saphyr::options::DuplicateKeyPolicy;

use super::DecodeError;

/// Reads one document; the second part says which key occurs twice, when `find_duplicates` asks for it.
pub(super) fn read(body: &[u8], find_duplicates: bool) -> Result<(Value, Option<String>), DecodeError> {
    let parse = |policy| serde_saphyr::from_slice_with_options::<Value>(body, options(policy));
    if find_duplicates {
        match parse(DuplicateKeyPolicy::Error) {
            Ok(value) => Ok((value, None)),
            Err(strict) => {
                let value = parse(DuplicateKeyPolicy::LastWins).map_err(|error| failed(&error))?;
                Ok((value, Some(format!("yaml: unmarshal errors: {strict}"))))
            }
        }
    } else {
        parse(DuplicateKeyPolicy::LastWins).map(|value| (value, None)).map_err(|error| failed(&error))
    }
}

fn failed(error: &serde_saphyr::Error) -> DecodeError {
    DecodeError::Yaml(format!("yaml: {error}"))
}

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    // YAML 1.1, as upstream: `yes` is a boolean, `0644` is octal.
    serde_saphyr::options! {
        duplicate_keys: duplicate_keys,
        legacy_octal_numbers: true,
        with_snippet: false,
    }
}

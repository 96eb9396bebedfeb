//! The last message of an exec: how it ended, as a `metav1.Status` on the error channel.

use serde::{Deserialize, Serialize};

/// How a remote command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// Exit code 0.
    Success,
    /// Another exit code; a process ended by a signal has 128 and the signal's number.
    NonZero(i32),
    /// The command could not be run, or its end is not known.
    Error(String),
}

#[derive(Serialize, Deserialize)]
struct Status {
    #[serde(default)]
    metadata: serde_json::Map<String, serde_json::Value>,
    status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
}

#[derive(Serialize, Deserialize)]
struct Details {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Cause>,
}

#[derive(Serialize, Deserialize)]
struct Cause {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
}

const NON_ZERO: &str = "NonZeroExitCode";
const EXIT_CODE: &str = "ExitCode";

impl ExitStatus {
    /// From a process's exit code.
    #[must_use]
    pub fn from_code(code: i32) -> Self {
        if code == 0 { Self::Success } else { Self::NonZero(code) }
    }

    /// The JSON that goes onto the error channel, with upstream's reasons and texts.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut status = Status {
            metadata: serde_json::Map::new(),
            status: "Failure".into(),
            message: String::new(),
            reason: String::new(),
            details: None,
            code: None,
        };
        match self {
            Self::Success => status.status = "Success".into(),
            Self::NonZero(code) => {
                status.message = format!(
                    "command terminated with non-zero exit code: command terminated with exit code {code}"
                );
                status.reason = NON_ZERO.into();
                let cause = Cause { reason: EXIT_CODE.into(), message: code.to_string() };
                status.details = Some(Details { causes: vec![cause] });
            }
            Self::Error(message) => {
                status.message.clone_from(message);
                status.reason = "InternalError".into();
                status.code = Some(500);
            }
        }
        serde_json::to_vec(&status).unwrap_or_default()
    }

    /// Reads what a server wrote to the error channel. Text that is no `Status` is an error of that text, as
    /// older servers send it.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Self {
        let Ok(status) = serde_json::from_slice::<Status>(bytes) else {
            return Self::Error(String::from_utf8_lossy(bytes).into_owned());
        };
        if status.status == "Success" {
            return Self::Success;
        }
        let code = status
            .details
            .iter()
            .filter(|_| status.reason == NON_ZERO)
            .flat_map(|details| &details.causes)
            .find(|cause| cause.reason == EXIT_CODE)
            .and_then(|cause| cause.message.parse().ok());
        code.map_or(Self::Error(status.message), Self::NonZero)
    }
}

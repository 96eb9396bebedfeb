//! Names of sandboxes and containers, which are unique as CRI's metadata are.

use std::collections::BTreeMap;

use kingpost_proto::cri::{ContainerMetadata, PodSandboxMetadata};
use parking_lot::Mutex;

use crate::error::{CriError, Result};

/// Names in use, each with the id that has it.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeMap<String, String>>);

impl Names {
    /// Reserves a name. Of two requests for one name, one wins.
    pub(crate) fn reserve(&self, kind: &'static str, name: &str, id: &str) -> Result<()> {
        let mut names = self.0.lock();
        match names.get(name) {
            Some(owner) if owner != id => {
                Err(CriError::NameTaken { kind, name: name.to_owned(), id: owner.clone() })
            }
            _ => {
                names.insert(name.to_owned(), id.to_owned());
                Ok(())
            }
        }
    }

    /// Gives back all names of an id.
    pub(crate) fn release(&self, id: &str) {
        self.0.lock().retain(|_, owner| owner != id);
    }
}

/// Name of a sandbox: `name_namespace_uid_attempt`.
pub(crate) fn sandbox_name(metadata: &PodSandboxMetadata) -> String {
    format!("{}_{}_{}_{}", metadata.name, metadata.namespace, metadata.uid, metadata.attempt)
}

/// Name of a container: its own parts, then the id of its sandbox.
pub(crate) fn container_name(metadata: &ContainerMetadata, sandbox_id: &str) -> String {
    format!("{}_{}_{sandbox_id}", metadata.name, metadata.attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_owner_until_it_is_released() {
        let names = Names::default();
        names.reserve("sandbox", "n", "1").unwrap();
        names.reserve("sandbox", "n", "1").unwrap();
        let error = names.reserve("sandbox", "n", "2").unwrap_err();
        assert_eq!(tonic::Status::from(error).code(), tonic::Code::AlreadyExists);
        names.release("1");
        names.reserve("sandbox", "n", "2").unwrap();
    }
}

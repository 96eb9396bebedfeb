//! The Unix socket.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;

use anyhow::{Context as _, bail};
use tokio::net::UnixListener;

/// Listens on a socket of the given mode, in place of one that a dead server left.
///
/// # Errors
/// When another server answers on it, or something else than a socket is there.
pub(crate) fn bind(path: &Path, mode: u32) -> anyhow::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(parent);
        made.with_context(|| format!("make directory {}", parent.display()))?;
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("look at {}", path.display())),
        Ok(metadata) if !metadata.file_type().is_socket() => bail!("{} is no socket", path.display()),
        Ok(_) if BlockingStream::connect(path).is_ok() => {
            bail!("another server listens on {}", path.display())
        }
        Ok(_) => fs::remove_file(path).with_context(|| format!("remove stale socket {}", path.display()))?,
    }
    // Bound under another name and moved when its mode is right: nobody can connect before.
    let temporary = path.with_extension("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("remove {}", temporary.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&temporary).with_context(|| format!("bind {}", temporary.display()))?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode)).context("set mode of socket")?;
    fs::rename(&temporary, path).with_context(|| format!("move socket to {}", path.display()))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stale_sockets_are_replaced_and_live_ones_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/cri.sock");
        let first = bind(&path, 0o660).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(bind(&path, 0o600).unwrap_err().to_string().contains("another server"));
        drop(first);
        let _second = bind(&path, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn other_files_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "precious").unwrap();
        assert!(bind(&path, 0o600).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}

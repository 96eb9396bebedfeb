//! `kingpost-runtime`: the per-pod shim.
//!
//! To be small it is built static, at a fixed address (`--target` keeps both away from proc-macros):
//!
//! ```sh
//! RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static" \
//!     cargo build -p kingpost-shim --profile shim --target x86_64-unknown-linux-gnu
//! ```
//!
//! `kingpost-runtime shim <directory>` serves the listening socket that is its standard input, until it is told to end.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

const USAGE: &str = "usage: kingpost-runtime shim <directory>   (its socket as standard input)
       kingpost-runtime --version";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [version] if version == "--version" => {
            println!(
                "kingpost-runtime {} (protocol {})",
                env!("CARGO_PKG_VERSION"),
                kingpost_shim::PROTOCOL_VERSION
            );
            ExitCode::SUCCESS
        }
        [shim, directory] if shim == "shim" => run(Path::new(directory)),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(directory: &Path) -> ExitCode {
    let result = detach()
        .map_err(|errno| errno.to_string())
        .and_then(|listener| kingpost_shim::serve(listener, directory).map_err(|error| error.to_string()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is a file in the pod's directory.
            eprintln!("shim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Leaves the daemon's session, descriptors and working directory; takes the socket from standard input.
fn detach() -> Result<OwnedFd, Errno> {
    // SAFETY: nothing in this process owns a descriptor above 2 yet.
    unsafe { kingpost_sys::close_range_now(3) }?;
    kingpost_sys::limit_malloc_arenas();
    rustix::process::setsid()?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::chdir(c"/")?;
    rustix::thread::set_name(c"kingpost-shim")?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let listener = rustix::io::fcntl_dupfd_cloexec(std::io::stdin().as_fd(), 3)?;
    let null = rustix::fs::openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(listener)
}

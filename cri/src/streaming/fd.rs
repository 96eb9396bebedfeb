//! A non-blocking pipe or terminal of a process.

use std::io;
use std::os::fd::OwnedFd;

use kingpost_proto::remote_command::TerminalSize;
use rustix::io::Errno;
use rustix::termios::Winsize;
use tokio::io::unix::AsyncFd;

/// The caller's end of a process's stdio.
#[derive(Debug)]
pub(crate) struct AsyncPipe(AsyncFd<OwnedFd>);

impl AsyncPipe {
    /// Takes a non-blocking fd.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        #[expect(deprecated, reason = "unsound for types that may change their fd: an OwnedFd does not")]
        AsyncFd::new(fd).map(Self)
    }

    /// Reads what there is, waiting for something; 0 at the end. A terminal whose other side is closed is at its
    /// end.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            let result =
                ready.try_io(|fd| rustix::io::read(fd.get_ref(), &mut *buffer).map_err(io::Error::from));
            match result {
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(0),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    /// Sets the size of a terminal, by its master.
    pub(crate) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        let size = Winsize { ws_row: size.height, ws_col: size.width, ws_xpixel: 0, ws_ypixel: 0 };
        Ok(rustix::termios::tcsetwinsize(self.0.get_ref(), size)?)
    }

    /// Writes all of it.
    pub(crate) async fn write_all(&self, mut data: &[u8]) -> io::Result<()> {
        while !data.is_empty() {
            let mut ready = self.0.writable().await?;
            match ready.try_io(|fd| rustix::io::write(fd.get_ref(), data).map_err(io::Error::from)) {
                Ok(Ok(written)) => data = data.get(written..).unwrap_or_default(),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
        Ok(())
    }
}

//! Compiles `api.proto` without protoc: protox makes the descriptor, tonic-prost-build the code.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=api.proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let descriptor = protox::compile(["api.proto"], ["."])?;
    fs::write(out.join("cri.descriptor"), descriptor.encode_to_vec())?;
    tonic_prost_build::configure()
        // Holds passwords: its Debug is written by hand in src/auth_debug.rs.
        .skip_debug(["AuthConfig"])
        .compile_fds(descriptor)?;
    Ok(())
}

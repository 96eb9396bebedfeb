//! The first process of a container: arguments, environment, directory, identity.

use std::path::{Component, Path, PathBuf};

use kingpost_proto::cri::{ContainerConfig, LinuxContainerSecurityContext};
use oci_spec::image::Config as ImageConfig;
use oci_spec::runtime::{LinuxCapabilities, Process};

use super::{Inputs, SpecError, apparmor, resources, user::Identity};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The kernel's limit for one string of execve(2): MAX_ARG_STRLEN.
const MAX_STRING: usize = 128 << 10;
/// The kernel's limit for all of them with the default stack.
const MAX_STRINGS: usize = 2 << 20;

/// Builds the process.
pub(super) fn build(
    inputs: &Inputs<'_>,
    security: &LinuxContainerSecurityContext,
    identity: &Identity,
    capabilities: LinuxCapabilities,
) -> Result<Process, SpecError> {
    let empty = ImageConfig::default();
    let image = inputs.image.config().as_ref().unwrap_or(&empty);
    let args = arguments(inputs.config, image)?;
    let env = environment(inputs, image, identity)?;
    check_size(&args, &env)?;
    let resources = inputs.config.linux.as_ref().and_then(|linux| linux.resources.as_ref());
    let score = resources.map(resources::oom_score_adj).transpose()?;
    let mut process = Process::default();
    process
        .set_terminal(Some(inputs.config.tty))
        .set_user(identity.to_oci())
        .set_args(Some(args))
        .set_env(Some(env))
        .set_cwd(directory(inputs.config, image)?)
        .set_capabilities(Some(capabilities))
        .set_rlimits(None)
        // A privileged container runs with all capabilities anyway.
        .set_no_new_privileges(Some(security.no_new_privs))
        .set_apparmor_profile(apparmor::build(security, inputs.host)?)
        .set_oom_score_adj(score);
    Ok(process)
}

/// `command` replaces the image's entry point and its command; `args` replaces its command alone.
fn arguments(config: &ContainerConfig, image: &ImageConfig) -> Result<Vec<String>, SpecError> {
    let entrypoint = image.entrypoint().as_deref().unwrap_or_default();
    let default_args = image.cmd().as_deref().unwrap_or_default();
    let (command, args) = match (config.command.as_slice(), config.args.as_slice()) {
        ([], []) => (entrypoint, default_args),
        ([], args) => (entrypoint, args),
        (command, args) => (command, args),
    };
    // An entry point of one empty word is how Dockerfiles take the base image's away.
    let command = if command == [""] { &[] } else { command };
    let all: Vec<String> = command.iter().chain(args).cloned().collect();
    if all.is_empty() {
        return Err(SpecError::field("command", "no command specified, neither here nor in the image"));
    }
    if all.iter().any(|argument| argument.contains('\0')) {
        return Err(SpecError::field("command", "argument with NUL"));
    }
    Ok(all)
}

fn environment(
    inputs: &Inputs<'_>,
    image: &ImageConfig,
    identity: &Identity,
) -> Result<Vec<String>, SpecError> {
    let mut env = vec![PATH.to_owned()];
    if inputs.config.tty {
        set(&mut env, "TERM=xterm".into());
    }
    let hostname = &inputs.sandbox.hostname;
    if !hostname.is_empty() {
        set(&mut env, format!("HOSTNAME={hostname}"));
    }
    for variable in image.env().iter().flatten() {
        match variable.split_once('=') {
            Some((name, _)) if !name.is_empty() && !variable.contains('\0') => {
                set(&mut env, variable.clone())
            }
            _ => return Err(SpecError::image("Env", format!("{variable:?} is no variable"))),
        }
    }
    for (index, variable) in inputs.config.envs.iter().enumerate() {
        let fail = |reason| Err(SpecError::field(format!("envs[{index}]"), reason));
        if variable.key.is_empty() || variable.key.contains(['=', '\0']) {
            return fail("invalid name");
        }
        let Ok(value) = std::str::from_utf8(&variable.value) else {
            return fail("value is not UTF-8");
        };
        if value.contains('\0') {
            return fail("value with NUL");
        }
        set(&mut env, format!("{}={value}", variable.key));
    }
    if !env.iter().any(|variable| variable.starts_with("HOME=")) {
        env.push(format!("HOME={}", identity.home()));
    }
    Ok(env)
}

/// Replaces a variable in its place, or appends it.
fn set(env: &mut Vec<String>, variable: String) {
    let name_length = variable.find('=').map_or(variable.len(), |at| at + 1);
    let name = variable.get(..name_length).unwrap_or(&variable);
    match env.iter_mut().find(|known| known.starts_with(name)) {
        Some(known) => *known = variable,
        None => env.push(variable),
    }
}

fn check_size(args: &[String], env: &[String]) -> Result<(), SpecError> {
    let mut total = 0_usize;
    for string in args.iter().chain(env) {
        if string.len() >= MAX_STRING {
            return Err(SpecError::field("envs", "an argument or variable of 128 KiB or more"));
        }
        total = total.saturating_add(string.len() + size_of::<usize>() + 1);
    }
    if total > MAX_STRINGS {
        return Err(SpecError::field("envs", "arguments and environment of more than 2 MiB"));
    }
    Ok(())
}

fn directory(config: &ContainerConfig, image: &ImageConfig) -> Result<PathBuf, SpecError> {
    let (requested, error): (_, fn(&str) -> SpecError) = if config.working_dir.is_empty() {
        (image.working_dir().as_deref().unwrap_or_default(), |reason| SpecError::image("WorkingDir", reason))
    } else {
        (config.working_dir.as_str(), |reason| SpecError::field("working_dir", reason))
    };
    if requested.is_empty() {
        return Ok(PathBuf::from("/"));
    }
    // A relative one is meant from the root, as in Docker.
    let path = Path::new("/").join(requested);
    if requested.contains('\0') || path.components().any(|part| part == Component::ParentDir) {
        return Err(error("not a path without .."));
    }
    Ok(path)
}

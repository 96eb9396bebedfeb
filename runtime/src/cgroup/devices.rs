//! Which devices a cgroup may use: the list of a v1 hierarchy, an eBPF program on v2.

mod program;

use std::fs;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};
use rustix::fs::{Mode, OFlags};

use super::{CgroupError, CgroupPaths, Hierarchies, UNIFIED};
use program::Kind;

/// A rule with its defaults filled in: absent numbers are all, an absent type is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) allow: bool,
    pub(super) kind: Kind,
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
    pub(super) access: Access,
}

/// What may be done with a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) mknod: bool,
}

const ALL: Access = Access { read: true, write: true, mknod: true };
const MKNOD: Access = Access { read: false, write: false, mknod: true };

/// What every container may use, as with runc: the default devices, its terminals, and making (not opening) any node.
const DEFAULTS: [(Kind, Option<u32>, Option<u32>, Access); 11] = [
    (Kind::Character, None, None, MKNOD),
    (Kind::Block, None, None, MKNOD),
    (Kind::Character, Some(1), Some(3), ALL),
    (Kind::Character, Some(1), Some(5), ALL),
    (Kind::Character, Some(1), Some(7), ALL),
    (Kind::Character, Some(1), Some(8), ALL),
    (Kind::Character, Some(1), Some(9), ALL),
    (Kind::Character, Some(5), Some(0), ALL),
    (Kind::Character, Some(5), Some(1), ALL),
    (Kind::Character, Some(5), Some(2), ALL),
    (Kind::Character, Some(136), None, ALL),
];

/// Applies a specification's rules and the defaults. Without rules everything stays allowed.
pub(super) fn apply(
    hierarchies: &Hierarchies,
    paths: &CgroupPaths,
    list: &[LinuxDeviceCgroup],
) -> Result<(), CgroupError> {
    if list.is_empty() {
        return Ok(());
    }
    let mut rules =
        list.iter().enumerate().map(|(index, rule)| parse(index, rule)).collect::<Result<Vec<_>, _>>()?;
    let default = |&(kind, major, minor, access)| Rule { allow: true, kind, major, minor, access };
    rules.extend(DEFAULTS.iter().map(default));
    if paths.paths.contains_key("devices") {
        return apply_v1(paths, &rules);
    }
    if hierarchies.list.iter().any(|one| one.v2) {
        return apply_v2(paths, &rules);
    }
    Err(CgroupError::NoController { field: "linux.resources.devices".into(), controller: "devices".into() })
}

fn parse(index: usize, rule: &LinuxDeviceCgroup) -> Result<Rule, CgroupError> {
    let invalid = |reason: String| CgroupError::InvalidValue {
        field: format!("linux.resources.devices[{index}]"),
        reason,
    };
    let number = |value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => {
            u32::try_from(value).map(Some).map_err(|_| invalid(format!("{value} is no device number")))
        }
    };
    let access = rule.access().as_deref().unwrap_or("rwm");
    if let Some(other) = access.chars().find(|letter| !"rwm".contains(*letter)) {
        return Err(invalid(format!("access {other:?} is none of r, w, m")));
    }
    let kind = match rule.typ().unwrap_or(LinuxDeviceType::A) {
        LinuxDeviceType::A => Kind::All,
        LinuxDeviceType::B => Kind::Block,
        LinuxDeviceType::C | LinuxDeviceType::U => Kind::Character,
        LinuxDeviceType::P => return Err(invalid("a FIFO is no device".into())),
    };
    Ok(Rule {
        allow: rule.allow(),
        kind,
        major: number(rule.major())?,
        minor: number(rule.minor())?,
        access: Access {
            read: access.contains('r'),
            write: access.contains('w'),
            mknod: access.contains('m'),
        },
    })
}

fn apply_v1(paths: &CgroupPaths, rules: &[Rule]) -> Result<(), CgroupError> {
    let Some(directory) = paths.paths.get("devices") else { return Ok(()) };
    for rule in rules {
        let file = directory.join(if rule.allow { "devices.allow" } else { "devices.deny" });
        fs::write(&file, line(rule)).map_err(|error| CgroupError::io("write", &file, error))?;
    }
    Ok(())
}

/// `c 1:3 rwm` (Documentation/admin-guide/cgroup-v1/devices.rst).
fn line(rule: &Rule) -> String {
    let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let kind = match rule.kind {
        // Everything at once: the kernel takes no numbers with it.
        Kind::All => return "a".into(),
        Kind::Block => 'b',
        Kind::Character => 'c',
    };
    let mut access = String::new();
    for (letter, set) in [('r', rule.access.read), ('w', rule.access.write), ('m', rule.access.mknod)] {
        if set {
            access.push(letter);
        }
    }
    format!("{kind} {}:{} {access}", number(rule.major), number(rule.minor))
}

fn apply_v2(paths: &CgroupPaths, rules: &[Rule]) -> Result<(), CgroupError> {
    let Some(directory) = paths.paths.get(UNIFIED) else { return Ok(()) };
    let failed = |operation| move |errno: rustix::io::Errno| CgroupError::io(operation, directory, errno);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let cgroup = rustix::fs::open(directory, flags, Mode::empty()).map_err(failed("open"))?;
    let program = kingpost_sys::load_device_program(&program::assemble(rules))
        .map_err(failed("load a device program for"))?;
    kingpost_sys::attach_device_program(&cgroup, &program).map_err(failed("attach a device program to"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(value: serde_json::Value) -> Result<Rule, CgroupError> {
        parse(0, &serde_json::from_value(value).unwrap())
    }

    #[test]
    fn rules_are_written_as_the_kernel_reads_them() {
        let line = |value| line(&rule(value).unwrap());
        assert_eq!(line(json!({"allow": false, "access": "rwm"})), "a");
        assert_eq!(
            line(json!({"allow": true, "type": "c", "major": 10, "minor": 200, "access": "rw"})),
            "c 10:200 rw"
        );
        assert_eq!(line(json!({"allow": true, "type": "b", "major": 8, "access": "m"})), "b 8:* m");
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(rule(json!({"allow": true, "type": "c", "access": "x"})).is_err());
        assert!(rule(json!({"allow": true, "type": "p"})).is_err());
        assert!(rule(json!({"allow": true, "type": "c", "major": -5})).is_err());
    }
}

//! Mount options: which are attributes of the mount, which its propagation, which the file system's own (mount(8)).

pub(super) const RDONLY: u64 = 0x1;
pub(super) const NOSUID: u64 = 0x2;
pub(super) const NODEV: u64 = 0x4;
pub(super) const NOEXEC: u64 = 0x8;
const NOATIME: u64 = 0x10;
const STRICTATIME: u64 = 0x20;
const ATIME_MASK: u64 = 0x70;
const NODIRATIME: u64 = 0x80;
const NOSYMFOLLOW: u64 = 0x20_0000;

const MS_UNBINDABLE: u64 = 1 << 17;
pub(super) const MS_PRIVATE: u64 = 1 << 18;
const MS_SLAVE: u64 = 1 << 19;
const MS_SHARED: u64 = 1 << 20;

/// Attributes to set and to clear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) set: u64,
    pub(super) clear: u64,
}

impl Attributes {
    fn change(&mut self, set: u64, clear: u64) {
        self.set = (self.set & !clear) | set;
        self.clear = (self.clear & !set) | clear;
    }

    pub(super) fn is_empty(self) -> bool {
        self.set == 0 && self.clear == 0
    }
}

/// A mount's options, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) bind: bool,
    pub(super) recursive_bind: bool,
    pub(super) attributes: Attributes,
    /// Of all mounts below as well (`rro`).
    pub(super) recursive: Attributes,
    /// `MS_*` and whether it goes for all mounts below.
    pub(super) propagation: Option<(u64, bool)>,
    /// The file system's: key, value.
    pub(super) data: Vec<(String, Option<String>)>,
    /// Options that are not supported.
    pub(super) refused: Vec<String>,
}

/// Takes options apart.
pub(super) fn parse<'a>(options: impl Iterator<Item = &'a str>) -> Options {
    let mut parsed = Options::default();
    for option in options {
        if let Some((set, clear)) = attribute(option) {
            parsed.attributes.change(set, clear);
        } else if let Some((set, clear)) = option.strip_prefix('r').and_then(attribute) {
            parsed.recursive.change(set, clear);
        } else if let Some(propagation) = propagation(option) {
            parsed.propagation = Some(propagation);
        } else {
            match option {
                "bind" => parsed.bind = true,
                "rbind" => (parsed.bind, parsed.recursive_bind) = (true, true),
                "defaults" | "async" | "loud" | "norelatime" | "nostrictatime" => {}
                "idmap" | "ridmap" | "tmpcopyup" | "remount" | "mand" | "iversion" => {
                    parsed.refused.push(option.into());
                }
                _ => parsed.data.push(match option.split_once('=') {
                    Some((key, value)) => (key.into(), Some(value.into())),
                    None => (option.into(), None),
                }),
            }
        }
    }
    parsed
}

fn attribute(option: &str) -> Option<(u64, u64)> {
    Some(match option {
        "ro" => (RDONLY, 0),
        "rw" => (0, RDONLY),
        "nosuid" => (NOSUID, 0),
        "suid" => (0, NOSUID),
        "nodev" => (NODEV, 0),
        "dev" => (0, NODEV),
        "noexec" => (NOEXEC, 0),
        "exec" => (0, NOEXEC),
        "nosymfollow" => (NOSYMFOLLOW, 0),
        "symfollow" => (0, NOSYMFOLLOW),
        "nodiratime" => (NODIRATIME, 0),
        "diratime" => (0, NODIRATIME),
        // One field of three values: setting one takes clearing all.
        "relatime" | "atime" => (0, ATIME_MASK),
        "noatime" => (NOATIME, ATIME_MASK),
        "strictatime" => (STRICTATIME, ATIME_MASK),
        _ => return None,
    })
}

/// A propagation by its name: also what `linux.rootfsPropagation` has.
pub(super) fn propagation(option: &str) -> Option<(u64, bool)> {
    Some(match option {
        "private" => (MS_PRIVATE, false),
        "rprivate" => (MS_PRIVATE, true),
        "slave" => (MS_SLAVE, false),
        "rslave" => (MS_SLAVE, true),
        "shared" => (MS_SHARED, false),
        "rshared" => (MS_SHARED, true),
        "unbindable" => (MS_UNBINDABLE, false),
        "runbindable" => (MS_UNBINDABLE, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_by_what_they_are() {
        let parsed = parse("rbind,ro,rnosuid,rslave,mode=755,newinstance,noatime".split(','));
        assert!(parsed.bind && parsed.recursive_bind);
        assert_eq!(parsed.attributes, Attributes { set: RDONLY | NOATIME, clear: ATIME_MASK });
        assert_eq!(parsed.recursive, Attributes { set: NOSUID, clear: 0 });
        assert_eq!(parsed.propagation, Some((MS_SLAVE, true)));
        assert_eq!(parsed.data, [("mode".into(), Some("755".into())), ("newinstance".into(), None)]);
    }

    #[test]
    fn the_last_of_opposites_wins() {
        assert_eq!(parse(["ro", "rw"].into_iter()).attributes, Attributes { set: 0, clear: RDONLY });
        assert_eq!(parse(["rw", "ro"].into_iter()).attributes, Attributes { set: RDONLY, clear: 0 });
    }
}

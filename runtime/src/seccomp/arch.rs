//! The architectures whose calls can reach this machine's kernel.

use oci_spec::runtime::Arch;

use super::table::SYSCALLS;

const AUDIT_X86_64: u32 = 0xc000_003e;
const AUDIT_I386: u32 = 0x4000_0003;
const AUDIT_AARCH64: u32 = 0xc000_00b7;
const AUDIT_ARM: u32 = 0x4000_0028;
/// Set in the numbers of x32, which shares its audit value with `x86_64`.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// One architecture's part of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) audit: u32,
    pub(super) x32: bool,
    column: usize,
}

impl Section {
    /// A call's number, if the architecture has it.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        let index = SYSCALLS.binary_search_by_key(&name, |(name, _)| name).ok()?;
        let (_, numbers) = SYSCALLS.get(index)?;
        let number = u32::try_from(*numbers.get(self.column)?).ok()?;
        Some(if self.x32 { number | X32_BIT } else { number })
    }
}

fn section(arch: Arch) -> Option<Section> {
    let section = |audit, x32, column| Some(Section { audit, x32, column });
    match arch {
        Arch::ScmpArchX86_64 => section(AUDIT_X86_64, false, 0),
        Arch::ScmpArchX86 => section(AUDIT_I386, false, 1),
        Arch::ScmpArchX32 => section(AUDIT_X86_64, true, 2),
        Arch::ScmpArchAarch64 => section(AUDIT_AARCH64, false, 3),
        Arch::ScmpArchArm => section(AUDIT_ARM, false, 4),
        // Native, or one that no kernel of this machine runs: its calls cannot occur, and would be killed.
        _ => None,
    }
}

fn native() -> Arch {
    if cfg!(target_arch = "aarch64") { Arch::ScmpArchAarch64 } else { Arch::ScmpArchX86_64 }
}

/// The sections of a filter: the machine's own architecture always, the others that are listed.
pub(super) fn sections(list: &[Arch]) -> Vec<Section> {
    let mut sections: Vec<Section> = section(native()).into_iter().collect();
    for arch in list.iter().filter_map(|&arch| section(arch)) {
        if !sections.contains(&arch) {
            sections.push(arch);
        }
    }
    sections
}

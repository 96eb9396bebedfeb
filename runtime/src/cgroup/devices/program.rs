//! The eBPF program that decides on devices on cgroup v2 (`BPF_PROG_TYPE_CGROUP_DEVICE`), assembled by hand.
//!
//! The context is `struct bpf_cgroup_dev_ctx { u32 access_type; u32 major; u32 minor; }`, where the low half of
//! `access_type` is the device's type and the high half what is asked for. Later rules win over earlier ones, so the
//! program tests the last first and leaves with the first that matches all that is asked.

use super::Rule;

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cgroup) enum Kind {
    All,
    Block,
    Character,
}

const TYPE_BLOCK: u32 = 1;
const TYPE_CHARACTER: u32 = 2;
const ACCESS_MKNOD: u32 = 1;
const ACCESS_READ: u32 = 2;
const ACCESS_WRITE: u32 = 4;

const R0: u8 = 0;
const R1: u8 = 1;
/// Type, access, major, minor of the request, and a scratch register.
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

/// `struct bpf_insn` as a number: opcode, registers, offset, immediate.
fn instruction(opcode: u8, destination: u8, source: u8, offset: i16, immediate: u32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = immediate.to_le_bytes();
    u64::from_le_bytes([opcode, destination | source << 4, low, high, a, b, c, d])
}

fn load(destination: u8, offset: i16) -> u64 {
    instruction(0x61, destination, R1, offset, 0)
}

fn and(destination: u8, immediate: u32) -> u64 {
    instruction(0x54, destination, 0, 0, immediate)
}

fn copy(destination: u8, source: u8) -> u64 {
    instruction(0xbc, destination, source, 0, 0)
}

fn shift_right(destination: u8, immediate: u32) -> u64 {
    instruction(0x74, destination, 0, 0, immediate)
}

/// Jumps when the 32-bit register is not the number.
fn jump_unless(register: u8, number: u32, offset: i16) -> u64 {
    instruction(0x56, register, 0, offset, number)
}

/// Jumps when it is.
fn jump_if(register: u8, number: u32, offset: i16) -> u64 {
    instruction(0x16, register, 0, offset, number)
}

fn answer(allow: bool) -> [u64; 2] {
    [instruction(0xb7, R0, 0, 0, u32::from(allow)), instruction(0x95, 0, 0, 0, 0)]
}

/// Assembles the program.
pub(super) fn assemble(rules: &[Rule]) -> Vec<u64> {
    let mut program = vec![
        load(TYPE, 0),
        and(TYPE, 0xffff),
        load(ACCESS, 0),
        shift_right(ACCESS, 16),
        load(MAJOR, 4),
        load(MINOR, 8),
    ];
    for rule in rules.iter().rev() {
        program.extend(block(rule));
        if is_total(rule) {
            // Nothing gets past it, and the kernel refuses what cannot be reached.
            return program;
        }
    }
    // The kernel's own default is to allow.
    program.extend(answer(true));
    program
}

fn is_total(rule: &Rule) -> bool {
    let access = rule.access.read && rule.access.write && rule.access.mknod;
    rule.kind == Kind::All && rule.major.is_none() && rule.minor.is_none() && access
}

/// A test that jumps over the rest of its block when it fails.
struct Test {
    before: Vec<u64>,
    jump: fn(u8, u32, i16) -> u64,
    register: u8,
    number: u32,
}

impl Test {
    fn equals(register: u8, number: u32) -> Self {
        Self { before: Vec::new(), jump: jump_unless, register, number }
    }

    fn length(&self) -> i16 {
        i16::try_from(self.before.len()).unwrap_or(i16::MAX) + 1
    }
}

fn block(rule: &Rule) -> Vec<u64> {
    let mut tests = Vec::new();
    match rule.kind {
        Kind::All => {}
        Kind::Block => tests.push(Test::equals(TYPE, TYPE_BLOCK)),
        Kind::Character => tests.push(Test::equals(TYPE, TYPE_CHARACTER)),
    }
    tests.extend(access_test(rule));
    tests.extend(rule.major.map(|major| Test::equals(MAJOR, major)));
    tests.extend(rule.minor.map(|minor| Test::equals(MINOR, minor)));
    let mut left: i16 = tests.iter().map(Test::length).sum::<i16>() + 2;
    let mut block = Vec::new();
    for test in tests {
        left -= test.length();
        block.extend(test.before);
        block.push((test.jump)(test.register, test.number, left));
    }
    block.extend(answer(rule.allow));
    block
}

/// A permission is about requests that lie within it, a denial about those that overlap with it.
fn access_test(rule: &Rule) -> Option<Test> {
    const ALL: u32 = ACCESS_MKNOD | ACCESS_READ | ACCESS_WRITE;
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    let access = bit(rule.access.mknod, ACCESS_MKNOD)
        | bit(rule.access.read, ACCESS_READ)
        | bit(rule.access.write, ACCESS_WRITE);
    if access == ALL {
        return None;
    }
    let masked = |mask| vec![copy(SCRATCH, ACCESS), and(SCRATCH, mask)];
    Some(if rule.allow {
        Test { before: masked(ALL & !access), jump: jump_unless, register: SCRATCH, number: 0 }
    } else {
        Test { before: masked(access), jump: jump_if, register: SCRATCH, number: 0 }
    })
}

#[cfg(test)]
mod tests;

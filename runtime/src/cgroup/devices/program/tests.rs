use super::super::{ALL, Access, Rule};
use super::*;

/// Interprets the instructions that the assembler uses.
fn run(program: &[u64], kind: u32, access: u32, major: u32, minor: u32) -> bool {
    let context = [kind | access << 16, major, minor];
    let mut registers = [0_u32; 11];
    let mut at = 0;
    loop {
        let [opcode, used, low, high, a, b, c, d] = program[at].to_le_bytes();
        let (to, from) = (usize::from(used & 15), usize::from(used >> 4));
        let offset = usize::try_from(i16::from_le_bytes([low, high])).unwrap();
        let immediate = u32::from_le_bytes([a, b, c, d]);
        at += 1;
        match opcode {
            0x61 => registers[to] = context[offset / 4],
            0x54 => registers[to] &= immediate,
            0x74 => registers[to] >>= immediate,
            0xbc => registers[to] = registers[from],
            0xb7 => registers[to] = immediate,
            0x56 => at += if registers[to] == immediate { 0 } else { offset },
            0x16 => at += if registers[to] == immediate { offset } else { 0 },
            0x95 => return registers[0] == 1,
            other => panic!("opcode {other:#x}"),
        }
    }
}

fn rule(allow: bool, kind: Kind, major: Option<u32>, minor: Option<u32>, access: Access) -> Rule {
    Rule { allow, kind, major, minor, access }
}

const READ: Access = Access { read: true, write: false, mknod: false };

#[test]
fn later_rules_win() {
    let program = assemble(&[
        rule(false, Kind::All, None, None, ALL),
        rule(true, Kind::Character, Some(1), Some(3), ALL),
        rule(true, Kind::Block, Some(8), None, READ),
    ]);
    let read_write = ACCESS_READ | ACCESS_WRITE;
    assert!(run(&program, TYPE_CHARACTER, read_write, 1, 3));
    assert!(!run(&program, TYPE_CHARACTER, read_write, 1, 5));
    assert!(!run(&program, TYPE_BLOCK, read_write, 1, 3));
    assert!(run(&program, TYPE_BLOCK, ACCESS_READ, 8, 17));
    assert!(!run(&program, TYPE_BLOCK, read_write, 8, 17));
}

#[test]
fn without_a_total_rule_the_rest_is_allowed() {
    let program = assemble(&[rule(false, Kind::Character, Some(10), Some(200), ALL)]);
    assert!(!run(&program, TYPE_CHARACTER, ACCESS_READ, 10, 200));
    assert!(run(&program, TYPE_CHARACTER, ACCESS_READ, 10, 201));
}

#[test]
fn a_denial_of_one_access_refuses_requests_that_include_it() {
    let program = assemble(&[rule(false, Kind::Character, Some(10), Some(200), READ)]);
    assert!(!run(&program, TYPE_CHARACTER, ACCESS_READ | ACCESS_WRITE, 10, 200));
    assert!(run(&program, TYPE_CHARACTER, ACCESS_WRITE, 10, 200));
}

#[test]
fn the_kernel_takes_the_program() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let rules = [rule(false, Kind::All, None, None, ALL), rule(true, Kind::Character, Some(1), None, READ)];
    kingpost_sys::load_device_program(&assemble(&rules)).unwrap();
}

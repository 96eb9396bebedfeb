//! Classic BPF. Every block that is emitted ends in a return on all paths, so that blocks can stand in any order and only
//! jumps over whole blocks are needed.

use super::arch::X32_BIT;
use super::conditions::{Call, Condition, Operator, Rule};
use super::{RET_ENOSYS, RET_KILL_THREAD};

const LOAD: u16 = 0x20;
const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) k: u32,
}

impl Instruction {
    pub(super) fn bytes(self) -> [u8; 8] {
        let [code_a, code_b] = self.code.to_ne_bytes();
        let [a, b, c, d] = self.k.to_ne_bytes();
        [code_a, code_b, self.if_true, self.if_false, a, b, c, d]
    }
}

const fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, if_true: 0, if_false: 0, k }
}

fn jump(code: u16, k: u32, if_true: usize, if_false: usize) -> Instruction {
    // Only used over the few instructions of one condition or rule.
    let short = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    Instruction { code, if_true: short(if_true), if_false: short(if_false), k }
}

/// One architecture's part.
pub(super) struct SectionProgram {
    pub(super) arch: u32,
    pub(super) x32: bool,
    pub(super) body: Vec<Instruction>,
}

/// Puts the parts together: by architecture, and within `x86_64` by x32's bit. What matches none is killed.
pub(super) fn program(sections: &[SectionProgram]) -> Vec<Instruction> {
    let mut arches: Vec<u32> = Vec::new();
    for section in sections {
        if !arches.contains(&section.arch) {
            arches.push(section.arch);
        }
    }
    let mut program = vec![plain(LOAD, ARCH)];
    for arch in arches {
        let body = |x32: bool| {
            let found = sections.iter().find(|section| section.arch == arch && section.x32 == x32);
            found.map_or_else(|| vec![plain(RETURN, RET_KILL_THREAD)], |section| section.body.clone())
        };
        let mut block = vec![plain(LOAD, NUMBER)];
        let is_x86_64 = arch & 0xffff == 0x3e;
        block.extend(if is_x86_64 { choice(X32_BIT, body(false), body(true)) } else { body(false) });
        // Over the block unless it is this architecture.
        program.push(jump(JUMP_EQUAL, arch, 1, 0));
        program.push(plain(JUMP, length(&block)));
        program.extend(block);
    }
    program.push(plain(RETURN, RET_KILL_THREAD));
    program
}

fn length(block: &[Instruction]) -> u32 {
    u32::try_from(block.len()).unwrap_or(u32::MAX)
}

/// `below` if the number is less than `at`, else `from`.
fn choice(at: u32, below: Vec<Instruction>, from: Vec<Instruction>) -> Vec<Instruction> {
    let mut block = Vec::with_capacity(below.len() + from.len() + 2);
    match u8::try_from(below.len()) {
        Ok(length) => {
            block.push(Instruction { code: JUMP_GREATER_OR_EQUAL, if_true: length, if_false: 0, k: at });
        }
        Err(_) => {
            block.push(jump(JUMP_GREATER_OR_EQUAL, at, 0, 1));
            block.push(plain(JUMP, length(&below)));
        }
    }
    block.extend(below);
    block.extend(from);
    block
}

/// Numbers from `start` on, up to the next range's, that end alike.
struct Range {
    start: u32,
    block: Vec<Instruction>,
}

/// The search for a number. `newest` is the last number that the profile knows of: what comes after it fails with ENOSYS.
pub(super) fn tree(calls: &[Call], default: u32, newest: Option<u32>) -> Vec<Instruction> {
    let mut ranges: Vec<Range> = Vec::new();
    let mut add = |start: u32, block: Vec<Instruction>| match ranges.last_mut() {
        Some(last) if last.block == block => {}
        Some(last) if last.start == start => last.block = block,
        _ => ranges.push(Range { start, block }),
    };
    add(0, vec![plain(RETURN, default)]);
    let mut next = 0;
    for call in calls {
        if call.number > next {
            add(next, vec![plain(RETURN, default)]);
        }
        add(call.number, call_block(call));
        next = call.number + 1;
    }
    if !calls.is_empty() {
        add(next, vec![plain(RETURN, if newest.is_some() { RET_ENOSYS } else { default })]);
    }
    search(&ranges)
}

fn search(ranges: &[Range]) -> Vec<Instruction> {
    match ranges {
        [] => Vec::new(),
        [one] => one.block.clone(),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            let at = right.first().map_or(0, |range| range.start);
            choice(at, search(left), search(right))
        }
    }
}

fn call_block(call: &Call) -> Vec<Instruction> {
    let mut block: Vec<Instruction> = call.rules.iter().flat_map(rule_block).collect();
    block.push(plain(RETURN, call.otherwise));
    block
}

/// All conditions, then the action; a condition that does not hold leads behind it.
fn rule_block(rule: &Rule) -> Vec<Instruction> {
    let mut block = vec![plain(RETURN, rule.action)];
    for condition in rule.conditions.iter().rev() {
        let mut whole = condition_block(condition, block.len());
        whole.append(&mut block);
        block = whole;
    }
    block
}

/// Falls through if the condition holds, else jumps over `rest` instructions behind it. Arguments have 64 bits, the machine
/// compares 32: the high halves decide unless they are equal.
fn condition_block(condition: &Condition, rest: usize) -> Vec<Instruction> {
    let [high, low] = [(condition.value >> 32) & 0xffff_ffff, condition.value & 0xffff_ffff]
        .map(|half| u32::try_from(half).unwrap_or(u32::MAX));
    let base = ARGUMENTS + 8 * condition.argument;
    let (high_at, low_at) = if cfg!(target_endian = "little") { (base + 4, base) } else { (base, base + 4) };
    let (load_high, load_low) = (plain(LOAD, high_at), plain(LOAD, low_at));
    match condition.operator {
        Operator::Equal => {
            vec![load_high, jump(JUMP_EQUAL, high, 0, rest + 2), load_low, jump(JUMP_EQUAL, low, 0, rest)]
        }
        Operator::NotEqual => {
            vec![load_high, jump(JUMP_EQUAL, high, 0, 2), load_low, jump(JUMP_EQUAL, low, rest, 0)]
        }
        Operator::Masked(mask) => {
            let [mask_high, mask_low] =
                [mask >> 32, mask & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or(u32::MAX));
            vec![
                load_high,
                plain(AND, mask_high),
                jump(JUMP_EQUAL, high, 0, rest + 3),
                load_low,
                plain(AND, mask_low),
                jump(JUMP_EQUAL, low, 0, rest),
            ]
        }
        Operator::Greater => ordered([load_high, load_low], [high, low], JUMP_GREATER, true, rest),
        Operator::GreaterOrEqual => {
            ordered([load_high, load_low], [high, low], JUMP_GREATER_OR_EQUAL, true, rest)
        }
        Operator::Less => ordered([load_high, load_low], [high, low], JUMP_GREATER_OR_EQUAL, false, rest),
        Operator::LessOrEqual => ordered([load_high, load_low], [high, low], JUMP_GREATER, false, rest),
    }
}

/// `holds`: whether the condition holds when the low half passes `low_test`, and with it for higher high halves.
fn ordered(
    [load_high, load_low]: [Instruction; 2],
    [high, low]: [u32; 2],
    low_test: u16,
    holds: bool,
    rest: usize,
) -> Vec<Instruction> {
    let (above, below) = if holds { (3, rest + 2) } else { (rest + 3, 2) };
    let last = if holds { jump(low_test, low, 0, rest) } else { jump(low_test, low, rest, 0) };
    vec![load_high, jump(JUMP_GREATER, high, above, 0), jump(JUMP_EQUAL, high, 0, below), load_low, last]
}

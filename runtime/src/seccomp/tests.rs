use serde_json::{Value, json};

use super::*;

const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;

fn profile(value: Value) -> LinuxSeccomp {
    serde_json::from_value(value).unwrap()
}

/// Interprets a program as the kernel does (Documentation/networking/filter.rst), on one call.
fn run(program: &[Instruction], arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(arch.to_ne_bytes());
    data.extend(0_u64.to_ne_bytes());
    data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
    let mut accumulator = 0_u32;
    let mut at = 0;
    loop {
        let Instruction { code, if_true, if_false, k } = program[at];
        at += 1;
        let jump = |taken: bool| usize::from(if taken { if_true } else { if_false });
        let offset = usize::try_from(k).unwrap();
        match code {
            0x20 => accumulator = u32::from_ne_bytes(data[offset..offset + 4].try_into().unwrap()),
            0x05 => at += offset,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x54 => accumulator &= k,
            0x06 => return k,
            other => panic!("opcode {other:#x}"),
        }
    }
}

fn native(program: &[Instruction], number: u32, arguments: [u64; 6]) -> u32 {
    run(program, X86_64, number, arguments)
}

#[test]
fn calls_are_decided_by_name_with_their_own_errno() {
    let program = instructions(&profile(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [
            {"names": ["read", "write", "exit_group", "nonesuch"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 42},
            {"names": ["ptrace"], "action": "SCMP_ACT_KILL_PROCESS"},
        ],
    })))
    .unwrap();
    assert_eq!(native(&program, 0, [0; 6]), RET_ALLOW);
    assert_eq!(native(&program, 231, [0; 6]), RET_ALLOW);
    assert_eq!(native(&program, 165, [0; 6]), RET_ERRNO | 42);
    assert_eq!(native(&program, 101, [0; 6]), RET_KILL_PROCESS);
    assert_eq!(native(&program, 2, [0; 6]), RET_ERRNO | 1);
    // Newer than all that are named.
    assert_eq!(native(&program, 435, [0; 6]), RET_ENOSYS);
}

#[test]
fn other_architectures_are_killed_unless_listed() {
    let value = |arches: Value| {
        instructions(&profile(json!({
            "defaultAction": "SCMP_ACT_ERRNO", "architectures": arches,
            "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}],
        })))
        .unwrap()
    };
    let alone = value(json!(["SCMP_ARCH_X86_64"]));
    assert_eq!(run(&alone, I386, 3, [0; 6]), RET_KILL_THREAD);
    assert_eq!(run(&alone, X86_64, 0x4000_0000, [0; 6]), RET_KILL_THREAD, "x32");
    let all = value(json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]));
    assert_eq!(run(&all, I386, 3, [0; 6]), RET_ALLOW);
    assert_eq!(run(&all, I386, 0, [0; 6]), RET_ERRNO | 1);
    assert_eq!(run(&all, X86_64, 0x4000_0000, [0; 6]), RET_ALLOW);
}

#[test]
fn comparisons_hold_at_their_edges_in_both_halves() {
    type Holds = fn(u64, u64) -> bool;
    let operators: [(&str, Holds); 6] = [
        ("SCMP_CMP_EQ", |a, b| a == b),
        ("SCMP_CMP_NE", |a, b| a != b),
        ("SCMP_CMP_LT", |a, b| a < b),
        ("SCMP_CMP_LE", |a, b| a <= b),
        ("SCMP_CMP_GT", |a, b| a > b),
        ("SCMP_CMP_GE", |a, b| a >= b),
    ];
    let values = [0, 1, 5, 0xffff_ffff, 0x1_0000_0000, 0x5_0000_0005, 0x5_0000_0006, 0x6_0000_0004, u64::MAX];
    for (name, holds) in operators {
        for value in values {
            let program = instructions(&profile(json!({
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["ioctl"], "action": "SCMP_ACT_TRAP",
                    "args": [{"index": 1, "value": value, "op": name}, {"index": 5, "value": 7, "op": "SCMP_CMP_EQ"}]}],
            })))
            .unwrap();
            for argument in values {
                let expected = if holds(argument, value) { RET_TRAP } else { RET_ALLOW };
                assert_eq!(
                    native(&program, 16, [9, argument, 9, 9, 9, 7]),
                    expected,
                    "{argument} {name} {value}"
                );
                assert_eq!(native(&program, 16, [9, argument, 9, 9, 9, 8]), RET_ALLOW);
            }
        }
    }
}

#[test]
fn masks_and_alternatives_are_as_with_runc() {
    // Docker's rule for clone: allowed without any of the namespace flags.
    let program = instructions(&profile(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 0x7e02_0000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
        ],
    })))
    .unwrap();
    assert_eq!(native(&program, 56, [0x11, 0, 0, 0, 0, 0]), RET_ALLOW);
    assert_eq!(native(&program, 56, [0x1000_0011, 0, 0, 0, 0, 0]), RET_ERRNO | 1);
    for (argument, expected) in [(0, RET_ALLOW), (8, RET_ALLOW), (3, RET_ERRNO | 1)] {
        assert_eq!(native(&program, 135, [argument, 0, 0, 0, 0, 0]), expected);
    }
}

#[test]
fn what_is_not_supported_is_named() {
    let notify = profile(json!({"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}]}));
    assert!(compile(&notify).unwrap_err().to_string().contains("SCMP_ACT_NOTIFY"));
    let errno = profile(json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 5000}));
    assert!(compile(&errno).unwrap_err().to_string().contains("5000"));
    let index = profile(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mount"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]}));
    assert!(compile(&index).unwrap_err().to_string().contains("syscalls[0].args"));
}

/// Any profile of random calls, in random groups, gives each call what its first unconditional entry says.
#[test]
fn random_profiles_agree_with_reading_them() {
    let mut state = 12345_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let actions = [
        json!({"action": "SCMP_ACT_ALLOW"}),
        json!({"action": "SCMP_ACT_ERRNO", "errnoRet": 9}),
        json!({"action": "SCMP_ACT_TRAP"}),
    ];
    let results = [RET_ALLOW, RET_ERRNO | 9, RET_TRAP];
    for _ in 0..50 {
        let mut expected = std::collections::BTreeMap::new();
        let mut syscalls = Vec::new();
        for _ in 0..=random(20) {
            let which = random(3);
            let mut names = Vec::new();
            for _ in 0..=random(40) {
                let (name, numbers) = table::SYSCALLS[random(table::SYSCALLS.len())];
                names.push(name);
                if let Ok(number) = u32::try_from(numbers[0]) {
                    expected.entry(number).or_insert(results[which]);
                }
            }
            let mut entry = actions[which].clone();
            entry["names"] = json!(names);
            syscalls.push(entry);
        }
        let program =
            instructions(&profile(json!({"defaultAction": "SCMP_ACT_LOG", "syscalls": syscalls}))).unwrap();
        for number in 0..600 {
            let wanted = expected.get(&number).copied().unwrap_or(RET_LOG);
            assert_eq!(native(&program, number, [0; 6]), wanted, "call {number}");
        }
    }
}

#[test]
fn the_table_is_sorted_and_right_for_this_machine() {
    assert!(table::SYSCALLS.is_sorted_by_key(|(name, _)| *name));
    let numbers = |name: &str| table::SYSCALLS.iter().find(|(other, _)| *other == name).unwrap().1;
    assert_eq!(numbers("read"), [0, 3, 0, 63, 3]);
    assert_eq!(numbers("clone3"), [435; 5]);
}

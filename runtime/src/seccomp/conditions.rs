//! What a profile says of each call: its rules with conditions, in order, then what holds without.

use std::collections::BTreeMap;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator};

use super::arch::Section;
use super::{SeccompError, action};

/// A comparison with an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) argument: u32,
    pub(super) operator: Operator,
    pub(super) value: u64,
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    GreaterOrEqual,
    Greater,
    /// Equal after masking.
    Masked(u64),
}

/// Conditions that must all hold, and what then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) conditions: Vec<Condition>,
    pub(super) action: u32,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) number: u32,
    /// The first that holds decides.
    pub(super) rules: Vec<Rule>,
    /// If none does.
    pub(super) otherwise: u32,
}

/// All calls of an architecture that a profile names.
pub(super) struct Calls {
    /// By number.
    pub(super) list: Vec<Call>,
    /// The highest number named.
    pub(super) newest: Option<u32>,
}

/// Collects what a profile says for an architecture.
pub(super) fn calls(section: &Section, profile: &LinuxSeccomp, default: u32) -> Result<Calls, SeccompError> {
    let mut calls: BTreeMap<u32, Call> = BTreeMap::new();
    let mut unconditional = std::collections::BTreeSet::new();
    for (index, syscall) in profile.syscalls().iter().flatten().enumerate() {
        let field = format!("syscalls[{index}]");
        let action = action(&format!("{field}.action"), syscall.action(), syscall.errno_ret())?;
        let rules = rules(&field, syscall.args().as_deref().unwrap_or_default(), action)?;
        for number in syscall.names().iter().filter_map(|name| section.number(name)) {
            let call = calls.entry(number).or_insert(Call { number, rules: Vec::new(), otherwise: default });
            if rules.is_empty() {
                // The first to speak of a call without conditions decides, as a second rule is refused by libseccomp.
                if unconditional.insert(number) {
                    call.otherwise = action;
                }
            } else {
                call.rules.extend(rules.iter().cloned());
            }
        }
    }
    let newest = calls.keys().next_back().copied();
    Ok(Calls { list: calls.into_values().collect(), newest })
}

/// The rules of one entry. As with runc, conditions on the same argument are alternatives, others must hold together.
fn rules(field: &str, arguments: &[LinuxSeccompArg], action: u32) -> Result<Vec<Rule>, SeccompError> {
    let conditions: Vec<Condition> =
        arguments.iter().map(|argument| condition(field, argument)).collect::<Result<_, _>>()?;
    let repeated = conditions.iter().enumerate().any(|(index, condition)| {
        conditions.iter().skip(index + 1).any(|other| other.argument == condition.argument)
    });
    Ok(if conditions.is_empty() {
        Vec::new()
    } else if repeated {
        conditions.into_iter().map(|condition| Rule { conditions: vec![condition], action }).collect()
    } else {
        vec![Rule { conditions, action }]
    })
}

fn condition(field: &str, argument: &LinuxSeccompArg) -> Result<Condition, SeccompError> {
    let index = u32::try_from(argument.index()).ok().filter(|&index| index < 6).ok_or_else(|| {
        let reason = format!("a call has 6 arguments, {} is none", argument.index());
        SeccompError::Invalid { field: format!("{field}.args"), reason }
    })?;
    let (operator, value) = match argument.op() {
        LinuxSeccompOperator::ScmpCmpEq => (Operator::Equal, argument.value()),
        LinuxSeccompOperator::ScmpCmpNe => (Operator::NotEqual, argument.value()),
        LinuxSeccompOperator::ScmpCmpLt => (Operator::Less, argument.value()),
        LinuxSeccompOperator::ScmpCmpLe => (Operator::LessOrEqual, argument.value()),
        LinuxSeccompOperator::ScmpCmpGe => (Operator::GreaterOrEqual, argument.value()),
        LinuxSeccompOperator::ScmpCmpGt => (Operator::Greater, argument.value()),
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            (Operator::Masked(argument.value()), argument.value_two().unwrap_or(0))
        }
    };
    Ok(Condition { argument: index, operator, value })
}

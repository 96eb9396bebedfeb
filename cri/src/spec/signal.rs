//! Signals by name, as CRI's enumeration, image configurations and Dockerfiles write them.

use kingpost_proto::cri::Signal;

/// Signal names of the generic numbering (x86-64, arm64, riscv64, ppc64, s390x).
const NAMES: [(&str, i32); 35] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("RTMIN", RTMIN),
];

/// The first real-time signal that C libraries leave free, and the last.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// SIGTERM, the default stop signal.
pub(crate) const TERM: i32 = 15;
/// SIGKILL.
pub(crate) const KILL: i32 = 9;

/// Parses `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`, `SIGRTMAX-2`.
pub(crate) fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*number);
    }
    let number = if let Some(offset) = name.strip_prefix("RTMIN+") {
        RTMIN.checked_add(offset.parse::<u8>().ok()?.into())?
    } else if let Some(offset) = name.strip_prefix("RTMAX-") {
        RTMAX.checked_sub(offset.parse::<u8>().ok()?.into())?
    } else if name == "RTMAX" {
        RTMAX
    } else {
        return None;
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

/// The number of CRI's signal; `None` for the runtime's default.
pub(crate) fn from_cri(signal: Signal) -> Option<i32> {
    let name = signal.as_str_name().strip_prefix("SIGNAL_")?;
    // Upstream writes SIGRTMINPLUS3 for SIGRTMIN+3.
    parse(&name.replace("PLUS", "+").replace("MINUS", "-"))
}

/// CRI's signal of a number, for the status of a container.
pub(crate) fn to_cri(number: i32) -> Signal {
    let name = match number {
        RTMIN => "SIGRTMIN".into(),
        RTMAX => "SIGRTMAX".into(),
        35..=49 => format!("SIGRTMINPLUS{}", number - RTMIN),
        50..=63 => format!("SIGRTMAXMINUS{}", RTMAX - number),
        _ => match NAMES.iter().find(|(_, known)| *known == number) {
            Some((name, _)) => format!("SIG{name}"),
            None => return Signal::RuntimeDefault,
        },
    };
    Signal::from_str_name(&format!("SIGNAL_{name}")).unwrap_or(Signal::RuntimeDefault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_images_are_understood() {
        assert_eq!(parse("SIGQUIT"), Some(3));
        assert_eq!(parse("quit"), Some(3));
        assert_eq!(parse("9"), Some(9));
        assert_eq!(parse("SIGRTMIN+3"), Some(37));
        assert_eq!(parse("RTMAX-1"), Some(63));
        for bad in ["", "0", "65", "-1", "SIGNOPE", "SIGRTMIN+99", "SIGRTMAX-40", "SIGRTMIN+-3"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_signal_of_cri_has_a_number_and_comes_back() {
        for value in 1..=65 {
            let signal = Signal::try_from(value).unwrap();
            let number = from_cri(signal).unwrap_or_else(|| panic!("{signal:?}"));
            assert_eq!(from_cri(to_cri(number)), Some(number), "{signal:?}");
        }
        assert_eq!(from_cri(Signal::RuntimeDefault), None);
        assert_eq!(to_cri(0), Signal::RuntimeDefault);
    }
}

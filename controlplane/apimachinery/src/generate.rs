//! Names that the server makes up (upstream's `storage/names` and `util/rand`).

use rand::Rng;

/// Characters without vowels and look-alikes, so that no word appears by chance.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of the random part of a generated name.
const SUFFIX: usize = 5;
/// The longest generated name.
const MAX_GENERATED: usize = 63;

/// `count` random characters that are safe in names.
#[must_use]
pub fn random_suffix(count: usize) -> String {
    let mut random = rand::rng();
    (0..count).map(|_| letter(random.random_range(0..ALPHABET.len()))).collect()
}

/// The name that `generateName` asks for: the prefix, cut to leave room, and five random characters.
#[must_use]
pub fn generate_name(prefix: &str) -> String {
    let mut prefix = prefix;
    while prefix.len() > MAX_GENERATED - SUFFIX {
        let mut characters = prefix.chars();
        characters.next_back();
        prefix = characters.as_str();
    }
    format!("{prefix}{}", random_suffix(SUFFIX))
}

/// The text with every character mapped to a safe one (`SafeEncodeString`).
#[must_use]
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(|byte| letter(usize::from(byte) % ALPHABET.len())).collect()
}

fn letter(index: usize) -> char {
    ALPHABET.get(index).map_or('x', |letter| char::from(*letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_keeps_its_prefix_and_stays_short() {
        let name = generate_name("web-");
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
        assert_eq!(generate_name(&"a".repeat(100)).len(), 63);
        assert_ne!(generate_name("web-"), generate_name("web-"));
    }
}

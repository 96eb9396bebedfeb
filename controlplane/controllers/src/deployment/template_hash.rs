//! The label that tells the ReplicaSets of a Deployment apart.

use std::hash::Hasher;

use k8s_openapi::api::core::v1::PodTemplateSpec;

/// The label on a ReplicaSet, its selector and its pods.
pub(super) const LABEL: &str = "pod-template-hash";

/// Characters without vowels and look-alikes, so that no word appears by chance (apimachinery's `rand.SafeEncodeString`).
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A hash of the template, different for each `collisions`.
///
/// Upstream hashes a dump of Go's memory layout, which no other program can repeat; this one hashes the JSON form. An existing
/// ReplicaSet is found by comparing templates, never by its hash, so both can work on the same objects.
pub(super) fn compute(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    let mut hasher = Fnv32::default();
    // A template came from JSON, so it goes back.
    hasher.write(&serde_json::to_vec(template).unwrap_or_default());
    if let Some(collisions) = collisions {
        hasher.write(&collisions.to_le_bytes());
    }
    hasher.finish().to_string().bytes().map(safe).collect()
}

fn safe(byte: u8) -> char {
    ALPHABET.get(usize::from(byte) % ALPHABET.len()).map_or('x', |letter| char::from(*letter))
}

/// FNV-1a with 32 bits.
struct Fnv32(u32);

impl Default for Fnv32 {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Hasher for Fnv32 {
    fn finish(&self) -> u64 {
        self.0.into()
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_1a_gives_the_published_values() {
        let hash = |text: &str| {
            let mut hasher = Fnv32::default();
            hasher.write(text.as_bytes());
            hasher.finish()
        };
        assert_eq!(hash(""), 0x811c_9dc5);
        assert_eq!(hash("a"), 0xe40c_292c);
        assert_eq!(hash("foobar"), 0xbf9c_f968);
    }

    #[test]
    fn a_collision_gives_another_hash_for_the_same_template() {
        let template = PodTemplateSpec::default();
        assert_eq!(compute(&template, None), compute(&template, None));
        assert_ne!(compute(&template, None), compute(&template, Some(1)));
        assert!(compute(&template, None).len() <= 10);
    }
}

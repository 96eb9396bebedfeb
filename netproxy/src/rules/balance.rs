//! Which endpoint a frontend's slot leads to.
//!
//! The kernel draws a slot number below a constant, so a frontend fills all slots of its class: as many as it has endpoints
//! up to [`EXACT`], above that a power of two of which each endpoint has four to eight, give or take one. So about forty classes
//! are the most that there are, and an uneven share is at most a quarter more than another one.

use std::collections::HashMap;

use crate::frontend::Endpoint;

/// Up to so many endpoints have a slot each.
const EXACT: usize = 32;

/// Number of slots that so many endpoints are spread over.
#[must_use]
pub fn slots_for(endpoints: usize) -> usize {
    if endpoints <= EXACT { endpoints } else { 4 * endpoints.next_power_of_two() }
}

/// Spreads `endpoints` (each once) over their slots, leaving as many as possible where `old` has them.
///
/// Removing one of a few endpoints therefore moves the last slot's endpoint into the free one, and touches nothing else.
#[must_use]
pub fn arrange(old: &[Endpoint], endpoints: &[Endpoint]) -> Vec<Endpoint> {
    let slots = slots_for(endpoints.len());
    let Some(share) = slots.checked_div(endpoints.len()) else { return Vec::new() };
    let mut quota = Quota { left: HashMap::new(), spare: slots % endpoints.len() };
    for endpoint in endpoints {
        quota.left.insert(*endpoint, (share, true));
    }
    let kept: Vec<Option<Endpoint>> =
        (0..slots).map(|slot| old.get(slot).copied().filter(|endpoint| quota.take(*endpoint))).collect();
    // Every endpoint first gets its share, then some one more; the sums agree, so no slot stays empty.
    let shares = endpoints.iter().flat_map(|endpoint| {
        let (left, _) = quota.left.get(endpoint).copied().unwrap_or_default();
        std::iter::repeat_n(*endpoint, left)
    });
    let spares =
        endpoints.iter().filter(|endpoint| quota.may_have_spare(endpoint)).take(quota.spare).copied();
    let mut fill = shares.chain(spares);
    kept.into_iter().filter_map(|kept| kept.or_else(|| fill.next())).collect()
}

/// What each endpoint may still take, and how many may take one more than their share.
struct Quota {
    left: HashMap<Endpoint, (usize, bool)>,
    spare: usize,
}

impl Quota {
    fn take(&mut self, endpoint: Endpoint) -> bool {
        match self.left.get_mut(&endpoint) {
            Some((left, _)) if *left > 0 => {
                *left -= 1;
                true
            }
            Some((_, may_have_spare)) if *may_have_spare && self.spare > 0 => {
                *may_have_spare = false;
                self.spare -= 1;
                true
            }
            _ => false,
        }
    }

    fn may_have_spare(&self, endpoint: &Endpoint) -> bool {
        self.left.get(endpoint).is_some_and(|(_, may)| *may)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::{arrange, slots_for};
    use crate::frontend::Endpoint;

    fn endpoints(numbers: &BTreeSet<u16>) -> Vec<Endpoint> {
        let endpoint = |n: &u16| Endpoint { address: Ipv4Addr::from(0x0af4_0000 + u32::from(*n)), port: 80 };
        numbers.iter().map(endpoint).collect()
    }

    fn check_spread(slots: &[Endpoint], endpoints: &[Endpoint]) {
        assert_eq!(slots.len(), slots_for(endpoints.len()));
        let mut shares: HashMap<Endpoint, usize> = HashMap::new();
        for slot in slots {
            *shares.entry(*slot).or_default() += 1;
        }
        let expected: BTreeSet<_> = endpoints.iter().copied().collect();
        assert_eq!(shares.keys().copied().collect::<BTreeSet<_>>(), expected);
        let (least, most) = (shares.values().min().unwrap(), shares.values().max().unwrap());
        assert!(most - least <= 1, "{least}..{most}");
        assert!(endpoints.len() <= 32 || *most * 4 <= *least * 5);
    }

    proptest! {
        #[test]
        fn any_row_of_changes_keeps_the_spread_even(
            steps in prop::collection::vec(prop::collection::btree_set(0u16..90, 0..80), 1..8)
        ) {
            let mut slots = Vec::new();
            for step in steps {
                let wanted = endpoints(&step);
                slots = arrange(&slots, &wanted);
                if wanted.is_empty() {
                    prop_assert!(slots.is_empty());
                } else {
                    check_spread(&slots, &wanted);
                }
                prop_assert_eq!(&arrange(&slots, &wanted), &slots, "arranging again moves nothing");
            }
        }

        #[test]
        fn removing_one_of_a_few_touches_two_slots(
            set in prop::collection::btree_set(any::<u16>(), 2..33),
            pick in any::<prop::sample::Index>()
        ) {
            let all = endpoints(&set);
            let before = arrange(&[], &all);
            let gone = *pick.get(&all);
            let rest: Vec<_> = all.iter().copied().filter(|e| *e != gone).collect();
            let after = arrange(&before, &rest);
            let touched = (0..before.len()).filter(|slot| before.get(*slot) != after.get(*slot)).count();
            prop_assert!(touched <= 2, "{} slots touched", touched);
        }

        #[test]
        fn one_more_of_many_touches_its_share(count in 34usize..400) {
            let numbers: BTreeSet<u16> = (0..u16::try_from(count).unwrap()).collect();
            let all = endpoints(&numbers);
            let before = arrange(&[], &all[..count - 1]);
            let after = arrange(&before, &all);
            if before.len() == after.len() {
                let touched = (0..before.len()).filter(|slot| before.get(*slot) != after.get(*slot)).count();
                prop_assert!(touched <= 8, "{} slots touched", touched);
            }
        }
    }

    #[test]
    fn there_are_about_forty_classes() {
        let classes: BTreeSet<usize> = (1..=5000).map(slots_for).collect();
        assert!(classes.len() <= 48, "{}", classes.len());
    }
}

//! The order of a merged list: the patch's items in the patch's order, woven into the server's.

use serde_json::Value;

use super::PatchError;
use super::strategic::{merge_value, no_merge_key, wrong_type};

/// Splits a merged list into the items that `wanted` names and the others. `merge_key` is empty for scalars.
pub(super) fn partition(
    merged: Vec<Value>,
    wanted: &[Value],
    merge_key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in merged {
        let found = if merge_key.is_empty() {
            wanted.contains(&item)
        } else {
            let Value::Object(fields) = &item else {
                return Err(wrong_type(&Value::Object(Default::default()), &item));
            };
            let key = fields.get(merge_key).ok_or_else(|| no_merge_key(&item, merge_key))?;
            position_of_key(wanted, merge_key, key)?.is_some()
        };
        if found {
            named.push(item);
        } else {
            others.push(item);
        }
    }
    Ok((named, others))
}

/// The place of the map whose merge key has that value.
pub(super) fn position_of_key(
    items: &[Value],
    merge_key: &str,
    key: &Value,
) -> Result<Option<usize>, PatchError> {
    for (place, item) in items.iter().enumerate() {
        let Value::Object(fields) = item else {
            return Err(PatchError::Failed(format!("value for key {place} is not a map")));
        };
        if fields.get(merge_key) == Some(key) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Puts both parts in order and weaves them.
pub(super) fn weave(
    named: Vec<Value>,
    others: Vec<Value>,
    patch_order: &[Value],
    server_order: &[Value],
    merge_key: &str,
    of_maps: bool,
) -> Result<Vec<Value>, PatchError> {
    let named = sorted(named, patch_order, merge_key, of_maps)?;
    let others = sorted(others, server_order, merge_key, of_maps)?;
    let place = |item: &Value| place_in(server_order, item, merge_key, of_maps);
    let mut woven = Vec::with_capacity(named.len() + others.len());
    let (mut others, mut named) = (others.into_iter().peekable(), named.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (Some(other), Some(named)) => matches!((place(other), place(named)), (Some(a), Some(b)) if a < b),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return Ok(woven),
        };
        woven.extend(if other_first { others.next() } else { named.next() });
    }
}

fn place_in(order: &[Value], item: &Value, merge_key: &str, of_maps: bool) -> Option<usize> {
    if of_maps {
        let key = merge_value(item, merge_key);
        order.iter().position(|other| merge_value(other, merge_key) == key)
    } else {
        order.iter().position(|other| other == item)
    }
}

/// Sorts by the place in `order`; items marked for deletion go last.
fn sorted(
    items: Vec<Value>,
    order: &[Value],
    merge_key: &str,
    of_maps: bool,
) -> Result<Vec<Value>, PatchError> {
    let (mut items, deleted) = if of_maps {
        for item in items.iter().chain(order) {
            match item {
                Value::Object(fields) if fields.contains_key(merge_key) => {}
                Value::Object(_) => return Err(no_merge_key(item, merge_key)),
                _ => return Err(wrong_type(&Value::Object(Default::default()), item)),
            }
        }
        items.into_iter().partition(|item| item.get("$patch").and_then(Value::as_str) != Some("delete"))
    } else {
        (items, Vec::new())
    };
    // Insertion sort, because the comparison is no order when an item is missing from `order`.
    let places: Vec<Option<usize>> =
        items.iter().map(|item| place_in(order, item, merge_key, of_maps)).collect();
    let mut ranks: Vec<usize> = (0..items.len()).collect();
    let rank_place = |rank: usize| places.get(rank).copied().flatten();
    for end in 1..ranks.len() {
        let mut at = end;
        while at > 0 {
            let (Some(&left), Some(&right)) = (ranks.get(at - 1), ranks.get(at)) else { break };
            let less = match (rank_place(right), rank_place(left)) {
                (Some(right), Some(left)) => right < left,
                _ => true,
            };
            if !less {
                break;
            }
            ranks.swap(at - 1, at);
            at -= 1;
        }
    }
    let mut slots: Vec<Option<Value>> = items.drain(..).map(Some).collect();
    let mut sorted: Vec<Value> =
        ranks.into_iter().filter_map(|rank| slots.get_mut(rank).and_then(Option::take)).collect();
    sorted.extend(deleted);
    Ok(sorted)
}

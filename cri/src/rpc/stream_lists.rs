//! The `Stream*` lists (KEP-5825): "streams results in lists of at least one item ... Each item must appear in exactly
//! one response and must not be duplicated across responses in the same stream. The server must close the stream
//! with EOF after all items have been sent."

use futures::stream;
use tonic::Status;

/// Items in a message: with the largest annotations that Kubernetes allows (256 KiB) still below 16 MiB.
const CHUNK: usize = 50;

/// Messages of a list, a part each.
pub(crate) type Parts<T> = stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

/// Splits a list into messages; an empty list is none.
pub(crate) fn parts<T, M>(mut items: Vec<T>, message: impl Fn(Vec<T>) -> M) -> Parts<M> {
    let mut messages = Vec::with_capacity(items.len().div_ceil(CHUNK));
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(CHUNK));
        messages.push(Ok(message(std::mem::replace(&mut items, rest))));
    }
    stream::iter(messages)
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn each_item_is_in_exactly_one_part() {
        for count in [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let sent: Vec<Vec<usize>> =
                parts((0..count).collect(), |part| part).map(Result::unwrap).collect().await;
            assert!(sent.iter().all(|part| !part.is_empty() && part.len() <= CHUNK));
            assert_eq!(sent.concat(), (0..count).collect::<Vec<_>>());
        }
    }
}

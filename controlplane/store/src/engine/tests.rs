//! The engine keeps the promises of the trait.

use bytes::Bytes;
use tempfile::TempDir;

use super::{RedbConfig, RedbStore};
use crate::{EventKind, Operation, RangeRequest, Store, StoreError, Txn, TxnOutcome};

fn open(directory: &TempDir) -> RedbStore {
    RedbStore::open(&RedbConfig::new(directory.path().join("store.redb"))).unwrap()
}

fn value(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

async fn put(store: &RedbStore, key: &str, text: &str) -> u64 {
    let operations = vec![Operation::Put { key: key.into(), value: value(text) }];
    committed(store.txn(Txn { compares: vec![], operations }).await)
}

fn committed(outcome: Result<TxnOutcome, StoreError>) -> u64 {
    match outcome.unwrap() {
        TxnOutcome::Committed(revision) => revision,
        conflict => panic!("{conflict:?}"),
    }
}

#[tokio::test]
async fn revisions_grow_by_one_and_marks_follow_etcd() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    assert_eq!(put(&store, "/a", "1").await, 1);
    assert_eq!(put(&store, "/a", "2").await, 2);
    assert_eq!(committed(store.txn(Txn::delete("/a", 2)).await), 3);
    assert_eq!(put(&store, "/a", "3").await, 4);
    let found = store.range(RangeRequest::key("/a")).await.unwrap();
    let kv = &found.kvs[0];
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version), (4, 4, 1));
    let before = store.range(RangeRequest::key("/a").at(2)).await.unwrap();
    let kv = &before.kvs[0];
    assert_eq!((kv.create_revision, kv.mod_revision, kv.version, &kv.value[..]), (1, 2, 2, &b"2"[..]));
    assert!(store.range(RangeRequest::key("/a").at(3)).await.unwrap().kvs.is_empty());
}

#[tokio::test]
async fn a_failed_comparison_changes_nothing_and_shows_the_current_value() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    put(&store, "/a", "1").await;
    match store.txn(Txn::create("/a", value("2"))).await.unwrap() {
        TxnOutcome::Conflict { key, current } => {
            assert_eq!(key, "/a");
            assert_eq!(current.unwrap().value, value("1"));
        }
        committed => panic!("{committed:?}"),
    }
    let outcome = store.txn(Txn::update("/b", 7, value("2"))).await.unwrap();
    assert_eq!(outcome, TxnOutcome::Conflict { key: "/b".into(), current: None });
    assert_eq!(store.revision(), 1);
}

#[tokio::test]
async fn ranges_are_ordered_limited_and_consistent_at_a_revision() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    for key in ["/p/c", "/p/a", "/q/x", "/p/b"] {
        put(&store, key, key).await;
    }
    committed(store.txn(Txn::delete("/p/a", 2)).await);
    put(&store, "/p/d", "new").await;
    let keys = |found: crate::RangeResponse| found.kvs.into_iter().map(|kv| kv.key).collect::<Vec<_>>();
    let now = store.range(RangeRequest::prefix("/p/")).await.unwrap();
    assert_eq!(keys(now), ["/p/b", "/p/c", "/p/d"]);
    let first = store.range(RangeRequest::prefix("/p/").at(4).limited(2)).await.unwrap();
    assert!(first.more);
    assert_eq!(keys(first), ["/p/a", "/p/b"]);
    let whole = store.range(RangeRequest::prefix("/p/").at(4).limited(3)).await.unwrap();
    assert!(!whole.more);
    assert_eq!(keys(whole), ["/p/a", "/p/b", "/p/c"]);
    let future = store.range(RangeRequest::prefix("/p/").at(99)).await;
    assert!(matches!(future, Err(StoreError::Future { requested: 99, newest: 6 })));
}

#[tokio::test]
async fn a_watch_gives_history_then_live_without_gap_or_repetition() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    for n in 0..10 {
        put(&store, &format!("/w/{n}"), "x").await;
        put(&store, "/other", "x").await;
    }
    let mut watch = store.watch("/w/", 7).await.unwrap();
    committed(store.txn(Txn::delete("/w/9", 19)).await);
    let mut seen = Vec::new();
    while seen.len() < 8 {
        seen.extend(watch.next().await.unwrap().into_iter().map(|event| (event.mod_revision, event.kind)));
    }
    let mut wanted: Vec<_> = [7, 9, 11, 13, 15, 17, 19].map(|at| (at, EventKind::Put)).into();
    wanted.push((21, EventKind::Delete));
    assert_eq!(seen, wanted);
    drop(store);
    assert!(matches!(watch.next().await, Err(StoreError::Closed)));
}

#[tokio::test]
async fn a_watch_that_is_not_read_is_cut_off() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    let mut watch = store.watch("/", 1).await.unwrap();
    // One commit each, as each waits for the one before.
    for n in 0..1100 {
        put(&store, &format!("/{n}"), "x").await;
    }
    let end = loop {
        if let Err(error) = watch.next().await {
            break error;
        }
    };
    assert!(matches!(end, StoreError::Lagged));
}

#[tokio::test]
async fn compaction_forgets_history_and_keeps_the_state() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    for n in 0..3000 {
        put(&store, "/churn", &n.to_string()).await;
    }
    put(&store, "/gone", "x").await;
    committed(store.txn(Txn::delete("/gone", 3001)).await);
    put(&store, "/late", "x").await;
    store.compact(3002).await.unwrap();
    assert!(matches!(
        store.range(RangeRequest::key("/churn").at(3001)).await,
        Err(StoreError::Compacted { requested: 3001, oldest: 3002 })
    ));
    assert!(matches!(store.watch("/", 3002).await, Err(StoreError::Compacted { .. })));
    assert!(matches!(store.compact(3002).await, Err(StoreError::Compacted { .. })));
    let state = store.range(RangeRequest::prefix("/").at(3002)).await.unwrap();
    assert_eq!(state.kvs.len(), 1);
    assert_eq!(state.kvs[0].mod_revision, 3000);
    let mut watch = store.watch("/", 3003).await.unwrap();
    assert_eq!(watch.next().await.unwrap()[0].key, "/late");
}

#[tokio::test]
async fn a_reopened_store_goes_on_where_it_ended() {
    let directory = TempDir::new().unwrap();
    let store = open(&directory);
    put(&store, "/a", "1").await;
    drop(store);
    let store = open(&directory);
    assert_eq!(store.revision(), 1);
    assert_eq!(put(&store, "/a", "2").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_updates_of_one_revision_one_wins() {
    let directory = TempDir::new().unwrap();
    let store = std::sync::Arc::new(open(&directory));
    let start = put(&store, "/a", "0").await;
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move { store.txn(Txn::update("/a", start, value(&n.to_string()))).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        if let TxnOutcome::Committed(_) = task.await.unwrap().unwrap() {
            won += 1;
        }
    }
    assert_eq!(won, 1);
}

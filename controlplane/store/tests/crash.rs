//! `kill -9` of a writer: everything it acknowledged is there, with its revision, and nothing half-done.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use bytes::Bytes;
use kingpost_store::{Operation, RangeRequest, RedbConfig, RedbStore, Store, Txn, TxnOutcome};
use tempfile::TempDir;

const DIRECTORY: &str = "KINGPOST_CRASH_TEST_DIRECTORY";
const WRITERS: usize = 16;

/// The child's part: writes pairs of keys for ever and prints each acknowledged one with its revision.
#[test]
fn child_writer() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(RedbStore::open(&config(Path::new(&directory))).unwrap());
        let run = store.revision();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write_for_ever(Arc::clone(&store), run, writer)))
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

async fn write_for_ever(store: Arc<RedbStore>, run: u64, writer: usize) {
    for number in 0u64.. {
        let name = format!("{run}-{writer}-{number}");
        let operations = ["/left/", "/right/"]
            .map(|side| Operation::Put { key: format!("{side}{name}"), value: Bytes::from(name.clone()) })
            .to_vec();
        match store.txn(Txn { compares: vec![], operations }).await.unwrap() {
            TxnOutcome::Committed(revision) => println!("\nacknowledged {name} {revision}"),
            conflict => panic!("{conflict:?}"),
        }
    }
}

fn config(directory: &Path) -> RedbConfig {
    RedbConfig::new(directory.join("store.redb"))
}

#[tokio::test]
async fn acknowledged_writes_survive_kill_9() {
    let directory = TempDir::new().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "child_writer", "--nocapture"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // The moment of the kill differs from round to round and falls among commits under way.
        let mut take = |count: usize| {
            let mut taken = 0;
            while taken < count {
                let line = lines.next().expect("the writer ended by itself");
                let Some(rest) = line.strip_prefix("acknowledged ") else { continue };
                let (name, revision) = rest.split_once(' ').unwrap();
                acknowledged.push((name.to_owned(), revision.parse::<u64>().unwrap()));
                taken += 1;
            }
        };
        take(150 + 97 * round);
        child.kill().unwrap();
        child.wait().unwrap();

        let store = RedbStore::open(&config(directory.path())).unwrap();
        for (name, revision) in &acknowledged {
            for side in ["/left/", "/right/"] {
                let found = store.range(RangeRequest::key(format!("{side}{name}"))).await.unwrap();
                assert_eq!(found.kvs.first().map(|kv| kv.mod_revision), Some(*revision), "{side}{name}");
            }
        }
        let left = store.range(RangeRequest::prefix("/left/")).await.unwrap().kvs;
        let right = store.range(RangeRequest::prefix("/right/")).await.unwrap().kvs;
        assert_eq!(left.len(), right.len());
        assert!(left.iter().zip(&right).all(|(l, r)| l.mod_revision == r.mod_revision && l.value == r.value));
    }
}

use std::collections::HashMap;

use super::*;

fn container(id: &str) -> ContainerRecord {
    ContainerRecord {
        id: id.into(),
        sandbox_id: "pod".into(),
        config: Some(ContainerConfig {
            annotations: HashMap::from([("a.b/c".into(), "line\nline".into())]),
            ..ContainerConfig::default()
        }),
        created_at: 10,
        ..ContainerRecord::default()
    }
}

#[tokio::test]
async fn records_come_back_as_they_were_written() {
    let root = tempfile::tempdir().unwrap();
    let records = Records::open::<ContainerRecord>(root.path()).unwrap();
    let recorded = Recorded::create(records.clone(), container("c1")).await.unwrap();
    recorded
        .update(Durability::Process, |record| {
            record.set_phase(ContainerPhase::Running);
            record.started_at = 20;
        })
        .await
        .unwrap();
    let read: Vec<ContainerRecord> = records.read_all().unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(read, [ContainerRecord::clone(&recorded.get())]);
    assert_eq!(read[0].phase(), ContainerPhase::Running);
    recorded.remove().await.unwrap();
    recorded.remove().await.unwrap();
    assert!(records.read_all::<ContainerRecord>().unwrap().is_empty());
}

/// What `kill -9` leaves between the creation of the directory and the rename is reported, not taken for a record.
#[test]
fn half_written_records_are_reported() {
    let root = tempfile::tempdir().unwrap();
    let records = Records::open::<ContainerRecord>(root.path()).unwrap();
    records.write(&container("good"), Durability::Power).unwrap();
    std::fs::create_dir(records.directory("empty")).unwrap();
    std::fs::create_dir(records.directory("torn")).unwrap();
    std::fs::write(records.directory("torn").join("record"), [0xff]).unwrap();
    std::fs::create_dir(records.directory("moved")).unwrap();
    std::fs::copy(records.directory("good").join("record"), records.directory("moved").join("record"))
        .unwrap();
    let (good, bad): (Vec<_>, Vec<_>) =
        records.read_all::<ContainerRecord>().unwrap().into_iter().partition(Result::is_ok);
    assert_eq!(good.len(), 1);
    let mut bad: Vec<_> = bad.into_iter().map(|record| record.unwrap_err().id).collect();
    bad.sort();
    assert_eq!(bad, ["empty", "moved", "torn"]);
}

#[test]
fn the_first_end_stands() {
    let mut record = container("c");
    record.started_at = 100;
    record.end(3, 90, "Error", "");
    assert_eq!((record.exit_code, record.finished_at), (3, 100));
    record.end(255, 500, "Unknown", "");
    assert_eq!((record.exit_code, record.finished_at, record.reason.as_str()), (3, 100, "Error"));
}

//! The start of the server: takes over what an earlier one left, whenever it ended.
//!
//! Records say what was begun, shims what became of it. What was being made is removed (nobody was told its id);
//! what was being stopped or removed is carried on; what ran is taken over, or recorded as ended. Then network,
//! shims and snapshots that no record names are removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use kingpost_runtime::{Error as RuntimeError, Pod, Reconnected};

use super::{container, follow, sandbox as pods};
use crate::error::{CriError, Result, chain};
use crate::node::Node;
use crate::record::{
    ContainerPhase, ContainerRecord, Record, Recorded, Records, SandboxPhase, SandboxRecord,
};
use crate::store::{Container, Sandbox, container_name, sandbox_name};

/// Pods that are taken over at a time.
const AT_ONCE: usize = 16;

/// Takes over everything. A pod that fails is logged and tried again when its client asks for it.
pub(crate) async fn recover(node: &Arc<Node>) -> Result<()> {
    load(node)?;
    let sandboxes = node.store.sandboxes.all();
    let count = sandboxes.len();
    stream::iter(sandboxes)
        .for_each_concurrent(AT_ONCE, |sandbox| async move {
            if let Err(error) = recover_sandbox(node, &sandbox).await {
                tracing::error!(pod = %sandbox.record.get().id, error = %chain(&error), "cannot take over a pod");
            }
        })
        .await;
    remove_orphans(node).await;
    tracing::info!(sandboxes = count, containers = node.store.containers.all().len(), "took over");
    Ok(())
}

/// Reads all records into memory.
fn load(node: &Node) -> Result<()> {
    for record in read::<SandboxRecord>(&node.sandbox_records)? {
        let metadata = record.config.clone().unwrap_or_default().metadata.unwrap_or_default();
        node.store.names.reserve("sandbox", &sandbox_name(&metadata), &record.id)?;
        let id = record.id.clone();
        let recorded = Recorded::loaded(node.sandbox_records.clone(), record);
        node.store.sandboxes.insert(&id, Sandbox::new(recorded));
    }
    for record in read::<ContainerRecord>(&node.container_records)? {
        let metadata = record.config.clone().unwrap_or_default().metadata.unwrap_or_default();
        let name = container_name(&metadata, &record.sandbox_id);
        node.store.names.reserve("container", &name, &record.id)?;
        let id = record.id.clone();
        let recorded = Recorded::loaded(node.container_records.clone(), record);
        node.store.containers.insert(&id, Container::new(recorded));
    }
    Ok(())
}

/// The readable records; what is left of others is removed.
fn read<R: Record>(records: &Records) -> Result<Vec<R>> {
    let mut readable = Vec::new();
    for record in records.read_all::<R>()? {
        match record {
            Ok(record) => readable.push(record),
            Err(bad) => {
                tracing::warn!(kind = R::KIND, id = %bad.id, reason = %bad.reason, "removing an unusable record");
                records.remove(&bad.id)?;
            }
        }
    }
    Ok(readable)
}

async fn recover_sandbox(node: &Arc<Node>, sandbox: &Arc<Sandbox>) -> Result<()> {
    let _turn = sandbox.turn().await;
    let record = sandbox.record.get();
    match record.phase() {
        SandboxPhase::Preparing | SandboxPhase::Removing => {
            connect(node, sandbox).await?;
            pods::remove(node, sandbox).await
        }
        SandboxPhase::Stopping => {
            connect(node, sandbox).await?;
            pods::stop(node, sandbox).await?;
            recover_containers(node, sandbox, None).await
        }
        SandboxPhase::NotReady => recover_containers(node, sandbox, None).await,
        SandboxPhase::Ready => {
            connect(node, sandbox).await?;
            let pod = sandbox.pod();
            if pod.is_none() {
                // A reboot, or the shim was killed.
                pods::stop(node, sandbox).await?;
            }
            recover_containers(node, sandbox, pod.as_ref()).await
        }
    }
}

/// Finds the live pod of a sandbox, follows it, and catches up with what happened.
async fn connect(node: &Arc<Node>, sandbox: &Arc<Sandbox>) -> Result<()> {
    let id = sandbox.record.get().id.clone();
    match node.runtime.reconnect(&id).await {
        Ok(Reconnected::Live(pod)) => {
            sandbox.set_pod(Some(pod.clone()));
            follow::follow(node, sandbox, pod.clone());
            follow::catch_up(node, &pod).await;
            Ok(())
        }
        Ok(Reconnected::Gone(gone)) => {
            let states = gone.clean_up().await.map_err(CriError::runtime("clean up pod", &id))?;
            pods::settle(node, &node.store.containers_of(&id), &states).await;
            Ok(())
        }
        Err(RuntimeError::NotFound { .. }) => Ok(()),
        Err(source) => Err(CriError::Runtime { operation: "reconnect pod", id, source }),
    }
}

async fn recover_containers(node: &Arc<Node>, sandbox: &Arc<Sandbox>, pod: Option<&Pod>) -> Result<()> {
    let known: BTreeSet<String> = match pod {
        Some(pod) => {
            let states = pod.states().await.map_err(CriError::runtime("read state of pod", pod.id()))?;
            states.into_iter().map(|state| state.id).collect()
        }
        None => BTreeSet::new(),
    };
    for container in node.store.containers_of(&sandbox.record.get().id) {
        let id = container.record.get().id.clone();
        match container.phase() {
            ContainerPhase::Creating | ContainerPhase::Removing => {
                let _turn = container.turn().await;
                container::remove(node, &container).await?;
            }
            ContainerPhase::Created | ContainerPhase::Starting | ContainerPhase::Running
                if !known.contains(&id) =>
            {
                container::record_unknown_end(node, &container).await;
            }
            _ => {}
        }
    }
    let Some(pod) = pod else { return Ok(()) };
    for id in known.iter().filter(|id| node.store.containers.find(id).is_none()) {
        pod.delete_container(id).await.map_err(CriError::runtime("delete container", id))?;
    }
    Ok(())
}

/// Removes containers without a sandbox, and shims, networks and snapshots without a record.
async fn remove_orphans(node: &Arc<Node>) {
    for container in node.store.containers.all() {
        let record = container.record.get();
        if node.store.sandboxes.find(&record.sandbox_id).is_none() {
            log(&record.id, "container", container::remove(node, &container).await);
        }
    }
    match node.runtime.list().await {
        Ok(ids) => {
            for id in ids.iter().filter(|id| node.store.sandboxes.find(id).is_none()) {
                log(id, "pod", pods::destroy(node, id, None).await);
            }
        }
        Err(error) => tracing::error!(error = %chain(&error), "cannot list pods"),
    }
    let live: Vec<String> = node
        .store
        .sandboxes
        .all()
        .iter()
        .map(|sandbox| sandbox.record.get())
        .filter(|record| record.phase() == SandboxPhase::Ready)
        .map(|record| record.id.clone())
        .collect();
    log(
        "all",
        "network",
        node.network.reconcile(&live).await.map_err(CriError::network("reconcile", "network")),
    );
}

fn log<T>(id: &str, kind: &str, result: Result<T>) {
    if let Err(error) = result {
        tracing::error!(id, kind, error = %chain(&error), "cannot remove what no record names");
    }
}

//! From records to CRI's messages: what lists, statuses and events show.

use std::collections::HashMap;

use kingpost_proto::cri;

use crate::record::{ContainerPhase, ContainerRecord, SandboxPhase, SandboxRecord};
use crate::spec::signal;

/// A sandbox in a list.
pub(crate) fn sandbox(record: &SandboxRecord) -> cri::PodSandbox {
    let config = record.config.clone().unwrap_or_default();
    cri::PodSandbox {
        id: record.id.clone(),
        metadata: config.metadata,
        state: sandbox_state(record).into(),
        created_at: record.created_at,
        labels: config.labels,
        annotations: config.annotations,
        runtime_handler: record.runtime_handler.clone(),
    }
}

/// A sandbox's status.
pub(crate) fn sandbox_status(record: &SandboxRecord) -> cri::PodSandboxStatus {
    let config = record.config.clone().unwrap_or_default();
    let security = config.linux.and_then(|linux| linux.security_context);
    let options = security.and_then(|security| security.namespace_options).unwrap_or_default();
    let mut ips = record.ips.iter().cloned();
    cri::PodSandboxStatus {
        id: record.id.clone(),
        metadata: config.metadata,
        state: sandbox_state(record).into(),
        created_at: record.created_at,
        network: Some(cri::PodSandboxNetworkStatus {
            ip: ips.next().unwrap_or_default(),
            additional_ips: ips.map(|ip| cri::PodIp { ip }).collect(),
        }),
        linux: Some(cri::LinuxPodSandboxStatus {
            namespaces: Some(cri::Namespace { options: Some(options) }),
        }),
        labels: config.labels,
        annotations: config.annotations,
        runtime_handler: record.runtime_handler.clone(),
    }
}

/// Whether a sandbox is ready.
pub(crate) fn sandbox_state(record: &SandboxRecord) -> cri::PodSandboxState {
    match record.phase() {
        SandboxPhase::Ready => cri::PodSandboxState::SandboxReady,
        _ => cri::PodSandboxState::SandboxNotready,
    }
}

/// A container in a list.
pub(crate) fn container(record: &ContainerRecord) -> cri::Container {
    let config = record.config.clone().unwrap_or_default();
    cri::Container {
        id: record.id.clone(),
        pod_sandbox_id: record.sandbox_id.clone(),
        metadata: config.metadata,
        image: config.image,
        image_ref: record.image_ref.clone(),
        state: container_state(record).into(),
        created_at: record.created_at,
        labels: config.labels,
        annotations: config.annotations,
        image_id: record.image_id.clone(),
    }
}

/// A container's status.
pub(crate) fn container_status(record: &ContainerRecord) -> cri::ContainerStatus {
    let config = record.config.clone().unwrap_or_default();
    let resources = config.linux.and_then(|linux| linux.resources);
    cri::ContainerStatus {
        id: record.id.clone(),
        metadata: config.metadata,
        state: container_state(record).into(),
        created_at: record.created_at,
        started_at: record.started_at,
        finished_at: record.finished_at,
        exit_code: record.exit_code,
        image: config.image,
        image_ref: record.image_ref.clone(),
        reason: record.reason.clone(),
        message: record.message.clone(),
        labels: config.labels,
        annotations: config.annotations,
        mounts: config.mounts,
        log_path: record.log_path.clone(),
        resources: Some(cri::ContainerResources { linux: resources, windows: None }),
        image_id: record.image_id.clone(),
        user: record.user.clone().map(|user| cri::ContainerUser { linux: Some(user) }),
        stop_signal: signal::to_cri(record.stop_signal).into(),
    }
}

/// CRI's state of a container.
pub(crate) fn container_state(record: &ContainerRecord) -> cri::ContainerState {
    match record.phase() {
        ContainerPhase::Creating | ContainerPhase::Created | ContainerPhase::Starting => {
            cri::ContainerState::ContainerCreated
        }
        ContainerPhase::Running => cri::ContainerState::ContainerRunning,
        // One that is being removed has ended, or never was.
        ContainerPhase::Exited | ContainerPhase::Removing => cri::ContainerState::ContainerExited,
    }
}

/// Who a container statistic is about.
pub(crate) fn container_attributes(record: &ContainerRecord) -> cri::ContainerAttributes {
    let config = record.config.clone().unwrap_or_default();
    cri::ContainerAttributes {
        id: record.id.clone(),
        metadata: config.metadata,
        labels: config.labels,
        annotations: config.annotations,
    }
}

/// Who a sandbox statistic is about.
pub(crate) fn sandbox_attributes(record: &SandboxRecord) -> cri::PodSandboxAttributes {
    let config = record.config.clone().unwrap_or_default();
    cri::PodSandboxAttributes {
        id: record.id.clone(),
        metadata: config.metadata,
        labels: config.labels,
        annotations: config.annotations,
    }
}

/// An image, with or without the annotations of the request that asked for it.
pub(crate) fn image(image: &kingpost_images::Image) -> cri::Image {
    let user = image.config.config().as_ref().and_then(|config| config.user().clone()).unwrap_or_default();
    let name = user.split(':').next().unwrap_or_default();
    let uid = name.parse::<i64>().ok();
    cri::Image {
        id: image.id.clone(),
        repo_tags: image.repo_tags.clone(),
        repo_digests: image.repo_digests.clone(),
        size: image.size,
        uid: uid.map(|value| cri::Int64Value { value }),
        username: if uid.is_some() { String::new() } else { name.to_owned() },
        spec: Some(cri::ImageSpec { image: image.id.clone(), ..cri::ImageSpec::default() }),
        pinned: image.pinned,
    }
}

/// The map of a verbose answer: one key, `info`, with JSON.
pub(crate) fn info(value: &serde_json::Value) -> HashMap<String, String> {
    HashMap::from([("info".to_owned(), value.to_string())])
}

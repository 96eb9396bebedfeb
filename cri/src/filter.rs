//! Filters of list requests. All conditions that are set must hold; an id may be given by its beginning.

use std::collections::HashMap;

use kingpost_proto::cri::{ContainerFilter, ContainerStatsFilter, PodSandboxFilter, PodSandboxStatsFilter};

use crate::projection::{container_state, sandbox_state};
use crate::record::{ContainerPhase, ContainerRecord, SandboxPhase, SandboxRecord};

type Labels = HashMap<String, String>;

/// Whether a sandbox is in a list.
pub(crate) fn sandbox(filter: Option<&PodSandboxFilter>, record: &SandboxRecord) -> bool {
    // Nobody was told of it yet.
    if record.phase() == SandboxPhase::Preparing {
        return false;
    }
    let Some(filter) = filter else { return true };
    record.id.starts_with(&filter.id)
        && filter.state.as_ref().is_none_or(|state| state.state() == sandbox_state(record))
        && labels(&filter.label_selector, record.config.as_ref().map(|config| &config.labels))
}

/// Whether a container is in a list.
pub(crate) fn container(filter: Option<&ContainerFilter>, record: &ContainerRecord) -> bool {
    if record.phase() == ContainerPhase::Creating {
        return false;
    }
    let Some(filter) = filter else { return true };
    record.id.starts_with(&filter.id)
        && record.sandbox_id.starts_with(&filter.pod_sandbox_id)
        && filter.state.as_ref().is_none_or(|state| state.state() == container_state(record))
        && labels(&filter.label_selector, record.config.as_ref().map(|config| &config.labels))
}

/// Whether a container's statistics are in a list.
pub(crate) fn container_stats(filter: Option<&ContainerStatsFilter>, record: &ContainerRecord) -> bool {
    if record.phase() != ContainerPhase::Running {
        return false;
    }
    let Some(filter) = filter else { return true };
    record.id.starts_with(&filter.id)
        && record.sandbox_id.starts_with(&filter.pod_sandbox_id)
        && labels(&filter.label_selector, record.config.as_ref().map(|config| &config.labels))
}

/// Whether a sandbox's statistics are in a list.
pub(crate) fn sandbox_stats(filter: Option<&PodSandboxStatsFilter>, record: &SandboxRecord) -> bool {
    if record.phase() != SandboxPhase::Ready {
        return false;
    }
    let Some(filter) = filter else { return true };
    record.id.starts_with(&filter.id)
        && labels(&filter.label_selector, record.config.as_ref().map(|config| &config.labels))
}

fn labels(selector: &Labels, labels: Option<&Labels>) -> bool {
    selector.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

#[cfg(test)]
mod tests {
    use kingpost_proto::cri::{
        ContainerConfig, ContainerState, ContainerStateValue, PodSandboxConfig, PodSandboxState,
        PodSandboxStateValue,
    };

    use super::*;

    fn map(entries: &[(&str, &str)]) -> Labels {
        entries.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    fn a_container() -> ContainerRecord {
        let mut record = ContainerRecord {
            id: "abcdef".into(),
            sandbox_id: "pod1".into(),
            config: Some(ContainerConfig { labels: map(&[("a", "1"), ("b", "2")]), ..Default::default() }),
            ..ContainerRecord::default()
        };
        record.set_phase(ContainerPhase::Running);
        record
    }

    #[test]
    fn conditions_of_a_container_filter_are_anded() {
        let record = a_container();
        let ok = |filter: ContainerFilter| container(Some(&filter), &record);
        assert!(container(None, &record));
        assert!(ok(ContainerFilter::default()));
        assert!(ok(ContainerFilter { id: "abc".into(), ..Default::default() }));
        assert!(!ok(ContainerFilter { id: "abd".into(), ..Default::default() }));
        assert!(!ok(ContainerFilter { pod_sandbox_id: "pod2".into(), ..Default::default() }));
        let state = |state: ContainerState| Some(ContainerStateValue { state: state.into() });
        assert!(ok(ContainerFilter { state: state(ContainerState::ContainerRunning), ..Default::default() }));
        assert!(!ok(ContainerFilter { state: state(ContainerState::ContainerExited), ..Default::default() }));
        assert!(ok(ContainerFilter { label_selector: map(&[("a", "1")]), ..Default::default() }));
        assert!(!ok(ContainerFilter { label_selector: map(&[("a", "1"), ("c", "")]), ..Default::default() }));
    }

    #[test]
    fn objects_that_are_being_made_are_in_no_list() {
        let mut record = a_container();
        record.set_phase(ContainerPhase::Creating);
        assert!(!container(None, &record));
        let record = SandboxRecord { id: "pod".into(), ..SandboxRecord::default() };
        assert_eq!(record.phase(), SandboxPhase::Preparing);
        assert!(!sandbox(None, &record));
    }

    #[test]
    fn a_state_of_ready_is_not_the_absence_of_a_state() {
        let mut record = SandboxRecord {
            id: "pod".into(),
            config: Some(PodSandboxConfig::default()),
            ..SandboxRecord::default()
        };
        record.set_phase(SandboxPhase::NotReady);
        let ready = PodSandboxStateValue { state: PodSandboxState::SandboxReady.into() };
        let filter = PodSandboxFilter { state: Some(ready), ..PodSandboxFilter::default() };
        assert!(!sandbox(Some(&filter), &record));
        record.set_phase(SandboxPhase::Ready);
        assert!(sandbox(Some(&filter), &record));
    }
}

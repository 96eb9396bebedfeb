//! Taints and tolerations (upstream's TaintToleration and NodeUnschedulable).

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// The first taint that keeps a pod with these tolerations away.
pub(super) fn first_untolerated<'a>(taints: &'a [Taint], tolerations: &[Toleration]) -> Option<&'a Taint> {
    let mut keeping =
        taints.iter().filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"));
    keeping.find(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

/// Whether the pod may go to nodes that are closed to new pods.
pub(super) fn tolerates_unschedulable(tolerations: &[Toleration]) -> bool {
    let taint = Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    };
    tolerations.iter().any(|toleration| tolerates(toleration, &taint))
}

/// Whether a toleration matches a taint (`Toleration.ToleratesTaint`).
pub(crate) fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let given = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    if given(&toleration.effect).is_some_and(|effect| effect != taint.effect) {
        return false;
    }
    if given(&toleration.key).is_some_and(|key| key != taint.key) {
        return false;
    }
    match given(&toleration.operator).as_deref() {
        Some("Exists") => true,
        None | Some("Equal") => given(&toleration.value) == given(&taint.value),
        Some(_) => false,
    }
}

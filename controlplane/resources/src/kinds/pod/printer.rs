//! Rows of pods, whose status is the most telling of what their containers say (upstream's `printPod`).

use jiff::Timestamp;
use kingpost_apimachinery::time;
use serde_json::Value;

use crate::object::{flag, items, number, text};
use crate::table::{Column, age, name, or_none};

pub(super) const COLUMNS: &[Column] = &[
    Column::NAME,
    Column::text("Ready", "Containers that are ready, of all."),
    Column::text("Status", "What the pod is doing."),
    Column::text("Restarts", "How often its containers were restarted, and when last."),
    Column::AGE,
    Column::text("IP", "Its address.").wide(),
    Column::text("Node", "Its node.").wide(),
    Column::text("Nominated Node", "The node that room is being made on for it.").wide(),
    Column::text("Readiness Gates", "Conditions of others that are met, of all.").wide(),
];

pub(super) fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = Summary::of(pod);
    let restarts = match summary.last_restart {
        Some(at) if summary.restarts > 0 => {
            format!("{} ({} ago)", summary.restarts, time::human_duration(now.as_second() - at.as_second()))
        }
        _ => summary.restarts.to_string(),
    };
    let ip = match text(pod, "/status/podIPs/0/ip") {
        "" => text(pod, "/status/podIP"),
        ip => ip,
    };
    vec![
        name(pod),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.into(),
        restarts.into(),
        age(pod, now),
        or_none(ip),
        or_none(text(pod, "/spec/nodeName")),
        or_none(text(pod, "/status/nominatedNodeName")),
        or_none(readiness_gates(pod)),
    ]
}

fn readiness_gates(pod: &Value) -> String {
    let gates = items(pod, "/spec/readinessGates");
    let met = gates.iter().filter(|gate| condition(pod, text(gate, "/conditionType")) == "True").count();
    if gates.is_empty() { String::new() } else { format!("{met}/{}", gates.len()) }
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a str {
    let found = items(pod, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind);
    found.map(|condition| text(condition, "/status")).unwrap_or_default()
}

#[derive(Default)]
struct Summary {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

impl Summary {
    fn of(pod: &Value) -> Self {
        let reason = match text(pod, "/status/reason") {
            "" => text(pod, "/status/phase"),
            reason => reason,
        };
        let mut summary = Self {
            reason: reason.to_owned(),
            total: items(pod, "/spec/containers").len(),
            ..Self::default()
        };
        let gated = items(pod, "/status/conditions").iter().any(|condition| {
            text(condition, "/type") == "PodScheduled" && text(condition, "/reason") == "SchedulingGated"
        });
        if gated {
            summary.reason = "SchedulingGated".to_owned();
        }
        let initializing = summary.init_containers(pod);
        if !initializing || condition(pod, "Initialized") == "True" {
            summary.containers(pod);
        }
        if !text(pod, "/metadata/deletionTimestamp").is_empty() {
            let lost = text(pod, "/status/reason") == "NodeLost";
            let finished = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
            if lost {
                summary.reason = "Unknown".to_owned();
            } else if !finished {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    /// Counts init containers, and says whether the pod is still busy with them.
    fn init_containers(&mut self, pod: &Value) -> bool {
        let specs = items(pod, "/spec/initContainers");
        let is_sidecar = |name: &str| {
            specs.iter().any(|spec| text(spec, "/name") == name && text(spec, "/restartPolicy") == "Always")
        };
        self.total += specs.iter().filter(|spec| text(spec, "/restartPolicy") == "Always").count();
        let mut initializing = false;
        let (mut restarts, mut last) = (0, None);
        for (index, status) in items(pod, "/status/initContainerStatuses").iter().enumerate() {
            let sidecar = is_sidecar(text(status, "/name"));
            restarts += number(status, "/restartCount").unwrap_or(0);
            last = last.max(finished_at(status));
            if sidecar {
                self.restarts += number(status, "/restartCount").unwrap_or(0);
                self.last_restart = self.last_restart.max(finished_at(status));
            }
            if status.pointer("/state/terminated/exitCode").is_some_and(|code| code == 0) {
                continue;
            }
            if sidecar && flag(status, "/started") {
                self.ready += usize::from(flag(status, "/ready"));
                continue;
            }
            self.reason = match init_reason(status) {
                Some(reason) => format!("Init:{reason}"),
                None => format!("Init:{index}/{}", specs.len()),
            };
            initializing = true;
            break;
        }
        if initializing {
            self.restarts = restarts;
            self.last_restart = last;
        }
        initializing
    }

    fn containers(&mut self, pod: &Value) {
        let mut running = false;
        let mut reason = None;
        for status in items(pod, "/status/containerStatuses").iter().rev() {
            self.restarts += number(status, "/restartCount").unwrap_or(0);
            self.last_restart = self.last_restart.max(finished_at(status));
            let waiting = text(status, "/state/waiting/reason");
            if !waiting.is_empty() {
                reason = Some(waiting.to_owned());
            } else if let Some(ended) = status.pointer("/state/terminated") {
                reason = Some(ended_reason(ended));
            } else if flag(status, "/ready") && status.pointer("/state/running").is_some() {
                running = true;
                self.ready += 1;
            }
        }
        if let Some(reason) = reason {
            self.reason = reason;
        }
        // One has ended well and others still run: the pod is at work.
        if self.reason == "Completed" && running {
            let ready = condition(pod, "Ready") == "True";
            self.reason = if ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
}

fn init_reason(status: &Value) -> Option<String> {
    if let Some(ended) = status.pointer("/state/terminated") {
        return Some(ended_reason(ended));
    }
    let waiting = text(status, "/state/waiting/reason");
    (!matches!(waiting, "" | "PodInitializing")).then(|| waiting.to_owned())
}

fn ended_reason(ended: &Value) -> String {
    let (reason, signal) = (text(ended, "/reason"), number(ended, "/signal").unwrap_or(0));
    match (reason, signal) {
        ("", 0) => format!("ExitCode:{}", number(ended, "/exitCode").unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn finished_at(status: &Value) -> Option<Timestamp> {
    time::parse(text(status, "/lastState/terminated/finishedAt"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(status: Value) -> String {
        let pod = json!({
            "metadata": {"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]},
            "status": status,
        });
        let cells = cells(&pod, "2026-01-01T00:01:00Z".parse().unwrap());
        cells[1..5].iter().map(|cell| cell.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_row_says_what_kubectl_users_expect() {
        let running =
            |name: &str| json!({"name": name, "ready": true, "restartCount": 0, "state": {"running": {}}});
        assert_eq!(shown(json!({"phase": "Pending"})), "0/2 Pending 0 60s");
        assert_eq!(
            shown(json!({"phase": "Running", "containerStatuses": [running("a"), running("b")]})),
            "2/2 Running 0 60s"
        );
        let crashing = json!({
            "name": "b", "ready": false, "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"finishedAt": "2026-01-01T00:00:55Z"}},
        });
        assert_eq!(
            shown(json!({"phase": "Running", "containerStatuses": [running("a"), crashing]})),
            "1/2 CrashLoopBackOff 3 (5s ago) 60s"
        );
        let done = json!({"name": "b", "restartCount": 0, "state": {"terminated": {"reason": "Completed", "exitCode": 0}}});
        let ready = json!([{"type": "Ready", "status": "False"}]);
        assert_eq!(
            shown(
                json!({"phase": "Running", "conditions": ready, "containerStatuses": [running("a"), done]})
            ),
            "1/2 NotReady 0 60s"
        );
        let init =
            json!([{"name": "i", "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}]);
        assert_eq!(shown(json!({"phase": "Pending", "initContainerStatuses": init})), "0/2 Init:0/1 0 60s");
        let failed = json!([{"name": "i", "restartCount": 1, "state": {"terminated": {"reason": "Error", "exitCode": 1}}}]);
        assert_eq!(
            shown(json!({"phase": "Pending", "initContainerStatuses": failed})),
            "0/2 Init:Error 1 60s"
        );
    }
}

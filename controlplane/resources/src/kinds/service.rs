//! Services. Addresses and node ports are given out by the API server, after defaulting and validation.

use std::net::IpAddr;

use jiff::Timestamp;
use kingpost_apimachinery::{FieldError, LabelSelector, Path, names};
use serde_json::{Value, json};

use crate::metadata;
use crate::object::{
    default, default_text, entries, is_blank, items, items_mut, keep, map_in, number, set, text,
};
use crate::strategy::{Strategy, Subresource};
use crate::table::{Column, age, name, or_none};

pub(super) struct Services;

const TYPES: &[&str] = &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
/// How long a client sticks to an endpoint, in seconds, if it does: three hours; a day at the most.
const STICKY: i64 = 10800;
const MAX_STICKY: i64 = 86400;

impl Strategy for Services {
    fn default(&self, object: &mut Value) {
        let Some(spec) = map_in(object, "spec") else { return };
        default_text(spec, "sessionAffinity", "None");
        default_text(spec, "type", "ClusterIP");
        if text(spec, "/sessionAffinity") == "ClientIP"
            && let Some(client) =
                map_in(spec, "sessionAffinityConfig").and_then(|config| map_in(config, "clientIP"))
        {
            default(client, "timeoutSeconds", STICKY);
        }
        for port in items_mut(spec, "ports") {
            default_text(port, "protocol", "TCP");
            if matches!(port.get("targetPort"), None | Some(Value::Null))
                || port.get("targetPort") == Some(&json!(0))
            {
                let number = port.get("port").cloned().unwrap_or(Value::Null);
                set(port, "targetPort", number);
            }
        }
        let kind = text(spec, "/type").to_owned();
        if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
            default_text(spec, "externalTrafficPolicy", "Cluster");
        }
        if kind == "LoadBalancer" {
            default(spec, "allocateLoadBalancerNodePorts", true);
        }
        if kind != "ExternalName" {
            default_text(spec, "internalTrafficPolicy", "Cluster");
        }
    }

    fn prepare_for_create(&self, object: &mut Value) {
        set(object, "status", json!({"loadBalancer": {}}));
    }

    fn prepare_for_update(&self, new: &mut Value, old: &Value, subresource: Subresource) {
        if subresource == Subresource::Status {
            keep(new, old, "spec");
            return;
        }
        keep(new, old, "status");
        self.keep_allocations(new, old);
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = metadata::validate(object, names::dns1035_label);
        errors.extend(validate_spec(object));
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value, subresource: Subresource) -> Vec<FieldError> {
        let mut errors = metadata::validate_update(new, old, names::dns1035_label);
        if subresource == Subresource::Status {
            return errors;
        }
        // An address stays as long as the Service has one.
        let needs = |object: &Value| text(object, "/spec/type") != "ExternalName";
        let was = text(old, "/spec/clusterIP");
        if needs(new) && needs(old) && !was.is_empty() {
            let path = Path::new("spec.clusterIP");
            errors.extend(metadata::immutable(new, old, "/spec/clusterIP", &path));
        }
        errors.extend(validate_spec(new));
        errors
    }

    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::NAME,
            Column::text("Type", "How it is reached."),
            Column::text("Cluster-IP", "Address within the cluster."),
            Column::text("External-IP", "Addresses from outside."),
            Column::text("Port(s)", "Ports, with those on every node."),
            Column::AGE,
            Column::text("Selector", "Labels of the pods behind it.").wide(),
        ];
        COLUMNS
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let selector = entries(object, "/spec/selector")
            .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()));
        vec![
            name(object),
            text(object, "/spec/type").into(),
            or_none(text(object, "/spec/clusterIP")),
            or_none(external(object)),
            or_none(ports(object)),
            age(object, now),
            or_none(LabelSelector::of_map(selector).to_string()),
        ]
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![
            ("spec.clusterIP", text(object, "/spec/clusterIP").to_owned()),
            ("spec.type", text(object, "/spec/type").to_owned()),
        ]
    }
}

impl Services {
    /// What the server gave out is kept where an update does not mention it (`patchAllocatedValues`).
    fn keep_allocations(&self, new: &mut Value, old: &Value) {
        let needs_address = |object: &Value| text(object, "/spec/type") != "ExternalName";
        if needs_address(old) && needs_address(new) {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                let blank = is_blank(new.pointer(&format!("/spec/{field}")));
                if let (true, Some(was), Some(spec)) =
                    (blank, old.pointer(&format!("/spec/{field}")), new.get_mut("spec"))
                {
                    set(spec, field, was.clone());
                }
            }
        }
        let has_node_ports =
            |object: &Value| matches!(text(object, "/spec/type"), "NodePort" | "LoadBalancer");
        if !has_node_ports(old) || !has_node_ports(new) {
            return;
        }
        let taken: Vec<i64> =
            items(new, "/spec/ports").iter().filter_map(|port| number(port, "/nodePort")).collect();
        let identity = |port: &Value| (text(port, "/protocol").to_owned(), number(port, "/port"));
        let former = items(old, "/spec/ports");
        let Some(spec) = new.get_mut("spec") else { return };
        for port in items_mut(spec, "ports").filter(|port| number(port, "/nodePort").unwrap_or(0) == 0) {
            let before = former.iter().find(|former| identity(former) == identity(port));
            let number = before
                .and_then(|before| number(before, "/nodePort"))
                .filter(|number| !taken.contains(number));
            if let Some(number) = number {
                set(port, "nodePort", number);
            }
        }
    }
}

fn external(object: &Value) -> String {
    let given = items(object, "/spec/externalIPs").iter().filter_map(Value::as_str);
    match text(object, "/spec/type") {
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        "LoadBalancer" => {
            let ingress = items(object, "/status/loadBalancer/ingress").iter();
            let balancer = ingress.map(|point| match text(point, "/ip") {
                "" => text(point, "/hostname"),
                ip => ip,
            });
            let all: Vec<_> = balancer.chain(given).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ => given.collect::<Vec<_>>().join(","),
    }
}

fn ports(object: &Value) -> String {
    let shown = items(object, "/spec/ports").iter().map(|port| {
        let number_of = |field: &str| number(port, &format!("/{field}")).unwrap_or(0);
        let protocol = text(port, "/protocol");
        match number_of("nodePort") {
            0 => format!("{}/{protocol}", number_of("port")),
            node => format!("{}:{node}/{protocol}", number_of("port")),
        }
    });
    shown.collect::<Vec<_>>().join(",")
}

fn validate_spec(object: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let mut errors = Vec::new();
    let kind = text(object, "/spec/type");
    if !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(&path.child("type"), kind, TYPES));
    }
    let headless = text(object, "/spec/clusterIP") == "None";
    let ports = items(object, "/spec/ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required(&path.child("ports"), ""));
    }
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let why = format!("may not be set to 'None' for {kind} services");
        errors.push(FieldError::invalid(&path.child("clusterIPs").index(0), "None", why));
    }
    if kind == "ExternalName" {
        errors.extend(external_name(object, &path));
    }
    errors.extend(validate_ports(ports, kind, &path.child("ports")));
    errors.extend(metadata::labels(object, "/spec/selector", &path.child("selector")));
    errors.extend(affinity(object, &path));
    errors.extend(addresses(object, &path));
    errors.extend(policies(object, kind, &path));
    errors
}

fn external_name(object: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["clusterIP", "clusterIPs"] {
        let value = object.pointer(&format!("/spec/{field}"));
        if !is_blank(value) {
            let why = "may not be set for ExternalName services";
            errors.push(FieldError::forbidden(&path.child(field), why));
        }
    }
    let target = text(object, "/spec/externalName");
    let path = path.child("externalName");
    if target.is_empty() {
        errors.push(FieldError::required(&path, ""));
    } else {
        let bare = target.strip_suffix('.').unwrap_or(target);
        errors.extend(
            names::dns1123_subdomain(bare).into_iter().map(|why| FieldError::invalid(&path, target, why)),
        );
    }
    errors
}

fn validate_ports(ports: &[Value], kind: &str, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut seen_names: Vec<&str> = Vec::new();
    let mut seen_ports = Vec::new();
    let mut seen_nodes = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let (name, protocol) = (text(port, "/name"), text(port, "/protocol"));
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(&path.child("name"), ""));
        } else if !name.is_empty() {
            errors.extend(
                names::dns1123_label(name)
                    .into_iter()
                    .map(|why| FieldError::invalid(&path.child("name"), name, why)),
            );
            if seen_names.contains(&name) {
                errors.push(FieldError::duplicate(&path.child("name"), name));
            }
            seen_names.push(name);
        }
        let value = number(port, "/port").unwrap_or(0);
        errors.extend(
            names::port_number(value)
                .into_iter()
                .map(|why| FieldError::invalid(&path.child("port"), value, why)),
        );
        if !matches!(protocol, "TCP" | "UDP" | "SCTP") {
            errors.push(FieldError::not_supported(
                &path.child("protocol"),
                protocol,
                &["SCTP", "TCP", "UDP"],
            ));
        }
        errors.extend(target_port(port, &path.child("targetPort")));
        if seen_ports.contains(&(protocol, value)) {
            errors.push(FieldError::duplicate(&path, json!({"port": value, "protocol": protocol})));
        }
        seen_ports.push((protocol, value));
        let node = number(port, "/nodePort").unwrap_or(0);
        if node != 0 && !matches!(kind, "NodePort" | "LoadBalancer") {
            let why = "may not be used when `type` is 'ClusterIP'";
            errors.push(FieldError::forbidden(&path.child("nodePort"), why));
        } else if node != 0 {
            if seen_nodes.contains(&(protocol, node)) {
                errors.push(FieldError::duplicate(&path.child("nodePort"), node));
            }
            seen_nodes.push((protocol, node));
        }
    }
    errors
}

fn target_port(port: &Value, path: &Path) -> Vec<FieldError> {
    match port.get("targetPort") {
        Some(Value::Number(number)) => {
            let value = number.as_i64().unwrap_or(0);
            names::port_number(value).into_iter().map(|why| FieldError::invalid(path, value, why)).collect()
        }
        Some(Value::String(name)) => names::port_name(name)
            .into_iter()
            .map(|why| FieldError::invalid(path, name.as_str(), why))
            .collect(),
        _ => Vec::new(),
    }
}

fn affinity(object: &Value, path: &Path) -> Vec<FieldError> {
    let affinity = text(object, "/spec/sessionAffinity");
    let config = path.child("sessionAffinityConfig");
    match affinity {
        "ClientIP" => {
            let seconds = number(object, "/spec/sessionAffinityConfig/clientIP/timeoutSeconds").unwrap_or(0);
            let path = config.child("clientIP").child("timeoutSeconds");
            let good = (1..=MAX_STICKY).contains(&seconds);
            let why = format!("must be greater than 0 and less than {MAX_STICKY}");
            if good { Vec::new() } else { vec![FieldError::invalid(&path, seconds, why)] }
        }
        "None" if !is_blank(object.pointer("/spec/sessionAffinityConfig")) => {
            vec![FieldError::forbidden(&config, "must not be set when session affinity is None")]
        }
        "None" => Vec::new(),
        other => {
            vec![FieldError::not_supported(&path.child("sessionAffinity"), other, &["ClientIP", "None"])]
        }
    }
}

fn addresses(object: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut check = |text: &str, path: &Path| {
        if text.parse::<IpAddr>().is_err() {
            let why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            errors.push(FieldError::invalid(path, text, why));
        }
    };
    let address = text(object, "/spec/clusterIP");
    if !matches!(address, "" | "None") {
        check(address, &path.child("clusterIPs").index(0));
    }
    for (index, address) in items(object, "/spec/externalIPs").iter().enumerate() {
        check(address.as_str().unwrap_or_default(), &path.child("externalIPs").index(index));
    }
    let all = items(object, "/spec/clusterIPs");
    if let Some(first) = all.first().and_then(Value::as_str)
        && first != address
    {
        let why = "first value must match `clusterIP`";
        errors.push(FieldError::invalid(&path.child("clusterIPs"), Value::Array(all.to_vec()), why));
    }
    errors
}

fn policies(object: &Value, kind: &str, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let policy = text(object, "/spec/externalTrafficPolicy");
    let reachable =
        matches!(kind, "NodePort" | "LoadBalancer") || !items(object, "/spec/externalIPs").is_empty();
    if !policy.is_empty() && !reachable {
        let why = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid(&path.child("externalTrafficPolicy"), policy, why));
    } else if !policy.is_empty() && !matches!(policy, "Cluster" | "Local") {
        errors.push(FieldError::not_supported(
            &path.child("externalTrafficPolicy"),
            policy,
            &["Cluster", "Local"],
        ));
    }
    let policy = text(object, "/spec/internalTrafficPolicy");
    if !matches!(policy, "" | "Cluster" | "Local") {
        errors.push(FieldError::not_supported(
            &path.child("internalTrafficPolicy"),
            policy,
            &["Cluster", "Local"],
        ));
    }
    let family_policy = text(object, "/spec/ipFamilyPolicy");
    if family_policy == "RequireDualStack" {
        let why = "this cluster is not configured for dual-stack services";
        errors.push(FieldError::invalid(&path.child("ipFamilyPolicy"), family_policy, why));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(spec: Value) -> Value {
        let mut service = json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec});
        Services.default(&mut service);
        service
    }

    fn wrong(spec: Value) -> Vec<String> {
        Services.validate_create(&service(spec)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_port_leads_to_itself_unless_it_says_otherwise() {
        let service = service(json!({"ports": [{"port": 80}, {"port": 81, "targetPort": "http"}]}));
        assert_eq!(service["spec"]["ports"][0], json!({"port": 80, "protocol": "TCP", "targetPort": 80}));
        assert_eq!(service["spec"]["ports"][1]["targetPort"], "http");
        assert_eq!(
            (&service["spec"]["type"], &service["spec"]["internalTrafficPolicy"]),
            (&json!("ClusterIP"), &json!("Cluster"))
        );
    }

    #[test]
    fn mistakes_are_named_as_upstream_names_them() {
        assert!(wrong(json!({"ports": [{"port": 80}]})).is_empty());
        assert_eq!(wrong(json!({})), ["spec.ports: Required value"]);
        assert!(wrong(json!({"clusterIP": "None"})).is_empty());
        assert_eq!(
            wrong(json!({"ports": [{"port": 70000, "targetPort": 80}]})),
            ["spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive"]
        );
        assert_eq!(
            wrong(json!({"ports": [{"port": 80}, {"port": 81}]})),
            ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]
        );
        assert_eq!(
            wrong(json!({"type": "X", "ports": [{"port": 80}]})),
            [
                "spec.type: Unsupported value: \"X\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\""
            ]
        );
    }

    #[test]
    fn what_was_given_out_stays_when_a_client_applies_its_manifest_again() {
        let mut old = service(json!({"type": "NodePort", "ports": [{"port": 80}]}));
        old["spec"]["clusterIP"] = json!("10.96.0.7");
        old["spec"]["ports"][0]["nodePort"] = json!(30007);
        let mut new = service(json!({"type": "NodePort", "ports": [{"port": 80}]}));
        Services.prepare_for_update(&mut new, &old, Subresource::None);
        assert_eq!(
            (&new["spec"]["clusterIP"], &new["spec"]["ports"][0]["nodePort"]),
            (&json!("10.96.0.7"), &json!(30007))
        );
        new["spec"]["clusterIP"] = json!("10.96.0.8");
        let errors = Services.validate_update(&new, &old, Subresource::None);
        assert_eq!(errors[0].to_string(), "spec.clusterIP: Invalid value: \"10.96.0.8\": field is immutable");
    }
}

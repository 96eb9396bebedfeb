//! Compares `api.proto` with the Go module `k8s.io/cri-api`, field by field: `cri-api.txt` is what
//! `tools/criapi` printed of it.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

fn lower(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

fn message(out: &mut BTreeSet<String>, prefix: &str, message_type: &DescriptorProto) {
    let name = format!("{prefix}.{}", message_type.name());
    out.insert(format!("message {name}"));
    for field in &message_type.field {
        let mut line = format!(
            "field {name}.{} = {} {} {}",
            field.name(),
            field.number(),
            lower(Label::as_str_name(&field.label()), "LABEL_"),
            lower(Type::as_str_name(&field.r#type()), "TYPE_"),
        );
        if !field.type_name().is_empty() {
            line += &format!(" {}", field.type_name());
        }
        if field.options.as_ref().is_some_and(|options| options.deprecated()) {
            line += " deprecated";
        }
        out.insert(line);
    }
    for inner in &message_type.enum_type {
        enumeration(out, &name, inner);
    }
    for inner in &message_type.nested_type {
        message(out, &name, inner);
    }
}

fn enumeration(out: &mut BTreeSet<String>, prefix: &str, enum_type: &EnumDescriptorProto) {
    for value in &enum_type.value {
        out.insert(format!("enum {prefix}.{}.{} = {}", enum_type.name(), value.name(), value.number()));
    }
}

fn service(out: &mut BTreeSet<String>, prefix: &str, service_type: &ServiceDescriptorProto) {
    for method in &service_type.method {
        let stream = if method.server_streaming() { " stream" } else { "" };
        out.insert(format!(
            "rpc {prefix}.{}.{} {}{stream} {}",
            service_type.name(),
            method.name(),
            method.input_type(),
            method.output_type()
        ));
    }
}

#[test]
fn descriptor_is_that_of_cri_api() {
    let set = FileDescriptorSet::decode(kingpost_proto::cri::DESCRIPTOR).unwrap();
    let file = set.file.iter().find(|file| file.package() == "runtime.v1").unwrap();
    let mut ours = BTreeSet::new();
    for message_type in &file.message_type {
        message(&mut ours, ".runtime.v1", message_type);
    }
    for enum_type in &file.enum_type {
        enumeration(&mut ours, ".runtime.v1", enum_type);
    }
    for service_type in &file.service {
        service(&mut ours, ".runtime.v1", service_type);
    }
    let theirs: BTreeSet<String> = include_str!("cri-api.txt").lines().map(str::to_owned).collect();
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&theirs).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing: {missing:#?}\nextra: {extra:#?}");
    assert_eq!(ours.iter().filter(|line| line.starts_with("rpc ")).count(), 43);
}

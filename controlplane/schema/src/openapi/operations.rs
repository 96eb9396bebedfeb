//! What can be done with the resources: path items and operations, apart from how a version of OpenAPI writes them.

use super::{ApiResource, ApiSubresource};
use crate::table::{TypeRef, kind, type_named};

/// The type of patch bodies, which the table does not have.
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/// One path with its operations.
pub(super) struct PathItem {
    pub(super) path: String,
    /// Path parameters: name and description.
    pub(super) parameters: Vec<(&'static str, String)>,
    pub(super) operations: Vec<Operation>,
}

/// What one method does.
pub(super) struct Operation {
    /// `get`, `put`, `post`, `patch` or `delete`.
    pub(super) method: &'static str,
    /// Upstream's `x-kubernetes-action`; empty for the discovery path.
    pub(super) action: &'static str,
    pub(super) id: String,
    pub(super) description: String,
    pub(super) tag: String,
    pub(super) gvk: Option<Gvk>,
    pub(super) body: Body,
    /// Type of the response; `None` is plain text.
    pub(super) response: Option<TypeRef>,
    pub(super) codes: &'static [u16],
    pub(super) query: &'static [(&'static str, &'static str)],
}

/// Group, version and kind.
#[derive(Clone)]
pub(super) struct Gvk {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

/// What a request carries.
pub(super) enum Body {
    None,
    Object(TypeRef),
    Patch,
}

const WRITE: &[(&str, &str)] =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const PATCHING: &[(&str, &str)] =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")];
const DELETE: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];
const LIST: &[(&str, &str)] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const DELETE_COLLECTION: &[(&str, &str)] = &[
    ("continue", "string"),
    ("dryRun", "string"),
    ("fieldSelector", "string"),
    ("gracePeriodSeconds", "integer"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
];

/// `/api/v1` or `/apis/{group}/{version}`.
pub(super) fn group_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

/// All paths of some resources.
pub(super) fn path_items(resources: &[&ApiResource<'_>]) -> Vec<PathItem> {
    let mut items: Vec<PathItem> = Vec::new();
    for resource in resources {
        let root = format!("{}/", group_path(resource.group, resource.version));
        if !items.iter().any(|item| item.path == root) {
            items.push(discovery_item(root, resource));
        }
        Resource { resource }.add_paths(&mut items);
    }
    items
}

fn discovery_item(path: String, resource: &ApiResource<'_>) -> PathItem {
    let operation = Operation {
        method: "get",
        action: "",
        id: format!("get{}APIResources", group_id(resource)),
        description: "get available resources".into(),
        tag: tag(resource),
        gvk: None,
        body: Body::None,
        response: type_named("io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList"),
        codes: &[200],
        query: &[],
    };
    PathItem { path, parameters: Vec::new(), operations: vec![operation] }
}

/// `AppsV1`, `CoreV1`, `RbacAuthorizationV1`.
fn group_id(resource: &ApiResource<'_>) -> String {
    let group = if resource.group.is_empty() { "core" } else { resource.group };
    let group = group.strip_suffix(".k8s.io").unwrap_or(group);
    group.split('.').chain([resource.version]).map(capitalised).collect()
}

fn tag(resource: &ApiResource<'_>) -> String {
    let id = group_id(resource);
    let group = id.strip_suffix(&capitalised(resource.version)).unwrap_or(&id);
    let mut chars = group.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    format!("{}_{}", first.into_iter().chain(chars).collect::<String>(), resource.version)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

struct Resource<'a> {
    resource: &'a ApiResource<'a>,
}

impl Resource<'_> {
    fn add_paths(&self, items: &mut Vec<PathItem>) {
        let resource = self.resource;
        let root = group_path(resource.group, resource.version);
        let plural = resource.plural;
        let everywhere = format!("{root}/{plural}");
        let collection = if resource.namespaced {
            format!("{root}/namespaces/{{namespace}}/{plural}")
        } else {
            everywhere.clone()
        };
        if resource.namespaced {
            items.extend(self.item(everywhere, Vec::new(), self.list_everywhere().into_iter().collect()));
        }
        let in_namespace = || {
            let namespace =
                ("namespace", "object name and auth scope, such as for teams and projects".to_owned());
            if resource.namespaced { vec![namespace] } else { Vec::new() }
        };
        let named = || {
            let mut parameters = vec![("name", format!("name of the {}", resource.kind))];
            parameters.extend(in_namespace());
            parameters
        };
        items.extend(self.item(collection.clone(), in_namespace(), self.on_collection()));
        let object = format!("{collection}/{{name}}");
        items.extend(self.item(object.clone(), named(), self.on_object()));
        for sub in resource.subresources {
            items.extend(self.item(format!("{object}/{}", sub.name), named(), self.on_subresource(sub)));
        }
    }

    /// A path that has operations.
    fn item(
        &self,
        path: String,
        parameters: Vec<(&'static str, String)>,
        operations: Vec<Operation>,
    ) -> Option<PathItem> {
        (!operations.is_empty()).then_some(PathItem { path, parameters, operations })
    }

    fn has(&self, verb: &str) -> bool {
        self.resource.verbs.contains(&verb)
    }

    fn ty(&self, suffix: &str) -> Option<TypeRef> {
        kind(self.resource.group, self.resource.version, &format!("{}{suffix}", self.resource.kind))
    }

    fn gvk(&self) -> Gvk {
        let resource = self.resource;
        Gvk { group: resource.group.into(), version: resource.version.into(), kind: resource.kind.into() }
    }

    /// `verb` + group version + `Namespaced` + kind.
    fn id(&self, verb: &str) -> String {
        let scope = if self.resource.namespaced { "Namespaced" } else { "" };
        format!("{verb}{}{scope}{}", group_id(self.resource), self.resource.kind)
    }

    fn operation(
        &self,
        method: &'static str,
        action: &'static str,
        id: String,
        response: Option<TypeRef>,
    ) -> Operation {
        Operation {
            method,
            action,
            id,
            description: String::new(),
            tag: tag(self.resource),
            gvk: Some(self.gvk()),
            body: Body::None,
            response,
            codes: &[200],
            query: &[],
        }
    }

    fn list_everywhere(&self) -> Option<Operation> {
        let id = format!("list{}{}ForAllNamespaces", group_id(self.resource), self.resource.kind);
        self.has("list").then(|| Operation {
            description: format!("list or watch objects of kind {}", self.resource.kind),
            query: LIST,
            ..self.operation("get", "list", id, self.ty("List"))
        })
    }

    fn on_collection(&self) -> Vec<Operation> {
        let kind_name = self.resource.kind;
        let mut operations = Vec::new();
        if self.has("list") {
            operations.push(Operation {
                description: format!("list or watch objects of kind {kind_name}"),
                query: LIST,
                ..self.operation("get", "list", self.id("list"), self.ty("List"))
            });
        }
        if self.has("create") {
            operations.push(Operation {
                description: format!("create a {kind_name}"),
                body: self.ty("").map_or(Body::None, Body::Object),
                codes: &[200, 201, 202],
                query: WRITE,
                ..self.operation("post", "post", self.id("create"), self.ty(""))
            });
        }
        if self.has("deletecollection") {
            let scope = if self.resource.namespaced { "Namespaced" } else { "" };
            let id = format!("delete{}Collection{scope}{kind_name}", group_id(self.resource));
            operations.push(Operation {
                description: format!("delete collection of {kind_name}"),
                body: delete_body(),
                query: DELETE_COLLECTION,
                ..self.operation("delete", "deletecollection", id, status())
            });
        }
        operations
    }

    fn on_object(&self) -> Vec<Operation> {
        let mut operations =
            self.read_and_write(self.resource.kind, "", self.gvk(), self.ty(""), self.resource.verbs);
        if self.has("delete") {
            operations.push(Operation {
                description: format!("delete a {}", self.resource.kind),
                body: delete_body(),
                codes: &[200, 202],
                query: DELETE,
                ..self.operation("delete", "delete", self.id("delete"), status())
            });
        }
        operations
    }

    fn on_subresource(&self, sub: &ApiSubresource<'_>) -> Vec<Operation> {
        let what = format!("{} of the specified {}", sub.name, self.resource.kind);
        let suffix = capitalised(sub.name);
        let gvk = Gvk { group: sub.group.into(), version: sub.version.into(), kind: sub.kind.into() };
        if sub.kind.ends_with("Options") {
            return self.connections(&what, &suffix, &gvk, sub.verbs);
        }
        let ty = kind(sub.group, sub.version, sub.kind);
        let mut operations = self.read_and_write(&what, &suffix, gvk.clone(), ty, sub.verbs);
        if sub.verbs.contains(&"create") {
            operations.push(Operation {
                description: format!("create {what}"),
                gvk: Some(gvk),
                body: ty.map_or(Body::None, Body::Object),
                codes: &[200, 201, 202],
                query: WRITE,
                ..self.operation("post", "post", self.id("create") + &suffix, ty)
            });
        }
        operations
    }

    /// Log, exec, attach, port-forward, proxy: streams and texts.
    fn connections(&self, what: &str, suffix: &str, gvk: &Gvk, verbs: &[&str]) -> Vec<Operation> {
        let mut operations = Vec::new();
        for (verb, method, id) in [("get", "get", "connectGet"), ("create", "post", "connectPost")] {
            if verbs.contains(&verb) {
                operations.push(Operation {
                    description: format!("connect {} requests to {what}", method.to_ascii_uppercase()),
                    gvk: Some(gvk.clone()),
                    ..self.operation(method, "connect", self.id(id) + suffix, None)
                });
            }
        }
        operations
    }

    fn read_and_write(
        &self,
        what: &str,
        suffix: &str,
        gvk: Gvk,
        ty: Option<TypeRef>,
        verbs: &[&str],
    ) -> Vec<Operation> {
        let mut operations = Vec::new();
        if verbs.contains(&"get") {
            operations.push(Operation {
                description: format!("read {what}"),
                gvk: Some(gvk.clone()),
                ..self.operation("get", "get", self.id("read") + suffix, ty)
            });
        }
        if verbs.contains(&"update") {
            operations.push(Operation {
                description: format!("replace {what}"),
                gvk: Some(gvk.clone()),
                body: ty.map_or(Body::None, Body::Object),
                codes: &[200, 201],
                query: WRITE,
                ..self.operation("put", "put", self.id("replace") + suffix, ty)
            });
        }
        if verbs.contains(&"patch") {
            operations.push(Operation {
                description: format!("partially update {what}"),
                gvk: Some(gvk),
                body: Body::Patch,
                codes: &[200, 201],
                query: PATCHING,
                ..self.operation("patch", "patch", self.id("patch") + suffix, ty)
            });
        }
        operations
    }
}

fn status() -> Option<TypeRef> {
    kind("", "v1", "Status")
}

fn delete_body() -> Body {
    kind("", "v1", "DeleteOptions").map_or(Body::None, Body::Object)
}

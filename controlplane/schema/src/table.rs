//! The shape of the table: types, fields, and how they are found.

use std::{fmt, ptr};

#[path = "types/index.generated.rs"]
mod types;

/// A type of the table.
pub type TypeRef = &'static ObjectType;

/// A struct type of the Kubernetes API. Each stands in the table once: two are equal when they are the same static.
pub struct ObjectType {
    /// OpenAPI model name, such as `io.k8s.api.core.v1.Pod`.
    pub name: &'static str,
    /// Go name with package, such as `v1.Pod`: error texts carry it.
    pub go_name: &'static str,
    /// All fields of the JSON form (inlined structs flattened), sorted by name.
    pub fields: &'static [Field],
    /// The protobuf message, sorted by field number. Empty for types without a protobuf form.
    pub wire: &'static [Member],
    /// Upstream treats the struct as one unit in server-side apply (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
}

impl PartialEq for ObjectType {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }
}

impl Eq for ObjectType {}

impl fmt::Debug for ObjectType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

impl ObjectType {
    /// The field of that JSON name; names are case-sensitive.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        let place = self.fields.binary_search_by(|field| field.name.cmp(name)).ok()?;
        self.fields.get(place)
    }

    /// Name without package, such as `PodSpec`.
    #[must_use]
    pub fn short_name(&self) -> &'static str {
        self.go_name.rsplit('.').next().unwrap_or(self.go_name)
    }
}

/// The type of a kind, such as `kind("apps", "v1", "Deployment")`; the core group is `""`.
///
/// The kinds that upstream registers in every group version (`DeleteOptions` and its like, `WatchEvent`) are found
/// under each.
#[must_use]
pub fn kind(group: &str, version: &str, kind: &str) -> Option<TypeRef> {
    let find = |group: &str, version: &str| {
        let wanted = (group, version, kind);
        let place = types::KINDS.binary_search_by(|(g, v, k, _)| (*g, *v, *k).cmp(&wanted)).ok()?;
        types::KINDS.get(place).map(|entry| entry.3)
    };
    const EVERYWHERE: [&str; 7] = [
        "CreateOptions",
        "DeleteOptions",
        "GetOptions",
        "ListOptions",
        "PatchOptions",
        "UpdateOptions",
        "WatchEvent",
    ];
    find(group, version).or_else(|| if EVERYWHERE.contains(&kind) { find("", "v1") } else { None })
}

/// The type of an object's `apiVersion` and `kind`.
#[must_use]
pub fn kind_of(api_version: &str, kind_name: &str) -> Option<TypeRef> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    kind(group, version, kind_name)
}

/// Every kind of the table as (group, version, kind, type), sorted.
#[must_use]
pub fn kinds() -> &'static [(&'static str, &'static str, &'static str, TypeRef)] {
    types::KINDS
}

/// The type of an OpenAPI model name, such as `io.k8s.api.core.v1.PodSpec`.
#[must_use]
pub fn type_named(model: &str) -> Option<TypeRef> {
    let place = types::TYPES.binary_search_by(|entry| entry.name.cmp(model)).ok()?;
    types::TYPES.get(place).copied()
}

/// One field of an [`ObjectType`].
#[derive(Debug)]
pub struct Field {
    /// Name in JSON.
    pub name: &'static str,
    /// Shape of the value.
    pub shape: Shape,
    /// When the field is left out of an encoded object.
    pub presence: Presence,
    /// What strategic merge does with it.
    pub patch: PatchKind,
    /// Key of a list merged by strategic merge; empty for lists of scalars and everything else.
    pub merge_key: &'static str,
    /// How server-side apply owns a list.
    pub list: ListKind,
    /// A map or struct that server-side apply owns as one unit.
    pub atomic: bool,
    /// OpenAPI calls the field required.
    pub required: bool,
    /// Upstream's schema default as JSON text; empty when there is none.
    pub default: &'static str,
    /// The texts that the field accepts, where upstream publishes an enumeration; empty otherwise.
    pub values: &'static [&'static str],
    /// Go type where it does not follow from the shape, such as `v1.RestartPolicy`; else empty.
    pub go_type: &'static str,
    /// Names of the Go structs that the field is inlined from, each with a dot behind it; else empty.
    pub via: &'static str,
}

/// Builders of the generated tables.
impl Field {
    pub(crate) const fn new(name: &'static str, shape: Shape, presence: Presence) -> Self {
        Self {
            name,
            shape,
            presence,
            patch: PatchKind::Default,
            merge_key: "",
            list: ListKind::Atomic,
            atomic: false,
            required: false,
            default: "",
            values: &[],
            go_type: "",
            via: "",
        }
    }

    pub(crate) const fn go(mut self, name: &'static str) -> Self {
        self.go_type = name;
        self
    }

    pub(crate) const fn via(mut self, path: &'static str) -> Self {
        self.via = path;
        self
    }

    pub(crate) const fn patch(mut self, kind: PatchKind, merge_key: &'static str) -> Self {
        self.patch = kind;
        self.merge_key = merge_key;
        self
    }

    pub(crate) const fn list(mut self, kind: ListKind) -> Self {
        self.list = kind;
        self
    }

    pub(crate) const fn atomic(mut self) -> Self {
        self.atomic = true;
        self
    }

    pub(crate) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(crate) const fn values(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    pub(crate) const fn default_json(mut self, text: &'static str) -> Self {
        self.default = text;
        self
    }
}

/// Shape of a value.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// String, also of named string types.
    String,
    /// Boolean.
    Bool,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Double.
    Float64,
    /// Bytes, base64 in JSON.
    Bytes,
    /// `metav1.Time`: RFC 3339 with seconds.
    Time,
    /// `metav1.MicroTime`: RFC 3339 with microseconds.
    MicroTime,
    /// `metav1.Duration`: Go's duration text.
    Duration,
    /// `resource.Quantity`.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// `runtime.RawExtension`: any JSON object.
    Raw,
    /// `metav1.FieldsV1`: any JSON object.
    FieldsV1,
    /// A struct of the table.
    Object(TypeRef),
    /// A list.
    List(&'static Shape),
    /// A named list type that is a message of its own in protobuf (`ExtraValue`, `Verbs`).
    Items(&'static Shape),
    /// A map with string keys.
    Map(&'static Shape),
}

/// When a field is left out of an encoded object: Go's `encoding/json` rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Always there; the zero value when nobody set it.
    Always,
    /// `omitempty` on a value: left out when false, zero or empty. On a struct it never is.
    OmitEmpty,
    /// `omitzero`: left out when everything in it is zero.
    OmitZero,
    /// Pointer with `omitempty`: left out when unset, kept when set to an empty value.
    Pointer,
    /// Pointer without `omitempty`: `null` when unset.
    Nullable,
}

/// What strategic merge does with a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// Structs and maps merge, lists are replaced.
    Default,
    /// Lists merge by key or as sets.
    Merge,
    /// Replaced whole.
    Replace,
    /// Struct whose unnamed keys are cleared when `$retainKeys` says so.
    RetainKeys,
    /// [`PatchKind::Merge`] of a list whose items follow [`PatchKind::RetainKeys`].
    MergeRetainKeys,
}

/// How server-side apply owns a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// One owner for the whole list.
    Atomic,
    /// Scalars, each owned by itself.
    Set,
    /// Objects, told apart by these keys.
    Map(&'static [&'static str]),
}

/// An entry of a protobuf message.
#[derive(Debug, Clone, Copy)]
pub enum Member {
    /// A field of the JSON form: its number and its place in [`ObjectType::fields`].
    Field(u32, u16),
    /// A struct that JSON inlines and protobuf nests: its number and type.
    Inline(u32, TypeRef),
}

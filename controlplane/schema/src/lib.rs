//! The schema of every built-in kind: one generated table, and all that is read from it.
//!
//! Objects are [`serde_json::Value`] everywhere in the control plane. This crate knows what shape they have:
//!
//! * [`kind`] finds the [`ObjectType`] of a group, version and kind;
//! * [`decode_json`], [`decode_yaml`], [`decode_protobuf`] turn a request body into the value that upstream's
//!   typed decoding would hand on (unknown fields gone, empty `omitempty` fields gone, required ones present);
//! * [`encode_protobuf`] is the way back for clients that ask for protobuf;
//! * [`strategic_merge`], [`json_patch`], [`json_merge_patch`] are the three patch types without ownership;
//! * [`apply`] and [`track`] are server-side apply and the bookkeeping of `metadata.managedFields`;
//! * [`openapi_v3`], [`openapi_v2`] and their relatives make the documents that kubectl validates and explains by.
//!
//! Everything is a pure function over static tables: no I/O, no global state, no panics on any input.

mod go_text;
mod managed;
mod openapi;
mod patch;
mod protobuf;
mod request;
mod scalar;
mod table;
mod zero;

pub use managed::{Conflict, ManagedFieldsError, Writer, apply, track};
pub use openapi::{
    ApiResource, ApiSubresource, OPENAPI_V2_PROTOBUF, openapi_v2, openapi_v2_protobuf, openapi_v3,
    openapi_v3_index,
};
pub use patch::{PatchError, json_merge_patch, json_patch, read_patch, strategic_merge};
pub use protobuf::{
    ProtobufError, Unknown, decode_protobuf, decode_protobuf_message, encode_protobuf,
    encode_protobuf_message, protobuf_watch_frame,
};
pub use request::{
    DecodeError, Decoded, FieldValidation, decode_json, decode_value, decode_yaml, read_json, read_type,
    read_yaml, unrecognized_message,
};
pub use table::{
    Field, ListKind, Member, ObjectType, PatchKind, Presence, Shape, TypeRef, kind, kind_of, kinds,
    type_named,
};

//! CRI v1: messages, clients and servers of `RuntimeService` and `ImageService`.
//!
//! Everything here is generated from `api.proto`; its comments are the documentation.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "generated code"
)]

tonic::include_proto!("runtime.v1");

/// The encoded `google.protobuf.FileDescriptorSet` of `api.proto`.
pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cri.descriptor"));

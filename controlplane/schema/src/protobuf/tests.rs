use serde_json::json;

use super::*;
use crate::{FieldValidation, decode_json, kind, kind_of};

/// Each kind twice, made by upstream's libraries: JSON in one line, protobuf as hex in the next.
const GOLDEN: &str = include_str!("../../testdata/protobuf.txt");

fn golden() -> impl Iterator<Item = (Value, Vec<u8>)> {
    let lines: Vec<&str> = GOLDEN.lines().collect();
    lines
        .chunks(2)
        .map(|pair| (serde_json::from_str(pair[0]).unwrap(), unhex(pair[1])))
        .collect::<Vec<_>>()
        .into_iter()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn type_of(value: &Value) -> TypeRef {
    kind_of(value["apiVersion"].as_str().unwrap(), value["kind"].as_str().unwrap())
        .unwrap_or_else(|| panic!("no type for {}", value["kind"]))
}

#[test]
fn every_kind_encodes_byte_for_byte_as_upstream() {
    for (value, bytes) in golden() {
        let encoded = encode_protobuf(type_of(&value), &value).unwrap();
        assert!(encoded == bytes, "{value}\n{encoded:02x?}\n{bytes:02x?}");
    }
}

#[test]
fn every_kind_decodes_into_upstreams_json() {
    for (value, bytes) in golden() {
        let (ty, decoded) = decode_protobuf(&bytes, None).unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(ty, type_of(&value));
        assert_eq!(decoded, value);
    }
}

#[test]
fn every_kind_passes_the_json_decoder_unchanged() {
    for (value, _) in golden() {
        let decoded = decode_json(value.to_string().as_bytes(), type_of(&value), FieldValidation::Strict);
        let decoded = decoded.unwrap_or_else(|error| panic!("{value}: {error}"));
        assert_eq!(decoded.value, value);
    }
}

#[test]
fn nothing_but_type_and_nothing_set_gives_the_empty_golden_object() {
    for (value, _) in golden().step_by(2) {
        let body = json!({"apiVersion": value["apiVersion"], "kind": value["kind"]});
        let decoded =
            decode_json(body.to_string().as_bytes(), type_of(&value), FieldValidation::Strict).unwrap();
        assert_eq!(decoded.value, value);
    }
}

#[test]
fn truncated_messages_are_errors_or_shorter_objects_and_never_panics() {
    for (_, bytes) in golden() {
        for end in (0..bytes.len()).step_by(1 + bytes.len() / 97) {
            let _ = decode_protobuf(&bytes[..end], None);
        }
    }
}

#[test]
fn mutilated_messages_never_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    for (_, bytes) in golden() {
        for _ in 0..20 {
            let mut bytes = bytes.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                bytes[at] = u8::try_from(random(256)).unwrap();
            }
            if let Ok((ty, value)) = decode_protobuf(&bytes, None) {
                // What was accepted has a form that can be encoded, unless its times or bytes are odd.
                let _ = encode_protobuf(ty, &value);
            }
        }
    }
}

#[test]
fn envelopes_in_envelopes_are_bounded() {
    let list = kind("", "v1", "List").unwrap();
    let mut body = encode_protobuf(list, &json!({"apiVersion": "v1", "kind": "List"})).unwrap();
    for _ in 0..2000 {
        let raw = body;
        body = envelope::encode("v1", "List", |out| {
            wire::put_nested(2, out, |out| wire::put_bytes(1, &raw, out));
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(decode_protobuf(&body, None), Err(ProtobufError::Malformed("exceeded max depth".into())));
}

#[test]
fn errors_name_what_is_wrong() {
    assert_eq!(decode_protobuf(b"{}", None), Err(ProtobufError::Prefix));
    let unknown = envelope::encode("v7", "Pood", |_| Ok(())).unwrap();
    assert_eq!(
        decode_protobuf(&unknown, None).unwrap_err().to_string(),
        r#"no kind "Pood" is registered for version "v7""#
    );
    let pod = json!({"spec": {"containers": [{"ports": [{"containerPort": "80"}]}]}});
    assert_eq!(
        encode_protobuf(kind("", "v1", "Pod").unwrap(), &pod).unwrap_err().to_string(),
        "spec.containers[0].ports[0].containerPort: not an integer"
    );
}

#[test]
fn the_default_type_stands_in_for_a_missing_one() {
    let options = kind("", "v1", "DeleteOptions").unwrap();
    let body = envelope::encode("", "", |out| {
        wire::put_int(1, 0, out);
        Ok(())
    })
    .unwrap();
    let (ty, value) = decode_protobuf(&body, Some(options)).unwrap();
    assert_eq!(ty, options);
    assert_eq!(value, json!({"gracePeriodSeconds": 0}));
}

#[test]
fn watch_frames_have_a_length_and_an_event() {
    let frame = protobuf_watch_frame("ADDED", b"k8s\0x");
    assert_eq!(frame[..4], u32::try_from(frame.len() - 4).unwrap().to_be_bytes());
    let event = decode_protobuf_message(kind("", "v1", "WatchEvent").unwrap(), &frame[4..]);
    assert!(event.is_err(), "the content is no object: {event:?}");
    assert_eq!(&frame[4..11], b"\x0a\x05ADDED");
}

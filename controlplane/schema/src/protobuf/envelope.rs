//! `runtime.Unknown` behind its four magic bytes.

use super::ProtobufError;
use super::wire::{Reader, WireType, put_bytes, put_nested};

const MAGIC: &[u8] = b"k8s\0";

/// What the envelope says of its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unknown<'a> {
    /// `apiVersion` of the object.
    pub api_version: String,
    /// `kind` of the object.
    pub kind: String,
    /// The message.
    pub raw: &'a [u8],
}

impl<'a> Unknown<'a> {
    /// Opens the envelope without looking into the message.
    ///
    /// # Errors
    /// [`ProtobufError::Prefix`] when the magic bytes are missing, else what is wrong with the envelope.
    pub fn decode(body: &'a [u8]) -> Result<Self, ProtobufError> {
        let message = body.strip_prefix(MAGIC).ok_or(ProtobufError::Prefix)?;
        let mut unknown = Self::default();
        let mut reader = Reader::new(message);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, WireType::Bytes) => unknown.read_type(reader.bytes()?)?,
                (2, WireType::Bytes) => unknown.raw = reader.bytes()?,
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok(unknown)
    }

    fn read_type(&mut self, message: &[u8]) -> Result<(), ProtobufError> {
        let mut reader = Reader::new(message);
        while !reader.is_empty() {
            match reader.tag()? {
                (1, WireType::Bytes) => {
                    self.api_version = String::from_utf8_lossy(reader.bytes()?).into_owned()
                }
                (2, WireType::Bytes) => self.kind = String::from_utf8_lossy(reader.bytes()?).into_owned(),
                (_, wire_type) => reader.skip(wire_type)?,
            }
        }
        Ok(())
    }
}

/// Writes an envelope around the message that `write` makes.
pub(super) fn encode(
    api_version: &str,
    kind: &str,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), ProtobufError>,
) -> Result<Vec<u8>, ProtobufError> {
    let mut out = MAGIC.to_vec();
    put_nested(1, &mut out, |out| {
        put_bytes(1, api_version.as_bytes(), out);
        put_bytes(2, kind.as_bytes(), out);
    });
    put_nested(2, &mut out, write)?;
    // contentEncoding and contentType, empty: upstream writes both.
    put_bytes(3, b"", &mut out);
    put_bytes(4, b"", &mut out);
    Ok(out)
}

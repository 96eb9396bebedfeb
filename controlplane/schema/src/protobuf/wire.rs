//! The protobuf wire format: tags, varints, lengths.

use super::ProtobufError;

/// How a field's value is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WireType {
    Varint,
    Fixed64,
    Bytes,
    StartGroup,
    EndGroup,
    Fixed32,
}

/// A cursor over a message.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(ProtobufError::Truncated)?;
            self.rest = rest;
            if shift < 64 {
                value |= u64::from(byte & 0x7f) << shift;
            }
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ProtobufError::Malformed("integer overflow".into()))
    }

    /// A field's number and layout.
    pub(super) fn tag(&mut self) -> Result<(u32, WireType), ProtobufError> {
        let tag = self.varint()?;
        let wire_type = match tag & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            other => return Err(ProtobufError::Malformed(format!("illegal wireType {other}"))),
        };
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..=0x1fff_ffff).contains(number));
        let number = number.ok_or_else(|| ProtobufError::Malformed(format!("illegal tag {}", tag >> 3)))?;
        Ok((number, wire_type))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], ProtobufError> {
        let length = usize::try_from(self.varint()?).map_err(|_| ProtobufError::Truncated)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(ProtobufError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, ProtobufError> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(ProtobufError::Truncated)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    /// Passes over the value of a field that the schema does not have.
    pub(super) fn skip(&mut self, wire_type: WireType) -> Result<(), ProtobufError> {
        let mut groups = 0_usize;
        let mut wire_type = wire_type;
        loop {
            match wire_type {
                WireType::Varint => drop(self.varint()?),
                WireType::Fixed64 => drop(self.fixed64()?),
                WireType::Bytes => drop(self.bytes()?),
                WireType::Fixed32 => {
                    self.rest = self.rest.get(4..).ok_or(ProtobufError::Truncated)?;
                }
                WireType::StartGroup => groups += 1,
                WireType::EndGroup => {
                    groups = groups
                        .checked_sub(1)
                        .ok_or_else(|| ProtobufError::Malformed("unexpected end of group".into()))?;
                }
            }
            if groups == 0 {
                return Ok(());
            }
            wire_type = self.tag()?.1;
        }
    }
}

pub(super) fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

/// The low seven bits.
fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

/// A field's number with its layout.
pub(super) fn put_tag(number: u32, wire_type: u64, out: &mut Vec<u8>) {
    put_varint(u64::from(number) << 3 | wire_type, out);
}

pub(crate) fn put_uint(number: u32, value: u64, out: &mut Vec<u8>) {
    put_tag(number, 0, out);
    put_varint(value, out);
}

/// A signed integer; negative ones take ten bytes, as `int32` and `int64` do.
pub(super) fn put_int(number: u32, value: i64, out: &mut Vec<u8>) {
    put_uint(number, u64::from_le_bytes(value.to_le_bytes()), out);
}

pub(super) fn put_double(number: u32, value: f64, out: &mut Vec<u8>) {
    put_tag(number, 1, out);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    put_tag(number, 2, out);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// A nested message, written in place: its length is put before it afterwards.
pub(crate) fn put_nested<T>(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    put_tag(number, 2, out);
    let start = out.len();
    // Room for the length of a short message, which most are.
    out.push(0);
    let written = write(out);
    let length = (out.len() - start - 1) as u64;
    let mut prefix = Vec::with_capacity(5);
    put_varint(length, &mut prefix);
    out.splice(start..=start, prefix);
    written
}

//! The encoding of plans and messages: little-endian numbers, length-prefixed sequences, one tag byte per variant.
//!
//! Both ends check a version first (see [`crate::PROTOCOL_VERSION`]), so the encoding itself carries none.

use std::ffi::CString;

/// Bytes that are no value of the type asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// What was being read.
    pub expected: &'static str,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "malformed {}", self.expected)
    }
}

impl std::error::Error for DecodeError {}

/// The bytes that are still to be read.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize, expected: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(DecodeError { expected })?;
        self.0 = tail;
        Ok(head)
    }
}

/// A type that plans or messages are made of.
pub trait Wire: Sized {
    /// Appends this value.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a value.
    ///
    /// # Errors
    /// If the input ends early or is malformed.
    fn get(input: &mut Input<'_>) -> Result<Self, DecodeError>;
}

/// Encodes a value.
pub fn encode(value: &impl Wire) -> Vec<u8> {
    let mut out = Vec::new();
    value.put(&mut out);
    out
}

/// Decodes a value from exactly these bytes.
///
/// # Errors
/// If they are malformed or too many.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut input = Input(bytes);
    let value = T::get(&mut input)?;
    if input.0.is_empty() { Ok(value) } else { Err(DecodeError { expected: "end of message" }) }
}

macro_rules! wire_numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn get(input: &mut Input<'_>) -> Result<Self, DecodeError> {
                let bytes = input.take(size_of::<Self>(), stringify!($number))?;
                let bytes = bytes.try_into().map_err(|_| DecodeError { expected: stringify!($number) })?;
                Ok(Self::from_le_bytes(bytes))
            }
        }
    )*};
}
wire_numbers!(u8, u16, u32, u64, i32, i64);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn get(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        match u8::get(input)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError { expected: "bool" }),
        }
    }
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    // A message is far smaller than 4 GiB; a longer one would be refused by the other end as cut short.
    u32::try_from(length).unwrap_or(u32::MAX).put(out);
}

fn get_length(input: &mut Input<'_>) -> Result<usize, DecodeError> {
    usize::try_from(u32::get(input)?).map_err(|_| DecodeError { expected: "length" })
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn get(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let length = get_length(input)?;
        let bytes = input.take(length, "string")?;
        String::from_utf8(bytes.to_vec()).map_err(|_| DecodeError { expected: "string" })
    }
}

impl Wire for CString {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.as_bytes().len(), out);
        out.extend_from_slice(self.as_bytes());
    }
    fn get(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let length = get_length(input)?;
        let bytes = input.take(length, "C string")?;
        CString::new(bytes).map_err(|_| DecodeError { expected: "C string" })
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        for item in self {
            item.put(out);
        }
    }
    fn get(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        let length = get_length(input)?;
        // Every item takes a byte at least: a forged length cannot make us reserve more than the input's size.
        let mut items = Vec::with_capacity(length.min(input.0.len()));
        for _ in 0..length {
            items.push(T::get(input)?);
        }
        Ok(items)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(input: &mut Input<'_>) -> Result<Self, DecodeError> {
        Ok(if bool::get(input)? { Some(T::get(input)?) } else { None })
    }
}

/// Implements [`Wire`] for a struct, field by field.
macro_rules! wire_struct {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $( $crate::wire::Wire::put(&self.$field, out); )*
            }
            fn get(input: &mut $crate::wire::Input<'_>) -> Result<Self, $crate::wire::DecodeError> {
                $( let $field = $crate::wire::Wire::get(input)?; )*
                Ok(Self { $($field),* })
            }
        }
    };
}

/// Implements [`Wire`] for an enum of unit, tuple-of-one and struct variants, each with its tag.
macro_rules! wire_enum {
    ($name:ident { $($tag:literal => $variant:ident $( ( $one:ident ) )? $( { $($field:ident),* } )? ),* $(,)? }) => {
        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $( Self::$variant $( ($one) )? $( { $($field),* } )? => {
                        out.push($tag);
                        $( $crate::wire::Wire::put($one, out); )?
                        $( $( $crate::wire::Wire::put($field, out); )* )?
                    } )*
                }
            }
            fn get(input: &mut $crate::wire::Input<'_>) -> Result<Self, $crate::wire::DecodeError> {
                match <u8 as $crate::wire::Wire>::get(input)? {
                    $( $tag => {
                        $( let $one = $crate::wire::Wire::get(input)?; )?
                        $( $( let $field = $crate::wire::Wire::get(input)?; )* )?
                        Ok(Self::$variant $( ($one) )? $( { $($field),* } )?)
                    } )*
                    _ => Err($crate::wire::DecodeError { expected: stringify!($name) }),
                }
            }
        }
    };
}
pub(crate) use {wire_enum, wire_struct};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip() {
        let value: Vec<Option<String>> = vec![Some("a".into()), None, Some(String::new())];
        assert_eq!(decode::<Vec<Option<String>>>(&encode(&value)), Ok(value));
    }

    #[test]
    fn a_forged_length_is_refused_without_reserving_for_it() {
        assert!(decode::<Vec<u64>>(&[0xff, 0xff, 0xff, 0xff, 1]).is_err());
        assert!(decode::<String>(&[0xff, 0xff, 0xff, 0x7f]).is_err());
    }

    #[test]
    fn a_c_string_with_a_nul_is_refused() {
        assert!(decode::<CString>(&[2, 0, 0, 0, b'a', 0]).is_err());
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert!(decode::<u8>(&[1, 2]).is_err());
    }
}

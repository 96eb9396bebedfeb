//! The bytes of a key, of map data or of a comparison, in the order that registers hold them.

use std::fmt;
use std::net::IpAddr;

use smallvec::SmallVec;

/// One or several packet fields as the kernel compares them.
///
/// A single field has its own length. Joined fields ([`Value::and`]) are each padded to a multiple of four bytes, because
/// a register has four.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(SmallVec<[u8; 24]>);

impl Value {
    /// An address in network order: 4 or 16 bytes.
    #[must_use]
    pub fn address(address: impl Into<IpAddr>) -> Self {
        match address.into() {
            IpAddr::V4(v4) => Self::raw(&v4.octets()),
            IpAddr::V6(v6) => Self::raw(&v6.octets()),
        }
    }

    /// A transport protocol number (`IPPROTO_TCP` is 6): one byte.
    #[must_use]
    pub fn protocol(number: u8) -> Self {
        Self::raw(&[number])
    }

    /// A transport port in network order: two bytes.
    #[must_use]
    pub fn port(port: u16) -> Self {
        Self::raw(&port.to_be_bytes())
    }

    /// A number in the machine's order, as marks, interface indices and `numgen` have it: four bytes.
    #[must_use]
    pub fn number(number: u32) -> Self {
        Self::raw(&number.to_ne_bytes())
    }

    /// An interface name, filled up with zeros to `IFNAMSIZ` (16 bytes); what is longer is cut off.
    #[must_use]
    pub fn interface(name: &str) -> Self {
        let mut bytes: SmallVec<[u8; 24]> = name.bytes().take(15).collect();
        bytes.resize(16, 0);
        Self(bytes)
    }

    /// Bytes as read from the kernel.
    #[must_use]
    pub fn raw(bytes: &[u8]) -> Self {
        Self(SmallVec::from_slice(bytes))
    }

    /// This field followed by `next`, both padded to registers.
    #[must_use]
    pub fn and(mut self, next: Self) -> Self {
        self.pad();
        self.0.extend_from_slice(&next.0);
        self.pad();
        self
    }

    /// The bytes as sent.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn pad(&mut self) {
        let length = self.0.len().next_multiple_of(4);
        self.0.resize(length, 0);
    }
}

impl fmt::Display for Value {
    /// Writes the bytes in hexadecimal, a dot between registers: `0a600001.06000000.00500000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if index > 0 && index % 4 == 0 {
                f.write_str(".")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::Value;

    #[test]
    fn joined_fields_are_padded_to_registers() {
        let value = Value::address(Ipv4Addr::new(10, 96, 0, 1)).and(Value::protocol(6)).and(Value::port(80));
        assert_eq!(value.to_string(), "0a600001.06000000.00500000");
    }

    #[test]
    fn a_single_field_keeps_its_length() {
        assert_eq!(Value::port(80).bytes(), [0, 80]);
        assert_eq!(Value::interface("eth0").bytes(), b"eth0\0\0\0\0\0\0\0\0\0\0\0\0");
    }
}

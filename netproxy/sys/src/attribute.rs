//! Netlink attributes: a writer into one growing buffer and a reader over a slice (netlink(7)).

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// Type bits without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;

/// Appends attributes; lengths of nests are filled in when they close.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) buffer: Vec<u8>,
}

impl Writer {
    /// An attribute of raw bytes, padded to four.
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.header(kind, value.len());
        self.buffer.extend_from_slice(value);
        self.pad();
    }

    /// A text with its closing zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.header(kind, value.len() + 1);
        self.buffer.extend_from_slice(value.as_bytes());
        self.buffer.push(0);
        self.pad();
    }

    /// A number in network order, as nf_tables has all of them.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A 64-bit number in network order.
    pub(crate) fn number64(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// An attribute that holds attributes.
    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.open(kind);
        fill(self);
        self.close(start);
    }

    /// Starts a nest whose end is not known yet; give the result to [`Writer::close`].
    pub(crate) fn open(&mut self, kind: u16) -> usize {
        let start = self.buffer.len();
        self.header(kind | NESTED, 0);
        start
    }

    /// Ends the nest that started at `start`.
    pub(crate) fn close(&mut self, start: usize) {
        let length = u16::try_from(self.buffer.len() - start).unwrap_or(u16::MAX);
        self.patch(start, &length.to_ne_bytes());
    }

    /// Overwrites bytes written earlier; out of range writes nothing.
    pub(crate) fn patch(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.buffer.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }

    fn header(&mut self, kind: u16, length: usize) {
        // No caller writes a value near 64 KiB: texts are names, and nests are split by their callers.
        let length = u16::try_from(length + 4).unwrap_or(u16::MAX);
        self.buffer.extend_from_slice(&length.to_ne_bytes());
        self.buffer.extend_from_slice(&kind.to_ne_bytes());
    }

    fn pad(&mut self) {
        let length = self.buffer.len().next_multiple_of(4);
        self.buffer.resize(length, 0);
    }
}

/// Iterates over the attributes in a slice; a malformed tail ends it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(pub(crate) &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of `kind`.
    pub(crate) fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.into_iter().find(|(this, _)| *this == kind).map(|(_, value)| value)
    }

    /// The attributes nested in the first one of `kind`; none when it is missing.
    pub(crate) fn nested(self, kind: u16) -> Attributes<'a> {
        Attributes(self.get(kind).unwrap_or_default())
    }

    /// A text without its closing zero.
    pub(crate) fn text(self, kind: u16) -> Option<String> {
        let value = self.get(kind)?;
        String::from_utf8(value.strip_suffix(&[0]).unwrap_or(value).to_vec()).ok()
    }

    /// A number in network order.
    pub(crate) fn number(self, kind: u16) -> Option<u32> {
        self.get(kind)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A 64-bit number in network order.
    pub(crate) fn number64(self, kind: u16) -> Option<u64> {
        self.get(kind)?.try_into().ok().map(u64::from_be_bytes)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [l0, l1, k0, k1, ..] = *self.0 else { return None };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([k0, k1]) & TYPE_MASK, value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Writer};

    #[test]
    fn nests_read_back() {
        let mut writer = Writer::default();
        writer.nest(2, |inner| {
            inner.text(1, "abc");
            inner.number(5, 7);
        });
        writer.bytes(3, &[9]);
        let read = Attributes(&writer.buffer);
        assert_eq!(read.nested(2).text(1).as_deref(), Some("abc"));
        assert_eq!(read.nested(2).number(5), Some(7));
        assert_eq!(read.get(3), Some([9].as_slice()));
    }

    #[test]
    fn a_cut_attribute_ends_the_row() {
        assert_eq!(Attributes(&[20, 0, 1, 0, 1]).count(), 0);
        assert_eq!(Attributes(&[2, 0, 1, 0]).count(), 0);
    }
}

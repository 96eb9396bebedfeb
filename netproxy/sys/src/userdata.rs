//! Userdata: what nftables keeps beside an object for itself; the kernel stores it without reading it.
//!
//! A row of type (one byte), length (one byte), value (`libnftnl`, `udata.h`). Numbers are in the machine's order.

/// Such a row, built up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Userdata(Vec<u8>);

impl Userdata {
    /// Appends a number.
    pub(crate) fn number(self, kind: u8, number: u32) -> Self {
        self.value(kind, &number.to_ne_bytes())
    }

    /// Appends a row as a value.
    pub(crate) fn nested(self, kind: u8, inner: &Self) -> Self {
        self.value(kind, &inner.0)
    }

    /// Appends a text, with its closing zero; longer ones are cut at what a comment may have (128 bytes).
    pub(crate) fn text(self, kind: u8, text: &str) -> Self {
        let mut bytes: Vec<u8> = text.bytes().take(127).collect();
        bytes.push(0);
        self.value(kind, &bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Values are at most 255 bytes: a key of five fields takes 120, a comment 128.
    fn value(mut self, kind: u8, value: &[u8]) -> Self {
        if let Ok(length) = u8::try_from(value.len()) {
            self.0.push(kind);
            self.0.push(length);
            self.0.extend_from_slice(value);
        }
        self
    }
}

/// The first value of `kind` in a row read from the kernel.
pub(crate) fn find(mut row: &[u8], kind: u8) -> Option<&[u8]> {
    while let [this, length, rest @ ..] = row {
        let (value, next) = rest.split_at_checked(usize::from(*length))?;
        if *this == kind {
            return Some(value);
        }
        row = next;
    }
    None
}

/// A text value without its closing zero.
pub(crate) fn find_text(row: &[u8], kind: u8) -> Option<String> {
    let value = find(row, kind)?;
    let text = value.strip_suffix(&[0]).unwrap_or(value);
    String::from_utf8(text.to_vec()).ok()
}

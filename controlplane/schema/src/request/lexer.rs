//! Tokens of JSON, with the error texts of Go's `encoding/json`.

use std::borrow::Cow;

/// A cursor over a JSON text.
pub(super) struct Lexer<'a> {
    data: &'a [u8],
    at: usize,
}

/// What a value begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

impl Start {
    /// The word that Go's type errors use.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Number => "number",
            Self::True | Self::False => "bool",
            Self::Null => "null",
        }
    }
}

type Result<T> = std::result::Result<T, String>;

const END: &str = "unexpected end of JSON input";

impl<'a> Lexer<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    fn peek_raw(&self) -> Option<u8> {
        self.data.get(self.at).copied()
    }

    /// The next byte that is not white space.
    pub(super) fn peek(&mut self) -> Result<u8> {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek_raw() {
            self.at += 1;
        }
        self.peek_raw().ok_or_else(|| END.to_owned())
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.data.get(start..self.at).unwrap_or_default()
    }

    /// The error for the byte at the cursor.
    pub(super) fn unexpected(&self, context: &str) -> String {
        match self.peek_raw() {
            Some(byte) => format!("invalid character {} {context}", quote_byte(byte)),
            None => END.to_owned(),
        }
    }

    pub(super) fn start(&mut self) -> Result<Start> {
        Ok(match self.peek()? {
            b'{' => Start::Object,
            b'[' => Start::Array,
            b'"' => Start::String,
            b'-' | b'0'..=b'9' => Start::Number,
            b't' => Start::True,
            b'f' => Start::False,
            b'n' => Start::Null,
            _ => return Err(self.unexpected("looking for beginning of value")),
        })
    }

    /// Takes `true`, `false` or `null`.
    pub(super) fn literal(&mut self, text: &str) -> Result<()> {
        for expected in text.bytes() {
            if self.peek_raw() != Some(expected) {
                let context = format!("in literal {text} (expecting {})", quote_byte(expected));
                return Err(self.unexpected(&context));
            }
            self.at += 1;
        }
        Ok(())
    }

    /// Takes a number and returns its text.
    pub(super) fn number(&mut self) -> Result<&'a str> {
        let start = self.at;
        if self.peek_raw() == Some(b'-') {
            self.at += 1;
        }
        match self.peek_raw() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.peek_raw() == Some(b'.') {
            self.at += 1;
            if !matches!(self.peek_raw(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek_raw() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek_raw() {
                self.at += 1;
            }
            if !matches!(self.peek_raw(), Some(b'0'..=b'9')) {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
            self.digits();
        }
        // Only ASCII bytes were taken.
        Ok(std::str::from_utf8(self.since(start)).unwrap_or_default())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek_raw() {
            self.at += 1;
        }
    }

    /// Takes a string. Bytes that are not UTF-8 and lone surrogates become U+FFFD, as in Go.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek_raw() {
                Some(b'"') => {
                    let text = String::from_utf8_lossy(self.since(start));
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => return self.escaped_string(start).map(Cow::Owned),
                Some(0x20..) => self.at += 1,
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn escaped_string(&mut self, start: usize) -> Result<String> {
        let mut text = String::from_utf8_lossy(self.since(start)).into_owned();
        let mut plain = self.at;
        loop {
            match self.peek_raw() {
                Some(b'"') => {
                    text.push_str(&String::from_utf8_lossy(self.since(plain)));
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.push_str(&String::from_utf8_lossy(self.since(plain)));
                    self.at += 1;
                    text.push(self.escape()?);
                    plain = self.at;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        let char = match self.peek_raw() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        self.at += 1;
        Ok(char)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let first = self.hex4()?;
        if (0xD800..0xDC00).contains(&first) && self.data.get(self.at..self.at + 2) == Some(b"\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.hex4()?;
            if (0xDC00..0xE000).contains(&second) {
                let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            // Not a pair: the second stands for itself.
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Result<u32> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.peek_raw().and_then(|byte| char::from(byte).to_digit(16));
            value =
                value * 16 + digit.ok_or_else(|| self.unexpected("in \\u hexadecimal character escape"))?;
            self.at += 1;
        }
        Ok(value)
    }

    /// Takes the key of an object's member and the colon behind it.
    pub(super) fn key(&mut self) -> Result<Cow<'a, str>> {
        if self.peek()? != b'"' {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if self.peek()? != b':' {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(key)
    }

    /// After `{` or a comma that follows a member: whether another member comes.
    pub(super) fn first_member(&mut self) -> Result<bool> {
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn next_member(&mut self) -> Result<bool> {
        self.next(b'}', "after object key:value pair")
    }

    pub(super) fn first_item(&mut self) -> Result<bool> {
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn next_item(&mut self) -> Result<bool> {
        self.next(b']', "after array element")
    }

    fn next(&mut self, close: u8, context: &str) -> Result<bool> {
        let byte = self.peek()?;
        if byte != b',' && byte != close {
            return Err(self.unexpected(context));
        }
        self.at += 1;
        Ok(byte == b',')
    }

    /// Checks that nothing but white space follows.
    pub(super) fn end(&mut self) -> Result<()> {
        match self.peek() {
            Ok(_) => Err(self.unexpected("after top-level value")),
            Err(_) => Ok(()),
        }
    }
}

fn quote_byte(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".into(),
        b'"' => "'\"'".into(),
        b'\\' => r"'\\'".into(),
        b'\n' => r"'\n'".into(),
        b'\r' => r"'\r'".into(),
        b'\t' => r"'\t'".into(),
        0x20..=0x7e | 0x80.. => format!("'{}'", char::from(byte)),
        _ => format!("'\\x{byte:02x}'"),
    }
}

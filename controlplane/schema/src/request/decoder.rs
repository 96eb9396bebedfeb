//! Decoding of JSON into the form of a type, in one pass.
//!
//! Follows `sigs.k8s.io/json`, which upstream decodes with: names are case-sensitive, a value of a wrong type is noted
//! (the first one is reported) and skipped, a value that its own parser refuses ends the decoding, and syntax errors come
//! before both.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::lexer::{Lexer, Start};
use crate::scalar::{Instant, Precision, canonical_quantity, format_duration, parse_duration};
use crate::table::{Field, ObjectType, Shape, TypeRef};
use crate::zero::{omitted, when_unset, zero};

/// Nesting that is still decoded; Go's limit is 10000, which our stack does not hold.
const MAX_DEPTH: usize = 256;

/// Upstream reports no more strict errors than this.
const MAX_STRICT_ERRORS: usize = 100;

type Result<T> = std::result::Result<T, String>;

/// A step of the path in a strict error.
enum Step<'a> {
    Field(&'static str),
    Key(Cow<'a, str>),
    Index(usize),
}

/// Decoder of one body.
pub(super) struct Decoder<'a> {
    lexer: Lexer<'a>,
    strict: bool,
    /// Whether duplicate fields are looked for where no type is known.
    untyped: bool,
    depth: usize,
    path: Vec<Step<'a>>,
    /// The structs and fields that the cursor is in: Go names them in type errors.
    context: Vec<(TypeRef, &'static Field)>,
    strict_errors: Vec<String>,
    mismatch: Option<String>,
    refused: Option<String>,
}

/// What a decoder found besides the value.
pub(super) struct Findings {
    pub(super) strict_errors: Vec<String>,
    /// Type error, if any.
    pub(super) mismatch: Option<String>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(data: &'a [u8], strict: bool) -> Self {
        Self {
            lexer: Lexer::new(data),
            strict,
            untyped: false,
            depth: 0,
            path: Vec::new(),
            context: Vec::new(),
            strict_errors: Vec::new(),
            mismatch: None,
            refused: None,
        }
    }

    /// Decodes the whole text; an error is one of syntax.
    pub(super) fn decode(mut self, ty: TypeRef) -> Result<(Value, Findings)> {
        let value = self.value(&Shape::Object(ty), "")?;
        self.lexer.end()?;
        let value = value.unwrap_or_else(|| zero(&Shape::Object(ty)));
        let mismatch = self.refused.or(self.mismatch);
        Ok((value, Findings { strict_errors: self.strict_errors, mismatch }))
    }

    /// Decodes a text of any shape; the second part says which fields occur twice, if the decoder is strict.
    pub(super) fn decode_any(mut self) -> Result<(Value, Vec<String>)> {
        self.untyped = true;
        let value = self.any()?;
        self.lexer.end()?;
        Ok((value, self.strict_errors))
    }

    /// Decodes a value of a shape; `None` is null or a value that was refused. `go_type` is Go's name of the type where it
    /// does not follow from the shape.
    fn value(&mut self, shape: &Shape, go_type: &str) -> Result<Option<Value>> {
        let start = self.lexer.start()?;
        if start == Start::Null {
            self.lexer.literal("null")?;
            return Ok(None);
        }
        match (shape, start) {
            (Shape::Object(ty), Start::Object) => self.nested(|this| this.object(ty)),
            (Shape::Map(element), Start::Object) => {
                self.nested(|this| this.map(element, element_type(go_type)))
            }
            (Shape::List(element) | Shape::Items(element), Start::Array) => {
                self.nested(|this| this.list(element, element_type(go_type)))
            }
            (Shape::String, Start::String) => Ok(Some(Value::String(self.lexer.string()?.into_owned()))),
            (Shape::Bool, Start::True) => self.lexer.literal("true").map(|()| Some(Value::Bool(true))),
            (Shape::Bool, Start::False) => self.lexer.literal("false").map(|()| Some(Value::Bool(false))),
            (Shape::Int32 | Shape::Int64 | Shape::Float64, Start::Number) => self.number(shape, go_type),
            (Shape::Bytes, Start::String) => self.bytes(),
            (Shape::IntOrString, Start::String) => Ok(Some(Value::String(self.lexer.string()?.into_owned()))),
            (Shape::IntOrString, _) => self.int_or_string(start),
            (Shape::Time | Shape::MicroTime | Shape::Duration, _) => self.text_scalar(shape, start),
            (Shape::Quantity, _) => self.quantity(start),
            (Shape::Raw | Shape::FieldsV1, _) => self.any().map(Some),
            _ => {
                self.mismatched(start.word(), shape, go_type);
                self.any()?;
                Ok(None)
            }
        }
    }

    fn nested<T>(&mut self, decode: impl FnOnce(&mut Self) -> Result<T>) -> Result<Option<T>> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("exceeded max depth".into());
        }
        let decoded = decode(self);
        self.depth -= 1;
        decoded.map(Some)
    }

    fn object(&mut self, ty: TypeRef) -> Result<Value> {
        let mut object = Map::new();
        let mut seen = Seen::default();
        self.lexer.advance();
        let mut more = self.lexer.first_member()?;
        while more {
            let key = self.lexer.key()?;
            match ty.fields.binary_search_by(|field| field.name.cmp(key.as_ref())) {
                Ok(place) => {
                    let again = seen.again(place);
                    if again {
                        self.strict_error("duplicate", &key);
                    }
                    if let Some(field) = ty.fields.get(place) {
                        self.member(ty, field, again, &mut object)?;
                    }
                }
                Err(_) => {
                    self.strict_error("unknown", &key);
                    self.any()?;
                }
            }
            more = self.lexer.next_member()?;
        }
        add_unset(ty, &mut object);
        Ok(Value::Object(object))
    }

    fn member(
        &mut self,
        ty: TypeRef,
        field: &'static Field,
        again: bool,
        object: &mut Map<String, Value>,
    ) -> Result<()> {
        self.path.push(Step::Field(field.name));
        self.context.push((ty, field));
        let value = self.value(&field.shape, field.go_type)?;
        self.context.pop();
        self.path.pop();
        match value {
            Some(value) if !omitted(field.presence, &field.shape, &value) => {
                match (object.get_mut(field.name), value) {
                    // Go decodes a second object into the first.
                    (Some(Value::Object(first)), Value::Object(second)) if again => merge(first, second),
                    (_, value) => {
                        object.insert(field.name.to_owned(), value);
                    }
                }
            }
            // A second value of the same name wins, also when it is nothing.
            _ => {
                object.remove(field.name);
            }
        }
        Ok(())
    }

    fn map(&mut self, element: &Shape, go_type: &str) -> Result<Value> {
        let mut map = Map::new();
        self.lexer.advance();
        let mut more = self.lexer.first_member()?;
        while more {
            let key = self.lexer.key()?;
            if map.contains_key(key.as_ref()) {
                self.strict_error("duplicate", &key);
            }
            self.path.push(Step::Key(key.clone()));
            let value = self.value(element, go_type)?.unwrap_or_else(|| zero(element));
            self.path.pop();
            map.insert(key.into_owned(), value);
            more = self.lexer.next_member()?;
        }
        Ok(Value::Object(map))
    }

    fn list(&mut self, element: &Shape, go_type: &str) -> Result<Value> {
        let mut items = Vec::new();
        self.lexer.advance();
        let mut more = self.lexer.first_item()?;
        while more {
            self.path.push(Step::Index(items.len()));
            items.push(self.value(element, go_type)?.unwrap_or_else(|| zero(element)));
            self.path.pop();
            more = self.lexer.next_item()?;
        }
        Ok(Value::Array(items))
    }

    fn number(&mut self, shape: &Shape, go_type: &str) -> Result<Option<Value>> {
        let text = self.lexer.number()?;
        let value = match shape {
            Shape::Int32 => text.parse::<i32>().ok().map(Value::from),
            Shape::Int64 => text.parse::<i64>().ok().map(Value::from),
            _ => text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number),
        };
        if value.is_none() {
            self.mismatched(&format!("number {text}"), shape, go_type);
        }
        Ok(value)
    }

    fn bytes(&mut self) -> Result<Option<Value>> {
        let text = self.lexer.string()?;
        // Go skips line ends within base64.
        let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        match STANDARD.decode(compact.as_bytes()) {
            Ok(_) => Ok(Some(Value::String(compact))),
            Err(error) => {
                let at = match error {
                    base64::DecodeError::InvalidByte(at, _)
                    | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                    base64::DecodeError::InvalidLength(at) => at / 4 * 4,
                    base64::DecodeError::InvalidPadding => compact.len() / 4 * 4,
                };
                self.mismatch.get_or_insert_with(|| format!("illegal base64 data at input byte {at}"));
                Ok(None)
            }
        }
    }

    fn int_or_string(&mut self, start: Start) -> Result<Option<Value>> {
        let wrong = match start {
            Start::Number => {
                let text = self.lexer.number()?;
                if let Ok(number) = text.parse::<i32>() {
                    return Ok(Some(Value::from(number)));
                }
                format!("number {text}")
            }
            _ => {
                self.any()?;
                start.word().to_owned()
            }
        };
        let error = self.type_error(&wrong, "int32");
        self.refuse(error);
        Ok(None)
    }

    fn text_scalar(&mut self, shape: &Shape, start: Start) -> Result<Option<Value>> {
        if start != Start::String {
            self.any()?;
            let error = self.type_error(start.word(), "string");
            self.refuse(error);
            return Ok(None);
        }
        let text = self.lexer.string()?;
        let parsed = match shape {
            Shape::Duration => parse_duration(&text).map(|nanos| Some(format_duration(nanos))),
            Shape::MicroTime => time_text(&text, Precision::Micros),
            _ => time_text(&text, Precision::Seconds),
        };
        Ok(match parsed {
            Ok(text) => text.map(Value::String),
            Err(error) => {
                self.refuse(error);
                None
            }
        })
    }

    fn quantity(&mut self, start: Start) -> Result<Option<Value>> {
        let text = match start {
            Start::String => self.lexer.string()?,
            Start::Number => Cow::Borrowed(self.lexer.number()?),
            _ => {
                let from = self.lexer.position();
                self.any()?;
                String::from_utf8_lossy(self.lexer.since(from))
            }
        };
        match canonical_quantity(text.trim()) {
            Ok(canonical) => Ok(Some(Value::String(canonical.into_owned()))),
            Err(error) => {
                self.refuse(error.to_owned());
                Ok(None)
            }
        }
    }

    /// Decodes a value of any shape, as `interface{}` would.
    fn any(&mut self) -> Result<Value> {
        match self.lexer.start()? {
            Start::Null => self.lexer.literal("null").map(|()| Value::Null),
            Start::True => self.lexer.literal("true").map(|()| Value::Bool(true)),
            Start::False => self.lexer.literal("false").map(|()| Value::Bool(false)),
            Start::String => Ok(Value::String(self.lexer.string()?.into_owned())),
            Start::Number => {
                let text = self.lexer.number()?;
                let float =
                    || text.parse().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number);
                Ok(text.parse::<i64>().map_or_else(|_| float(), Value::from))
            }
            Start::Object => self.nested(Self::any_object).map(Option::unwrap_or_default),
            Start::Array => self.nested(Self::any_array).map(Option::unwrap_or_default),
        }
    }

    fn any_object(&mut self) -> Result<Value> {
        let mut object = Map::new();
        self.lexer.advance();
        let mut more = self.lexer.first_member()?;
        while more {
            let key = self.lexer.key()?;
            if self.untyped && object.contains_key(key.as_ref()) {
                self.strict_error("duplicate", &key);
            }
            self.path.push(Step::Key(key.clone()));
            let value = self.any()?;
            self.path.pop();
            object.insert(key.into_owned(), value);
            more = self.lexer.next_member()?;
        }
        Ok(Value::Object(object))
    }

    fn any_array(&mut self) -> Result<Value> {
        let mut items = Vec::new();
        self.lexer.advance();
        let mut more = self.lexer.first_item()?;
        while more {
            self.path.push(Step::Index(items.len()));
            items.push(self.any()?);
            self.path.pop();
            more = self.lexer.next_item()?;
        }
        Ok(Value::Array(items))
    }

    fn refuse(&mut self, error: String) {
        self.refused.get_or_insert(error);
    }

    fn mismatched(&mut self, found: &str, shape: &Shape, go_type: &str) {
        if self.mismatch.is_some() {
            return;
        }
        let wanted = if go_type.is_empty() { go_name(shape) } else { go_type.to_owned() };
        self.mismatch = Some(self.type_error(found, &wanted));
    }

    fn type_error(&self, found: &str, wanted: &str) -> String {
        let Some((ty, _)) = self.context.last() else {
            return format!("json: cannot unmarshal {found} into Go value of type {wanted}");
        };
        let fields: Vec<String> =
            self.context.iter().map(|(_, field)| format!("{}{}", field.via, field.name)).collect();
        let (ty, fields) = (ty.short_name(), fields.join("."));
        format!("json: cannot unmarshal {found} into Go struct field {ty}.{fields} of type {wanted}")
    }

    fn strict_error(&mut self, what: &str, key: &str) {
        if !self.strict || self.strict_errors.len() >= MAX_STRICT_ERRORS {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) => push_name(&mut path, name),
                Step::Key(name) => push_name(&mut path, name),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        push_name(&mut path, key);
        let error = format!("{what} field {}", go_quote(&path));
        if !self.strict_errors.contains(&error) {
            self.strict_errors.push(error);
        }
    }
}

fn merge(first: &mut Map<String, Value>, second: Map<String, Value>) {
    for (name, value) in second {
        match (first.get_mut(&name), value) {
            (Some(Value::Object(first)), Value::Object(second)) => merge(first, second),
            (_, value) => {
                first.insert(name, value);
            }
        }
    }
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// Go's `strconv.Quote`.
fn go_quote(text: &str) -> String {
    format!("{text:?}").replace("\\'", "'")
}

fn time_text(text: &str, precision: Precision) -> std::result::Result<Option<String>, String> {
    let at = Instant::parse(text, precision)?;
    Ok(if at.is_unset() { None } else { Some(at.to_string()) })
}

/// Adds what Go encodes for the fields that nobody set.
fn add_unset(ty: &ObjectType, object: &mut Map<String, Value>) {
    for field in ty.fields {
        if let Some(value) = when_unset(field.presence, &field.shape)
            && !object.contains_key(field.name)
        {
            object.insert(field.name.to_owned(), value);
        }
    }
}

/// The element type of a list's or map's Go name.
fn element_type(go_type: &str) -> &str {
    go_type.strip_prefix("[]").or_else(|| go_type.split_once(']').map(|(_, element)| element)).unwrap_or("")
}

/// Go's name of a shape.
fn go_name(shape: &Shape) -> String {
    match shape {
        Shape::String => "string".into(),
        Shape::Bool => "bool".into(),
        Shape::Int32 => "int32".into(),
        Shape::Int64 => "int64".into(),
        Shape::Float64 => "float64".into(),
        Shape::Bytes => "[]uint8".into(),
        Shape::Time => "v1.Time".into(),
        Shape::MicroTime => "v1.MicroTime".into(),
        Shape::Duration => "v1.Duration".into(),
        Shape::Quantity => "resource.Quantity".into(),
        Shape::IntOrString => "intstr.IntOrString".into(),
        Shape::Raw => "runtime.RawExtension".into(),
        Shape::FieldsV1 => "v1.FieldsV1".into(),
        Shape::Object(ty) => ty.go_name.into(),
        Shape::List(element) | Shape::Items(element) => format!("[]{}", go_name(element)),
        Shape::Map(element) => format!("map[string]{}", go_name(element)),
    }
}

/// Which fields of an object were there already.
#[derive(Default)]
struct Seen(u128);

impl Seen {
    fn again(&mut self, place: usize) -> bool {
        // No type has more than 128 fields (a test of the table says so).
        let bit = u32::try_from(place).ok().and_then(|place| 1_u128.checked_shl(place)).unwrap_or(0);
        let again = self.0 & bit != 0;
        self.0 |= bit;
        again
    }
}

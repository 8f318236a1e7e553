//! Reads TOML with serde, and keeps in mind where everything stands.

use super::error::{Place, StackFileError, Why, hint};
use resilience_core::ConfigError;
use serde::{
    de::{
        self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer,
        Unexpected, Visitor,
        value::{MapAccessDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use std::{fmt, ops::Range};
use toml::{
    Spanned,
    de::{DeInteger, DeString, DeTable, DeValue},
};

/// Reads a value of any type from TOML, and has it checked.
///
/// Errors, those of `check` included, name the line and the field.
///
/// ```
/// use resilience_stack::{breaker::{Breaker, BreakerConfig}, file::from_toml};
///
/// let check = |config: &BreakerConfig| Breaker::from_config("inventory", config.clone()).map(drop);
/// let error = from_toml("failure_rate = 0.5\nopen_for = '0s'", check).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "2:12: policy \"inventory\": `open_for` is 0ns; it must be more than zero and at most 365 days"
/// );
/// ```
pub fn from_toml<T: DeserializeOwned>(
    text: &str,
    check: impl FnOnce(&T) -> Result<(), ConfigError>,
) -> Result<T, StackFileError> {
    let root = DeTable::parse(text).map_err(|error| {
        let place = error.span().map(|span| Place::of(text, span.start));
        StackFileError::new(place, Why::Syntax(error.message().to_owned()))
    })?;
    let root = Spanned::new(root.span(), DeValue::Table(root.into_inner()));
    let value = T::deserialize(Item(&root)).map_err(|error| {
        let start = error.span.map_or(0, |span| span.start);
        let why = Why::Field {
            path: error.path,
            said: error.said,
        };
        StackFileError::new(Some(Place::of(text, start)), why)
    })?;
    check(&value).map_err(|error| {
        let start = find(&root, error.field());
        let place = start.map(|start| Place::of(text, start));
        StackFileError::new(place, Why::Value(Box::new(error)))
    })?;
    Ok(value)
}

/// Where the field of this path stands, or what it is in. Items of an array have their index, from 0.
fn find(within: &Spanned<DeValue<'_>>, path: &str) -> Option<usize> {
    let rest_after = |name: &str| match path.strip_prefix(name)? {
        "" => Some(""),
        rest => rest.strip_prefix('.'),
    };
    let inside = |value: &Spanned<DeValue<'_>>, rest| match rest {
        "" => None,
        rest => find(value, rest),
    };
    match within.get_ref() {
        DeValue::Table(table) => table.iter().find_map(|(key, value)| {
            let inner = inside(value, rest_after(key.get_ref())?);
            Some(inner.unwrap_or(match value.get_ref() {
                // Of a table, its name: it may have several beginnings.
                DeValue::Table(_) => key.span().start,
                _ => value.span().start,
            }))
        }),
        DeValue::Array(items) => items.iter().enumerate().find_map(|(index, value)| {
            let inner = inside(value, rest_after(&index.to_string())?);
            Some(inner.unwrap_or(value.span().start))
        }),
        _ => None,
    }
}

/// A value, and where it stands.
struct Item<'a>(&'a Spanned<DeValue<'a>>);

impl<'de> Deserializer<'de> for Item<'_> {
    type Error = Misread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        let value = match self.0.get_ref() {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(number) => integer(number, visitor),
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(de::Error::custom("not a number")),
            },
            DeValue::Boolean(on) => visitor.visit_bool(*on),
            DeValue::Datetime(at) => visitor.visit_string(at.to_string()),
            DeValue::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            DeValue::Table(table) => visitor.visit_map(Fields::new(table)),
        };
        value.map_err(|error| error.at(self.0.span()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misread> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misread> {
        visitor.visit_newtype_struct(self)
    }

    /// By its fields' names alone: positions are for formats that have no names.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        if self.0.get_ref().is_array() {
            let error: Misread = de::Error::invalid_type(Unexpected::Seq, &"a table");
            return Err(error.at(self.0.span()));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misread> {
        let value = match self.0.get_ref() {
            DeValue::String(name) => visitor.visit_enum(StrDeserializer::new(name)),
            DeValue::Table(table) if table.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Fields::new(table)))
            }
            _ => {
                let known = known.join("`, `");
                Err(de::Error::custom(format_args!("expected one of `{known}`")))
            }
        };
        value.map_err(|error| error.at(self.0.span()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn integer<'de, V: Visitor<'de>>(number: &DeInteger<'_>, visitor: V) -> Result<V::Value, Misread> {
    let (text, radix) = (number.as_str(), number.radix());
    if let Ok(number) = i64::from_str_radix(text, radix) {
        return visitor.visit_i64(number);
    }
    match u64::from_str_radix(text, radix) {
        Ok(number) => visitor.visit_u64(number),
        Err(_) => Err(de::Error::custom(format_args!("{number} is too large"))),
    }
}

/// The fields of a table.
struct Fields<'a> {
    fields: toml::map::Iter<'a, Spanned<DeString<'a>>, Spanned<DeValue<'a>>>,
    value: Option<(&'a str, &'a Spanned<DeValue<'a>>)>,
}

impl<'a> Fields<'a> {
    fn new(table: &'a DeTable<'a>) -> Self {
        Self {
            fields: table.iter(),
            value: None,
        }
    }
}

impl<'de> de::MapAccess<'de> for Fields<'_> {
    type Error = Misread;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Misread> {
        let Some((key, value)) = self.fields.next() else {
            return Ok(None);
        };
        let name = &**key.get_ref();
        self.value = Some((name, value));
        let key_of = |error: Misread| error.at(key.span()).under(name);
        seed.deserialize(name.into_deserializer())
            .map(Some)
            .map_err(key_of)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misread> {
        let (name, value) = self.value.take().expect("after its key");
        seed.deserialize(Item(value))
            .map_err(|error| error.at(value.span()).under(name))
    }
}

/// The values of an array.
struct Items<I>(I);

impl<'de, 'a, I> de::SeqAccess<'de> for Items<I>
where
    I: Iterator<Item = (usize, &'a Spanned<DeValue<'a>>)>,
{
    type Error = Misread;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Misread> {
        let Some((index, value)) = self.0.next() else {
            return Ok(None);
        };
        let item = seed.deserialize(Item(value));
        item.map(Some)
            .map_err(|error| error.at(value.span()).under(&index.to_string()))
    }
}

/// Not by the names that types have in Rust.
fn in_words(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match &*expected {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" | "usize" => "a whole number from 0 on".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        _ => expected,
    }
}

/// What serde says, and where.
#[derive(Debug)]
struct Misread {
    path: String,
    span: Option<Range<usize>>,
    said: String,
}

impl Misread {
    /// Unless it is already known more exactly.
    fn at(mut self, span: Range<usize>) -> Self {
        self.span.get_or_insert(span);
        self
    }

    fn under(mut self, name: &str) -> Self {
        self.path = match &*self.path {
            "" => name.to_owned(),
            path => format!("{name}.{path}"),
        };
        self
    }
}

impl de::Error for Misread {
    fn custom<T: fmt::Display>(said: T) -> Self {
        Self {
            path: String::new(),
            span: None,
            said: format!(": {said}"),
        }
    }

    fn invalid_type(is: Unexpected<'_>, expected: &dyn Expected) -> Self {
        if is == Unexpected::UnitVariant {
            return Self::custom("a name alone; expected a table of that name, with its fields");
        }
        Self::custom(format_args!(
            "invalid type: {is}, expected {}",
            in_words(expected)
        ))
    }

    fn invalid_value(is: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!(
            "invalid value: {is}, expected {}",
            in_words(expected)
        ))
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self {
            said: format!(" is not known; {}", hint(field, known.iter().copied())),
            ..Self::custom("")
        }
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::custom(format_args!(
            "{variant:?} is not known; {}",
            hint(variant, known.iter().copied())
        ))
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`{}", self.path, self.said)
    }
}

impl std::error::Error for Misread {}

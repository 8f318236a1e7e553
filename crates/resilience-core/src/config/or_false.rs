//! What can be switched off, for `#[serde(with = "resilience_core::config::or_false")]`: `None` is written as `false`.
//!
//! For fields of type `Option<T>` whose default is `Some`: to leave such a field out means the default, so that there has
//! to be another way to say that there shall be none.
//!
//! ```
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Alarm {
//!     #[serde(with = "resilience_core::config::or_false")]
//!     volume: Option<u8>,
//! }
//!
//! let [low, off] = [r#"{ "volume": 3 }"#, r#"{ "volume": false }"#].map(serde_json::from_str::<Alarm>);
//! assert_eq!((low?.volume, off?.volume), (Some(3), None));
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IntoDeserializer, value::MapAccessDeserializer},
};
use std::{fmt, marker::PhantomData};

/// Reads a value, or `false`.
pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    from.deserialize_any(Visitor(PhantomData))
}

/// Writes a value, or `false`.
pub fn serialize<T: Serialize, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => value.serialize(to),
        None => to.serialize_bool(false),
    }
}

struct Visitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or `false` for none")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Option<T>, E> {
        if on {
            return Err(E::invalid_value(de::Unexpected::Bool(on), &self));
        }
        Ok(None)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Option<T>, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Option<T>, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Option<T>, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Option<T>, E> {
        T::deserialize(value.into_deserializer()).map(Some)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}

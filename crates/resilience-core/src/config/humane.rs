//! Durations as people write them, for `#[serde(with = "resilience_core::config::humane")]`: `"250ms"`, `"1m 30s"`.
//!
//! For fields of type [`Duration`] and `Option<Duration>`. Read are whole numbers with units from `ns` to `years`, added
//! up; what is written is read as the same duration.
//!
//! ```
//! use serde::Deserialize;
//! use std::time::Duration;
//!
//! #[derive(Deserialize)]
//! struct Pause {
//!     #[serde(with = "resilience_core::config::humane")]
//!     length: Duration,
//! }
//!
//! let pause: Pause = serde_json::from_str(r#"{ "length": "1m 30s" }"#)?;
//! assert_eq!(pause.length, Duration::from_secs(90));
//! let error = serde_json::from_str::<Pause>(r#"{ "length": 90 }"#).map(|_| ()).unwrap_err();
//! assert!(error.to_string().starts_with("invalid type: integer `90`, expected a duration with its unit"), "{error}");
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, time::Duration};

/// Reads a duration.
pub fn deserialize<'de, T: Humane, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::Written::deserialize(from).map(T::from_written)
}

/// Writes a duration.
pub fn serialize<T: Humane, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    value.to_written().serialize(to)
}

/// What can be written so: [`Duration`] and `Option<Duration>`.
pub trait Humane: sealed::Humane {}

impl Humane for Duration {}
impl Humane for Option<Duration> {}

mod sealed {
    use super::Text;
    use serde::{Serialize, de::DeserializeOwned};
    use std::time::Duration;

    pub trait Humane {
        type Written: Serialize + DeserializeOwned;
        fn to_written(&self) -> Self::Written;
        fn from_written(written: Self::Written) -> Self;
    }

    impl Humane for Duration {
        type Written = Text;

        fn to_written(&self) -> Text {
            Text(*self)
        }

        fn from_written(written: Text) -> Self {
            written.0
        }
    }

    impl Humane for Option<Duration> {
        type Written = Option<Text>;

        fn to_written(&self) -> Option<Text> {
            self.map(Text)
        }

        fn from_written(written: Option<Text>) -> Self {
            written.map(|text| text.0)
        }
    }
}

/// A duration that is written as text.
#[derive(Debug)]
pub struct Text(Duration);

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as \"250ms\" or \"1m 30s\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                humantime::parse_duration(text)
                    .map(Text)
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        from.deserialize_str(Visitor)
    }
}

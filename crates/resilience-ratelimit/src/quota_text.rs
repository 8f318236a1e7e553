//! Quotas as text: `"100/s"`, or `{ rate = "100/s", burst = 20 }`.

use crate::Quota;
use resilience_core::config::Rate;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, IntoDeserializer, value::MapAccessDeserializer},
};
use std::fmt;

/// A quota with a burst of its own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bursts {
    rate: Rate,
    #[serde(default)]
    burst: Option<u32>,
}

impl From<Bursts> for Quota {
    fn from(Bursts { rate, burst }: Bursts) -> Self {
        let quota = Self::per(rate.amount, rate.period);
        match burst {
            Some(burst) => quota.burst(burst),
            None => quota,
        }
    }
}

impl Serialize for Quota {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let rate = Rate {
            amount: self.n(),
            period: self.period(),
        };
        // The burst is written where it was set, be it to the default.
        match self.own_burst() {
            None => rate.serialize(to),
            burst => Bursts { rate, burst }.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Quota {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Quota;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(r#"a rate such as "100/s", or { rate = "100/s", burst = 20 }"#)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quota, E> {
                let rate = Rate::deserialize(text.into_deserializer())?;
                Ok(Bursts { rate, burst: None }.into())
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Quota, A::Error> {
                Bursts::deserialize(MapAccessDeserializer::new(map)).map(Quota::from)
            }
        }

        from.deserialize_any(Visitor)
    }
}

//! Callers by the value of a header.

use http::{HeaderName, Request};
use resilience_core::{ConfigError, config};
use std::{fmt, sync::Arc};

/// Tells callers apart by the value of one header, such as a tenant or an API key.
///
/// ```
/// use http::Request;
/// use resilience_http::{ByHeader, HeaderKey};
///
/// # fn main() -> Result<(), resilience_core::ConfigError> {
/// let by_tenant = ByHeader::new("x-tenant")?;
/// let req = Request::get("/").header("X-Tenant", "blue").body(()).expect("a valid request");
/// assert_eq!(by_tenant.key(&req).value(), Some(&b"blue"[..]));
/// assert_eq!(by_tenant.key(&req), by_tenant.key_of("blue"));
/// # Ok(())
/// # }
/// ```
///
/// | the request has | its key |
/// |---|---|
/// | the header once, of at most [`max_len`](ByHeaderBuilder::max_len) bytes | its value, byte by byte |
/// | no such header | [`HeaderKey::ABSENT`], shared by all such requests |
/// | a longer value, or several lines of that header | [`HeaderKey::IRREGULAR`], shared by all such requests |
///
/// So a key has a size that no caller can exceed, and a value is never cut: two tenants do not become one. Several
/// lines are not read because whoever checks the header further in may look at another line than this does. To have
/// no key where there is no header: `Some(by_tenant.key(req)).filter(|key| *key != HeaderKey::ABSENT)`.
///
/// **A value that the caller may choose is no identity**: each new value is a fresh limit. Limit by header only
/// where a proxy of yours sets it, or behind the layer that has checked it; limit by [address](crate::ByAddr) before that.
#[derive(Clone, Debug)]
pub struct ByHeader {
    name: HeaderName,
    max_len: usize,
}

impl ByHeader {
    /// By the header of that name, with values of at most 128 bytes.
    pub fn new(name: impl AsRef<str>) -> Result<Self, ConfigError> {
        Self::builder(name).build()
    }

    /// Begins with the header of that name.
    pub fn builder(name: impl AsRef<str>) -> ByHeaderBuilder {
        ByHeaderBuilder {
            name: name.as_ref().to_owned(),
            max_len: 128,
        }
    }

    /// Who sent `req`. Copies the value, so that a key does not keep the request's buffer alive; values of more than
    /// 38 bytes are allocated.
    pub fn key<B>(&self, req: &Request<B>) -> HeaderKey {
        let mut lines = req.headers().get_all(&self.name).iter();
        match (lines.next(), lines.next()) {
            (None, _) => HeaderKey::ABSENT,
            (Some(value), None) => self.key_of(value.as_bytes()),
            (Some(_), Some(_)) => HeaderKey::IRREGULAR,
        }
    }

    /// The key of callers with that value: to look one up.
    pub fn key_of(&self, value: impl AsRef<[u8]>) -> HeaderKey {
        let value = value.as_ref();
        if value.len() > self.max_len {
            return HeaderKey::IRREGULAR;
        }
        HeaderKey(Repr::of(value))
    }
}

/// Builds a [`ByHeader`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ByHeaderBuilder {
    name: String,
    max_len: usize,
}

impl ByHeaderBuilder {
    /// The longest value that is a key of its own, in bytes: 1 to 4,096, by default 128.
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Checks the settings.
    pub fn build(self) -> Result<ByHeader, ConfigError> {
        let name = self.name.parse().map_err(|_| {
            let expected = "the name of a header: letters, digits and some marks";
            ConfigError::new("name", &self.name, expected)
        })?;
        let max_len = config::count("max_len", self.max_len, 1, 4_096)?;
        Ok(ByHeader { name, max_len })
    }
}

/// What a header says of the caller, as a key: 40 bytes, and as many as the value has where those are more than 38.
///
/// Cloning does not allocate. The debug form does not show the value, which may be a credential.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HeaderKey(Repr);

const INLINE: usize = 38;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Absent,
    Irregular,
    /// Bytes after `len` are zero.
    Short {
        len: u8,
        bytes: [u8; INLINE],
    },
    /// More than fits into `Short`, always.
    Long(Arc<[u8]>),
}

impl Repr {
    fn of(value: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..value.len()), u8::try_from(value.len())) {
            (Some(head), Ok(len)) => {
                head.copy_from_slice(value);
                Self::Short { len, bytes }
            }
            _ => Self::Long(value.into()),
        }
    }
}

impl HeaderKey {
    /// Of requests without the header.
    pub const ABSENT: Self = Self(Repr::Absent);

    /// Of requests with a value that is too long, or with several.
    pub const IRREGULAR: Self = Self(Repr::Irregular);

    /// The value; `None` where the key is [`ABSENT`](Self::ABSENT) or [`IRREGULAR`](Self::IRREGULAR).
    pub fn value(&self) -> Option<&[u8]> {
        match &self.0 {
            Repr::Absent | Repr::Irregular => None,
            Repr::Short { len, bytes } => Some(&bytes[..usize::from(*len)]),
            Repr::Long(bytes) => Some(bytes),
        }
    }
}

impl fmt::Debug for HeaderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Absent => f.write_str("HeaderKey(absent)"),
            Repr::Irregular => f.write_str("HeaderKey(irregular)"),
            Repr::Short { .. } | Repr::Long(_) => f.write_str("HeaderKey(..)"),
        }
    }
}

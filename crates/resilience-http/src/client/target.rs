use super::Error;
use http::{
    Method, Request, Uri,
    uri::{Authority, Scheme},
};
use std::fmt;

/// What a call is for: its method and URI.
///
/// [`Display`](fmt::Display) and `Debug` leave the query out, which may hold what logs should not.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    method: Method,
    uri: Uri,
}

impl Target {
    pub(super) fn of<B>(req: &Request<B>) -> Self {
        Self {
            method: req.method().clone(),
            uri: req.uri().clone(),
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The URI, with its query.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        if let Some(scheme) = self.uri.scheme() {
            write!(f, "{scheme}://")?;
        }
        // What stands before an `@` may be a password.
        let authority = self.uri.authority().map_or("", Authority::as_str);
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        write!(f, "{host}{}", self.uri.path())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target")
            .field(&format_args!("{self}"))
            .finish()
    }
}

/// A host, as breakers and bulkheads tell them apart: scheme, name or address, and port.
///
/// Names compare without regard to case, and the port of the scheme (80, 443) is the same as none or an empty one. Names are not resolved:
/// two names of one address are two hosts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
}

impl Origin {
    /// The origin of an absolute URI; `None` if it has no scheme or no host.
    ///
    /// ```
    /// use resilience_http::client::Origin;
    ///
    /// let origin = |uri: &'static str| Origin::of(&http::Uri::from_static(uri));
    /// assert_eq!(origin("http://shop.example/cart?id=1"), origin("http://Shop.example:80"));
    /// assert_ne!(origin("http://shop.example"), origin("https://shop.example"));
    /// assert_eq!(origin("/cart"), None);
    /// ```
    pub fn of(uri: &Uri) -> Option<Self> {
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?);
        let usual = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        let port = authority.port().filter(|port| Some(port.as_u16()) != usual);
        let plain = !authority.as_str().contains('@');
        let authority = match port {
            None if authority.as_str() == authority.host() => authority.clone(),
            Some(port) if plain && !port.as_str().starts_with('0') => authority.clone(),
            None => authority.host().parse().ok()?,
            Some(port) => format!("{}:{}", authority.host(), port.as_u16())
                .parse()
                .ok()?,
        };
        Some(Self { scheme, authority })
    }

    /// The scheme.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host and port, without a port that is the scheme's.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Origin")
            .field(&format_args!("{self}"))
            .finish()
    }
}

/// Whether this client can send a request to `uri` at all.
pub(super) fn check(uri: &Uri) -> Result<(), Error> {
    let wrong = |what: String| Err(Error::request(what));
    let Some(scheme) = uri.scheme_str() else {
        return wrong(format!(
            "the URI `{}` has no scheme; it must be absolute, such as `http://host:port/path`",
            uri.path()
        ));
    };
    match scheme {
        "http" => {}
        "https" if cfg!(feature = "client-rustls") => {}
        "https" => {
            return wrong("the scheme is `https`, which needs the feature `client-rustls`".into());
        }
        other => return wrong(format!("the scheme is `{other}`; it must be {SCHEMES}")),
    }
    match uri.authority() {
        None => wrong("the URI has no host".into()),
        Some(authority) if authority.host().is_empty() => wrong("the host is empty".into()),
        Some(authority) if authority.as_str().contains('@') => wrong(
            "the URI has user information before the host, which is not sent; it must go into a header, such as \
             `authorization`"
                .into(),
        ),
        Some(_) => Ok(()),
    }
}

const SCHEMES: &str = if cfg!(feature = "client-rustls") {
    "`http` or `https`"
} else {
    "`http`"
};

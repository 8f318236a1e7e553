//! What proxies say of who connected to them, read from the right.
//!
//! Each proxy appends to what it was sent, so a caller can write as much as it likes, but only to the left. Nothing
//! here looks at a byte left of the last entry that was asked for: even a quote that a caller leaves open cannot
//! change how the entries of the proxies are read.

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The header in which proxies say who connected to them.
///
/// There is no default, and one never stands in for the other: a proxy that writes one of them passes the other on
/// as the caller has made it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyHeader {
    /// `Forwarded`, by [RFC 7239](https://www.rfc-editor.org/rfc/rfc7239): the `for` parameter of each element.
    Forwarded,
    /// `X-Forwarded-For`: addresses, separated by commas.
    XForwardedFor,
}

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl ProxyHeader {
    fn name(self) -> &'static HeaderName {
        match self {
            Self::Forwarded => &FORWARDED,
            Self::XForwardedFor => &X_FORWARDED_FOR,
        }
    }

    /// The caller, `proxies` entries from the right. Where that entry has no address, the nearest one to the right of
    /// it that does: the proxy through which this caller came. `None` where the header is not as it was said to be.
    pub(super) fn caller(self, headers: &HeaderMap, proxies: u8) -> Option<IpAddr> {
        let quotes = self == Self::Forwarded;
        let lines = headers.get_all(self.name()).iter().rev();
        let mut entries = lines.flat_map(|line| Entries::new(line, quotes));
        let mut caller = None;
        for _ in 0..proxies {
            let entry = entries.next()?.ok()?;
            caller = self.address(entry).or(caller);
        }
        caller
    }

    fn address(self, entry: &[u8]) -> Option<IpAddr> {
        match self {
            Self::Forwarded => node(forwarded_for(entry)?),
            Self::XForwardedFor => node(entry),
        }
    }
}

/// A quote without its other half.
struct Unbalanced;

/// The entries of one header line, from the right. Empty ones do not count (RFC 9110, section 5.6.1.2).
struct Entries<'a> {
    rest: Option<&'a [u8]>,
    /// Whether a comma within quotes is no separator.
    quotes: bool,
}

impl<'a> Entries<'a> {
    fn new(line: &'a HeaderValue, quotes: bool) -> Self {
        let rest = Some(line.as_bytes());
        Self { rest, quotes }
    }

    /// Takes what is right of the last comma.
    fn take_last(&mut self, line: &'a [u8]) -> Result<&'a [u8], Unbalanced> {
        let mut at = line.len();
        while let Some(before) = at.checked_sub(1) {
            at = match line[before] {
                b'"' if self.quotes => opening(&line[..before]).ok_or(Unbalanced)?,
                b',' => {
                    self.rest = Some(&line[..before]);
                    return Ok(&line[at..]);
                }
                _ => before,
            };
        }
        Ok(line)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], Unbalanced>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(line) = self.rest.take() {
            match self.take_last(line).map(<[u8]>::trim_ascii) {
                Ok([]) => {}
                other => return Some(other),
            }
        }
        None
    }
}

/// Where the quoted string begins whose closing quote comes after `line`.
///
/// It begins after an equals sign; a quote within it has a backslash of its own before it, which may itself follow
/// escaped backslashes.
fn opening(line: &[u8]) -> Option<usize> {
    let mut end = line.len();
    loop {
        let at = line[..end].iter().rposition(|&byte| byte == b'"')?;
        let backslashes = line[..at].iter().rev().take_while(|&&byte| byte == b'\\');
        if backslashes.count() % 2 == 0 {
            return line[..at].ends_with(b"=").then_some(at);
        }
        end = at;
    }
}

/// The `for` parameter of an element, without its quotes. `None` where there is not exactly one, or where anything in
/// the element cannot be read.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    let mut rest = element;
    loop {
        rest = rest.trim_ascii_start();
        if let [b';', after @ ..] = rest {
            rest = after;
            continue;
        }
        if rest.is_empty() {
            return found;
        }
        let (name, value, after) = pair(rest)?;
        if name.eq_ignore_ascii_case(b"for") && found.replace(value).is_some() {
            return None;
        }
        rest = after;
    }
}

/// The first parameter's name and value, and the rest after it.
fn pair(params: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let equals = params.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&params[..equals], &params[equals + 1..]);
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return None;
    }
    let (value, after) = if let [b'"', quoted @ ..] = value {
        let close = closing(quoted)?;
        (&quoted[..close], &quoted[close + 1..])
    } else {
        let end = value.iter().position(|&byte| byte == b';');
        let (value, after) = value.split_at(end.unwrap_or(value.len()));
        // Colons and brackets belong into quotes, and are often seen without.
        (!value.contains(&b'"')).then_some((value.trim_ascii_end(), after))?
    };
    let after = after.trim_ascii_start();
    matches!(after, [] | [b';', ..]).then_some((name, value, after))
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Where the quoted string ends that `quoted` begins in.
fn closing(quoted: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match quoted.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The address of a node, which may have a port. `unknown`, and made-up names such as `_gateway`, have none.
fn node(node: &[u8]) -> Option<IpAddr> {
    let node = str::from_utf8(node).ok()?;
    if let Some(node) = node.strip_prefix('[') {
        let (addr, port) = node.split_once(']')?;
        if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
            return None;
        }
        return addr.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    if let Ok(addr) = node.parse() {
        return Some(addr);
    }
    let (addr, _) = node.split_once(':').filter(|(_, port)| is_port(port))?;
    addr.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// Up to five digits, or a made-up name after an underscore.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(name) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !name.is_empty() && name.bytes().all(allowed)
        }
        None => matches!(port.len(), 1..=5) && port.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

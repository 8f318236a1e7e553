//! Every header that the family parses, and the certificates of callers, fed with anything at all.
//!
//! Each function takes the bytes that a fuzzer came up with, and panics where a promise is broken. The targets in
//! `fuzz_targets` call them, and so does `tests/tests/headers.rs` with random bytes, on stable Rust. To fuzz, with nightly
//! and `cargo install cargo-fuzz`, in the folder above this one:
//!
//! ```text
//! cargo +nightly fuzz run forwarded -- -max_total_time=60
//! ```

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use resilience_core::{Backoff, BoxError, Classify, Jitter, Now, Outcome, Timestamp, Verdict};
use resilience_http::{
    ByAddr, ByCertificate, ByHeader, CertificateKey, EndVerdict, GrpcCode, HeaderKey, HttpClassify,
    HttpDeadline, PeerAddr, PeerCertificate, ProxyHeader, Pushback, format_grpc_timeout,
    format_millis, parse_grpc_timeout, parse_millis, pushback, retry_after,
};
use resilience_retry::{
    RetryBuilder,
    machine::{Course, Decision},
};
use resilience_timeout::{Carry, Terms};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// The longest delay that a server can ask for, and the backoff's wait that comes on top.
const ADVICE_CAP: Duration = Duration::from_secs(30);
const BACKOFF: Duration = Duration::from_millis(100);

/// The lines of `data` that can be header values at all.
fn lines(data: &[u8]) -> impl Iterator<Item = HeaderValue> {
    let lines = data.split(|&byte| byte == b'\n');
    lines.filter_map(|line| HeaderValue::from_bytes(line.trim_ascii()).ok())
}

/// The headers of those names, a line of `data` each.
fn headers(names: &[&'static str], data: &[u8]) -> HeaderMap {
    let names = names.iter().map(|&name| HeaderName::from_static(name));
    names.zip(lines(data)).collect()
}

/// How long a retry waits after `outcome`. It never comes later than it may, nor too early.
fn check_wait(outcome: Outcome) {
    let builder = RetryBuilder::new("fuzz").advice_cap(ADVICE_CAP).no_budget();
    let backoff = Backoff::constant(BACKOFF).expect("a backoff");
    let backoff = backoff.jitter(Jitter::Full);
    let plan = builder.backoff(backoff).plan().expect("a plan");
    let mut now = Now::at(Timestamp::MAX);
    let mut course = Course::begin(&plan, None, &mut now);
    if let Decision::Retry(retry) = course.ended(&plan, outcome, || true, |_| false, &mut now) {
        let advised = outcome.retry_after().unwrap_or_default().min(ADVICE_CAP);
        assert!(retry.wait >= advised, "{outcome:?}: {:?}", retry.wait);
        assert!(
            retry.wait <= advised + advised.max(BACKOFF),
            "{outcome:?}: {:?}",
            retry.wait
        );
    }
}

fn judge(classify: HttpClassify, res: &Response<()>) -> (impl EndVerdict + use<>, Option<Outcome>) {
    let req = Request::new(());
    let mut verdict = Classify::<_, Response<()>, BoxError>::start(&classify, &req);
    let outcome = Verdict::<_, BoxError>::response(&mut verdict, res);
    (verdict, outcome)
}

/// `Retry-After`, with a `Date` beside it: line by line.
pub fn retry_after_and_date(data: &[u8]) {
    let headers = headers(&["retry-after", "date"], data);
    let read = retry_after(&headers);

    let value = headers
        .get("retry-after")
        .and_then(|value| value.to_str().ok());
    let digits =
        value.filter(|value| !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()));
    if let Some(digits) = digits {
        let seconds = digits.bytes().fold(0_u64, |sum, byte| {
            sum.saturating_mul(10)
                .saturating_add(u64::from(byte - b'0'))
        });
        assert_eq!(read, Some(Duration::from_secs(seconds)));
    }
    // A sign, or a fraction, is no number of seconds.
    if value.is_none_or(|value| value.starts_with(['-', '+', '.'])) {
        assert_eq!(read, None);
    }
    for status in [408, 429, 500, 502, 503, 504] {
        let mut res = Response::new(());
        *res.status_mut() = status.try_into().expect("a status");
        res.headers_mut().clone_from(&headers);
        let (_, outcome) = judge(HttpClassify::new(), &res);
        let outcome = outcome.expect("judged at the head");
        if let Some(delay) = outcome.retry_after() {
            // Without a `Date`, a date is measured against the wall clock, which goes on.
            assert!(read.is_some() && (digits.is_none() || read == Some(delay)));
        }
        check_wait(outcome);
    }
}

/// `grpc-status` and `grpc-retry-pushback-ms`, in the head and in the trailers: line by line.
pub fn grpc_status_and_pushback(data: &[u8]) {
    let headers = headers(&["grpc-status", "grpc-retry-pushback-ms"], data);
    let code = GrpcCode::of(&headers);
    assert_eq!(code.is_some(), headers.contains_key("grpc-status"));
    assert!(code.is_none_or(|code| code == GrpcCode::from_number(code.number().into())));

    let asked = pushback(&headers);
    let value = headers
        .get("grpc-retry-pushback-ms")
        .map(HeaderValue::as_bytes);
    match (asked, value) {
        (None, None) | (Some(Pushback::Stop), Some(_)) => {}
        (Some(Pushback::Wait(delay)), Some(value)) => {
            assert!(delay <= Duration::from_millis(u32::MAX.into()));
            assert!(value.iter().all(u8::is_ascii_digit), "{value:?}");
        }
        other => panic!("{other:?}"),
    }

    let mut res = Response::new(());
    res.headers_mut().clone_from(&headers);
    let (_, in_head) = judge(HttpClassify::grpc(), &res);
    let (mut verdict, open) = judge(HttpClassify::grpc(), &Response::new(()));
    assert_eq!(open, None);
    let in_trailers = verdict.end(Some(&headers));
    assert!(in_head.is_none_or(|outcome| outcome == in_trailers));
    for outcome in in_head.into_iter().chain([in_trailers]) {
        if asked == Some(Pushback::Stop) && code.is_some() {
            assert!(!matches!(
                outcome,
                Outcome::Transient { .. } | Outcome::Overload { .. }
            ));
        }
        check_wait(outcome);
    }
}

/// `grpc-timeout` and a header of whole milliseconds, line by line: read, sent on, and read again, without a gain of time.
pub fn timeouts(data: &[u8]) {
    for line in lines(data) {
        let value = line.as_bytes();
        let grpc = parse_grpc_timeout(value);
        if let Some(time) = grpc {
            assert!(matches!(
                value,
                [b'0'..=b'9', .., b'H' | b'M' | b'S' | b'm' | b'u' | b'n']
            ));
            assert!(time <= Duration::from_secs(99_999_999 * 3_600));
        }
        let millis = parse_millis(value);
        assert_eq!(
            millis.is_some(),
            !value.is_empty() && value.iter().all(u8::is_ascii_digit)
        );
        for time in grpc.into_iter().chain(millis) {
            let sent = format_grpc_timeout(time);
            assert!(sent.len() <= 9, "{sent}");
            assert!(parse_grpc_timeout(sent.as_bytes()).is_some_and(|read| read <= time));
            let sent = format_millis(time);
            assert!(parse_millis(sent.as_bytes()).is_some_and(|read| read <= time));
        }
    }

    // However often it says so, what a server makes of it is within its limits.
    let max = Duration::from_secs(30);
    for (name, content_type) in [
        ("grpc-timeout", "application/grpc"),
        ("x-request-timeout-ms", "application/json"),
    ] {
        let mut req = Request::new(());
        *req.headers_mut() = headers(&[name, name], data);
        let content_type = HeaderValue::from_static(content_type);
        req.headers_mut().insert(CONTENT_TYPE, content_type);
        let terms = Terms::new("server", max, None).expect("a limit");
        let now = Timestamp::from_nanos(1 << 40);
        if let Ok(stated) = HttpDeadline::new().stated(&req)
            && let Ok(allotted) = terms.allot(stated, None, now)
        {
            assert!(allotted.length() <= max);
            assert!(stated.is_none_or(|stated| allotted.length() <= stated));
        }
    }
}

/// The key by a header: of bounded size, whatever is in it.
pub fn by_header(data: &[u8]) {
    const MAX: usize = 60;
    let by = ByHeader::builder("x-tenant")
        .max_len(MAX)
        .build()
        .expect("a limit");
    let mut req = Request::new(());
    for line in lines(data) {
        req.headers_mut().append("x-tenant", line);
    }
    let key = by.key(&req);
    let values: Vec<_> = req.headers().get_all("x-tenant").iter().collect();
    match values[..] {
        [] => assert_eq!(key, HeaderKey::ABSENT),
        [value] if value.len() <= MAX => {
            assert_eq!(key.value(), Some(value.as_bytes()));
            assert_eq!(key, by.key_of(value));
        }
        _ => assert_eq!(key, HeaderKey::IRREGULAR),
    }
}

/// Takes numbers off the front of the fuzzer's bytes; zeros where there are no more.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.0.split_at(N.min(self.0.len()));
        self.0 = rest;
        let mut taken = [0; N];
        taken[..head.len()].copy_from_slice(head);
        taken
    }

    fn byte(&mut self) -> u8 {
        let [byte] = self.take();
        byte
    }

    fn addr(&mut self, v6: bool) -> IpAddr {
        if v6 {
            return Ipv6Addr::from(self.take::<16>()).into();
        }
        Ipv4Addr::from(self.take::<4>()).into()
    }
}

/// What a trusted proxy appends.
struct Hop {
    /// `None` where it does not say.
    addr: Option<IpAddr>,
    entry: String,
    own_line: bool,
}

impl Hop {
    fn take(source: &mut Source<'_>, header: ProxyHeader) -> Self {
        let flags = source.byte();
        let is = |bit: u8| flags >> bit & 1 == 1;
        let addr = (flags & 0b111 != 0b111).then(|| source.addr(is(3)));
        let node = match addr {
            None => "unknown".to_owned(),
            Some(addr) if is(4) => {
                SocketAddr::new(addr, u16::from_be_bytes(source.take())).to_string()
            }
            Some(IpAddr::V6(addr)) => format!("[{addr}]"),
            Some(addr) => addr.to_string(),
        };
        let entry = match (header, is(5)) {
            (ProxyHeader::XForwardedFor, _) => node,
            (ProxyHeader::Forwarded, false) => format!("for=\"{node}\""),
            (ProxyHeader::Forwarded, true) => {
                // What the caller put into `Host` is quoted by the proxy.
                let host: String = source
                    .take::<8>()
                    .map(|byte| char::from(byte & 0x7f))
                    .iter()
                    .collect();
                let host = host.replace(|char: char| char.is_ascii_control(), " ");
                let host = host.replace('\\', "\\\\").replace('"', "\\\"");
                format!("by=_us;host=\"{host}\";For=\"{node}\" ; proto=https")
            }
        };
        let own_line = is(6);
        Self {
            addr,
            entry,
            own_line,
        }
    }
}

/// Proxies in a row, after a caller who wrote whatever is left of `data` into the header.
fn behind_proxies(header: ProxyHeader, data: &[u8]) {
    let mut source = Source(data);
    let count = 1 + source.byte() % 4;
    let peer = Ipv4Addr::from(source.take::<4>()).into();
    let hops: Vec<_> = (0..count).map(|_| Hop::take(&mut source, header)).collect();
    let spoofed: Vec<_> = lines(source.0)
        .map(|line| line.as_bytes().to_vec())
        .collect();

    let by = |count| {
        let builder = ByAddr::builder().behind(count, header).ipv6_prefix(128);
        builder.build().expect("a number of proxies")
    };
    let key = |count: u8, lines: &[Vec<u8>]| {
        let name = match header {
            ProxyHeader::Forwarded => "forwarded",
            ProxyHeader::XForwardedFor => "x-forwarded-for",
        };
        let mut req = Request::new(());
        req.extensions_mut().insert(PeerAddr(peer));
        for line in lines {
            let line = HeaderValue::from_bytes(line).expect("a header value");
            req.headers_mut().append(name, line);
        }
        by(count).key(&req)
    };

    let mut lines = spoofed.clone();
    for hop in &hops {
        match lines.last_mut().filter(|_| !hop.own_line) {
            Some(last) => last.extend([b", ", hop.entry.as_bytes()].concat()),
            None => lines.push(hop.entry.clone().into()),
        }
    }
    // The first trusted proxy knows the caller; if it does not say, the second knows the first, and so on.
    let seen = hops.iter().find_map(|hop| hop.addr).unwrap_or(peer);
    assert_eq!(key(count, &lines), by(count).key_of(seen), "{lines:?}");

    // With fewer proxies than stated, what is left may be the caller's: anything but a panic. Without any entry
    // at all it is the peer.
    key(count, &spoofed);
    if spoofed
        .iter()
        .all(|line| line.iter().all(|byte| b", \t".contains(byte)))
    {
        assert_eq!(key(count, &spoofed), by(count).key_of(peer));
    }
}

/// `Forwarded`, behind one to four trusted proxies.
pub fn forwarded(data: &[u8]) {
    behind_proxies(ProxyHeader::Forwarded, data);
}

/// `X-Forwarded-For`, behind one to four trusted proxies.
pub fn x_forwarded_for(data: &[u8]) {
    behind_proxies(ProxyHeader::XForwardedFor, data);
}

/// An element of DER: its tag, its length, and what is in it.
fn der(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let [high, low] = u16::try_from(content.len())
        .expect("a short element")
        .to_be_bytes();
    let head = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// A certificate with those subject alternative names, by tag and bytes. Whoever reads it does not check signatures.
fn certificate_of(names: &[(u8, &[u8])]) -> Vec<u8> {
    const SEQUENCE: u8 = 0x30;
    const ALT_NAME: &[u8] = b"\x06\x03\x55\x1d\x11";
    let empty = der(SEQUENCE, &[]);
    let names: Vec<_> = names.iter().map(|&(tag, name)| der(tag, &[name])).collect();
    let extension = {
        let names = names.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let names = der(0x04, &[&der(SEQUENCE, &names)]);
        der(SEQUENCE, &[ALT_NAME, &names])
    };
    let extensions = der(0xa3, &[&der(SEQUENCE, &[&extension])]);
    let (version, serial) = (der(0xa0, &[b"\x02\x01\x02"]), der(0x02, &[b"\x01"]));
    // Algorithm, issuer, validity, subject, public key.
    let tbs = [
        &version,
        &serial,
        &empty,
        &empty,
        &empty,
        &empty,
        &empty,
        &extensions,
    ];
    let tbs = der(SEQUENCE, &tbs.map(Vec::as_slice));
    der(SEQUENCE, &[&tbs, &empty, &der(0x03, &[b"\0\0"])])
}

fn certificate_key(leaf: &[u8]) -> CertificateKey {
    let mut req = Request::new(());
    req.extensions_mut().insert(PeerCertificate::new(leaf));
    ByCertificate::new().key(&req)
}

/// The key by a certificate: one of its own names, or nobody's, whatever is in it.
pub fn certificate(data: &[u8]) {
    const DNS: u8 = 0x82;
    const URI: u8 = 0x86;
    /// With those of e-mail, addresses and registered numbers: what a name can be.
    const KINDS: [u8; 5] = [0x81, DNS, URI, 0x87, 0x88];

    // As it is.
    let key = certificate_key(data);
    assert_ne!(key, CertificateKey::ABSENT);
    if let Some(name) = key.name() {
        let named = |part: &[u8]| part.eq_ignore_ascii_case(name.as_bytes());
        assert!(data.windows(name.len()).any(named), "{key:?}");
    }

    // As the names in a certificate: a kind, a length, and the name, again and again.
    let mut names = Vec::new();
    let mut rest = data;
    while let [kind, len, after @ ..] = rest {
        let (name, after) = after.split_at(after.len().min((*len).into()));
        let kind = KINDS.get(usize::from(kind % 8)).unwrap_or(kind);
        names.push((*kind, name));
        rest = after;
    }
    names.truncate(64);
    let key = certificate_key(&certificate_of(&names));
    let of = |kind| {
        let names = names.iter().filter(move |name| name.0 == kind);
        names.filter_map(|&(_, name)| str::from_utf8(name).ok())
    };
    let mut own = of(URI)
        .map(CertificateKey::uri)
        .chain(of(DNS).map(CertificateKey::dns));
    assert!(
        key == CertificateKey::IRREGULAR || own.any(|own| own == key),
        "{key:?}"
    );
    // A name of no kind ends the list.
    if names.iter().all(|(kind, _)| KINDS.contains(kind)) {
        match of(URI).collect::<Vec<_>>()[..] {
            [] => {}
            [uri] => assert_eq!(key, CertificateKey::uri(uri)),
            _ => assert_eq!(key, CertificateKey::IRREGULAR),
        }
    }
}

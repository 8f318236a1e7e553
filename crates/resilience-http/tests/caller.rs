//! Who is calling: the tables of `ByAddr` and `ByHeader`, row by row, and that no caller chooses its key.

use http::{HeaderName, HeaderValue, Request};
use proptest::{collection::vec, prelude::*, sample::select};
use resilience_http::{ByAddr, ByHeader, CallerAddr, HeaderKey, PeerAddr, ProxyHeader};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

const PEER: &str = "192.0.2.1";

fn ip(addr: &str) -> IpAddr {
    addr.parse().unwrap()
}

fn name(header: ProxyHeader) -> HeaderName {
    HeaderName::from_static(match header {
        ProxyHeader::Forwarded => "forwarded",
        ProxyHeader::XForwardedFor => "x-forwarded-for",
    })
}

/// A request from `PEER`, with those lines of `header`.
fn request<V: AsRef<[u8]>>(header: ProxyHeader, lines: &[V]) -> Request<()> {
    let mut req = Request::new(());
    req.extensions_mut().insert(PeerAddr(ip(PEER)));
    for line in lines {
        let line = HeaderValue::from_bytes(line.as_ref()).unwrap();
        req.headers_mut().append(name(header), line);
    }
    req
}

fn behind(proxies: u8, header: ProxyHeader) -> ByAddr {
    ByAddr::builder().behind(proxies, header).build().unwrap()
}

/// Every address a key of its own.
fn exactly(proxies: u8, header: ProxyHeader) -> ByAddr {
    let builder = ByAddr::builder().behind(proxies, header).ipv6_prefix(128);
    builder.build().unwrap()
}

fn says(proxies: u8, header: ProxyHeader, lines: &[&str]) -> String {
    let key = exactly(proxies, header).key(&request(header, lines));
    key.to_string()
}

mod addresses {
    use super::*;

    #[test]
    fn are_small_keys() {
        fn cheap<K: Copy + Eq + std::hash::Hash + Send + Sync + 'static>() {}
        cheap::<CallerAddr>();
        assert_eq!(size_of::<CallerAddr>(), 17);
    }

    #[test]
    fn count_by_64_bits_of_ipv6_and_all_of_ipv4() {
        let by = ByAddr::default();
        let same = |one, other| by.key_of(ip(one)) == by.key_of(ip(other));
        assert!(same("2001:db8::1", "2001:db8::ffff:1:2:3"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        assert!(!same("203.0.113.1", "203.0.113.2"));
        assert_eq!(by.key_of(ip("2001:db8::1")).to_string(), "2001:db8::/64");
        assert_eq!(by.key_of(ip("203.0.113.1")).to_string(), "203.0.113.1");
    }

    #[test]
    fn are_ipv4_where_they_are_mapped() {
        let by = ByAddr::builder().ipv4_prefix(24).build().unwrap();
        let (plain, mapped) = (
            by.key_of(ip("203.0.113.7")),
            by.key_of(ip("::ffff:203.0.113.9")),
        );
        assert_eq!(plain, mapped);
        assert_eq!(mapped.network(), Some(ip("203.0.113.0")));
        assert_eq!(
            (mapped.prefix(), mapped.to_string().as_str()),
            (24, "203.0.113.0/24")
        );
        // Compatible, and not mapped.
        assert_ne!(
            ByAddr::peer().key_of(ip("::203.0.113.7")),
            ByAddr::peer().key_of(ip("203.0.113.7"))
        );
    }

    #[test]
    fn of_nobody_are_one_key() {
        let key = ByAddr::peer().key(&Request::new(()));
        assert_eq!(key, CallerAddr::UNKNOWN);
        assert_eq!(
            (key.network(), key.prefix(), key.to_string().as_str()),
            (None, 0, "unknown")
        );
        assert_ne!(key, ByAddr::peer().key_of(ip("::")));
        assert_ne!(key, ByAddr::peer().key_of(ip("0.0.0.0")));
    }

    #[test]
    fn have_prefixes_that_make_sense() {
        let builder = ByAddr::builder;
        for (wrong, field, value) in [
            (builder().ipv4_prefix(0), "ipv4_prefix", "0"),
            (builder().ipv4_prefix(33), "ipv4_prefix", "33"),
            (builder().ipv6_prefix(0), "ipv6_prefix", "0"),
            (builder().ipv6_prefix(129), "ipv6_prefix", "129"),
            (builder().behind(0, ProxyHeader::Forwarded), "behind", "0"),
            (builder().behind(33, ProxyHeader::Forwarded), "behind", "33"),
        ] {
            let error = wrong.build().unwrap_err();
            assert_eq!((error.field(), error.value()), (field, value));
        }
        for bits in [1, 32] {
            builder().ipv4_prefix(bits).build().unwrap();
        }
        for bits in [1, 128] {
            builder().ipv6_prefix(bits).build().unwrap();
        }
    }

    proptest! {
        /// Two addresses share a key if and only if they are of a kind and agree in the bits that count.
        #[test]
        fn share_a_key_if_their_first_bits_agree(
            one: u128, low_bits in 0_u32..=128, noise: u128, v4: bool, bits in 1_u8..=128,
        ) {
            let other = one ^ noise.checked_shr(128 - low_bits).unwrap_or(0);
            let (width, bits) = if v4 { (32, bits.min(32)) } else { (128, bits) };
            let addr = |bits: u128| if v4 {
                #[expect(clippy::cast_possible_truncation, reason = "a part of a random number")]
                IpAddr::from(Ipv4Addr::from_bits(bits as u32))
            } else {
                Ipv6Addr::from_bits(bits).into()
            };
            prop_assume!([one, other].iter().all(|&a| v4 || Ipv6Addr::from_bits(a).to_ipv4_mapped().is_none()));
            let by = if v4 { ByAddr::builder().ipv4_prefix(bits) } else { ByAddr::builder().ipv6_prefix(bits) };
            let by = by.build().unwrap();
            let digits = |addr: u128| -> Vec<bool> {
                (0..width).rev().map(|at| addr >> at & 1 == 1).take(bits.into()).collect()
            };
            let agree = digits(one) == digits(other);
            prop_assert_eq!(by.key_of(addr(one)) == by.key_of(addr(other)), agree);
        }
    }
}

mod peers {
    use super::*;

    #[test]
    fn are_told_by_the_first_who_knows() {
        let mut req = Request::new(());
        let mut seen = vec![ByAddr::peer().key(&req).to_string()];
        let at = |last| SocketAddr::from(([198, 51, 100, last], 4_000));
        #[cfg(feature = "tonic-server")]
        {
            let (remote_addr, local_addr) = (Some(at(1)), None);
            req.extensions_mut()
                .insert(tonic::transport::server::TcpConnectInfo {
                    local_addr,
                    remote_addr,
                });
            seen.push(ByAddr::peer().key(&req).to_string());
        }
        #[cfg(feature = "axum")]
        {
            use axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
            req.extensions_mut().insert(MockConnectInfo(at(2)));
            seen.push(ByAddr::peer().key(&req).to_string());
            req.extensions_mut().insert(ConnectInfo(at(3)));
            seen.push(ByAddr::peer().key(&req).to_string());
        }
        req.extensions_mut().insert(PeerAddr::from(at(4)));
        seen.push(ByAddr::peer().key(&req).to_string());
        let expected = [
            Some("unknown"),
            cfg!(feature = "tonic-server").then_some("198.51.100.1"),
            cfg!(feature = "axum").then_some("198.51.100.2"),
            cfg!(feature = "axum").then_some("198.51.100.3"),
            Some("198.51.100.4"),
        ];
        assert!(
            seen.iter()
                .map(String::as_str)
                .eq(expected.into_iter().flatten()),
            "{seen:?}"
        );
    }

    #[test]
    fn count_alone_where_no_proxy_is_stated() {
        for header in [ProxyHeader::Forwarded, ProxyHeader::XForwardedFor] {
            let req = request(header, &["for=203.0.113.7", "203.0.113.8"]);
            assert_eq!(ByAddr::peer().key(&req).to_string(), PEER);
        }
    }
}

mod x_forwarded_for {
    use super::{ProxyHeader::XForwardedFor, *};

    #[test]
    fn line_by_line() {
        for (proxies, lines, key) in [
            // As stated.
            (1, &["203.0.113.7"][..], "203.0.113.7"),
            (1, &["1.1.1.1, 203.0.113.7"], "203.0.113.7"),
            (2, &["1.1.1.1,203.0.113.7 ,\t198.51.100.2"], "203.0.113.7"),
            // Several lines are one.
            (
                2,
                &["1.1.1.1", "203.0.113.7", "198.51.100.2"],
                "203.0.113.7",
            ),
            (
                3,
                &["203.0.113.7, 198.51.100.3", "198.51.100.2"],
                "203.0.113.7",
            ),
            // Forms.
            (1, &["203.0.113.7:1234"], "203.0.113.7"),
            (1, &["2001:db8::7"], "2001:db8::7"),
            (1, &["[2001:db8::7]"], "2001:db8::7"),
            (1, &["[2001:db8::7]:1234"], "2001:db8::7"),
            (1, &["::ffff:203.0.113.7"], "203.0.113.7"),
            // Empty entries are none.
            (1, &["203.0.113.7, ,,"], "203.0.113.7"),
            (1, &["203.0.113.7", "", " , "], "203.0.113.7"),
            (2, &["203.0.113.7", ",198.51.100.2"], "203.0.113.7"),
            // Fewer than stated: nothing in it is believed.
            (1, &[], PEER),
            (1, &[""], PEER),
            (1, &[",, ,"], PEER),
            (2, &["203.0.113.7"], PEER),
            (32, &["203.0.113.7, 198.51.100.2"], PEER),
            // No address: the nearest hop to the right of it.
            (1, &["1.1.1.1, unknown"], PEER),
            (2, &["1.1.1.1, unknown, 198.51.100.2"], "198.51.100.2"),
            (
                3,
                &["1.1.1.1, unknown, 198.51.100.3, 198.51.100.2"],
                "198.51.100.3",
            ),
            (3, &["1.1.1.1, unknown, ?, 198.51.100.2"], "198.51.100.2"),
            (3, &["1.1.1.1, unknown, ?, _hidden"], PEER),
            // An unknown one on the way does not matter.
            (2, &["203.0.113.7, unknown"], "203.0.113.7"),
        ] {
            assert_eq!(
                says(proxies, XForwardedFor, lines),
                key,
                "{proxies} of {lines:?}"
            );
        }
    }

    #[test]
    fn malformed_entries_are_no_addresses() {
        for entry in [
            "203.0.113",
            "203.0.113.256",
            "203.0.113.07",
            "203.0.113.7:",
            "203.0.113.7:x",
            "203.0.113.7:123456",
            "203.0.113.7 :80",
            "203.0.113.7 203.0.113.8",
            "203.0.113.7;",
            "\"203.0.113.7\"",
            "for=203.0.113.7",
            "[203.0.113.7]",
            "[2001:db8::7",
            "2001:db8::7]",
            "[2001:db8::7]80",
            "[2001:db8::7]:",
            "2001:db8:::7",
            "fe80::1%eth0",
            "[fe80::1%eth0]",
            "localhost",
            "3405803783",
            "0xcb.0.0x71.7",
            "-1",
            "[]",
            "[]:80",
            ":80",
            "_",
            "*",
            "\u{e9}",
        ] {
            assert_eq!(says(1, XForwardedFor, &[entry]), PEER, "{entry}");
            let lines = [format!("{entry},198.51.100.2")];
            let lines = lines.each_ref().map(String::as_str);
            assert_eq!(says(2, XForwardedFor, &lines), "198.51.100.2", "{entry}");
        }
    }

    #[test]
    fn is_not_read_where_forwarded_is_stated_nor_the_other_way_round() {
        for (stated, other, line) in [
            (ProxyHeader::Forwarded, XForwardedFor, "203.0.113.7"),
            (XForwardedFor, ProxyHeader::Forwarded, "for=203.0.113.7"),
        ] {
            let key = behind(1, stated).key(&request(other, &[line]));
            assert_eq!(key.to_string(), PEER);
        }
    }

    #[test]
    fn works_without_a_peer() {
        let mut req = request(XForwardedFor, &["203.0.113.7"]);
        req.extensions_mut().clear();
        assert_eq!(
            behind(1, XForwardedFor).key(&req).to_string(),
            "203.0.113.7"
        );
        assert_eq!(behind(2, XForwardedFor).key(&req), CallerAddr::UNKNOWN);
    }
}

mod forwarded {
    use super::{ProxyHeader::Forwarded, *};

    #[test]
    fn line_by_line() {
        for (proxies, lines, key) in [
            // The RFC's own, and more of the kind.
            (1, &["for=203.0.113.7"][..], "203.0.113.7"),
            (
                1,
                &["For=\"[2001:db8:cafe::17]:4711\""],
                "2001:db8:cafe::17",
            ),
            (
                1,
                &["for=192.0.2.60;proto=http;by=203.0.113.43"],
                "192.0.2.60",
            ),
            (
                1,
                &["by=203.0.113.43;FOR=192.0.2.60 ; proto=http;"],
                "192.0.2.60",
            ),
            (2, &["for=192.0.2.43, for=198.51.100.17"], "192.0.2.43"),
            (2, &["for=192.0.2.43", "for=198.51.100.17"], "192.0.2.43"),
            (1, &["for=\"203.0.113.7:80\""], "203.0.113.7"),
            (1, &["for=\"203.0.113.7:_port\""], "203.0.113.7"),
            (1, &["for=\"[2001:db8::7]\""], "2001:db8::7"),
            // Not quoted, as it should be.
            (1, &["for=[2001:db8::7]:80;proto=http"], "2001:db8::7"),
            (1, &["for=203.0.113.7:80"], "203.0.113.7"),
            // Separators within quotes are none.
            (
                1,
                &["for=1.1.1.1,for=203.0.113.7;host=\"a,for=6.6.6.6\""],
                "203.0.113.7",
            ),
            (
                1,
                &["for=203.0.113.7;host=\"a;for=6.6.6.6\""],
                "203.0.113.7",
            ),
            (
                1,
                &[r#"for=203.0.113.7;host="a\",for=6.6.6.6;b=\"""#],
                "203.0.113.7",
            ),
            (
                2,
                &[r#"for=203.0.113.7;host="a\\",for=198.51.100.2;host="\"""#],
                "203.0.113.7",
            ),
            (
                2,
                &[r#"for=203.0.113.7;host="\\\"",for=198.51.100.2;host="""#],
                "203.0.113.7",
            ),
            // Empty elements are none.
            (
                2,
                &["for=203.0.113.7,, ,for=198.51.100.2,", ""],
                "203.0.113.7",
            ),
            // A quote that the caller leaves open does not reach to the right.
            (1, &["for=\", for=203.0.113.7"], "203.0.113.7"),
            (1, &["for=\"\\, for=203.0.113.7"], "203.0.113.7"),
            (1, &["for=\"", "for=203.0.113.7"], "203.0.113.7"),
            (
                2,
                &["\", for=203.0.113.7;host=\"a\", for=198.51.100.2;host=\"b\""],
                "203.0.113.7",
            ),
            // Fewer than stated.
            (1, &[], PEER),
            (2, &["for=203.0.113.7"], PEER),
            (2, &["for=\"203.0.113.7, for=203.0.113.8\""], PEER),
            // Half of a quote.
            (1, &["for=203.0.113.7;host=\"a"], PEER),
            (1, &["for=203.0.113.7;host=a\""], PEER),
            (2, &["for=203.0.113.7, for=198.51.100.2\""], PEER),
            // Quotes that are not those of a value.
            (2, &["for=203.0.113.7, for=198.51.100.2;host=a\"b\""], PEER),
            (3, &["for=203.0.113.7, for=198.51.100.2, host=a\"b\""], PEER),
            // No address: the nearest hop to the right of it.
            (1, &["for=1.1.1.1, for=unknown"], PEER),
            (1, &["for=1.1.1.1, for=_hidden"], PEER),
            (1, &["for=1.1.1.1, by=203.0.113.43;proto=http"], PEER),
            (1, &["for=1.1.1.1, for=203.0.113.7;for=203.0.113.8"], PEER),
            (
                2,
                &["for=1.1.1.1, for=_SEVKISEK, for=198.51.100.2"],
                "198.51.100.2",
            ),
            (
                3,
                &["for=1.1.1.1, for=unknown, proto=http, for=198.51.100.2"],
                "198.51.100.2",
            ),
        ] {
            assert_eq!(
                says(proxies, Forwarded, lines),
                key,
                "{proxies} of {lines:?}"
            );
        }
    }

    #[test]
    fn malformed_elements_have_no_address() {
        for element in [
            "203.0.113.7",
            "for",
            "for=",
            "=203.0.113.7",
            "for =203.0.113.7",
            "for= 203.0.113.7",
            "for=\"\"",
            "for=203.0.113.7 proto=http",
            "for=\"203.0.113.7\"proto=http",
            "for=\"203.0.113.7\"x",
            "for=203.0.113.7;proto",
            "for=203.0.113.7;=http",
            "for=203.0.113.7;pro/to=http",
            "for=\"203.0.113.7\\\"\"",
            "for=\"203.0.113\\.7\"",
            "for=\"203.0.113.7:_\"",
            "for=\"203.0.113.7:_a b\"",
            "for=\"[2001:db8::7]x\"",
            "for=\"for=203.0.113.7\"",
            "xfor=203.0.113.7",
            "host=a=\";for=6.6.6.6;x=\"",
        ] {
            let lines = [format!("for=1.1.1.1,{element},for=198.51.100.2")];
            let lines = lines.each_ref().map(String::as_str);
            assert_eq!(says(2, Forwarded, &lines), "198.51.100.2", "{element}");
        }
    }
}

mod headers {
    use super::*;

    fn key(by: &ByHeader, lines: &[&[u8]]) -> HeaderKey {
        let mut req = Request::new(());
        for line in lines {
            let line = HeaderValue::from_bytes(line).unwrap();
            req.headers_mut().append("x-tenant", line);
        }
        by.key(&req)
    }

    #[test]
    fn give_a_key_of_bounded_size() {
        assert_eq!(size_of::<HeaderKey>(), 40);
        let by = ByHeader::builder("X-Tenant").max_len(50).build().unwrap();
        for len in [0, 1, 37, 38, 39, 50] {
            let value = vec![b'a'; len];
            let key = key(&by, &[&value]);
            assert_eq!(key.value(), Some(&value[..]));
            assert_eq!(key, by.key_of(&value));
        }
        for len in [51, 10_000] {
            assert_eq!(key(&by, &[&vec![b'a'; len]]), HeaderKey::IRREGULAR);
        }
    }

    #[test]
    fn repeated_or_missing_share_one_key_each() {
        let by = ByHeader::new("x-tenant").unwrap();
        assert_eq!(key(&by, &[]), HeaderKey::ABSENT);
        assert_eq!(key(&by, &[b"blue", b"green"]), HeaderKey::IRREGULAR);
        assert_eq!(key(&by, &[b"blue", b"blue"]), HeaderKey::IRREGULAR);
        let keys = [
            by.key_of("blue"),
            by.key_of(""),
            HeaderKey::ABSENT,
            HeaderKey::IRREGULAR,
        ];
        assert_eq!(HashSet::from(keys).len(), 4);
        assert_eq!(
            (HeaderKey::ABSENT.value(), HeaderKey::IRREGULAR.value()),
            (None, None)
        );
    }

    #[test]
    fn do_not_show_credentials() {
        let by = ByHeader::new("authorization").unwrap();
        for secret in ["hunter2".to_owned(), "hunter2".repeat(10)] {
            let shown = format!("{:?}", by.key_of(&secret));
            assert_eq!(shown, "HeaderKey(..)");
        }
    }

    #[test]
    fn have_names_and_limits_that_make_sense() {
        for name in ["", "x tenant", "x-t\u{e9}nant"] {
            assert_eq!(ByHeader::new(name).unwrap_err().field(), "name");
        }
        ByHeader::new(http::header::AUTHORIZATION).unwrap();
        for max_len in [0, 4_097] {
            let error = ByHeader::builder("x-tenant")
                .max_len(max_len)
                .build()
                .unwrap_err();
            assert_eq!(
                (error.field(), error.value()),
                ("max_len", max_len.to_string().as_str())
            );
        }
        for max_len in [1, 4_096] {
            ByHeader::builder("x-tenant")
                .max_len(max_len)
                .build()
                .unwrap();
        }
    }

    proptest! {
        #[test]
        fn are_told_apart_byte_by_byte(one in vec(0x80_u8.., 0..80), other in vec(0x80_u8.., 0..80)) {
            let by = ByHeader::new("x-tenant").unwrap();
            let keys = [key(&by, &[&one]), key(&by, &[&other]), key(&by, &[&one])];
            prop_assert_eq!(&keys[0], &keys[2]);
            prop_assert_eq!(keys[0] == keys[1], one == other);
        }
    }
}

/// What a caller puts into the header before it gets to the first proxy: lines of anything at all, and of what the
/// grammar is made of.
fn hostile() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = select(vec![
        "for=",
        "For=\"",
        "\"",
        "\\",
        "\\\"",
        ",",
        ";",
        "=",
        " ",
        "\t",
        "[",
        "]",
        ":80",
        "unknown",
        "_x",
        "1.2.3.4",
        "2001:db8::6",
        "[2001:db8::6]",
        "by=",
        "host=\"a,b\"",
        "proto=http",
        "for=6.6.6.6",
    ]);
    let made = vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes());
    let any = vec(
        (0x20_u8..).prop_filter("forbidden in headers", |&byte| byte != 0x7f),
        0..40,
    );
    let any = any.prop_map(|line| line.trim_ascii().to_vec());
    vec(prop_oneof![made, any], 0..4)
}

/// How one proxy appends whom it was called by.
#[derive(Clone, Debug)]
struct Hop {
    addr: IpAddr,
    /// Hides the address.
    silent: bool,
    own_line: bool,
    port: Option<u16>,
    before: &'static str,
    after: &'static str,
}

fn hop() -> impl Strategy<Value = Hop> {
    let addr = prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))),
    ];
    let before = select(vec![
        "",
        "by=10.0.0.1;",
        "host=\"a, for=6.6.6.6\";",
        "x=\"\\\\\\\"\" ; ",
    ]);
    let after = select(vec![
        "",
        ";proto=https",
        ";host=\"\\\", for=6.6.6.6; x=\\\\\"",
        " ;",
        ";x=\"\"",
    ]);
    let silent = prop::bool::weighted(0.2);
    (
        addr,
        silent,
        any::<bool>(),
        any::<Option<u16>>(),
        before,
        after,
    )
        .prop_map(|(addr, silent, own_line, port, before, after)| Hop {
            addr,
            silent,
            own_line,
            port,
            before,
            after,
        })
}

impl Hop {
    fn entry(&self, header: ProxyHeader) -> String {
        let node = match (self.silent, self.port, self.addr) {
            (true, ..) => "unknown".to_owned(),
            (_, Some(port), addr) => SocketAddr::new(addr, port).to_string(),
            (_, None, IpAddr::V6(addr)) => format!("[{addr}]"),
            (_, None, addr) => addr.to_string(),
        };
        match header {
            ProxyHeader::XForwardedFor => node,
            ProxyHeader::Forwarded => format!("{}for=\"{node}\"{}", self.before, self.after),
        }
    }

    fn append(&self, header: ProxyHeader, lines: &mut Vec<Vec<u8>>) {
        let entry = self.entry(header).into_bytes();
        match lines.last_mut() {
            Some(last) if !self.own_line => {
                last.extend(b", ");
                last.extend(entry);
            }
            _ => lines.push(entry),
        }
    }
}

fn either() -> impl Strategy<Value = ProxyHeader> {
    select(vec![ProxyHeader::Forwarded, ProxyHeader::XForwardedFor])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// The key is what the trusted proxies saw, whatever the caller and proxies beyond them have written.
    #[test]
    fn no_caller_chooses_its_key(
        spoofed in hostile(), beyond in vec(hop(), 0..3), trusted in vec(hop(), 1..5), header in either(),
    ) {
        let mut lines = spoofed;
        for hop in beyond.iter().chain(&trusted) {
            hop.append(header, &mut lines);
        }
        let by = exactly(u8::try_from(trusted.len()).unwrap(), header);
        // The first trusted proxy saw the caller. If it does not say, the one after it saw that proxy, and so on.
        let seen = trusted.iter().find(|hop| !hop.silent).map(|hop| hop.addr);
        let expected = by.key_of(seen.unwrap_or(ip(PEER)));
        prop_assert_eq!(by.key(&request(header, &lines)), expected, "{:?}", lines);
    }

    /// As many servers in a row agree on the caller: each knows one proxy more than the one before it, and that
    /// one's peer.
    #[test]
    fn one_proxy_more_sees_the_same_caller(lines in hostile(), proxies in 1_u8..4, header in either()) {
        let front = exactly(proxies, header).key(&request(header, &lines));

        let by = exactly(proxies + 1, header);
        let mut req = {
            let mut lines = lines;
            lines.push(if header == ProxyHeader::Forwarded { format!("for={PEER}") } else { PEER.to_owned() }.into());
            request(header, &lines)
        };
        let far = ip("192.0.2.2");
        req.extensions_mut().insert(PeerAddr(far));
        let back = by.key(&req);
        // Where the header was not as stated, each knows its own peer only.
        let lost = front == by.key_of(ip(PEER)) && back == by.key_of(far);
        prop_assert!(back == front || lost, "{front:?}, {back:?}");
    }
}

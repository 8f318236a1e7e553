//! Who is calling under mutual TLS: the tables of `ByCertificate`, row by row, and that no certificate is taken for
//! somebody else's.

#![cfg(feature = "tls")]

use http::Request;
use proptest::{collection::vec, prelude::*, sample::Index};
use rcgen::{CertificateParams, CustomExtension, KeyPair, SanType};
use resilience_http::{ByCertificate, CertificateKey, PeerCertificate};
use std::sync::LazyLock;

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn email(name: &str) -> SanType {
    SanType::Rfc822Name(name.try_into().unwrap())
}

fn ip() -> SanType {
    SanType::IpAddress([192, 0, 2, 1].into())
}

fn params(names: impl Into<Vec<SanType>>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.subject_alt_names = names.into();
    params
}

fn der(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&*KEY).unwrap().der().to_vec()
}

fn request(leaf: impl AsRef<[u8]>) -> Request<()> {
    let mut req = Request::new(());
    req.extensions_mut().insert(PeerCertificate::new(leaf));
    req
}

fn key_of(leaf: impl AsRef<[u8]>) -> CertificateKey {
    ByCertificate::new().key(&request(leaf))
}

const CHECKOUT: &str = "spiffe://shop.example/checkout";

mod keys {
    use super::*;

    #[test]
    fn are_small_and_cheap_to_clone() {
        fn key<K: Clone + Eq + std::hash::Hash + Send + Sync + 'static>() {}
        key::<CertificateKey>();
        assert_eq!(size_of::<CertificateKey>(), 24);
        let one = CertificateKey::uri(CHECKOUT);
        let other = one.clone();
        assert!(std::ptr::eq(one.name().unwrap(), other.name().unwrap()));
    }

    #[test]
    fn are_shown_as_names() {
        for (key, shown, name) in [
            (CertificateKey::ABSENT, "absent", None),
            (CertificateKey::IRREGULAR, "irregular", None),
            (CertificateKey::uri(CHECKOUT), CHECKOUT, Some(CHECKOUT)),
            (
                CertificateKey::dns("A.example"),
                "a.example",
                Some("a.example"),
            ),
        ] {
            assert_eq!((key.to_string().as_str(), key.name()), (shown, name));
            assert_eq!(format!("{key:?}"), format!("CertificateKey({shown})"));
        }
    }

    #[test]
    fn are_those_of_nobody_else() {
        let keys = [
            CertificateKey::ABSENT,
            CertificateKey::IRREGULAR,
            CertificateKey::uri("absent"),
            CertificateKey::uri("a.example"),
            CertificateKey::uri("A.example"),
            CertificateKey::dns("a.example"),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(
                keys.iter().skip(at + 1).all(|other| key != other),
                "{key:?}"
            );
        }
        assert_eq!(
            CertificateKey::dns("a.example"),
            CertificateKey::dns("A.EXAMPLE")
        );
    }

    #[test]
    fn have_a_bounded_size() {
        for make in [
            |name: &str| CertificateKey::uri(name),
            |name: &str| CertificateKey::dns(name),
        ] {
            let longest = "a".repeat(2_048);
            assert_eq!(make(&longest).name(), Some(longest.as_str()));
            assert_eq!(make(&"a".repeat(2_049)), CertificateKey::IRREGULAR);
            assert_eq!(make(""), CertificateKey::IRREGULAR);
        }
    }
}

mod certificates {
    use super::*;

    #[test]
    fn line_by_line() {
        let irregular = || CertificateKey::IRREGULAR;
        let checkout = || CertificateKey::uri(CHECKOUT);
        let a = || CertificateKey::dns("a.example");
        for (names, key) in [
            (vec![uri(CHECKOUT)], checkout()),
            (vec![dns("a.example")], a()),
            (vec![dns("A.example")], a()),
            (
                vec![dns("*.shop.example")],
                CertificateKey::dns("*.shop.example"),
            ),
            // The URI goes before, wherever it stands.
            (vec![dns("a.example"), uri(CHECKOUT)], checkout()),
            (vec![uri(CHECKOUT), dns("a.example")], checkout()),
            // The first DNS name that can be one.
            (vec![dns("a.example"), dns("b.example")], a()),
            (
                vec![dns("b.example"), dns("a.example")],
                CertificateKey::dns("b.example"),
            ),
            (vec![dns("no name"), dns("a.example")], a()),
            (vec![ip(), email("a@b.example"), dns("a.example")], a()),
            // Nobody for certain.
            (
                vec![uri(CHECKOUT), uri("spiffe://shop.example/reports")],
                irregular(),
            ),
            (vec![uri(CHECKOUT), uri(CHECKOUT)], irregular()),
            (
                vec![uri(CHECKOUT), uri("b:"), dns("a.example")],
                irregular(),
            ),
            (vec![uri(""), dns("a.example")], irregular()),
            (vec![uri(&"a".repeat(2_049)), dns("a.example")], irregular()),
            // Nobody.
            (vec![], irregular()),
            (vec![ip(), email("a@b.example")], irregular()),
            (vec![dns("no name")], irregular()),
            (vec![dns("")], irregular()),
        ] {
            assert_eq!(key_of(der(&params(names.clone()))), key, "{names:?}");
        }
        let longest = "a".repeat(2_048);
        assert_eq!(
            key_of(der(&params([uri(&longest)]))),
            CertificateKey::uri(&longest)
        );
    }

    /// The common name is `rcgen`'s default one.
    #[test]
    fn do_not_name_anybody_by_common_name() {
        let mut params = params([]);
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "a.example");
        assert_eq!(key_of(der(&params)), CertificateKey::IRREGULAR);
    }

    /// Another key, another serial number, another date: the same name.
    #[test]
    fn keep_their_key_when_they_are_renewed() {
        let old = der(&params([uri(CHECKOUT)]));
        let mut params = params([uri(CHECKOUT)]);
        params.serial_number = Some(7.into());
        params.not_after = rcgen::date_time_ymd(2100, 1, 1);
        let new = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        assert_ne!(old, **new.der());
        assert_eq!(key_of(old), key_of(new.der()));
    }

    #[test]
    fn that_cannot_be_read_are_one_key() {
        let whole = der(&params([uri(CHECKOUT)]));
        for odd in [
            &[][..],
            b"\0",
            CHECKOUT.as_bytes(),
            &whole[1..],
            &[&whole[..], b"\0"].concat(),
        ] {
            assert_eq!(key_of(odd), CertificateKey::IRREGULAR);
        }
        for end in 0..whole.len() {
            assert_eq!(key_of(&whole[..end]), CertificateKey::IRREGULAR);
        }
        let twice = {
            let mut params = params([uri(CHECKOUT)]);
            // `[6] "a"`, as another extension of that kind.
            let names =
                CustomExtension::from_oid_content(&[2, 5, 29, 17], b"\x30\x03\x86\x01a".to_vec());
            params.custom_extensions.push(names);
            der(&params)
        };
        assert_eq!(key_of(twice), CertificateKey::IRREGULAR);
    }
}

mod extensions {
    use super::*;

    #[test]
    fn without_any_callers_are_one_key() {
        assert_eq!(
            ByCertificate::new().key(&Request::new(())),
            CertificateKey::ABSENT
        );
    }

    #[test]
    fn do_not_stand_in_the_request_of_the_caller() {
        let mut req = request(der(&params([uri(CHECKOUT)])));
        for name in ["x-forwarded-client-cert", "forwarded", "x-spiffe-id"] {
            let value = "URI=spiffe://shop.example/reports";
            req.headers_mut().append(name, value.parse().unwrap());
        }
        assert_eq!(
            ByCertificate::new().key(&req),
            CertificateKey::uri(CHECKOUT)
        );
        req.extensions_mut().clear();
        assert_eq!(ByCertificate::new().key(&req), CertificateKey::ABSENT);
    }

    #[cfg(feature = "axum")]
    mod axum {
        use super::*;
        use ::axum::extract::connect_info::{ConnectInfo, MockConnectInfo};
        use resilience_http::{ByAddr, PeerAddr, TlsPeer};

        fn peer(last: u8, name: Option<&str>) -> TlsPeer {
            let certificate = name.map(|name| PeerCertificate::new(der(&params([dns(name)]))));
            let addr = ([198, 51, 100, last], 4_000).into();
            TlsPeer { addr, certificate }
        }

        #[test]
        fn are_read_in_their_order() {
            let keys = |req: &Request<()>| {
                let (certificate, addr) = (ByCertificate::new().key(req), ByAddr::peer().key(req));
                (certificate.to_string(), addr.to_string())
            };
            let mut req = Request::new(());
            let mut seen = vec![];
            req.extensions_mut()
                .insert(MockConnectInfo(peer(1, Some("a"))));
            seen.push(keys(&req));
            req.extensions_mut().insert(ConnectInfo(peer(2, Some("b"))));
            seen.push(keys(&req));
            req.extensions_mut()
                .insert(PeerCertificate::new(der(&params([dns("c")]))));
            req.extensions_mut()
                .insert(PeerAddr([198, 51, 100, 3].into()));
            seen.push(keys(&req));
            let expected = [("a", 1), ("b", 2), ("c", 3)];
            let expected =
                expected.map(|(name, last)| (name.to_owned(), format!("198.51.100.{last}")));
            assert_eq!(seen, expected);
        }

        #[test]
        fn may_know_an_address_and_no_certificate() {
            let mut req = Request::new(());
            req.extensions_mut().insert(ConnectInfo(peer(1, None)));
            assert_eq!(ByCertificate::new().key(&req), CertificateKey::ABSENT);
            assert_eq!(ByAddr::peer().key(&req).to_string(), "198.51.100.1");
        }
    }
}

/// What tonic says of a connection, by a handshake in memory.
#[cfg(feature = "tonic-server")]
mod tonic_server {
    use super::*;
    use resilience_http::ByAddr;
    use std::{
        io,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };
    use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
    use tokio_rustls::{
        TlsAcceptor, TlsConnector,
        rustls::{
            ClientConfig, RootCertStore, ServerConfig, crypto, pki_types::PrivatePkcs8KeyDer,
            server::WebPkiClientVerifier,
        },
    };
    use tonic::transport::server::{Connected, TcpConnectInfo};

    /// A connection that says that it comes from a socket.
    struct Socket(DuplexStream);

    impl Connected for Socket {
        type ConnectInfo = TcpConnectInfo;

        fn connect_info(&self) -> TcpConnectInfo {
            TcpConnectInfo {
                local_addr: None,
                remote_addr: Some(([198, 51, 100, 1], 4_000).into()),
            }
        }
    }

    impl AsyncRead for Socket {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Socket {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    /// A request from a caller who shows that certificate, as tonic's server passes it on.
    async fn request_of(caller: Option<CertificateParams>) -> Request<()> {
        let provider = || Arc::new(crypto::ring::default_provider());
        let key = || PrivatePkcs8KeyDer::from(KEY.serialized_der().to_vec()).into();
        let server = params([dns("server")]).self_signed(&*KEY).unwrap();
        let roots = |root: &rcgen::Certificate| {
            let mut roots = RootCertStore::empty();
            roots.add(root.der().clone()).unwrap();
            Arc::new(roots)
        };
        let shown = caller
            .as_ref()
            .unwrap_or(&params([dns("any")]))
            .self_signed(&*KEY)
            .unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots(&shown), provider());
        let acceptor = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
            .with_single_cert(vec![server.der().clone()], key())
            .unwrap();
        let connector = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots(&server));
        let connector = match caller {
            Some(_) => connector
                .with_client_auth_cert(vec![shown.der().clone()], key())
                .unwrap(),
            None => connector.with_no_client_auth(),
        };
        let (near, far) = duplex(16_384);
        let connect =
            TlsConnector::from(Arc::new(connector)).connect("server".try_into().unwrap(), near);
        let accept = TlsAcceptor::from(Arc::new(acceptor)).accept(Socket(far));
        let (_client, stream) = tokio::try_join!(connect, accept).unwrap();
        let mut req = Request::new(());
        req.extensions_mut().insert(stream.connect_info());
        req
    }

    #[tokio::test]
    async fn knows_the_certificate_and_the_address() {
        let req = request_of(Some(params([uri(CHECKOUT)]))).await;
        assert_eq!(
            ByCertificate::new().key(&req),
            CertificateKey::uri(CHECKOUT)
        );
        assert_eq!(ByAddr::peer().key(&req).to_string(), "198.51.100.1");
    }

    #[tokio::test]
    async fn knows_when_there_is_none() {
        let req = request_of(None).await;
        assert_eq!(ByCertificate::new().key(&req), CertificateKey::ABSENT);
        assert_eq!(ByAddr::peer().key(&req).to_string(), "198.51.100.1");
    }

    #[tokio::test]
    async fn knows_when_it_names_nobody() {
        let req = request_of(Some(params([ip()]))).await;
        assert_eq!(ByCertificate::new().key(&req), CertificateKey::IRREGULAR);
    }
}

/// Names of every kind that there is.
fn any_name() -> impl Strategy<Value = SanType> {
    prop_oneof![
        "[a-z]{1,6}://[ -~]{0,40}".prop_map(|name| uri(&name)),
        "[a-zA-Z]{1,6}([.-][a-z]{1,6}){0,3}".prop_map(|name| dns(&name)),
        "[a-z]{1,6}@[a-z]{1,6}".prop_map(|name| email(&name)),
        Just(ip()),
    ]
}

/// What the table says, read in its own way.
fn expected(names: &[SanType]) -> CertificateKey {
    let uris: Vec<_> = names
        .iter()
        .filter_map(|name| match name {
            SanType::URI(uri) => Some(uri.as_str()),
            _ => None,
        })
        .collect();
    let dns = names.iter().find_map(|name| match name {
        SanType::DnsName(dns) => Some(dns.as_str()),
        _ => None,
    });
    match (&*uris, dns) {
        ([uri], _) => CertificateKey::uri(uri),
        ([], Some(dns)) => CertificateKey::dns(dns),
        _ => CertificateKey::IRREGULAR,
    }
}

/// A certificate with bytes changed, added or taken away.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let names = vec(any_name(), 0..4).prop_map(|names| der(&params(names)));
    let edit = (any::<Index>(), 0..3_u8, any::<u8>());
    (names, vec(edit, 0..6)).prop_map(|(mut der, edits)| {
        for (at, kind, byte) in edits {
            let at = at.index(der.len());
            match kind {
                0 => der[at] = byte,
                1 => der.insert(at, byte),
                _ => drop(der.remove(at)),
            }
        }
        der
    })
}

/// A certificate has the name that is its key, letter by letter.
fn names_only_whom_it_names(der: &[u8]) {
    let key = key_of(der);
    assert_ne!(key, CertificateKey::ABSENT);
    if let Some(name) = key.name() {
        let found = der
            .windows(name.len())
            .any(|part| part.eq_ignore_ascii_case(name.as_bytes()));
        assert!(found, "{key:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_key_is_what_the_table_says(names in vec(any_name(), 0..6)) {
        prop_assert_eq!(key_of(der(&params(&*names))), expected(&names));
    }

    #[test]
    fn a_damaged_certificate_is_nobody_elses(der in damaged()) {
        names_only_whom_it_names(&der);
    }

    #[test]
    fn anything_at_all_is_nobody(bytes in vec(any::<u8>(), 0..600), name in any_name()) {
        prop_assert_eq!(key_of(&bytes), CertificateKey::IRREGULAR);
        // With a name in it, too.
        let noise = [bytes, der(&params([name]))].concat();
        names_only_whom_it_names(&noise);
    }
}

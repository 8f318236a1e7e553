//! An authority, the certificates that it gives out, and what rustls makes of them. All of it in memory.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use resilience_stack::prelude::BoxError;
use std::{net::IpAddr, sync::Arc};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tonic::transport::{ClientTlsConfig, Identity};

/// Whoever decides who is called what.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate, and the key that proves it to be one's own.
pub(crate) struct Credentials {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Self, BoxError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self(issuer))
    }

    /// For a caller of that name: a SPIFFE ID, as a service mesh gives out.
    pub(crate) fn caller(&self, name: &str) -> Result<Credentials, BoxError> {
        let name = SanType::URI(name.try_into()?);
        self.issue(name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// For the server at that address.
    pub(crate) fn server(&self, address: IpAddr) -> Result<Credentials, BoxError> {
        let name = SanType::IpAddress(address);
        self.issue(name, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn issue(
        &self,
        name: SanType,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Credentials, BoxError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![name];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Credentials { certificate, key })
    }

    fn roots(&self) -> Result<Arc<RootCertStore>, BoxError> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone())?;
        Ok(Arc::new(roots))
    }

    /// For a server that shows `server`, and serves nobody whom this authority has not given a name.
    ///
    /// `alpn` is the protocol that is spoken: `h2` for gRPC, `http/1.1`.
    pub(crate) fn server_config(
        &self,
        server: &Credentials,
        alpn: &str,
    ) -> Result<Arc<ServerConfig>, BoxError> {
        let callers = WebPkiClientVerifier::builder(self.roots()?).build()?;
        let (certificate, key) = server.parts();
        let mut config = ServerConfig::builder()
            .with_client_cert_verifier(callers)
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![alpn.into()];
        Ok(Arc::new(config))
    }

    /// For a caller that shows `caller`, or nothing, and calls no server that this authority has not given its name.
    pub(crate) fn client_config(
        &self,
        caller: Option<&Credentials>,
    ) -> Result<ClientConfig, BoxError> {
        let config = ClientConfig::builder().with_root_certificates(self.roots()?);
        Ok(match caller.map(Credentials::parts) {
            Some((certificate, key)) => config.with_client_auth_cert(vec![certificate], key)?,
            None => config.with_no_client_auth(),
        })
    }

    /// The same for tonic, which has settings of its own.
    pub(crate) fn tonic_config(&self, caller: Option<&Credentials>) -> ClientTlsConfig {
        let root = tonic::transport::Certificate::from_pem(self.0.pem());
        let config = ClientTlsConfig::new().ca_certificate(root);
        match caller {
            Some(caller) => config.identity(caller.identity()),
            None => config,
        }
    }
}

impl Credentials {
    fn parts(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.key.serialize_der());
        (self.certificate.der().clone(), key.into())
    }

    fn identity(&self) -> Identity {
        Identity::from_pem(self.certificate.pem(), self.key.serialize_pem())
    }
}

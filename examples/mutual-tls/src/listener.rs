//! Connections over which both sides know each other, for axum and for tonic.

use axum::serve::Listener;
use futures_util::{Stream, stream};
use resilience_stack::http::{PeerCertificate, TlsPeer};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncWriteExt, copy, sink},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

/// How long a peer may take for its handshake, or to hear that it failed.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How many peers may be at it. Further ones wait in the backlog of the socket.
const HANDSHAKES: usize = 1_024;

/// Accepts connections, and hands on those whose handshake succeeded.
///
/// Handshakes run in tasks of their own: a peer that is slow or fails holds up nobody.
pub(crate) struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, TlsPeer)>>,
}

impl TlsListener {
    pub(crate) fn new(tcp: TcpListener, config: Arc<ServerConfig>) -> Self {
        Self {
            tcp,
            tls: config.into(),
            handshakes: JoinSet::new(),
        }
    }

    /// For tonic, which knows by itself what to ask of a TLS stream.
    ///
    /// Its own `tls_config` would do as well, but for callers that are refused: they may see the connection reset
    /// and not hear why.
    pub(crate) fn streams(self) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
        stream::unfold(self, async |mut listener| {
            let (stream, _) = listener.accept().await;
            Some((Ok(stream), listener))
        })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = TlsPeer;

    async fn accept(&mut self) -> (Self::Io, TlsPeer) {
        loop {
            tokio::select! {
                // axum's way with TCP: it does not give up on errors.
                (stream, addr) = Listener::accept(&mut self.tcp), if self.handshakes.len() < HANDSHAKES => {
                    self.handshakes.spawn(handshake(self.tls.clone(), stream, addr));
                }
                // The others go on when one fails, so this may not be left to the pattern.
                Some(handshake) = self.handshakes.join_next() => if let Ok(Some(accepted)) = handshake {
                    return accepted;
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<TlsPeer> {
        let addr = self.tcp.local_addr()?;
        Ok(TlsPeer {
            addr,
            certificate: None,
        })
    }
}

/// `None` if the peer is refused, or takes too long.
async fn handshake(
    tls: TlsAcceptor,
    stream: TcpStream,
    addr: SocketAddr,
) -> Option<(TlsStream<TcpStream>, TlsPeer)> {
    let accepted = timeout(HANDSHAKE, tls.accept(stream).into_fallible()).await;
    let Ok(accepted) = accepted else {
        println!("    the server refuses {addr}: no handshake in time");
        return None;
    };
    match accepted {
        Ok(stream) => {
            let (tcp, session) = stream.get_ref();
            // Without it, small answers wait for more; but they come.
            let _ = tcp.set_nodelay(true);
            let chain = session.peer_certificates().unwrap_or_default();
            let certificate = chain.first().map(PeerCertificate::new);
            Some((stream, TlsPeer { addr, certificate }))
        }
        Err((error, stream)) => {
            println!("    the server refuses {addr}: {error}");
            let _ = timeout(HANDSHAKE, hang_up(stream)).await;
            None
        }
    }
}

/// Lets the peer read why, before the connection goes: closed with anything unread, it would be reset.
async fn hang_up(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    copy(&mut stream, &mut sink()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::Authority;
    use tokio::io::AsyncReadExt;
    use tokio_rustls::TlsConnector;

    /// Somebody is there before another one is refused, and accepted after that, though nobody else comes.
    #[tokio::test]
    async fn who_is_refused_holds_up_nobody() {
        let ours = Authority::new("ours").unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let server = ours.server(address.ip()).unwrap();
        let mut listener = TlsListener::new(tcp, ours.server_config(&server, "h2").unwrap());
        let accepted = tokio::spawn(async move { listener.accept().await.1 });

        let early = TcpStream::connect(address).await.unwrap();
        let mut wrong = TcpStream::connect(address).await.unwrap();
        wrong.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        wrong.read_to_end(&mut Vec::new()).await.unwrap();
        let from = early.local_addr().unwrap();
        drop(wrong);

        let caller = ours.caller("spiffe://shop.example/early").unwrap();
        let tls = TlsConnector::from(Arc::new(ours.client_config(Some(&caller)).unwrap()));
        let _early = tls.connect(address.ip().into(), early).await.unwrap();
        let peer = timeout(HANDSHAKE, accepted).await.unwrap().unwrap();
        assert_eq!(peer.addr, from);
        let key = peer.certificate.unwrap().key().to_string();
        assert_eq!(key, "spiffe://shop.example/early");
    }
}

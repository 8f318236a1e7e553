//! Settings of connections.

use super::ClientBuilder;
use std::time::Duration;

impl ClientBuilder {
    /// How long making a TCP connection may take, over all addresses of the host. TLS is within
    /// [`attempt_timeout`](Self::attempt_timeout) alone.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connections.connect_timeout = timeout;
        self
    }

    /// Whether small packets are sent at once (`TCP_NODELAY`).
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.connections.tcp_nodelay = nodelay;
        self
    }

    /// After which silence the kernel asks whether the other side is still there. `None`: never.
    pub fn tcp_keepalive(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.connections.tcp_keepalive = after.into();
        self
    }

    /// Speaks HTTP/2 to all, over plain TCP with prior knowledge. Otherwise it is HTTP/1 over plain TCP, and over TLS what
    /// the server prefers.
    pub fn http2_only(mut self, only: bool) -> Self {
        self.connections.http2_only = only;
        self
    }

    /// How often to ask over HTTP/2, while requests are under way, whether the other side is still there; without an answer
    /// within 20 s, the connection is given up. `None`: never. Some servers, most of gRPC among them, close
    /// connections that ask more often than every five minutes.
    pub fn http2_keep_alive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.connections.http2_keep_alive = interval.into();
        self
    }

    /// How long connections are kept that nobody uses. Best somewhat shorter than the server keeps them. `None`: until the
    /// server closes them.
    pub fn pool_idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.connections.pool_idle_timeout = timeout.into();
        self
    }

    /// How many connections to one host are kept that nobody uses. With 0 there is a new connection for each request.
    pub fn pool_max_idle_per_host(mut self, connections: usize) -> Self {
        self.connections.pool_max_idle_per_host = connections;
        self
    }

    /// Whom to trust over TLS.
    #[cfg(feature = "client-rustls")]
    pub fn tls(mut self, tls: crate::client::Tls) -> Self {
        self.connections.tls = tls;
        self
    }
}

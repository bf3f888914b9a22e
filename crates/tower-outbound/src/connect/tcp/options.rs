//! [`TcpOptions`]: the options of a connector and its sockets.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::TcpSocket;

use super::FirstFamily;
use crate::event::log;
use crate::settings::CONNECT;

/// Recommended delay between attempts (RFC 8305, section 8).
pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Minimum delay between attempts (RFC 8305, section 8).
pub(super) const MIN_ATTEMPT_DELAY: Duration = Duration::from_millis(10);

/// Idle time before a keep-alive probe, and between probes: finds a peer that is gone within 45 s.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Unanswered probes after which the connection is dropped.
const KEEPALIVE_RETRIES: u32 = 3;
/// How long sent bytes may stay unacknowledged: several retransmissions.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(super) struct TcpOptions {
    pub(super) connect_timeout: Duration,
    pub(super) attempt_delay: Duration,
    pub(super) first_family: Option<FirstFamily>,
    pub(super) enforce_http: bool,
    pub(super) nodelay: bool,
    /// Zero: no probes.
    pub(super) keepalive: Duration,
    pub(super) keepalive_interval: Duration,
    pub(super) keepalive_retries: u32,
    pub(super) local_ipv4: Option<Ipv4Addr>,
    pub(super) local_ipv6: Option<Ipv6Addr>,
    pub(super) reuse_address: bool,
    pub(super) send_buffer_size: Option<usize>,
    pub(super) recv_buffer_size: Option<usize>,
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    pub(super) interface: Option<String>,
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    pub(super) tcp_user_timeout: Duration,
    /// One bit per option whose failure was logged, so that each is logged once.
    logged: Arc<AtomicU8>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT,
            attempt_delay: ATTEMPT_DELAY,
            first_family: None,
            enforce_http: false,
            nodelay: true,
            keepalive: KEEPALIVE,
            keepalive_interval: KEEPALIVE,
            keepalive_retries: KEEPALIVE_RETRIES,
            local_ipv4: None,
            local_ipv6: None,
            reuse_address: false,
            send_buffer_size: None,
            recv_buffer_size: None,
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            interface: None,
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            tcp_user_timeout: USER_TIMEOUT,
            logged: Arc::default(),
        }
    }
}

impl TcpOptions {
    /// The delay between attempts; `None` if addresses are tried one at a time.
    pub(super) fn delay(&self) -> Option<Duration> {
        (!self.attempt_delay.is_zero()).then(|| self.attempt_delay.max(MIN_ATTEMPT_DELAY))
    }

    /// Whether the local addresses allow this family. A local address of one family excludes the other.
    pub(super) fn allows(&self, address: &SocketAddr) -> bool {
        match (self.local_ipv4, self.local_ipv6) {
            (Some(_), None) => address.is_ipv4(),
            (None, Some(_)) => address.is_ipv6(),
            _ => true,
        }
    }

    /// Makes a socket to connect to this address.
    pub(super) fn socket(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        self.set_optional(&socket);
        self.bind(&socket, address)?;
        Ok(TcpSocket::from_std_stream(socket.into()))
    }

    /// Sets the options without which a connection still works. Failures are logged.
    fn set_optional(&self, socket: &Socket) {
        let tried = [
            ("nodelay", self.nodelay.then(|| socket.set_tcp_nodelay(true))),
            ("keepalive", self.keepalive().map(|keepalive| socket.set_tcp_keepalive(&keepalive))),
            ("reuse_address", self.reuse_address.then(|| socket.set_reuse_address(true))),
            ("send_buffer_size", self.send_buffer_size.map(|size| socket.set_send_buffer_size(size))),
            ("recv_buffer_size", self.recv_buffer_size.map(|size| socket.set_recv_buffer_size(size))),
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            (
                "tcp_user_timeout",
                is_on(self.tcp_user_timeout).map(|time| socket.set_tcp_user_timeout(Some(time))),
            ),
        ];
        let failed = tried.into_iter().enumerate().filter_map(|(at, (option, result))| {
            let error = result?.err()?;
            Some((1 << at, option, error))
        });
        for (bit, option, error) in failed {
            if self.logged.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                log::socket_option(option, &error);
            }
        }
    }

    fn keepalive(&self) -> Option<TcpKeepalive> {
        let keepalive = TcpKeepalive::new().with_time(is_on(self.keepalive)?);
        // socket2 has neither on these systems.
        #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "haiku", windows)))]
        let keepalive = keepalive.with_interval(self.keepalive_interval).with_retries(self.keepalive_retries);
        Some(keepalive)
    }

    /// Binds the socket. A failure fails the connect, since the application relies on the local address or interface.
    fn bind(&self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        if let Some(interface) = &self.interface {
            let unusable = |source| OptionError::new("interface", interface, source);
            socket.bind_device(Some(interface.as_bytes())).map_err(unusable)?;
        }
        let local: SocketAddr = match (address, self.local_ipv4, self.local_ipv6) {
            (SocketAddr::V4(_), Some(local), _) => (local, 0).into(),
            (SocketAddr::V6(_), _, Some(local)) => (local, 0).into(),
            // Windows connects only bound sockets.
            (SocketAddr::V4(_), ..) if cfg!(windows) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            (SocketAddr::V6(_), ..) if cfg!(windows) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            _ => return Ok(()),
        };
        socket.bind(&local.into()).map_err(|source| OptionError::new("local_address", local.ip(), source))
    }
}

fn is_on(time: Duration) -> Option<Duration> {
    (!time.is_zero()).then_some(time)
}

/// A socket option that the system refused.
#[derive(Debug)]
struct OptionError {
    message: String,
    source: io::Error,
}

impl OptionError {
    #[expect(clippy::new_ret_no_self, reason = "the system's errors are what a connect returns")]
    fn new(option: &str, value: impl fmt::Display, source: io::Error) -> io::Error {
        let message = format!("`{option}` {value} cannot be used");
        io::Error::new(source.kind(), Self { message, source })
    }
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for OptionError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempt_delay_is_at_least_10_ms_and_zero_is_none() {
        let delay =
            |ms| TcpOptions { attempt_delay: Duration::from_millis(ms), ..TcpOptions::default() }.delay();
        assert_eq!(TcpOptions::default().delay(), Some(Duration::from_millis(250)));
        assert_eq!(
            [delay(0), delay(1), delay(10), delay(2000)],
            [
                None,
                Some(Duration::from_millis(10)),
                Some(Duration::from_millis(10)),
                Some(Duration::from_secs(2))
            ]
        );
    }
}

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
use crate::settings::{CONNECT, TcpSettings};

/// Minimum delay between attempts (RFC 8305, section 8).
pub(super) const MIN_ATTEMPT_DELAY: Duration = Duration::from_millis(10);

/// Sets an option by code.
pub(super) type Change = Arc<dyn Fn(&mut TcpSettings) + Send + Sync>;

#[derive(Clone)]
pub(super) struct TcpOptions {
    pub(super) connect_timeout: Duration,
    pub(super) first_family: Option<FirstFamily>,
    pub(super) enforce_http: bool,
    /// Changes included.
    pub(super) tcp: Arc<TcpSettings>,
    /// What `tcp` was made from.
    base: Arc<TcpSettings>,
    /// What the code has set, in its order.
    changes: Vec<Change>,
    /// One bit per option whose failure was logged, so that each is logged once.
    logged: Arc<AtomicU8>,
}

impl Default for TcpOptions {
    fn default() -> Self {
        let tcp = Arc::<TcpSettings>::default();
        Self {
            connect_timeout: CONNECT,
            first_family: None,
            enforce_http: false,
            base: tcp.clone(),
            tcp,
            changes: Vec::new(),
            logged: Arc::default(),
        }
    }
}

impl fmt::Debug for TcpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .field("first_family", &self.first_family)
            .field("enforce_http", &self.enforce_http)
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

impl TcpOptions {
    /// An option that the code sets: it holds over what settings have.
    pub(super) fn change(&mut self, change: impl Fn(&mut TcpSettings) + Send + Sync + 'static) {
        change(Arc::make_mut(&mut self.tcp));
        self.changes.push(Arc::new(change));
    }

    /// Whether these are the settings that the options were made from.
    pub(super) fn are_of(&self, settings: &Arc<TcpSettings>) -> bool {
        Arc::ptr_eq(&self.base, settings)
    }

    /// Takes other settings.
    pub(super) fn follow(&mut self, settings: &Arc<TcpSettings>) {
        (self.base, self.tcp) = (settings.clone(), settings.clone());
        for change in &self.changes {
            change(Arc::make_mut(&mut self.tcp));
        }
    }

    /// The delay between attempts; `None` if addresses are tried one at a time.
    pub(super) fn delay(&self) -> Option<Duration> {
        is_on(self.tcp.attempt_delay).map(|delay| delay.max(MIN_ATTEMPT_DELAY))
    }

    /// Whether the local addresses allow this family. A local address of one family excludes the other.
    pub(super) fn allows(&self, address: &SocketAddr) -> bool {
        match (self.tcp.local.ipv4, self.tcp.local.ipv6) {
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
        let tcp = &*self.tcp;
        let tried = [
            ("nodelay", tcp.nodelay.then(|| socket.set_tcp_nodelay(true))),
            ("keepalive", self.keepalive().map(|keepalive| socket.set_tcp_keepalive(&keepalive))),
            ("reuse_address", tcp.reuse_address.then(|| socket.set_reuse_address(true))),
            (
                "send_buffer_size",
                set_size(tcp.send_buffer_size).map(|size| socket.set_send_buffer_size(size)),
            ),
            (
                "recv_buffer_size",
                set_size(tcp.recv_buffer_size).map(|size| socket.set_recv_buffer_size(size)),
            ),
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            ("tcp_user_timeout", is_on(tcp.user_timeout).map(|time| socket.set_tcp_user_timeout(Some(time)))),
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
        let tcp = &*self.tcp;
        let mut keepalive = TcpKeepalive::new().with_time(is_on(tcp.keepalive)?);
        // socket2 has neither on these systems.
        #[cfg(not(any(target_os = "openbsd", target_os = "redox", target_os = "haiku", windows)))]
        {
            if let Some(interval) = is_on(tcp.keepalive_interval) {
                keepalive = keepalive.with_interval(interval);
            }
            if tcp.keepalive_retries > 0 {
                keepalive = keepalive.with_retries(tcp.keepalive_retries);
            }
        }
        Some(keepalive)
    }

    /// Binds the socket. A failure fails the connect, since the application relies on the local address or interface.
    fn bind(&self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        if let Some(interface) = &self.tcp.interface {
            let unusable = |source| OptionError::new("interface", interface, source);
            socket.bind_device(Some(interface.as_bytes())).map_err(unusable)?;
        }
        let local: SocketAddr = match (address, self.tcp.local.ipv4, self.tcp.local.ipv6) {
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

/// Zero is the system's.
fn set_size(bytes: usize) -> Option<usize> {
    (bytes > 0).then_some(bytes)
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
        let delay = |ms| {
            let mut options = TcpOptions::default();
            options.change(move |tcp| tcp.attempt_delay = Duration::from_millis(ms));
            options.delay()
        };
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

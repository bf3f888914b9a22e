//! The phases of an attempt.

use crate::util::named_enum;

named_enum! {
    /// A phase of an attempt, of the setup of a connection, or of a call.
    #[derive(PartialOrd, Ord)]
    pub enum Phase {
        /// Waiting for a slot of an in-flight limit.
        Queue = "queue",
        /// Waiting for a connection from the client's pool, including a connect.
        Acquire = "acquire",
        /// Name resolution.
        Dns = "dns",
        /// The TCP connect.
        Tcp = "tcp",
        /// The tunnel through a proxy.
        Tunnel = "tunnel",
        /// The TLS handshake.
        Tls = "tls",
        /// From the first byte of the request to the last one.
        Send = "send",
        /// From the last byte of the request to the first byte of the response: the time of the peer.
        Wait = "wait",
        /// From the first byte of the response until its head is returned to the caller.
        Head = "head",
        /// From the return of the head to the end of the body.
        Body = "body",
        /// The wait before a retry.
        Backoff = "backoff",
    }

    /// The name of the phase in spans and metrics.
    pub const fn as_str(self);
    pub const ALL;
}

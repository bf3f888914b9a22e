//! The phases of an attempt.

use crate::util::named_enum;

named_enum! {
    /// A stage of an attempt, of the setup of a connection, or of a call.
    #[derive(PartialOrd, Ord)]
    pub enum Phase {
        /// Waiting for a slot of our own limits.
        Queue = "queue",
        /// Waiting for a connection from the client's pool, a connect included.
        Acquire = "acquire",
        /// Name resolution.
        Dns = "dns",
        /// The TCP connect.
        Tcp = "tcp",
        /// The tunnel through a proxy.
        Tunnel = "tunnel",
        /// The TLS handshake.
        Tls = "tls",
        /// First request byte until the last one.
        Send = "send",
        /// Last request byte until the first response byte: the peer's share.
        Wait = "wait",
        /// First response byte until the response is handed to the caller.
        Head = "head",
        /// The response is handed over until its body has ended.
        Body = "body",
        /// The pause before a retry.
        Backoff = "backoff",
    }

    /// The phase's name in spans and metrics.
    pub const fn as_str(self);
}

use super::*;

fn failed(failure: &Failure, reuse: Reuse) -> AttemptResult<'_> {
    AttemptResult { result: Err(failure), reuse, idempotent: true, not_processed: 0, lost: 0 }
}

#[test]
fn retry_decision_for_every_unsent_failure_kind() {
    let is_retried = |kind| match kind {
        Kind::PoolTimeout | Kind::QueueFull | Kind::DeadlineExceeded => false,
        Kind::VersionNegotiation | Kind::UserAuthentication => false,
        Kind::InvalidRequest | Kind::RequestBody => false,
        // Without the detail (a refused certificate, an unknown name, a proxy's status) that makes the failure permanent.
        Kind::SecureConnection | Kind::NameResolution | Kind::ProxyTunnel => true,
        Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::AddressNotAvailable
        | Kind::TooManyOpenSockets
        | Kind::AccessDenied
        | Kind::Connection
        | Kind::ConnectTimeout
        | Kind::TlsTimeout
        | Kind::WriteTimeout
        | Kind::ResponseTimeout
        | Kind::BodyTimeout
        | Kind::Protocol
        | Kind::InvalidResponse
        | Kind::ResponseEnded
        | Kind::LimitExceeded
        | Kind::StreamRefused
        | Kind::StreamReset
        | Kind::GoAway
        | Kind::Other => true,
    };
    for kind in Kind::ALL {
        for reuse in [Reuse::New, Reuse::Reused, Reuse::Unknown] {
            let failure = Failure::new(*kind).unsent();
            let retried = !is_permanent(&failure)
                && Rules(&RetrySettings::default()).decide(failed(&failure, reuse)).is_some();
            assert_eq!(retried, is_retried(*kind), "{kind}, {reuse:?}");
        }
    }
}

#[test]
fn retry_never_by_default_when_send_state_unknown() {
    for kind in Kind::ALL {
        let failure = Failure::new(*kind);
        assert_eq!(failure.send_state(), None);
        assert_eq!(Rules(&RetrySettings::default()).decide(failed(&failure, Reuse::Reused)), None, "{kind}");
    }
}

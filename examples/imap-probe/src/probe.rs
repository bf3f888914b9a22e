//! The steps of the probe.

use std::fmt;
use std::future::Future;

use async_imap::{Client, Session};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tower_outbound::operation::{Operation, OperationBuilder, StepError};
use tower_outbound::{BoxError, Deadline, Outbound};

use crate::bounded::Bounded;
use crate::cli::Tls;
use crate::error::ProbeError;
use crate::greeting::greeting;

/// What the probe speaks IMAP over.
pub trait Io: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Io for T {}

/// A connection: a plain or an encrypted one.
pub type Wire = Bounded<BufReader<Box<dyn Io>>>;

/// What is probed.
#[derive(Debug)]
pub struct Probe {
    tls: Tls,
    host: String,
    login: Login,
    mailboxes: Vec<String>,
}

/// Who logs in.
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Probe {
    /// A probe of these mailboxes.
    #[must_use]
    pub fn new(tls: Tls, host: String, login: Login, mailboxes: Vec<String>) -> Self {
        Self { tls, host, login, mailboxes }
    }

    /// How the connection is encrypted.
    #[must_use]
    pub fn tls(&self) -> Tls {
        self.tls
    }

    /// Declares the steps. A declaration starts any number of operations.
    pub fn declare(&self, outbound: &Outbound) -> OperationBuilder {
        let mut steps =
            outbound.operation("imap-probe").server_address(&*self.host).step("connect").step("greeting");
        if self.tls == Tls::Starttls {
            steps = steps.step("starttls");
        }
        steps.step("login").each("select", self.mailboxes.iter().map(String::as_str)).best_effort("logout")
    }

    /// Runs the steps.
    ///
    /// # Errors
    /// Those of the first step that did not end ok.
    pub async fn run(
        &self,
        operation: &Operation,
        connect: impl Future<Output = Result<Box<dyn Io>, BoxError>>,
        tls: &TlsConnector,
    ) -> Result<(), StepError> {
        let mut stream = BufReader::new(operation.step("connect", connect).await?);
        operation.step("greeting", greeting(&mut stream)).await?;
        let mut client = Client::new(Bounded::new(stream));
        if self.tls == Tls::Starttls {
            client = operation.step("starttls", self.starttls(client, tls)).await?;
        }
        let mut session = operation.step("login", self.login(client)).await?;
        let selected = self.select(operation, &mut session).await;
        // Best effort: its outcome is in the report.
        let _ = operation.step("logout", async { session.logout().await.map_err(ProbeError::from) }).await;
        selected
    }

    async fn starttls(&self, mut client: Client<Wire>, tls: &TlsConnector) -> Result<Client<Wire>, BoxError> {
        client.run_command_and_check_ok("STARTTLS", None).await.map_err(ProbeError::from)?;
        // What the server, or someone in between, has sent ahead of the handshake is dropped with the client.
        let stream = client.into_inner().into_inner().into_inner();
        let stream: Box<dyn Io> =
            Box::new(tls.connect(ServerName::try_from(self.host.clone())?, stream).await?);
        Ok(Client::new(Bounded::new(BufReader::new(stream))))
    }

    async fn login(&self, client: Client<Wire>) -> Result<Session<Wire>, ProbeError> {
        let Login { user, password } = &self.login;
        client.login(user, password).await.map_err(|(error, _)| error.into())
    }

    /// Selects each mailbox, also after one that the server refuses.
    async fn select(&self, operation: &Operation, session: &mut Session<Wire>) -> Result<(), StepError> {
        let mut result = Ok(());
        for mailbox in &self.mailboxes {
            let select = async { session.select(mailbox).await.map_err(ProbeError::from) };
            if let Err(error) = operation.step("select", select).await {
                let refused = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
                if !refused.is_some_and(ProbeError::is_refusal) {
                    return result.and(Err(error));
                }
                result = result.and(Err(error));
            }
        }
        result
    }
}

/// A deadline for each run.
#[must_use]
pub fn start(declared: &OperationBuilder, timeout: std::time::Duration) -> Operation {
    declared.start(Deadline::after(timeout))
}

//! haproxy with a frontend of the test's own.

use std::{fs, io};

use tempfile::TempDir;

use super::process::free_addresses;
use super::{Daemon, HAPROXY};
use crate::certs::Certs;

/// The configuration of a haproxy with one frontend on one port.
#[derive(Clone, Debug, Default)]
pub struct Haproxy {
    frontend: String,
    bind: String,
    further: String,
    files: Vec<(String, String)>,
}

impl Haproxy {
    /// With these lines in its frontend.
    #[must_use]
    pub fn frontend(lines: &str) -> Haproxy {
        Haproxy { frontend: lines.to_owned(), ..Haproxy::default() }
    }

    /// Further parameters of `bind`, such as `proto h2`.
    #[must_use]
    pub fn bind(mut self, parameters: &str) -> Haproxy {
        self.bind = format!("{} {parameters}", self.bind);
        self
    }

    /// Further sections, such as a `backend`.
    #[must_use]
    pub fn sections(mut self, sections: &str) -> Haproxy {
        self.further = sections.to_owned();
        self
    }

    /// Serves TLS with this certificate.
    #[must_use]
    pub fn tls(mut self, certs: &Certs) -> Haproxy {
        self.files.push(("leaf.pem".to_owned(), certs.certificate_pem().to_owned() + &certs.key_pem()));
        self.bind("ssl crt leaf.pem")
    }

    /// Requires a client certificate of `clients`' authority.
    #[must_use]
    pub fn asking_for(mut self, clients: &Certs) -> Haproxy {
        self.files.push(("clients.pem".to_owned(), clients.authority_pem().to_owned()));
        self.bind("ca-file clients.pem verify required")
    }

    /// Starts haproxy, and waits until it accepts connections. Its output is its access log: `PORT REQUEST-LINE`.
    pub async fn start(self) -> io::Result<Daemon> {
        let directory = TempDir::with_prefix("outbound-haproxy-")?;
        let [address] = free_addresses()?;
        for (name, text) in &self.files {
            fs::write(directory.path().join(name), text)?;
        }
        let Haproxy { frontend, bind, further, .. } = &self;
        let text = format!(
            "global\n maxconn 100\n tune.ssl.default-dh-param 2048\n\
             defaults\n mode http\n timeout client 20s\n timeout server 20s\n timeout connect 20s\n\
             \x20log stdout format raw local0\n log-format \"%cp %ST %{{+Q}}r\"\n\
             frontend front\n bind {address} {bind}\n{frontend}\n{further}\n"
        );
        fs::write(directory.path().join("haproxy.cfg"), text)?;
        Daemon::start(HAPROXY, directory, address, &["-db", "-f", "haproxy.cfg"]).await
    }
}

//! nginx with a configuration of the test's own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use tempfile::TempDir;

use super::process::{free_addresses, poll};
use super::{Daemon, NGINX};
use crate::certs::Certs;

/// The configuration of an nginx with one `server` block on one port.
#[derive(Clone, Debug, Default)]
pub struct NginxConfig {
    server: String,
    http: String,
    listen: String,
    address: Option<SocketAddr>,
    tls: Option<[String; 2]>,
    files: Vec<(String, String)>,
}

/// A running nginx in its own directory. Dropping it kills the process.
#[derive(Debug)]
pub struct Nginx {
    daemon: Daemon,
}

/// A line of nginx's access log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// nginx's number of the connection.
    pub connection: u64,
    /// The number of requests that the connection has served, including this request.
    pub uses: u64,
    /// The client's port.
    pub peer_port: u16,
    /// The status of the response.
    pub status: u16,
    /// The request line.
    pub request: String,
}

impl Nginx {
    /// Serves plain HTTP/1 with these directives in its `server` block.
    pub async fn start(server: &str) -> io::Result<Nginx> {
        Nginx::config(server).start().await
    }

    /// Builds an nginx with more options than [`start`](Nginx::start) has.
    #[must_use]
    pub fn config(server: &str) -> NginxConfig {
        NginxConfig { server: server.to_owned(), ..NginxConfig::default() }
    }

    /// The address of the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// The process, to pause or kill it.
    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Its directory, which is its prefix: files to serve go to `html/`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.daemon.directory()
    }

    /// The access log so far.
    #[must_use]
    pub fn log(&self) -> Vec<Access> {
        self.daemon.read("access.log").lines().filter_map(access).collect()
    }

    /// The access log once it has `count` lines, or after `limit` with fewer.
    ///
    /// nginx writes a line after the response. If nginx closes the connection, it first waits until the client has
    /// closed its side too, or 5 s (`lingering_timeout`).
    pub async fn accesses(&self, count: usize, limit: Duration) -> Vec<Access> {
        let enough = || Some(self.log()).filter(|accesses| accesses.len() >= count);
        poll(limit, enough).await.unwrap_or_else(|| self.log())
    }
}

impl NginxConfig {
    /// Directives for the `http` block.
    #[must_use]
    pub fn http(self, directives: &str) -> NginxConfig {
        NginxConfig { http: directives.to_owned(), ..self }
    }

    /// Further parameters of `listen`, such as `http2` or `backlog=1`.
    #[must_use]
    pub fn listen(self, parameters: &str) -> NginxConfig {
        NginxConfig { listen: parameters.to_owned(), ..self }
    }

    /// The address to listen on, such as that of an ended nginx. Default: a free port.
    #[must_use]
    pub fn address(self, address: SocketAddr) -> NginxConfig {
        NginxConfig { address: Some(address), ..self }
    }

    /// Serves TLS with this certificate.
    #[must_use]
    pub fn tls(self, certs: &Certs) -> NginxConfig {
        NginxConfig { tls: Some([certs.certificate_pem().to_owned(), certs.key_pem()]), ..self }
    }

    /// Adds a file below the prefix.
    #[must_use]
    pub fn file(mut self, name: &str, text: &str) -> NginxConfig {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Starts nginx, and waits until it accepts connections.
    pub async fn start(self) -> io::Result<Nginx> {
        let directory = TempDir::with_prefix("outbound-nginx-")?;
        let address = match self.address {
            Some(address) => address,
            None => free_addresses::<1>()?[0],
        };
        fs::create_dir(directory.path().join("html"))?;
        fs::write(directory.path().join("nginx.conf"), self.text(address))?;
        if let Some([certificate, key]) = &self.tls {
            fs::write(directory.path().join("leaf.pem"), certificate)?;
            fs::write(directory.path().join("leaf.key"), key)?;
        }
        for (name, text) in &self.files {
            fs::write(directory.path().join(name), text)?;
        }
        // nginx opens relative paths below its prefix.
        let prefix = format!("{}/", directory.path().display());
        let arguments = ["-p", &prefix, "-c", "nginx.conf", "-e", "error.log"];
        Ok(Nginx { daemon: Daemon::start(NGINX, directory, address, &arguments).await? })
    }

    fn text(&self, address: SocketAddr) -> String {
        let NginxConfig { server, http, listen, tls, .. } = self;
        let (ssl, files) = match tls {
            None => ("", ""),
            Some(_) => (
                "ssl",
                "ssl_certificate leaf.pem; ssl_certificate_key leaf.key; ssl_protocols TLSv1.2 TLSv1.3;",
            ),
        };
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path {kind};\n"))
            .concat();
        format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nevents {{ worker_connections 1024; }}\nhttp {{\n\
             {temporary}    log_format own '$connection $connection_requests $remote_port $status $request';\n    \
             access_log access.log own;\n    default_type text/plain;\n    {http}\n    server {{\n        \
             listen {address} {ssl} {listen};\n        {files}\n        {server}\n    }}\n}}\n"
        )
    }
}

fn access(line: &str) -> Option<Access> {
    let mut fields = line.splitn(5, ' ');
    Some(Access {
        connection: fields.next()?.parse().ok()?,
        uses: fields.next()?.parse().ok()?,
        peer_port: fields.next()?.parse().ok()?,
        status: fields.next()?.parse().ok()?,
        request: fields.next()?.to_owned(),
    })
}

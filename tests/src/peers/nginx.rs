//! nginx with a configuration of the test's own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, io};

use tempfile::TempDir;

use super::NGINX;
use super::process::{Process, free_addresses, poll};
use crate::certs::Certs;

/// What one nginx serves: one `server` block on one port.
#[derive(Clone, Debug, Default)]
pub struct NginxConfig {
    server: String,
    http: String,
    listen: String,
    tls: Option<[String; 2]>,
}

/// A running nginx in a directory of its own; killed when dropped.
#[derive(Debug)]
pub struct Nginx {
    address: SocketAddr,
    // Before the directory, so that nothing writes there when it is removed.
    _process: Process,
    directory: TempDir,
}

/// One line of nginx's access log: its own account of connections and their uses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Access {
    /// nginx's number of the connection.
    pub connection: u64,
    /// How many requests the connection has served, this one included.
    pub uses: u64,
    /// The client's port.
    pub peer_port: u16,
    /// The status of the answer.
    pub status: u16,
    /// The request line.
    pub request: String,
}

impl Nginx {
    /// Serves plain HTTP/1 with these directives in its `server` block.
    pub async fn start(server: &str) -> io::Result<Nginx> {
        Nginx::config(server).start().await
    }

    /// For more than [`start`](Nginx::start) does.
    #[must_use]
    pub fn config(server: &str) -> NginxConfig {
        NginxConfig { server: server.to_owned(), ..NginxConfig::default() }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its directory, which is its prefix: files to serve go to `html/`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The access log, once it has `count` lines, or whatever it has after `limit`.
    ///
    /// nginx writes a line after the answer is out, and where it closes the connection itself only when the
    /// client has closed its side too, or after 5 s (`lingering_timeout`).
    pub async fn accesses(&self, count: usize, limit: Duration) -> Vec<Access> {
        let read = || -> Vec<Access> {
            let log = fs::read_to_string(self.directory().join("access.log")).unwrap_or_default();
            log.lines().filter_map(access).collect()
        };
        let enough = || Some(read()).filter(|accesses| accesses.len() >= count);
        poll(limit, enough).await.unwrap_or_else(read)
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

    /// Inside TLS with this certificate.
    #[must_use]
    pub fn tls(self, certs: &Certs) -> NginxConfig {
        NginxConfig { tls: Some([certs.certificate_pem().to_owned(), certs.key_pem()]), ..self }
    }

    /// Starts it, and waits until it accepts connections.
    pub async fn start(self) -> io::Result<Nginx> {
        let program = NGINX.find().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no nginx"))?;
        let directory = TempDir::with_prefix("outbound-nginx-")?;
        let [address] = free_addresses()?;
        fs::create_dir(directory.path().join("html"))?;
        fs::write(directory.path().join("nginx.conf"), self.text(address))?;
        if let Some([certificate, key]) = &self.tls {
            fs::write(directory.path().join("leaf.pem"), certificate)?;
            fs::write(directory.path().join("leaf.key"), key)?;
        }
        let mut command = Command::new(program);
        command.arg("-p").arg(directory.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn(&mut command)?;
        if let Err(error) = process.listening(address).await {
            let log = fs::read_to_string(directory.path().join("error.log")).unwrap_or_default();
            return Err(io::Error::other(format!("nginx: {error}\n{log}")));
        }
        Ok(Nginx { address, _process: process, directory })
    }

    fn text(&self, address: SocketAddr) -> String {
        let NginxConfig { server, http, listen, tls } = self;
        let (ssl, files) = match tls {
            None => ("", ""),
            Some(_) => ("ssl", "ssl_certificate leaf.pem; ssl_certificate_key leaf.key;"),
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

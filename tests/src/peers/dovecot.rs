//! dovecot as the IMAP server.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::process::free_addresses;
use super::{DOVECOT, Daemon};
use crate::certs::Certs;

/// Who owns the mail if root runs the tests: dovecot serves no mail of root.
const NOBODY: u32 = 65534;

/// A running dovecot. Every user has the password [`PASSWORD`](Self::PASSWORD), and the mailboxes `INBOX` and `Archive`.
#[derive(Debug)]
pub struct Dovecot {
    daemon: Daemon,
    imaps: SocketAddr,
}

impl Dovecot {
    /// The password of every user.
    pub const PASSWORD: &str = "s3cret";

    /// Starts dovecot and waits until it accepts connections.
    pub async fn start(certs: &Certs) -> io::Result<Dovecot> {
        let directory = TempDir::with_prefix("outbound-dovecot-")?;
        let path = directory.path();
        let [imap, imaps] = free_addresses()?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        fs::write(path.join("cert.pem"), certs.certificate_pem())?;
        fs::write(path.join("key.pem"), certs.key_pem())?;
        let mail = path.join("mail");
        fs::create_dir(&mail)?;
        let is_root = fs::metadata(&mail)?.uid() == 0;
        if is_root {
            chown(&mail, Some(NOBODY), Some(NOBODY))?;
        }
        let owner = fs::metadata(&mail)?;
        let mut lines = configuration(path, [imap, imaps], [owner.uid(), owner.gid()]);
        if !is_root {
            lines += &without_root()?;
        }
        fs::write(path.join("dovecot.conf"), lines)?;
        let daemon = Daemon::start(DOVECOT, directory, imap, &["-F", "-c", "dovecot.conf"]).await?;
        Ok(Dovecot { daemon, imaps })
    }

    /// The address for plain connections and STARTTLS.
    #[must_use]
    pub fn imap(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// The address for TLS from the first byte on.
    #[must_use]
    pub fn imaps(&self) -> SocketAddr {
        self.imaps
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.output()
    }

    /// Ends dovecot, with all its processes.
    pub async fn end(&mut self) -> io::Result<()> {
        self.daemon.end().await
    }
}

fn configuration(path: &Path, [imap, imaps]: [SocketAddr; 2], [user, group]: [u32; 2]) -> String {
    let password = Dovecot::PASSWORD;
    let (path, imap, imaps) = (path.display(), imap.port(), imaps.port());
    format!(
        r#"
protocols = imap
listen = 127.0.0.1
base_dir = {path}/run
state_dir = {path}/state
log_path = /dev/stderr
ssl = yes
ssl_cert = <{path}/cert.pem
ssl_key = <{path}/key.pem
disable_plaintext_auth = no
auth_failure_delay = 0 secs
mail_location = maildir:{path}/mail/%u
first_valid_uid = 1
first_valid_gid = 0
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={path}/mail
}}
namespace inbox {{
  inbox = yes
  mailbox Archive {{
    auto = create
  }}
}}
# A failed login lets the next ones wait, too.
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
"#
    )
}

/// Every process is this user's, and none changes its root.
fn without_root() -> io::Result<String> {
    let name = |option| -> io::Result<String> {
        let output = Command::new("id").arg(option).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let (user, group) = (name("-un")?, name("-gn")?);
    Ok(format!(
        r#"
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
}}
"#
    ))
}

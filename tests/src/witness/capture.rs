//! The word of a packet capture: tcpdump writes it, tshark reads it.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tokio::time::Instant;

/// The columns that tshark prints.
const FIELDS: [&str; 9] = [
    "frame.time_epoch",
    "tcp.stream",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq",
    "tcp.len",
    "tcp.flags.syn",
    "tcp.flags.fin",
    "tcp.flags.reset",
];
/// Of each packet: the headers, and what tells HTTP from TLS.
const SNAPSHOT: &str = "96";
/// How long tcpdump may take to write the last packet.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the file is looked at: a process has no gate.
const POLL: Duration = Duration::from_millis(10);
/// Where the last packets of the file are.
const TAIL: usize = 16 << 10;

/// A capture of one port under way.
#[derive(Debug)]
pub(super) struct Capture {
    tcpdump: Child,
    says: BufReader<ChildStderr>,
    folder: TempDir,
    port: u16,
}

/// One connection on the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WireConnection {
    /// The client's port.
    pub port: u16,
    /// Bytes of payload from the client.
    pub out: u64,
    /// Bytes of payload from the peer.
    pub come: u64,
    /// When the packets with payload of the peer passed, since the Unix epoch.
    pub answers: Vec<Duration>,
    /// When the client's FIN or RST passed.
    pub client_end: Option<Duration>,
    /// When the peer's FIN or RST passed, and whether it was a RST.
    pub peer_end: Option<(Duration, bool)>,
}

/// Whether both tools are there.
///
/// # Errors
/// The name of the one that is not, and where it comes from.
pub fn capture_tools() -> io::Result<()> {
    for tool in ["tcpdump", "tshark"] {
        let found = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            let message = format!("--capture needs {tool}: `apt-get install tcpdump tshark`");
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
    }
    Ok(())
}

impl Capture {
    /// Returns when packets of the port are captured. Needs the right to do so: root.
    pub(super) fn start(port: u16) -> io::Result<Capture> {
        let folder = TempDir::new()?;
        let mut tcpdump = Command::new("tcpdump")
            .args([
                "-i",
                "lo",
                "-n",
                "-U",
                "--immediate-mode",
                "-B",
                "65536",
                "-s",
                SNAPSHOT,
                "-Z",
                "root",
                "-w",
            ])
            .arg(folder.path().join("packets"))
            .arg(format!("tcp port {port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let errors = tcpdump.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut says = BufReader::new(errors);
        let mut said = String::new();
        says.read_line(&mut said)?;
        let capture = Capture { tcpdump, says, folder, port };
        match said.contains("listening on") {
            true => Ok(capture),
            false => Err(io::Error::other(format!("tcpdump: {}", said.trim()))),
        }
    }

    /// Ends the capture and reads it. `None` if the kernel has dropped packets.
    pub(super) fn finish(mut self) -> io::Result<Option<Vec<WireConnection>>> {
        let last = self.last_packet()?;
        // tcpdump writes its file to the end on SIGINT.
        Command::new("kill").args(["-INT", &self.tcpdump.id().to_string()]).status()?;
        let mut said = String::new();
        self.says.read_to_string(&mut said)?;
        self.tcpdump.wait()?;
        if said.lines().any(|line| line.ends_with("dropped by kernel") && !line.starts_with("0 ")) {
            return Ok(None);
        }
        let output = Command::new("tshark")
            .arg("-r")
            .arg(self.file())
            .args(["-T", "fields", "-E", "separator=,"])
            .args(FIELDS.iter().flat_map(|field| ["-e", *field]))
            .stderr(Stdio::null())
            .output()?;
        let mut connections = parse(&String::from_utf8_lossy(&output.stdout), self.port);
        connections.retain(|connection| connection.port != last);
        Ok(Some(connections))
    }

    /// Sends one more packet to the port, which is closed by now, and waits until it is in the file. Returns its port.
    fn last_packet(&self) -> io::Result<u16> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let from = socket.local_addr()?.as_socket().map_or(0, |address| address.port());
        // Refused.
        let _ = socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)).into());
        let ports = [from.to_be_bytes(), self.port.to_be_bytes()].concat();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let file = std::fs::read(self.file())?;
            let tail = &file[file.len().saturating_sub(TAIL)..];
            if tail.windows(ports.len()).any(|window| window == ports) {
                return Ok(from);
            }
            std::thread::sleep(POLL);
        }
        Err(io::Error::other("tcpdump does not write"))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("packets")
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // It has ended, unless the scene could not be played.
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// The connections of tshark's lines, in the order of their first packets. `port` is the peer's.
fn parse(text: &str, port: u16) -> Vec<WireConnection> {
    let mut all = BTreeMap::<u64, WireConnection>::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split(',').collect();
        let [at, stream, from, to, seq, length, syn, fin, reset] = fields.as_slice() else { continue };
        let (Ok(at), Ok(stream)) = (at.parse::<f64>(), stream.parse()) else { continue };
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        let is = |flag: &str| matches!(flag, "1" | "True");
        let (at, from_peer) = (Duration::from_secs_f64(at), number(from) == u64::from(port));
        let client = if from_peer { number(to) } else { number(from) };
        let connection = all.entry(stream).or_default();
        connection.port = u16::try_from(client).unwrap_or_default();
        // The first byte has number 1, after the SYN.
        let end = (number(seq) + number(length)).saturating_sub(1);
        let sent = if number(length) > 0 { end } else { 0 };
        let ends = is(fin) || is(reset);
        if from_peer {
            if sent > connection.come {
                connection.come = sent;
                connection.answers.push(at);
            }
            if ends && !is(syn) {
                connection.peer_end.get_or_insert((at, is(reset)));
            }
        } else {
            connection.out = connection.out.max(sent);
            if ends {
                connection.client_end.get_or_insert(at);
            }
        }
    }
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capture_lines_become_connections() {
        let lines = "\
1.000001,0,45986,45999,0,0,1,0,0
1.000002,0,45999,45986,0,0,1,0,0
1.000003,0,45986,45999,1,5,0,0,0
1.000004,0,45999,45986,1,32768,0,0,0
1.000005,0,45999,45986,1,32768,0,0,0
1.000006,0,45999,45986,32769,10,0,1,0
1.000007,1,45987,45999,0,0,True,False,False
1.000008,0,45986,45999,6,0,0,0,1
not a packet
";
        let micros = |micros| Duration::from_secs_f64(1.0 + micros as f64 / 1e6);
        let first = WireConnection {
            port: 45986,
            out: 5,
            come: 32_778,
            answers: vec![micros(4), micros(6)],
            client_end: Some(micros(8)),
            peer_end: Some((micros(6), false)),
        };
        let second = WireConnection { port: 45987, ..WireConnection::default() };
        assert_eq!(parse(lines, 45999), [first, second]);
    }
}

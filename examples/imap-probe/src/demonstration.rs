//! A server in this process: healthy, stalling and refusing in turn.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::cli::Server;

/// How the server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It answers.
    Healthy,
    /// It never answers SELECT.
    Stalling,
    /// Nothing listens.
    Refusing,
}

impl Mood {
    /// Each one.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Stalling, Self::Refusing];

    /// A line for people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Healthy => "A healthy server:",
            Self::Stalling => "A server that does not answer SELECT:",
            Self::Refusing => "A server that refuses the connection:",
        }
    }
}

/// Starts a server on a free port of the loopback interface. It serves one connection.
///
/// # Errors
/// No port is free.
pub async fn serve(mood: Mood) -> io::Result<Server> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let server = Server { host: "127.0.0.1".to_owned(), port: listener.local_addr()?.port() };
    if mood != Mood::Refusing {
        tokio::spawn(async move {
            // Whatever ends the connection, the probe reports it.
            if let Ok((stream, _)) = listener.accept().await {
                let _ = session(stream, mood).await;
            }
        });
    }
    Ok(server)
}

async fn session(stream: TcpStream, mood: Mood) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"* OK IMAP4rev1 demonstration\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut words = line.split_ascii_whitespace();
        let (tag, command) = (words.next().unwrap_or("*"), words.next().unwrap_or_default());
        let untagged = match command {
            "SELECT" if mood == Mood::Stalling => continue,
            "SELECT" => "* 3 EXISTS\r\n* 0 RECENT\r\n",
            "LOGOUT" => "* BYE\r\n",
            _ => "",
        };
        stream.write_all(format!("{untagged}{tag} OK {command} done\r\n").as_bytes()).await?;
    }
}

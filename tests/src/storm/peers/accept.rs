//! A peer that ends its connections before it has read a request.

use std::io;

use fastrand::Rng;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

pub(super) async fn serve(mut tcp: TcpStream, mut random: Rng) -> io::Result<()> {
    if random.bool() {
        tcp.read_u8().await?;
    }
    if random.bool() {
        tcp.set_zero_linger()?;
    }
    Ok(())
}

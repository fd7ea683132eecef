//! A simulated network with half a millisecond of latency each way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use fcom_sidecar::sample::machine::free_port;

/// One way.
const DELAY: Duration = Duration::from_micros(500);

/// Starts listening at once and forwards every connection with the delay to this port until the program ends. It uses
/// threads because the runtime's clock is too coarse: one reads and one writes, so that data in flight does not delay
/// what follows it.
pub(crate) fn start(server: u16) -> anyhow::Result<u16> {
    let port = free_port();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, server));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A failure shows as a closed connection.
            let _ = connect(client, server);
        }
    });
    Ok(port)
}

fn connect(client: TcpStream, server: SocketAddr) -> std::io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    pass(client.try_clone()?, server.try_clone()?);
    pass(server, client);
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let (sender, receiver) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let bytes = buffer[..length].to_vec();
            if sender.send((Instant::now() + DELAY, bytes)).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

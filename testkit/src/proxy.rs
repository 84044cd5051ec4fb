//! A way to a server that can be cut: it goes silent both ways with its connections open, or refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How it treats what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Passed on.
    Open,
    /// Kept, like packets that nobody acknowledges: connections stay open, and nothing moves on them. It
    /// is delivered when the way is open again.
    Silent,
    /// Connections are broken, and new ones end at once.
    Refusing,
}

/// A TCP proxy on a loopback port of its own. It ends on drop.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    way: watch::Sender<Way>,
    held_back: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// To the server on this port of 127.0.0.1.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("it has a number").port();
        let (way, watched) = watch::channel(Way::Open);
        let held_back = Arc::new(AtomicU64::new(0));
        let held = Arc::clone(&held_back);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, watched.clone(), Arc::clone(&held)));
            }
        });
        Self { port, way, held_back, task }
    }

    /// From now on.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// How many bytes came while the way was silent, and connections while it refused: 0 means that the
    /// cut struck nobody.
    pub fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }
}

async fn carry(
    client: TcpStream,
    server: u16,
    mut way: watch::Receiver<Way>,
    held: Arc<AtomicU64>,
) -> Option<()> {
    if *way.borrow() == Way::Refusing {
        held.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    let upstream = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
    for stream in [&client, &upstream] {
        stream.set_nodelay(true).ok()?;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    let mut broken = way.clone();
    tokio::select! {
        _ = pump(from_client, to_server, way.clone(), Arc::clone(&held)) => {}
        _ = pump(from_server, to_client, way.clone(), Arc::clone(&held)) => {}
        _ = broken.wait_for(|way| *way == Way::Refusing) => {
            held.fetch_add(1, Ordering::Relaxed);
        }
    }
    // An end isn't seen through a silent way, either.
    way.wait_for(|way| *way != Way::Silent).await.ok().map(drop)
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    held: Arc<AtomicU64>,
) -> Option<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        if *way.borrow() != Way::Open {
            held.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
            way.wait_for(|way| *way == Way::Open).await.ok()?;
        }
        to.write_all(buffer.get(..count)?).await.ok()?;
    }
}

//! A tool server that says whatever it was told: no real one does, and an evil one would. It speaks just
//! enough HTTP to be heard.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where it repeats the headers of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Echo {
    /// In the message of a JSON-RPC error.
    RpcError,
    /// In a result that is no result.
    WrongType,
    /// In the challenge of a 401.
    Challenge,
    /// In the body of a 500.
    ServerError,
    /// In a cookie, and in an answer that is no JSON.
    Malformed,
    /// In the address of a redirect.
    Redirect,
    /// In a tool's description, where the list of tools is asked for.
    Listing,
    /// In the same list, as an event of a stream.
    Streamed,
}

impl Echo {
    pub(super) const ALL: [Self; 8] = [
        Self::RpcError,
        Self::WrongType,
        Self::Challenge,
        Self::ServerError,
        Self::Malformed,
        Self::Redirect,
        Self::Listing,
        Self::Streamed,
    ];

    fn answer(self, headers: &str, id: &str) -> String {
        let line = headers.replace(['\r', '\n'], " ");
        let text = serde_json::to_string(&line).expect("it is a text");
        let (status, header, body) = match self {
            Self::RpcError => {
                let error = format!(r#"{{"code":-32000,"message":{text}}}"#);
                let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
                ("200 OK", "content-type: application/json".to_owned(), body)
            }
            Self::WrongType => {
                let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"tools":{text}}}}}"#);
                ("200 OK", "content-type: application/json".to_owned(), body)
            }
            Self::Challenge => ("401 Unauthorized", format!("www-authenticate: Bearer realm={text}"), line),
            Self::ServerError => ("500 Internal Server Error", "content-type: text/plain".to_owned(), line),
            Self::Malformed => {
                ("200 OK", format!("set-cookie: {line}\r\ncontent-type: application/json"), line)
            }
            Self::Listing | Self::Streamed => {
                let schema = r#"{"type":"object"}"#;
                let tool = format!(r#"{{"name":"echo","description":{text},"inputSchema":{schema}}}"#);
                let result = format!(
                    r#"{{"tools":[{tool}],"resultType":"complete","ttlMs":0,"cacheScope":"private"}}"#
                );
                let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
                let (kind, body) = match self {
                    Self::Streamed => ("text/event-stream", format!("data: {message}\n\n")),
                    _ => ("application/json", message),
                };
                ("200 OK", format!("content-type: {kind}"), body)
            }
            Self::Redirect => {
                ("307 Temporary Redirect", format!("location: http://127.0.0.1:9/?{line}"), line)
            }
        };
        format!(
            "HTTP/1.1 {status}\r\n{header}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

/// A running one, until it is dropped.
pub(super) struct Echoing {
    port: u16,
    heard: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Drop for Echoing {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Echoing {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has a number").port();
        let heard = Arc::new(Mutex::new(String::new()));
        let own = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(hear(stream, Arc::clone(&own)));
            }
        });
        Self { port, heard, task }
    }

    /// One that echoes so.
    pub(super) fn url(&self, echo: Echo) -> String {
        format!("http://127.0.0.1:{}/{echo:?}", self.port)
    }

    /// Was it told this?
    pub(super) fn told(&self, text: &str) -> bool {
        self.heard.lock().expect("nobody panics").contains(text)
    }
}

/// Reads one request, and says it back.
async fn hear(stream: TcpStream, heard: Arc<Mutex<String>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        stream.read_line(&mut head).await.ok().filter(|read| *read > 0)?;
        let line = head[start..].trim().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    heard.lock().expect("nobody panics").push_str(&head);
    let message: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let echo = Echo::ALL.into_iter().find(|echo| head.contains(&format!("/{echo:?} ")))?;
    let answer = echo.answer(&head, &message["id"].to_string());
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

//! A gateway on a free port, with a single node behind it or with none, and a client that sends bytes.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use levada_cluster::{Node, NodeOptions};
use levada_gateway::{
    Admin, AdminAnswer, AdminCallers, Gateway, GatewayOptions, Listening, Operation,
    RequestMetrics, listen,
};
use levada_types::{AccountId, Region};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Pages without a server.
struct Pages;

impl Admin for Pages {
    fn ready(&self) -> Result<(), String> {
        Err("not yet".into())
    }
    fn metrics(&self) -> String {
        "levada_ready 0\n".into()
    }
    fn status(&self) -> String {
        "{}".into()
    }
    fn operate(&self, name: &str, body: Bytes) -> Operation {
        let body = format!("{name} {}", String::from_utf8_lossy(&body)).into();
        Box::pin(std::future::ready(AdminAnswer {
            status: 409,
            content_type: "text/plain",
            body,
        }))
    }
}

/// An open port.
pub(crate) struct Front {
    pub(crate) listening: Listening,
    pub(crate) metrics: Arc<RequestMetrics>,
    node: Option<(Node, TempDir)>,
}

impl Front {
    /// Without a node: what needs one is answered 503.
    pub(crate) async fn alone() -> Self {
        let (listening, metrics, _) = open().await;
        Self {
            listening,
            metrics,
            node: None,
        }
    }

    /// With a single node on an empty directory.
    pub(crate) async fn with_node() -> Self {
        let (listening, metrics, gateway) = open().await;
        let dir = tempfile::tempdir().unwrap();
        let options = NodeOptions {
            data_dir: dir.path().into(),
            peers_listen: None,
            members: Vec::new(),
            peers_address: String::new(),
            http_address: listening.local_address().to_string(),
            zone: String::new(),
            partitions: 2,
            on_demand_window: levada_cluster::ON_DEMAND_WINDOW_DEFAULT,
        };
        let node = Node::start(options).await.unwrap();
        node.wait_ready().await;
        gateway.open(node.broker());
        Self {
            listening,
            metrics,
            node: Some((node, dir)),
        }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.listening.local_address()).await
    }

    /// Ends the node in good order, so that its directory can go.
    pub(crate) async fn end(self) {
        if let Some((node, _dir)) = self.node {
            node.shutdown().await;
        }
    }
}

async fn open() -> (Listening, Arc<RequestMetrics>, Arc<Gateway>) {
    let metrics = Arc::new(RequestMetrics::default());
    let options = GatewayOptions {
        default_account: AccountId::DEFAULT,
        default_region: Region::us_east_1(),
        public_url: None,
        deleted_name_wait_ms: 0,
        admin_callers: AdminCallers::Loopback,
        kinesis_limits: false,
        topics: levada_gateway::TopicOptions::default(),
    };
    let gateway = Arc::new(Gateway::new(options, Arc::new(Pages), Arc::clone(&metrics)));
    let listening = listen("127.0.0.1:0".parse().unwrap(), Arc::clone(&gateway))
        .await
        .unwrap();
    (listening, metrics, gateway)
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line = self
            .head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            buffer: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer; `None` if the connection ends first.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(answer) = self.parse() {
                return Some(answer);
            }
            // A reset is as good as an end: what was sent and not read makes one.
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn parse(&mut self) -> Option<Answer> {
        let end = self.buffer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.buffer[..end].to_vec()).unwrap();
        let mut answer = Answer {
            status: head[9..12].parse().unwrap(),
            head,
            body: String::new(),
        };
        let length: usize = answer
            .header("content-length")
            .map_or(0, |n| n.parse().unwrap());
        if self.buffer.len() < end + length {
            return None;
        }
        answer.body = String::from_utf8(self.buffer[end..end + length].to_vec()).unwrap();
        self.buffer.drain(..end + length);
        Some(answer)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes).await;
        self.answer().await.expect("the connection ended")
    }

    /// Calls an action in JSON.
    pub(crate) async fn call(&mut self, action: &str, body: &str) -> Answer {
        self.exchange(json_call(action, body)).await
    }
}

/// A request in JSON.
pub(crate) fn json_call(action: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: here:1\r\nX-Amz-Target: AmazonSQS.{action}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// A request by form.
pub(crate) fn query_call(body: &str) -> String {
    let length = body.len();
    format!(
        "POST / HTTP/1.1\r\nHost: here:1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

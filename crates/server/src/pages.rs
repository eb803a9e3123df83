//! The pages of management, as the gateway asks for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use bytes::Bytes;
use levada_cluster::Node;
use levada_gateway::{Admin, Operation, RequestMetrics};
use levada_types::AccountId;

use crate::deliver::{Deliveries, Statuses};
use crate::{operations, prometheus, status, views};

/// What the pages are made of.
pub(crate) struct Pages {
    /// Put in when it has joined its cluster, taken out when the process stops.
    node: RwLock<Option<Node>>,
    /// Put in with the node, and taken out before it.
    deliveries: Mutex<Option<Deliveries>>,
    statuses: Arc<Statuses>,
    stopping: AtomicBool,
    requests: Arc<RequestMetrics>,
    /// Of callers whose access key is no account.
    account: AccountId,
    started: Instant,
}

impl Pages {
    /// Pages of a process that has just started.
    pub(crate) fn new(requests: Arc<RequestMetrics>, account: AccountId) -> Self {
        Self {
            node: RwLock::new(None),
            deliveries: Mutex::new(None),
            statuses: Arc::default(),
            stopping: AtomicBool::new(false),
            requests,
            account,
            started: Instant::now(),
        }
    }

    /// The node is there.
    pub(crate) fn put_node(&self, node: Node) {
        *self.node.write().unwrap_or_else(PoisonError::into_inner) = Some(node);
    }

    /// Deliveries are under way.
    pub(crate) fn put_deliveries(&self, deliveries: Deliveries) {
        *self
            .deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(deliveries);
    }

    /// The deliveries, to stop them.
    pub(crate) fn take_deliveries(&self) -> Option<Deliveries> {
        let mut deliveries = self
            .deliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        deliveries.take()
    }

    /// Where deliveries are counted.
    pub(crate) fn statuses(&self) -> Arc<Statuses> {
        Arc::clone(&self.statuses)
    }

    /// From now on the node is not ready, so that nobody sends it new clients.
    pub(crate) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// The node, to shut it down.
    pub(crate) fn take_node(&self) -> Option<Node> {
        self.node
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn with_node<T>(&self, look: impl FnOnce(&Node) -> T) -> Option<T> {
        self.node
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(look)
    }
}

impl Admin for Pages {
    fn operate(&self, name: &str, body: Bytes) -> Operation {
        if views::is_view(name) {
            return views::look(self.with_node(Node::broker), self.account, name, body);
        }
        let operator = self.with_node(|node| (node.operator(), node.status()));
        operations::operate(operator, name, body)
    }

    fn ready(&self) -> Result<(), String> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err("stopping".to_owned());
        }
        self.with_node(Node::ready)
            .unwrap_or_else(|| Err("waiting for the other nodes of the cluster".to_owned()))
    }

    fn metrics(&self) -> String {
        let ready = self.ready().is_ok();
        let node = self.with_node(|node| prometheus::NodeFigures {
            status: node.status(),
            stats: node.stats(),
            broker: node.broker(),
        });
        let up = self.started.elapsed();
        prometheus::page(&self.requests, &self.statuses, node.as_ref(), ready, up)
    }

    fn status(&self) -> String {
        match self.with_node(Node::status) {
            Some(cluster) => status::document(&cluster, self.ready()).to_string(),
            None => serde_json::json!({ "ready": false, "reason": self.ready().err() }).to_string(),
        }
    }
}

//! This node's signature, as the gateway asks for it.

use std::path::Path;
use std::sync::Arc;

use levada_delivery::{SignatureVersion, Signer, SigningError};
use levada_gateway::{MessageSigner, sign_delivered};
use levada_wire::sqs::StoredMessage;
use tokio::sync::Semaphore;
use tracing::error;

use super::limits::SIGNING_CORES_DIVISOR;

/// Where the key is, below the data directory.
const DIRECTORY: &str = "sns";

/// A node's key and certificate.
#[derive(Clone, Debug)]
pub(crate) struct NodeSigner(Arc<Signer>);

impl NodeSigner {
    /// Reads the key of a node, or makes one, which takes up to some seconds.
    pub(crate) async fn open(data_dir: &Path) -> Result<Self, SigningError> {
        let directory = data_dir.join(DIRECTORY);
        let opened = tokio::task::spawn_blocking(move || Signer::open(&directory)).await;
        let opened = opened.map_err(|error| SigningError::Unmade(error.to_string()))?;
        Ok(Self(Arc::new(opened?)))
    }

    /// The file's name in the certificate's URL.
    pub(crate) fn name(&self) -> String {
        self.0.certificate_name()
    }

    /// The certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.certificate_pem().to_owned()
    }
}

impl MessageSigner for NodeSigner {
    fn sign(&self, text: &str, version: u8) -> Option<String> {
        let version = match version {
            2 => SignatureVersion::V2,
            _ => SignatureVersion::V1,
        };
        let signed = self.0.sign(text, version);
        if let Err(error) = &signed {
            error!(%error, "a message goes without a signature");
        }
        signed.ok()
    }

    fn certificate_name(&self) -> String {
        self.name()
    }

    fn certificate_pem(&self) -> String {
        self.pem()
    }
}

/// Signs what leaves this node, beside the threads that answer requests.
#[derive(Clone, Debug)]
pub(super) struct Signing {
    signer: NodeSigner,
    turns: Arc<Semaphore>,
}

impl Signing {
    pub(super) fn new(signer: NodeSigner) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let turns = (cores / SIGNING_CORES_DIVISOR).max(1);
        Self {
            signer,
            turns: Arc::new(Semaphore::new(turns)),
        }
    }

    /// The message, signed if its receiver gets a document that is not; without a signature if it cannot be made.
    pub(super) async fn signed(&self, message: StoredMessage) -> StoredMessage {
        if !message.lacks_signature() {
            return message;
        }
        // Nobody closes it.
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let (signer, mut copy) = (self.signer.clone(), message.clone());
        let signed = tokio::task::spawn_blocking(move || {
            sign_delivered(&signer, &mut copy);
            drop(turn);
            copy
        });
        signed.await.unwrap_or(message)
    }
}

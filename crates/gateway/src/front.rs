//! The way of a request: its id, who calls, what is asked, the answer.
//!
//! The listener calls [`Gateway::handle`] for each request. Nothing is logged for a request but a fault
//! of ours, and that with the id that the caller was told.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::request::Parts;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming as IncomingBody;
use levada_cluster::{Broker, RouteError};
use levada_types::{AccountId, Region};
use levada_wire::dynamodb::{DynamoDbError, DynamoDbErrorKind};
use levada_wire::kinesis::KinesisError;
use levada_wire::protocol::{BODY_BYTES_MAX, addressee, body_bytes_max, encode_error};
use levada_wire::sns::SnsError;
use levada_wire::sqs::SqsError;
use levada_wire::{AwsError, Call, Encoded, Fault, Service, decode};
use tokio::sync::watch;
use tracing::{debug, error};

use crate::admin::Admin;
use crate::answer::{self, Answer};
use crate::body::{self, BodyError, BodyMemory};
use crate::caller::Caller;
use crate::connection::Connection;
use crate::kinesis::{self, Answered};
use crate::limits::{BODIES_BYTES_MAX, RECORD_ANSWERS_BYTES_MAX};
use crate::metrics::{Outcome, RequestMetrics, Slot};
use crate::operate::{self, AdminCallers};
use crate::random::{Uuid, UuidText};
use crate::sns::{self, MessageSigner, PhoneCourier, TopicOptions};
use crate::{cloudwatch, dynamodb, sqs, sts};

/// Settings of the front.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The account of callers whose access key is not itself an account number.
    pub default_account: AccountId,
    /// The region of callers whose signature names none.
    pub default_region: Region,
    /// What queue URLs begin with, such as `https://queues.example.com`. `None`: the host by which the
    /// caller came.
    pub public_url: Option<String>,
    /// For how long after its deletion a queue's name stays taken, in milliseconds; 60,000 at most.
    pub deleted_name_wait_ms: u64,
    /// Who may operate the cluster.
    pub admin_callers: AdminCallers,
    /// Whether shards of new streams take no more in a second than AWS's do.
    pub kinesis_limits: bool,
    /// What topics do and do not.
    pub topics: TopicOptions,
}

/// Answers requests.
pub struct Gateway {
    pub(crate) options: GatewayOptions,
    /// Set when the node belongs to a cluster; until then every call is answered 503.
    broker: OnceLock<Broker>,
    admin: Arc<dyn Admin>,
    metrics: Arc<RequestMetrics>,
    bodies: BodyMemory,
    record_answers: BodyMemory,
    signer: OnceLock<Arc<dyn MessageSigner>>,
    phones: OnceLock<Arc<dyn PhoneCourier>>,
    draining: watch::Sender<bool>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Why an action gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// AWS's words for it.
    Aws(AwsError),
    /// Those of DynamoDB, whose errors say more than a code and words.
    DynamoDb(Box<DynamoDbError>),
    /// The cluster did not carry it out.
    Route(RouteError),
}

impl From<AwsError> for Failure {
    fn from(e: AwsError) -> Self {
        Self::Aws(e)
    }
}

impl From<SqsError> for Failure {
    fn from(e: SqsError) -> Self {
        Self::Aws(e.into())
    }
}

impl From<SnsError> for Failure {
    fn from(e: SnsError) -> Self {
        Self::Aws(e.into())
    }
}

impl From<KinesisError> for Failure {
    fn from(e: KinesisError) -> Self {
        Self::Aws(e.into())
    }
}

impl From<DynamoDbError> for Failure {
    fn from(e: DynamoDbError) -> Self {
        Self::DynamoDb(Box::new(e))
    }
}

impl From<RouteError> for Failure {
    fn from(e: RouteError) -> Self {
        Self::Route(e)
    }
}

impl Failure {
    /// AWS's code for it. What the log should have, it gets here.
    fn into_aws(self, action: &str, request_id: &UuidText) -> AwsError {
        let route = match self {
            Self::Aws(error) => {
                if error.status == StatusCode::INTERNAL_SERVER_ERROR {
                    error!(%request_id, action, "a call failed by a fault of ours");
                }
                return error;
            }
            Self::DynamoDb(error) => return (*error).into(),
            Self::Route(route) => route,
        };
        match route {
            RouteError::NoSuchQueue => SqsError::queue_does_not_exist().into(),
            // Streams, tables and topics have words of their own for it, said where they are called.
            RouteError::NoSuchStream | RouteError::NoSuchTable | RouteError::NoSuchTopic => {
                AwsError::internal_failure()
            }
            RouteError::Overloaded => AwsError::throttling(),
            RouteError::Unavailable => {
                debug!(%request_id, action, "no leader answered in time");
                AwsError::service_unavailable()
            }
            RouteError::DiskFull => {
                let message = "The server's disks are nearly full; it takes no more messages until some are deleted.";
                AwsError {
                    message: message.into(),
                    ..AwsError::service_unavailable()
                }
            }
            RouteError::Unreadable(what) => {
                error!(%request_id, action, what, "a stored message could not be read");
                AwsError::internal_failure()
            }
        }
    }
}

impl Gateway {
    /// A front that answers `admin`'s pages, and nothing else until [`Self::open`]. The server reads
    /// `metrics` for its page.
    pub fn new(
        options: GatewayOptions,
        admin: Arc<dyn Admin>,
        metrics: Arc<RequestMetrics>,
    ) -> Self {
        Self {
            options,
            broker: OnceLock::new(),
            admin,
            metrics,
            bodies: BodyMemory::new(BODIES_BYTES_MAX),
            record_answers: BodyMemory::new(RECORD_ANSWERS_BYTES_MAX),
            signer: OnceLock::new(),
            phones: OnceLock::new(),
            draining: watch::Sender::new(false),
        }
    }

    /// Begins to answer calls. A second broker is not looked at.
    pub fn open(&self, broker: Broker) {
        let _ = self.broker.set(broker);
    }

    /// Signs what topics send from now on. A second signer is not looked at.
    pub fn sign_with(&self, signer: Arc<dyn MessageSigner>) {
        let _ = self.signer.set(signer);
    }

    /// Who signs what topics send; nobody, if it is not signed.
    pub(crate) fn signer(&self) -> Option<&Arc<dyn MessageSigner>> {
        self.signer.get()
    }

    /// Brings what is published to phones there from now on. A second courier is not looked at.
    pub fn reach_phones_by(&self, courier: Arc<dyn PhoneCourier>) {
        let _ = self.phones.set(courier);
    }

    /// Who brings what is published to phones there.
    pub(crate) fn phones(&self) -> Option<&Arc<dyn PhoneCourier>> {
        self.phones.get()
    }

    /// The way into the cluster, if there is one yet.
    pub(crate) fn broker(&self) -> Result<&Broker, RouteError> {
        self.broker.get().ok_or(RouteError::Unavailable)
    }

    pub(crate) fn metrics(&self) -> &RequestMetrics {
        &self.metrics
    }

    /// Parked polls end now, and later ones do not park.
    pub(crate) fn begin_draining(&self) {
        self.draining.send_replace(true);
    }

    /// Tells when the front drains, to whom outlives the request.
    pub(crate) fn watch_draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Whether the process stops.
    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Resolves when the front begins to drain.
    pub(crate) async fn drained(&self) {
        // The sender lives in `self`, so this ends only by the value.
        let _ = self
            .draining
            .subscribe()
            .wait_for(|draining| *draining)
            .await;
    }

    /// Answers one request.
    pub(crate) async fn handle(
        &self,
        connection: &Arc<Connection>,
        peer: SocketAddr,
        request: Request<IncomingBody>,
    ) -> Answer {
        let _under_way = connection.begin_request(request.version() == http::Version::HTTP_2);
        let (head, body) = request.into_parts();
        if head.method == Method::GET
            && let Some(page) = self.page(head.uri.path())
        {
            return page;
        }
        if head.method == Method::GET
            && let Some(page) = sns::certificate_page(self, head.uri.path()).await
        {
            return page;
        }
        let operation = (head.method == Method::POST)
            .then(|| operate::name_of(head.uri.path()))
            .flatten();
        if let Some(name) = operation {
            return match operate::refusal(self.options.admin_callers, peer, &head.headers) {
                Some(refusal) => answer::closing(refusal),
                None => self.operate(name, body).await,
            };
        }
        let begun = Instant::now();
        let request_id = Uuid::random().text();
        let longest = body_bytes_max(&head.headers);
        match body::collect(body, &self.bodies, longest).await {
            Ok(body) => {
                let (headers, is_tls) = (&head.headers, connection.is_tls());
                let caller = Caller::of(&head.uri, headers, &self.options, is_tls, peer.ip());
                self.call(head, body, caller, &request_id, begun).await
            }
            Err(e) => {
                let error = match e {
                    BodyError::TooLong => AwsError::request_entity_too_large(longest),
                    BodyError::TooSlow => AwsError::request_timeout(),
                    BodyError::CutOff => {
                        AwsError::serialization("The request's body is not complete.")
                    }
                    BodyError::TooMany => AwsError::throttling(),
                };
                self.metrics
                    .count(Slot::UNKNOWN, outcome_of(&error), begun.elapsed());
                let (protocol, service) = addressee(&head.headers);
                let encoded = encode_error(&error, protocol, service, request_id.as_str());
                answer::closing(answer::encoded(encoded, &request_id))
            }
        }
    }

    async fn call(
        &self,
        head: Parts,
        body: body::Collected,
        caller: Result<Caller, AwsError>,
        request_id: &UuidText,
        begun: Instant,
    ) -> Answer {
        let incoming = decode(&head.method, &head.uri, &head.headers, &body.bytes);
        // A poll may be parked for 20 s, and must not keep what it came with.
        drop((head, body));
        let (protocol, service) = (incoming.protocol, incoming.service);
        let mut slot = Slot::UNKNOWN;
        let mut share = None;
        let result = match (incoming.call, caller) {
            (Err(e), _) | (_, Err(e)) => Err(Failure::Aws(e)),
            (Ok(Call::Sqs(request)), Ok(caller)) => {
                slot = Slot::sqs(request.action());
                sqs::call(self, &caller, request)
                    .await
                    .map(|r| r.encode(protocol, request_id.as_str()))
            }
            (Ok(Call::Sns(request)), Ok(caller)) => {
                slot = Slot::sns(request.action());
                sns::call(self, &caller, request)
                    .await
                    .map(|r| r.encode(request_id.as_str()))
            }
            (Ok(Call::Sts(request)), Ok(caller)) => {
                slot = Slot::STS;
                Ok(sts::call(&caller, request).encode(protocol, request_id.as_str()))
            }
            (Ok(Call::CloudWatch(request)), Ok(caller)) => {
                slot = Slot::CLOUDWATCH;
                cloudwatch::call(self.metrics.reports(), &caller, &request)
                    .map(|r| r.encode(protocol, request_id.as_str()))
            }
            (Ok(Call::DynamoDb(request)), Ok(caller)) => {
                slot = Slot::dynamodb(request.action());
                match dynamodb::call(self, &caller, *request).await {
                    Ok(encoded) => {
                        let claimed = self.record_answers.claim(encoded.len());
                        claimed
                            .map_err(|_| dynamodb::too_many_reads())
                            .map(|claimed| {
                                share = claimed;
                                encoded
                            })
                    }
                    Err(failure) => Err(failure),
                }
            }
            (Ok(Call::Kinesis(request)), Ok(caller)) => {
                slot = Slot::kinesis(request.action());
                match kinesis::call(self, &caller, request, protocol).await {
                    Ok(Answered::Stream(frames)) => {
                        self.metrics.count(slot, Outcome::Ok, begun.elapsed());
                        return answer::stream(frames, request_id);
                    }
                    Ok(Answered::Whole(response)) => {
                        let encoded = response.encode(protocol);
                        let claimed = self.record_answers.claim(encoded.len());
                        claimed
                            .map_err(|_| kinesis::too_many_reads())
                            .map(|claimed| {
                                share = claimed;
                                encoded
                            })
                    }
                    Err(failure) => Err(failure),
                }
            }
        };
        let (encoded, outcome) = match result {
            Ok(encoded) => (encoded, Outcome::Ok),
            Err(Failure::DynamoDb(error)) => {
                let is_too_much = error.kind == DynamoDbErrorKind::ProvisionedThroughputExceeded;
                let outcome = if is_too_much {
                    Outcome::Throttled
                } else {
                    Outcome::Refused
                };
                (error.encode(), outcome)
            }
            Err(failure) => {
                let error = failure.into_aws(incoming.action, request_id);
                let encoded: Encoded = encode_error(&error, protocol, service, request_id.as_str());
                (encoded, outcome_of(&error))
            }
        };
        self.metrics.count(slot, outcome, begun.elapsed());
        // Of no other service do clients look at it.
        let crc32 = (service == Service::DynamoDb).then(|| crc32fast::hash(&encoded.body));
        let answer = answer::encoded(encoded, request_id);
        let answer = match crc32 {
            Some(crc32) => answer::checked(answer, crc32),
            None => answer,
        };
        answer::holding(answer, share)
    }

    /// Carries out an operation.
    async fn operate(&self, name: &str, body: IncomingBody) -> Answer {
        let Ok(body) = body::collect(body, &self.bodies, BODY_BYTES_MAX).await else {
            let refusal =
                operate::refused(StatusCode::BAD_REQUEST, "the request's body did not come");
            return answer::closing(refusal);
        };
        let answer = self.admin.operate(name, body.bytes.clone()).await;
        let status =
            StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer::page(status, answer.content_type, answer.body)
    }

    /// The page of management at `path`, if there is one.
    fn page(&self, path: &str) -> Option<Answer> {
        const TEXT: &str = "text/plain; charset=utf-8";
        let page = match path {
            "/health/live" => answer::page(StatusCode::OK, TEXT, "live\n"),
            "/health/ready" => match self.admin.ready() {
                Ok(()) => answer::page(StatusCode::OK, TEXT, "ready\n"),
                Err(why) => answer::page(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{why}\n")),
            },
            "/metrics" => answer::page(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                self.admin.metrics(),
            ),
            "/_levada/status" => {
                answer::page(StatusCode::OK, "application/json", self.admin.status())
            }
            _ => return None,
        };
        Some(page)
    }
}

fn outcome_of(error: &AwsError) -> Outcome {
    match error.fault {
        Fault::Receiver => Outcome::Failed,
        Fault::Sender
            if matches!(
                error.query_code,
                "Throttling"
                    | "Throttled"
                    | "LimitExceededException"
                    | "ProvisionedThroughputExceededException"
            ) =>
        {
            Outcome::Throttled
        }
        Fault::Sender => Outcome::Refused,
    }
}

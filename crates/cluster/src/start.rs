//! Starts a node: opens its directory, waits until it belongs to a cluster, opens every replica.
//!
//! A member whose directory is damaged sets it aside and comes back as a newcomer, if the others can
//! spare it: that is, if they have a majority without it. Else it stops and says so, because what the
//! damaged directory still holds may be needed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use bytes::Bytes;
use levada_replica::{Group, ReplicaOptions, Replicas};
use levada_rpc::{Class, Identity, PeerOptions, PeerServer, Peers, TransportServer};
use levada_storage::DataDir;
use levada_types::PartitionId;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assignment::COPIES;
use crate::backup::Sessions;
use crate::bootstrap::{Bootstrap, Membership};
use crate::core::Core;
use crate::directory::Directory;
use crate::environment::{Environment, StorePaths, Stores};
use crate::handler::Handler;
use crate::loads::Loads;
use crate::members::Members;
use crate::node::{Node, NodeOptions, StartError, Storage};
use crate::reader::Reader;
use crate::stream::{ReadBudgets, Subscriptions};
use crate::topic::{Deliveries, Failures};
use crate::waiters::Waiters;
use crate::{background, hosting, method, standing};

/// How long another member may take to find out whether a majority stands without this node.
const SPARE_TIMEOUT: Duration = Duration::from_secs(15);
/// For how long the others are asked: all may have lost power at one time, and start at one time.
const SPARE_PATIENCE: Duration = Duration::from_secs(60);
/// Between two rounds of asking.
const SPARE_PAUSE: Duration = Duration::from_secs(1);
/// A member that answers nothing for so long is asked to be replaced as leader. Less than a lease, so that
/// the votes are asked for when the lease ends; a member that is only slow keeps its leases.
const SILENCE: Duration = Duration::from_millis(450);
/// How raft-engine and sled say that their lock is held.
const LOCKED: [&str; 2] = ["Failed to lock file", "could not acquire lock"];
/// For how long a lock is waited for: 10 s.
const LOCK_TRIES_MAX: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// Damaged directories that are kept side by side; an operator deletes them.
const SET_ASIDE_MAX: u32 = 100;

pub(crate) async fn start(
    environment: &Environment,
    options: NodeOptions,
) -> Result<Node, StartError> {
    match start_once(environment, &options).await {
        Err(StartError::Damaged(damage)) if !options.members.is_empty() => {
            tracing::error!(damage, "this node's directory is damaged");
            if !can_be_spared(environment, &options).await {
                return Err(StartError::Damaged(format!(
                    "{damage}; and the other members have had no majority without this node for {} s, or have not answered",
                    SPARE_PATIENCE.as_secs()
                )));
            }
            let aside = set_aside(&options.data_dir).map_err(|e| {
                StartError::Damaged(format!("{damage}; and it could not be set aside: {e}"))
            })?;
            tracing::error!(aside = %aside.display(), "set the damaged directory aside; this node comes back as a new member");
            start_once(environment, &options).await
        }
        other => other,
    }
}

fn peer_options(environment: &Environment) -> PeerOptions {
    PeerOptions {
        transport: environment.transport.clone(),
        ..PeerOptions::default()
    }
}

/// Whether the cluster has a majority without this node, by the word of a member that just reached it.
async fn can_be_spared(environment: &Environment, options: &NodeOptions) -> bool {
    let Some(dir) = open_again(&options.data_dir).await else {
        return false;
    };
    let cluster = Arc::new(AtomicU64::new(dir.node().cluster_id.unwrap_or(0)));
    let peers = Peers::new(
        Identity {
            node: dir.node_id(),
            cluster,
        },
        peer_options(environment),
    );
    let others: Vec<&String> = options
        .members
        .iter()
        .filter(|address| **address != options.peers_address)
        .collect();
    let deadline = Instant::now() + SPARE_PATIENCE;
    while !others.is_empty() {
        let asked = others.iter().map(|address| {
            let peer = peers.get(address);
            async move {
                peer.call(
                    Class::Request,
                    method::SPARE,
                    0,
                    Bytes::new(),
                    SPARE_TIMEOUT,
                )
                .await
                .is_ok()
            }
        });
        if futures::future::join_all(asked).await.contains(&true) {
            return true;
        }
        if Instant::now() >= deadline {
            break;
        }
        tracing::warn!("no other member says yet that it has a majority without this node");
        tokio::time::sleep(SPARE_PAUSE).await;
    }
    false
}

/// Opens a directory that a start has just given up; what is left of it may hold the lock for a moment.
async fn open_again(path: &Path) -> Option<DataDir> {
    for _ in 0..LOCK_TRIES_MAX {
        match DataDir::open(path) {
            Ok(dir) => return Some(dir),
            Err(error) => tracing::debug!(%error, "the directory cannot be opened yet"),
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    None
}

fn set_aside(dir: &Path) -> std::io::Result<PathBuf> {
    for n in 1..=SET_ASIDE_MAX {
        let mut name = dir.as_os_str().to_owned();
        name.push(format!(".damaged-{n}"));
        let aside = PathBuf::from(name);
        if !aside.exists() {
            std::fs::rename(dir, &aside)?;
            return Ok(aside);
        }
    }
    Err(std::io::Error::other(
        "there are too many damaged directories beside it; delete some",
    ))
}

/// What runs before the node belongs to a cluster.
struct Front {
    bootstrap: Arc<Bootstrap>,
    handler: Arc<Handler>,
    peers: Peers,
    paths: StorePaths,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

async fn start_once(environment: &Environment, options: &NodeOptions) -> Result<Node, StartError> {
    let front = open_front(environment, options).await?;
    let belonged = front
        .bootstrap
        .belong(&options.members, options.partitions + 1)
        .await;
    let (cluster, membership) = match belonged {
        Ok(found) => found,
        Err(error) => return Err(close(front, StartError::DataDir(error)).await),
    };
    if let Some(removed_at) = membership.removed_at {
        let error = StartError::Removed(standing::farewell(front.bootstrap.node(), removed_at));
        return Err(close(front, error).await);
    }
    let (core, storage) = match open_core(environment, &front, cluster, &membership, options).await
    {
        Ok(opened) => opened,
        Err(error) => return Err(close(front, error).await),
    };
    // Nobody else sets it.
    let _ = front.handler.core.set(core.clone());
    background::start(
        environment,
        &core,
        &front.bootstrap,
        cluster,
        membership,
        options,
    );
    Ok(Node {
        core,
        bootstrap: front.bootstrap,
        storage,
        stop: front.stop,
        server: front.server,
    })
}

/// Gives the port and the directory back.
async fn close(front: Front, error: StartError) -> StartError {
    front.stop.cancel();
    if front.server.await.is_err() {
        tracing::warn!("the peers' listener did not stop cleanly");
    }
    error
}

async fn open_front(environment: &Environment, options: &NodeOptions) -> Result<Front, StartError> {
    let dir = DataDir::open(&options.data_dir).map_err(|e| StartError::DataDir(e.to_string()))?;
    let identity = Arc::new(AtomicU64::new(dir.node().cluster_id.unwrap_or(0)));
    let me = Identity {
        node: dir.node_id(),
        cluster: identity.clone(),
    };
    let watchful = PeerOptions {
        silence: SILENCE,
        ..peer_options(environment)
    };
    let peers = Peers::new(me, watchful);
    let paths = StorePaths::of(&dir);
    let bootstrap = Arc::new(Bootstrap::new(
        options.peers_address.clone(),
        peers.clone(),
        dir,
        identity,
    ));
    let handler = Arc::new(Handler {
        bootstrap: bootstrap.clone(),
        core: OnceLock::new(),
    });
    let stop = CancellationToken::new();
    let server = listen(
        environment,
        options.peers_listen,
        handler.clone(),
        stop.clone(),
    )
    .await?;
    Ok(Front {
        bootstrap,
        handler,
        peers,
        paths,
        stop,
        server,
    })
}

async fn listen(
    environment: &Environment,
    address: Option<SocketAddr>,
    handler: Arc<Handler>,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, StartError> {
    let Some(address) = address else {
        return Ok(tokio::spawn(async {}));
    };
    let refused = |error| StartError::Listen { address, error };
    if let Some(transport) = &environment.transport {
        let server = TransportServer::bind(&**transport, address).map_err(refused)?;
        return Ok(tokio::spawn(async move {
            server.serve(handler, stop.cancelled_owned()).await
        }));
    }
    let server = PeerServer::bind(address).await.map_err(refused)?;
    Ok(tokio::spawn(async move {
        server.serve(handler, stop.cancelled_owned()).await
    }))
}

async fn open_core(
    environment: &Environment,
    front: &Front,
    cluster: u64,
    membership: &Membership,
    options: &NodeOptions,
) -> Result<(Arc<Core>, Storage), StartError> {
    let paths = front.paths.clone();
    let open = environment.open_stores.clone();
    let blocking = environment.host.blocking;
    let Stores {
        log,
        blocks,
        checkpoints,
    } = blocking
        .run(move || open(&paths))
        .await
        .map_err(|e| StartError::Failed(e.to_string()))??;
    let storage = Storage {
        log: log.clone(),
        blocks: blocks.clone(),
    };
    let node = front.bootstrap.node();
    let members = Arc::new(Members::new(node, front.peers.clone()));
    members.set(cluster, membership.members());
    let replicas = Arc::new(Replicas::new(
        node,
        front.peers.clone(),
        log,
        blocks.clone(),
        checkpoints,
        ReplicaOptions {
            host: environment.host.clone(),
            ..ReplicaOptions::default()
        },
    ));
    let reader = Arc::new(Reader {
        node,
        blocks,
        members: members.clone(),
        blocking,
    });
    // Before it is opened: a copy that has taken part in nothing yet is of a new cluster.
    let is_new = !replicas.has_copy(PartitionId::CATALOG);
    let catalog = match open_catalog(&replicas).await {
        Ok(catalog) => catalog,
        Err(error) => {
            replicas.shutdown().await;
            return Err(error);
        }
    };
    let core = Core {
        node,
        members,
        replicas,
        reader,
        waiters: Waiters::default(),
        directory: Directory::new(catalog),
        partitions: RwLock::default(),
        disk_full: AtomicBool::new(false),
        leaving: AtomicBool::new(false),
        caught_up: AtomicBool::new(false),
        stop: front.stop.clone(),
        tasks: TaskTracker::new(),
        members_changed: Notify::new(),
        removed: watch::Sender::new(None),
        gone: CancellationToken::new(),
        backups: Sessions::default(),
        data_dir: options.data_dir.clone(),
        space: environment.space.clone(),
        catalog: watch::Sender::new(0),
        placement_changed: Notify::new(),
        partial: watch::Sender::new(false),
        led: watch::Sender::new(rand::random::<u64>() | 1),
        loads: Loads::default(),
        read_budgets: ReadBudgets::default(),
        subscriptions: Subscriptions::default(),
        deliveries: Deliveries::default(),
        delivery_failures: Failures::default(),
        far: Mutex::default(),
        turn: AtomicU64::new(0),
    };
    if let Err(error) = open_copies(&core, membership, is_new).await {
        core.replicas.shutdown().await;
        return Err(error);
    }
    Ok((Arc::new(core), storage))
}

fn unreadable(partition: PartitionId, error: &std::io::Error) -> StartError {
    StartError::Damaged(format!(
        "what the disk holds of {partition} cannot be read: {error}"
    ))
}

async fn open_catalog(replicas: &Replicas) -> Result<Arc<Group>, StartError> {
    let opened = replicas.open(PartitionId::CATALOG).await;
    opened.map_err(|error| unreadable(PartitionId::CATALOG, &error))
}

/// Opens the copies that the disk holds and those that the catalog, as it was at its last checkpoint, gives to
/// this node. Where neither knows anything the cluster is new, or small: then it is every partition.
async fn open_copies(core: &Core, membership: &Membership, is_new: bool) -> Result<(), StartError> {
    let is_known = core.directory.read(|c| c.members().next().is_some());
    let takes_part = membership.founder || is_new;
    let is_given = membership.joined && membership.members.len() > COPIES;
    let all = !is_known && takes_part && !is_given;
    let placed: BTreeSet<PartitionId> = core.directory.read(|catalog| {
        let rows = catalog.all_placed();
        rows.map(|row| PartitionId(row.partition)).collect()
    });
    let numbers = (0..membership.partitions).map(PartitionId).chain(placed);
    for partition in numbers.collect::<BTreeSet<_>>() {
        let wanted =
            all || core.replicas.has_copy(partition) || core.is_assigned(partition) == Some(true);
        if wanted && partition != PartitionId::CATALOG {
            let opened = core.replicas.open(partition).await;
            opened.map_err(|error| unreadable(partition, &error))?;
        }
        hosting::add_route(core, partition);
    }
    Ok(())
}

/// Opens what may be held: that is in use, never damaged, and a directory must not be set aside under whoever
/// writes to it. A node that was stopped in this process gives it back when its last task has noticed.
pub(crate) fn open_when_free<T, E: std::fmt::Display>(
    path: &Path,
    open: impl Fn(&Path) -> Result<T, E>,
) -> Result<Arc<T>, StartError> {
    for _ in 0..LOCK_TRIES_MAX {
        match open(path) {
            Ok(opened) => return Ok(Arc::new(opened)),
            Err(error) => {
                let error = error.to_string();
                if !LOCKED.iter().any(|held| error.contains(held)) {
                    return Err(StartError::Damaged(error));
                }
            }
        }
        // Nothing announces that a file's lock is free.
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(StartError::DataDir(format!(
        "{} is in use by another process; stop that one first",
        path.display()
    )))
}

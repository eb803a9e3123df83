//! What is seen when the other side dies, stops, comes back, or was never there.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::*;
use levada_rpc::{CallError, Class, Closed, PeerState};
use tokio::net::TcpListener;

/// An address whose port refuses.
async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    listener.local_addr().expect("addr")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_ends_calls_and_streams_at_once_and_is_refused() {
    let handler = Handler::new();
    let node = Node::new(handler.clone()).await;
    let peer = peers().get(&node.addr.to_string());
    let opened = peer.open(Class::Raft, STREAM_HELD, 0).await;
    let (sender, mut receiver) = opened.expect("opened");
    let call = |class| peer.call(class, STALL, 0, Bytes::new(), PATIENCE);
    let calls = async { tokio::join!(call(Class::Raft), call(Class::Request), call(Class::Bulk)) };
    let kill = async {
        handler.until_stalled(3).await;
        let at = Instant::now();
        node.kill();
        at
    };
    let (answers, killed) = tokio::join!(calls, kill);
    let unreachable = Err(CallError::Unreachable { sent: true });
    let wanted = (unreachable.clone(), unreachable.clone(), unreachable);
    assert_eq!(answers, wanted);
    assert_eq!(receiver.next().await, None);
    assert_eq!(sender.send(Bytes::new()).await, Err(Closed::Ended));
    until_state(&peer, PeerState::Refused).await;
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(1), "took {took:?}");

    let at = Instant::now();
    let answer = call(Class::Raft).await;
    assert_eq!(answer, Err(CallError::Unreachable { sent: false }));
    assert!(at.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_found_again() {
    let node = Node::new(Handler::new()).await;
    let addr = node.addr;
    let peer = peers().get(&addr.to_string());
    let answer = peer.call(Class::Raft, ECHO, 0, Bytes::new(), PATIENCE);
    assert_eq!(answer.await, Ok(Bytes::new()));
    node.kill();
    until_state(&peer, PeerState::Refused).await;
    let _node = Node::start(addr, Handler::new()).await;
    until_state(&peer, PeerState::Up).await;
    let answer = peer.call(Class::Request, ECHO, 0, Bytes::new(), PATIENCE);
    assert_eq!(answer.await, Ok(Bytes::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_call_waits_for_the_dial_and_is_told_that_nobody_is_there() {
    let peer = peers().get(&refusing().await.to_string());
    let answer = peer.call(Class::Request, ECHO, 0, Bytes::new(), PATIENCE);
    assert_eq!(answer.await, Err(CallError::Unreachable { sent: false }));
    assert_eq!(*peer.state().borrow(), PeerState::Refused);
    let opened = peer.open(Class::Bulk, STREAM_ECHO, 0).await;
    assert!(matches!(
        opened,
        Err(CallError::Unreachable { sent: false })
    ));

    let nonsense = peers().get("not an address");
    until_state(&nonsense, PeerState::Unreachable).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_accepts_and_says_nothing_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let peer = peers().get(&listener.local_addr().expect("addr").to_string());
    let at = Instant::now();
    let answer = peer.call(Class::Request, ECHO, 0, Bytes::new(), PATIENCE);
    assert_eq!(answer.await, Err(CallError::Unreachable { sent: false }));
    assert_eq!(*peer.state().borrow(), PeerState::Silent);
    let took = at.elapsed();
    assert!(
        took >= Duration::from_millis(600) && took < Duration::from_secs(3),
        "{took:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stops_is_silent_until_it_is_heard_again() {
    let node = Node::new(Handler::new()).await;
    let wire = Wire::to(node.addr).await;
    let peer = peers().get(&wire.addr.to_string());
    until_state(&peer, PeerState::Up).await;
    for _ in 0..2 {
        let at = Instant::now();
        wire.held.send_replace(true);
        let call = peer.call(Class::Request, ECHO, 0, Bytes::new(), PATIENCE);
        let silence = async {
            until_state(&peer, PeerState::Silent).await;
            let took = at.elapsed();
            wire.held.send_replace(false);
            took
        };
        let (answer, took) = tokio::join!(call, silence);
        assert!(
            took >= Duration::from_millis(300) && took < Duration::from_secs(3),
            "{took:?}"
        );
        // What was under way is answered late, and the peer is up again.
        assert_eq!(answer, Ok(Bytes::new()));
        until_state(&peer, PeerState::Up).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_is_only_idle_stays_up() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    until_state(&peer, PeerState::Up).await;
    let mut state = peer.state();
    state.mark_unchanged();
    // The absence of a change can only be waited for.
    let quiet = tokio::time::timeout(Duration::from_millis(1_500), state.changed()).await;
    assert!(quiet.is_err(), "{:?}", *state.borrow());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_links_cleanly_and_soon() {
    let handler = Handler::new();
    let node = Node::new(handler.clone()).await;
    let peer = peers().get(&node.addr.to_string());
    let stalled = peer.call(Class::Raft, STALL, 0, Bytes::new(), PATIENCE);
    let stop = async {
        handler.until_stalled(1).await;
        let at = Instant::now();
        node.stop().await;
        at.elapsed()
    };
    let (answer, took) = tokio::join!(stalled, stop);
    assert_eq!(answer, Err(CallError::Unreachable { sent: true }));
    assert!(took < Duration::from_millis(1_500), "took {took:?}");
    until_state(&peer, PeerState::Refused).await;
    handler.until_stalled(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_peer_ends_its_calls() {
    let handler = Handler::new();
    let node = Node::new(handler.clone()).await;
    let peers = peers();
    let address = node.addr.to_string();
    let peer = peers.get(&address);
    let stalled = peer.call(Class::Raft, STALL, 0, Bytes::new(), PATIENCE);
    let forget = async {
        handler.until_stalled(1).await;
        peers.forget(&address);
    };
    let (answer, ()) = tokio::join!(stalled, forget);
    assert_eq!(answer, Err(CallError::Unreachable { sent: true }));
    until_state(&peer, PeerState::Unreachable).await;
    handler.until_stalled(0).await;
    let again = peers.get(&address);
    let answer = again.call(Class::Raft, ECHO, 0, Bytes::new(), PATIENCE);
    assert_eq!(answer.await, Ok(Bytes::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_clone_of_a_pool_and_its_peer_ends_the_connection() {
    let node = Node::new(Handler::new()).await;
    let pool = peers();
    let peer = pool.get(&node.addr.to_string());
    let opened = peer.open(Class::Bulk, STREAM_ECHO, 0).await;
    let (sender, mut receiver) = opened.expect("opened");
    drop(pool);
    sender.send(Bytes::from_static(b"up")).await.expect("sent");
    assert_eq!(receiver.next().await, Some(Bytes::from_static(b"up")));
    drop(peer);
    assert_eq!(receiver.next().await, None);
    assert!(sender.is_closed());
}

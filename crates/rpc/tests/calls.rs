//! Calls over real sockets: answers, errors, sizes, bounds, cancellation.

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use common::*;
use futures::stream::{FuturesUnordered, StreamExt};
use levada_rpc::limits::{BODY_BYTES_MAX, CALLS_MAX};
use levada_rpc::{CallError, Class, RemoteError, code};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_answered_in_every_class() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    for class in Class::ALL {
        for method in [ECHO, LATER] {
            let body = Bytes::from_static(b"water");
            let answer = peer.call(class, method, 3, body.clone(), PATIENCE).await;
            assert_eq!(answer, Ok(body));
        }
        let who = peer.call(class, WHO, 0, Bytes::new(), PATIENCE).await;
        let wanted = format!("Caller {{ node: NodeId(41), cluster: 9, class: {class:?} }}");
        assert_eq!(who, Ok(Bytes::from(wanted)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_and_panics_of_a_handler_are_answers() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    let body = Bytes::from_static(b"no such shard");
    let answer = peer.call(Class::Request, FAIL, 0, body, PATIENCE).await;
    let wanted = CallError::Remote(RemoteError::new(7, "no such shard"));
    assert_eq!(answer, Err(wanted));
    for method in [PANIC, PANIC_LATER] {
        let answer = peer
            .call(Class::Request, method, 0, Bytes::new(), PATIENCE)
            .await;
        let wanted = RemoteError::new(code::HANDLER_FAILED, "the handler failed");
        assert_eq!(answer, Err(CallError::Remote(wanted)));
    }
    let body = Bytes::from_static(b"still here");
    let answer = peer.call(Class::Request, ECHO, 0, body.clone(), PATIENCE);
    assert_eq!(answer.await, Ok(body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_body_passes_and_a_larger_one_is_refused_in_words() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    let largest = Bytes::from(vec![5; BODY_BYTES_MAX]);
    let answer = peer.call(Class::Bulk, ECHO, 0, largest.clone(), PATIENCE);
    assert!(answer.await == Ok(largest));

    let bytes = BODY_BYTES_MAX + 1;
    let larger = Bytes::from(vec![5; bytes]);
    let refused = peer
        .call(Class::Bulk, ECHO, 0, larger.clone(), PATIENCE)
        .await
        .expect_err("too large");
    assert_eq!(refused, CallError::TooLarge { bytes });
    let words = "a body of 16777217 bytes is larger than the 16777216 bytes that a frame may carry";
    assert_eq!(refused.to_string(), words);

    let size = u32::try_from(bytes).expect("fits");
    let answer = peer.call(Class::Bulk, GROW, size, Bytes::new(), PATIENCE);
    let words =
        "an answer of 16777217 bytes is larger than the 16777216 bytes that a frame may carry";
    let wanted = RemoteError::new(code::TOO_LARGE, words);
    assert_eq!(answer.await, Err(CallError::Remote(wanted)));

    let (sender, mut receiver) = peer
        .open(Class::Bulk, STREAM_ECHO, 0)
        .await
        .expect("opened");
    let refused = sender.send(larger).await;
    assert_eq!(refused, Err(levada_rpc::Closed::TooLarge { bytes }));
    // The stream goes on.
    sender
        .send(Bytes::from_static(b"small"))
        .await
        .expect("sent");
    assert_eq!(receiver.next().await, Some(Bytes::from_static(b"small")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_at_once_are_all_answered_or_turned_away() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    // One call dials; the others find the link up.
    let first = peer.call(Class::Raft, ECHO, 0, Bytes::new(), PATIENCE);
    assert_eq!(first.await, Ok(Bytes::new()));
    for class in Class::ALL {
        let mut calls: FuturesUnordered<_> = (0..10_000_u32)
            .map(|number| {
                let (peer, method) = (&peer, [ECHO, LATER][number as usize % 2]);
                async move {
                    let body = Bytes::copy_from_slice(&number.to_be_bytes());
                    let answer = peer
                        .call(class, method, number, body.clone(), PATIENCE)
                        .await;
                    (body, answer)
                }
            })
            .collect();
        let mut answered = 0;
        while let Some((body, answer)) = calls.next().await {
            match answer {
                Ok(answer) => {
                    assert_eq!(answer, body);
                    answered += 1;
                }
                Err(CallError::Overloaded) => assert_eq!(class, Class::Request),
                Err(error) => panic!("{error}"),
            }
        }
        let least = if class == Class::Request {
            8_000
        } else {
            10_000
        };
        assert!(answered >= least, "{answered} of {class:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_in_the_hands_of_a_handler_are_bounded() {
    let handler = Handler::new();
    let node = Node::new(handler.clone()).await;
    let peers = peers();
    let peer = peers.get(&node.addr.to_string());
    // Two connections would have a bound each; this is one.
    let mut calls: FuturesUnordered<_> = (0..CALLS_MAX + 100)
        .map(|_| peer.call(Class::Raft, STALL, 0, Bytes::new(), PATIENCE))
        .collect();
    let mut overloaded = 0;
    while overloaded < 100 {
        let answer = calls.next().await;
        assert_eq!(answer, Some(Err(CallError::Overloaded)));
        overloaded += 1;
    }
    tokio::select! {
        answer = calls.next() => panic!("{answer:?}"),
        () = handler.until_stalled(CALLS_MAX) => {}
    }
    // Nobody waits any more: the peer learns it and drops them.
    drop(calls);
    handler.until_stalled(0).await;
    assert_eq!(handler.stalled_max.load(Ordering::Relaxed), CALLS_MAX);
    let answer = peer.call(Class::Raft, ECHO, 0, Bytes::new(), PATIENCE);
    assert_eq!(answer.await, Ok(Bytes::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_times_out_is_cancelled_at_the_peer() {
    let handler = Handler::new();
    let node = Node::new(handler.clone()).await;
    let peer = peers().get(&node.addr.to_string());
    let short = Duration::from_millis(50);
    let first = peer.call(Class::Request, ECHO, 0, Bytes::new(), PATIENCE);
    assert_eq!(first.await, Ok(Bytes::new()));
    let answer = peer.call(Class::Request, STALL, 0, Bytes::new(), short);
    assert_eq!(answer.await, Err(CallError::TimedOut));
    handler.until_stalled(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_does_not_hold_up_raft() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    let large = Bytes::from(vec![5; BODY_BYTES_MAX]);
    let mut bulk: FuturesUnordered<_> = (0..24)
        .map(|_| peer.call(Class::Bulk, ECHO, 0, large.clone(), PATIENCE))
        .collect();
    // The last of them is far from done when the first has come back.
    let first = bulk.next().await.expect("a call");
    assert!(first.is_ok());
    let raft = async {
        for _ in 0..20 {
            let answer = peer.call(Class::Raft, ECHO, 0, Bytes::new(), PATIENCE);
            assert_eq!(answer.await, Ok(Bytes::new()));
        }
    };
    tokio::pin!(raft);
    loop {
        tokio::select! {
            biased;
            () = &mut raft => break,
            answer = bulk.next() => assert!(answer.is_some_and(|answer| answer.is_ok())),
        }
    }
    assert!(!bulk.is_empty(), "Raft's calls came last");
}

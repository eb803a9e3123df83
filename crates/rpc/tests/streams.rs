//! Streams over real sockets: order, windows, ends.

mod common;

use bytes::Bytes;
use common::*;
use futures::StreamExt as _;
use levada_rpc::limits::STREAM_WINDOW_UNITS;
use levada_rpc::{Class, Closed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_of_many_streams_arrive_in_order_under_load() {
    const STREAMS: u32 = 24;
    const ITEMS: u32 = 2_000;
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    let mut tasks = tokio::task::JoinSet::new();
    for stream in 0..STREAMS {
        let peer = peer.clone();
        tasks.spawn(async move {
            let opened = peer.open(Class::Raft, STREAM_ECHO, stream).await;
            let (sender, receiver) = opened.expect("opened");
            let send = async move {
                for number in 0..ITEMS {
                    // Small ones and, now and then, one of several units.
                    let size = if number % 100 == 0 { 70_000 } else { 8 };
                    let mut item = vec![0; size];
                    item[..4].copy_from_slice(&stream.to_be_bytes());
                    item[4..8].copy_from_slice(&number.to_be_bytes());
                    sender.send(Bytes::from(item)).await.expect("sent");
                }
            };
            let receive = async move {
                let items: Vec<Bytes> = receiver.collect().await;
                items
            };
            let ((), items) = tokio::join!(send, receive);
            assert_eq!(items.len(), ITEMS as usize);
            for (number, item) in (0_u32..).zip(items) {
                assert_eq!(item[..4], stream.to_be_bytes());
                assert_eq!(item[4..8], number.to_be_bytes());
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("in order");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_takes_nothing_holds_up_its_sender_and_nobody_else() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    let held = peer.open(Class::Bulk, STREAM_HELD, 0).await;
    let (held, _receiver) = held.expect("opened");
    for _ in 0..STREAM_WINDOW_UNITS {
        held.send(Bytes::from_static(b"x")).await.expect("sent");
    }
    let echo = peer.open(Class::Bulk, STREAM_ECHO, 0).await;
    let (sender, mut receiver) = echo.expect("opened");
    tokio::select! {
        biased;
        sent = held.send(Bytes::from_static(b"one too many")) => panic!("{sent:?}"),
        () = async {
            for number in 0..1_000_u32 {
                let item = Bytes::copy_from_slice(&number.to_be_bytes());
                sender.send(item.clone()).await.expect("sent");
                assert_eq!(receiver.next().await, Some(item));
            }
        } => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_items_pass_through_the_window() {
    let node = Node::new(Handler::new()).await;
    let peer = peers().get(&node.addr.to_string());
    let opened = peer.open(Class::Bulk, STREAM_ECHO, 0).await;
    let (sender, mut receiver) = opened.expect("opened");
    let send = async move {
        for number in 0..24_u8 {
            // Odd sizes leave part of the window held back at the receiver.
            let size = usize::from(number % 3) * 1_500_000 + 1;
            sender
                .send(Bytes::from(vec![number; size]))
                .await
                .expect("sent");
        }
    };
    let receive = async {
        for number in 0..24_u8 {
            let item = receiver.next().await.expect("an item");
            assert_eq!(item.len(), usize::from(number % 3) * 1_500_000 + 1);
            assert!(item.iter().all(|&byte| byte == number));
        }
        assert_eq!(receiver.next().await, None);
    };
    tokio::join!(send, receive);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_direction_is_closed_by_dropping_its_half() {
    let handler = Handler::new();
    let node = Node::new(handler.clone()).await;
    let peer = peers().get(&node.addr.to_string());

    // The peer drops its receiver: sending ends, what it sent still arrives, then its end.
    let opened = peer.open(Class::Request, STREAM_ONE, 0).await;
    let (sender, mut receiver) = opened.expect("opened");
    sender.send(Bytes::from_static(b"one")).await.expect("sent");
    assert_eq!(receiver.next().await, Some(Bytes::from_static(b"one")));
    assert_eq!(receiver.next().await, None);
    assert_eq!(sender.send(Bytes::new()).await, Err(Closed::Ended));
    assert!(sender.is_closed());
    until(handler.streams_ended.subscribe(), |ended| *ended == 1).await;

    // This side drops its receiver: the peer's sending ends.
    let opened = peer.open(Class::Request, STREAM_FLOOD, 0).await;
    let (_sender, mut receiver) = opened.expect("opened");
    for number in 0..10_000_u64 {
        let item = receiver.next().await;
        assert_eq!(item, Some(Bytes::copy_from_slice(&number.to_be_bytes())));
    }
    drop(receiver);
    until(handler.streams_ended.subscribe(), |ended| *ended == 2).await;

    // This side drops its sender: the peer sees the end.
    let opened = peer.open(Class::Request, STREAM_ECHO, 0).await;
    let (sender, mut receiver) = opened.expect("opened");
    drop(sender);
    assert_eq!(receiver.next().await, None);
    until(handler.streams_ended.subscribe(), |ended| *ended == 3).await;
}

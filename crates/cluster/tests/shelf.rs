//! The shelf on one node: things are put, changed on what was read, found in order and taken away, and no table of a user's.

use std::time::Duration;

use bytes::Bytes;
use levada_cluster::{Before, Node, NodeOptions, ShelfPut};
use levada_types::{AccountId, Region};

/// How long anything may take here: far longer than it does.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn things_are_kept_by_kind_and_name() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(NodeOptions {
        data_dir: dir.path().to_owned(),
        peers_listen: None,
        members: Vec::new(),
        peers_address: String::new(),
        http_address: "127.0.0.1:4566".into(),
        zone: String::new(),
        partitions: 2,
        on_demand_window: levada_cluster::ON_DEMAND_WINDOW_DEFAULT,
    });
    let node = node.await.expect("the node starts");
    let ready = tokio::time::timeout(PATIENCE, node.wait_ready());
    ready.await.expect("ready in time");
    let broker = node.broker();
    let get = async |kind: &str, name: &str| broker.shelf_get(kind, name).await.expect("a leader");
    let put = async |kind: &str, name: &str, value: &'static str, before: Before| {
        let value = Bytes::from_static(value.as_bytes());
        let put = broker.shelf_put(kind, name, value, &before).await;
        put.expect("a leader")
    };
    // Before there is a shelf.
    assert_eq!(get("k", "a").await, None);
    assert_eq!(broker.shelf_page("k", None, 9).await, Ok(Vec::new()));
    broker.shelf_remove("k", "a").await.expect("nothing to do");

    assert_eq!(put("k", "a", "1", Before::Nothing).await, ShelfPut::Done);
    assert_eq!(put("k", "a", "2", Before::Nothing).await, ShelfPut::Changed);
    let other = Before::Value(Bytes::from_static(b"0"));
    assert_eq!(put("k", "a", "2", other).await, ShelfPut::Changed);
    assert_eq!(get("k", "a").await, Some(Bytes::from_static(b"1")));
    let same = Before::Value(Bytes::from_static(b"1"));
    assert_eq!(put("k", "a", "2", same).await, ShelfPut::Done);
    assert_eq!(put("k", "c", "3", Before::Anything).await, ShelfPut::Done);
    assert_eq!(put("k", "b", "4", Before::Anything).await, ShelfPut::Done);
    assert_eq!(put("l", "a", "5", Before::Nothing).await, ShelfPut::Done);

    let page = broker.shelf_page("k", None, 2).await.expect("a leader");
    let names: Vec<&str> = page.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let page = broker.shelf_page("k", Some("b"), 2).await;
    let rest = vec![("c".to_owned(), Bytes::from_static(b"3"))];
    assert_eq!(page, Ok(rest));
    broker.shelf_remove("k", "a").await.expect("a leader");
    assert_eq!(get("k", "a").await, None);
    assert_eq!(get("l", "a").await, Some(Bytes::from_static(b"5")));

    // It is nobody's table.
    let region: Region = "shelf".parse().expect("a region");
    let found = broker
        .find_table(AccountId::DEFAULT, &region, ":shelf")
        .await;
    assert!(found.expect("a leader").is_none());
    assert!(
        broker
            .tables(AccountId::DEFAULT, &region, None, 9)
            .is_empty()
    );
    node.shutdown().await;
}

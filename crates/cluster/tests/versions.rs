//! What a node does with a command that only a newer version knows: it ends and says so, rather than skip what the other
//! replicas apply.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use levada_cluster::{Node, NodeOptions};
use levada_types::PartitionId;

/// Where the child process keeps its data.
const DIR: &str = "LEVADA_TEST_VERSIONS_DIR";
/// A proposal with one command of a kind that no version knows: field 4, and in it field 2,000 with an empty message.
const NEWER: [u8; 5] = [0x22, 0x03, 0x82, 0x7d, 0x00];

/// Not a test by itself: the process of the one below.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "ends its process"]
async fn a_node_that_meets_a_newer_command() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let _ = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .try_init();
    let is_new = !Path::new(&dir).exists();
    let options = NodeOptions {
        data_dir: dir.into(),
        peers_listen: None,
        members: Vec::new(),
        peers_address: String::new(),
        http_address: String::new(),
        partitions: 1,
        on_demand_window: levada_cluster::ON_DEMAND_WINDOW_DEFAULT,
        zone: String::new(),
    };
    let node = Node::start(options).await.expect("the node starts");
    if is_new {
        node.wait_ready().await;
        let group = node.replicas().group(PartitionId(1)).expect("a partition");
        let answer = group.propose(Bytes::from_static(&NEWER), false).await;
        assert!(answer.is_err(), "it was applied: {answer:?}");
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
}

#[test]
fn a_command_of_a_newer_version_ends_the_node_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let meet = || {
        let done = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "--ignored",
                "--nocapture",
                "a_node_that_meets_a_newer_command",
            ])
            .env(DIR, dir.path().join("data"))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success(), "it went on\n{said}");
        assert!(said.contains("the process ends"), "{said}");
        assert!(said.contains("a command of a newer version"), "{said}");
    };
    meet();
    // The entry is in the log: started again, the same version meets it again.
    meet();
}

//! Golden transcripts: `transcripts/*.txt` are scripts of commands and times with what comes back.
//!
//! A line that begins with two spaces is an answer, a line that begins with `#` a remark, any other a
//! command; `script.rs` explains the commands where it reads them. `UPDATE=1 cargo test -p levada-engine
//! --test transcripts` writes the answers anew: read the diff, it is the change in behaviour.

mod script;
#[expect(dead_code, reason = "properties.rs uses the rest")]
mod support;

use std::path::Path;

use script::Script;

fn check(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts")
        .join(name);
    let expected = std::fs::read_to_string(&path).expect("a transcript");
    let mut script = Script::new();
    let mut actual = String::new();
    for line in expected.lines().filter(|line| !line.starts_with("  ")) {
        actual += line;
        actual.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        for answer in script.run(line) {
            actual += &format!("  {answer}\n");
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, actual).expect("written");
        return;
    }
    let difference = expected
        .lines()
        .zip(actual.lines())
        .enumerate()
        .find(|(_, (e, a))| e != a);
    if let Some((number, (expected, actual))) = difference {
        panic!(
            "{name}:{}\n expected {expected:?}\n but got  {actual:?}",
            number + 1
        );
    }
    assert_eq!(expected.lines().count(), actual.lines().count(), "{name}");
}

macro_rules! transcripts {
    ($($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                check(concat!(stringify!($test), ".txt"));
            }
        )*

        #[test]
        fn every_transcript_is_checked() {
            let known = [$(concat!(stringify!($test), ".txt")),*];
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
            for file in std::fs::read_dir(folder).expect("the folder") {
                let name = file.expect("a file").file_name();
                assert!(known.iter().any(|known| name == *known), "{name:?} is not in the list");
            }
        }
    };
}

transcripts! {
    attempts
    catalog
    dead_letters
    deduplication
    delay
    fair_queues
    fifo_groups
    leases
    move_task
    purge
    retention
    shards
    stream_queues
    topics
    visibility
}

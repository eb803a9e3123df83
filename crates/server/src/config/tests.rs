//! What a configuration comes to, and what is said of a mistake.

use std::io::Write as _;

use super::*;

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let variable = |name: &str| {
        variables
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| (*v).to_owned())
    };
    Config::load(Some(file.path()), variable)
}

fn mistake(text: &str) -> String {
    match load(text, &[]).unwrap_err() {
        ConfigError::Mistake { error, .. } => error,
        ConfigError::Together(text) => text,
        other => panic!("{other}"),
    }
}

#[test]
fn without_a_configuration_a_node_is_alone() {
    let config = Config::load(None, |_| None).unwrap();
    assert_eq!(config.http_listen.to_string(), "127.0.0.1:4566");
    assert_eq!(config.data_dir, Path::new("./levada-data"));
    assert_eq!((config.peers, config.public_url), (None, None));
    assert_eq!(
        (config.account, config.region.as_str()),
        (AccountId::DEFAULT, "us-east-1")
    );
    assert_eq!((config.partitions, config.deleted_name_wait_secs), (24, 60));
}

#[test]
fn the_configurations_of_the_house_are_right() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cluster-configs/three-node");
    for n in 1..=3 {
        let config = Config::load(Some(&dir.join(format!("node-{n}.toml"))), |_| None).unwrap();
        let peers = config.peers.unwrap();
        assert_eq!(
            (peers.address.as_str(), peers.members.len()),
            (&*format!("127.0.0.1:710{n}"), 3)
        );
        assert_eq!(config.http_listen.port(), 4565 + n);
    }
}

#[test]
fn the_environment_comes_before_the_file() {
    let text = "data_dir = \"a\"\n[http]\nlisten = \"127.0.0.1:1\"";
    let members = "10.0.0.1:7100, 10.0.0.2:7100";
    let config = load(
        text,
        &[
            ("LEVADA_DATA_DIR", "/b"),
            ("LEVADA_HTTP_LISTEN", "0.0.0.0:80"),
            ("LEVADA_PEERS_LISTEN", "0.0.0.0:7100"),
            ("LEVADA_PEERS_MEMBERS", members),
            ("LEVADA_PEERS_ADDRESS", "10.0.0.2:7100"),
            ("LEVADA_PUBLIC_URL", "https://q.example/"),
            ("LEVADA_LOG", "debug"),
        ],
    )
    .unwrap();
    assert_eq!(
        (config.data_dir.to_str(), config.http_listen.port()),
        (Some("/b"), 80)
    );
    assert_eq!(config.peers.unwrap().address, "10.0.0.2:7100");
    assert_eq!(
        (config.public_url.as_deref(), config.log.filter.as_str()),
        (Some("https://q.example"), "debug")
    );
}

#[test]
fn tls_wants_both_files_or_makes_them() {
    let none = load("", &[]).unwrap();
    assert_eq!(none.tls, None);
    let made = load("data_dir = \"/d\"\n[http.tls]\nself_signed = true", &[]).unwrap();
    let tls = made.tls.unwrap();
    assert_eq!(tls.listen.to_string(), "127.0.0.1:4443");
    assert_eq!(tls.certificate.to_str(), Some("/d/tls/certificate.pem"));
    let named = load(
        "[http]\nlisten = \"10.0.0.1:80\"\n[http.tls]\ncertificate = \"c\"",
        &[("LEVADA_HTTP_TLS_KEY", "k")],
    );
    let tls = named.unwrap().tls.unwrap();
    assert_eq!(
        (
            tls.listen.to_string().as_str(),
            tls.key.to_str(),
            tls.self_signed
        ),
        ("10.0.0.1:4443", Some("k"), false)
    );
    for (text, words) in [
        ("[http.tls]\ncertificate = \"c\"", "http.tls.key is not"),
        ("[http.tls]\nkey = \"k\"", "http.tls.certificate is not"),
        (
            "[http.tls]\nlisten = \"127.0.0.1:1\"",
            "self_signed to have one made",
        ),
        (
            "[http.tls]\nlisten = \"127.0.0.1:4566\"\nself_signed = true",
            "want a port each",
        ),
        (
            "[http.tls]\nself_signed = true\nkey = \"k\"",
            "http.tls.certificate is not",
        ),
    ] {
        let said = load(text, &[]).unwrap_err().to_string();
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn a_mistaken_variable_is_named() {
    for (name, value) in [
        ("LEVADA_HTTP_LISTEN", "4566"),
        ("LEVADA_PEERS_LISTEN", "localhost"),
        ("LEVADA_PEERS_MEMBERS", "10.0.0.1:7100,,"),
        ("LEVADA_PUBLIC_URL", "queues"),
        ("LEVADA_HTTP_TLS_LISTEN", "4443"),
    ] {
        let text = load("", &[(name, value)]).unwrap_err().to_string();
        assert!(text.contains(name) && text.contains("such as"), "{text}");
    }
}

#[test]
fn a_mistake_is_told_with_its_line_and_what_was_expected() {
    for (text, line, words) in [
        (
            "\n[http]\nlisen = \"127.0.0.1:1\"",
            3,
            "unknown field `lisen`, expected `listen` or `tls`",
        ),
        ("data_dir = 5", 1, "expected path string"),
        (
            "[http]\n\nlisten = \"4566\"",
            3,
            "\"4566\" is not an IP address and a port such as 127.0.0.1:4566",
        ),
        ("account = \"12\"", 1, "\"12\" is not an account: 12 digits"),
        ("region = \"US\"", 1, "\"US\" is not a region"),
        (
            "public_url = \"https://a/b\"",
            1,
            "is not a URL without a path",
        ),
        ("partitions = 0", 1, "0 is not within 1 to 1024"),
        (
            "[sqs]\ndeleted_name_wait_secs = 61",
            2,
            "61 is not within 0 to 60",
        ),
        (
            "[log]\nformat = \"xml\"",
            2,
            "\"xml\" is not \"text\" or \"json\"",
        ),
        (
            "[peers]\nmembers = [\n  \"a\"]",
            2,
            "\"a\" is not a host and a port",
        ),
        ("[http\n", 1, "]"),
        ("[[queues]]\nname = \"a.b\"", 2, "is not a queue's name"),
        ("[[queues]]\nattributes = {}", 1, "missing field `name`"),
        (
            "[[queues]]\nname = \"a\"\nattributes = { DelaySeconds = 1.5 }",
            3,
            "the attribute DelaySeconds is not",
        ),
    ] {
        let told = mistake(text);
        assert!(
            told.contains(&format!("line {line},")) && told.contains(words),
            "{text}\n->\n{told}"
        );
    }
}

#[test]
fn peers_must_fit_together() {
    let members = "members = [\"a:1\", \"b:1\"]";
    assert!(mistake(&format!("[peers]\n{members}")).contains("peers.listen is not"));
    assert!(mistake("[peers]\nlisten = \"0.0.0.0:1\"").contains("peers.members is not"));
    let unknown = mistake(&format!("[peers]\nlisten = \"0.0.0.0:1\"\n{members}"));
    assert!(
        unknown.contains("which of peers.members (a:1, b:1) is this node?"),
        "{unknown}"
    );
    let twice = "[peers]\nlisten = \"0.0.0.0:1\"\nmembers = [\"a:1\", \"a:1\"]";
    assert!(mistake(twice).contains("names a:1 twice"));
}

#[test]
fn a_pod_finds_itself_by_its_name() {
    let text = "[peers]\nlisten = \"0.0.0.0:7100\"\nmembers = [\"levada-0.levada:7100\", \"levada-1.levada:7100\", \"levada-10.levada:7100\"]";
    let config = load(text, &[("HOSTNAME", "levada-1")]).unwrap();
    assert_eq!(config.peers.unwrap().address, "levada-1.levada:7100");
}

#[test]
fn a_node_that_is_not_among_the_members_asks_to_be_let_in() {
    let text = "[peers]\nlisten = \"0.0.0.0:7100\"\nmembers = [\"levada-0.levada:7100\"]";
    let variables = [
        ("LEVADA_PEERS_ADDRESS", "levada-3.levada:7100"),
        ("LEVADA_PEERS_REJOIN", "true"),
    ];
    let peers = load(text, &variables).unwrap().peers.unwrap();
    assert_eq!(peers.address, "levada-3.levada:7100");
    assert!(peers.rejoin && peers.members == ["levada-0.levada:7100"]);
    for (name, value) in [
        ("LEVADA_PEERS_REJOIN", "perhaps"),
        ("LEVADA_PEERS_ADDRESS", "levada-3"),
        ("LEVADA_PARTITIONS", "0"),
        ("LEVADA_PARTITIONS", "many"),
    ] {
        let error = load(text, &[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn queues_may_be_written_as_toml_has_them() {
    let text = r#"
        [[queues]]
        name = "orders.fifo"
        account = "000000000042"
        tags = { team = "a" }
        [queues.attributes]
        FifoQueue = true
        VisibilityTimeout = 45
        DelaySeconds = "1"
        RedrivePolicy = { deadLetterTargetArn = "arn:aws:sqs:us-east-1:000000000042:dead.fifo", maxReceiveCount = 3 }
    "#;
    let queue = load(text, &[]).unwrap().queues.remove(0);
    assert_eq!(
        (queue.name.as_str(), queue.tags["team"].as_str()),
        ("orders.fifo", "a")
    );
    assert_eq!(queue.account, AccountId::from_number(42));
    assert_eq!(
        (
            &*queue.attributes["FifoQueue"],
            &*queue.attributes["VisibilityTimeout"]
        ),
        ("true", "45")
    );
    let policy: serde_json::Value =
        serde_json::from_str(&queue.attributes["RedrivePolicy"]).unwrap();
    assert_eq!(policy["maxReceiveCount"], 3);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Some(Path::new("/nowhere/levada.toml")), |_| None).unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/levada.toml"),
        "{error}"
    );
}

#[test]
fn operators_come_from_this_machine_unless_it_says_otherwise() {
    assert_eq!(load("", &[]).unwrap().admin_callers, AdminCallers::Loopback);
    let all = load("[admin]\ncallers = \"all\"", &[]).unwrap();
    assert_eq!(all.admin_callers, AdminCallers::All);
    let before = load(
        "[admin]\ncallers = \"all\"",
        &[("LEVADA_ADMIN_CALLERS", "loopback")],
    );
    assert_eq!(before.unwrap().admin_callers, AdminCallers::Loopback);
    assert!(mistake("[admin]\ncallers = \"some\"").contains("\"loopback\" or \"all\""));
}

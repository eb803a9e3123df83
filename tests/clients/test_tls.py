"""TLS on the port for clients: verified by the clients as they are, agreed on as HTTP/2, renewed, and said in words
when its files are wrong."""

import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import time

import cbor2
import pytest
from botocore.exceptions import SSLError
from support.aws import receive_one, sqs_client
from support.kinesis import kinesis_client, wait_active
from support.nodes import Cluster, Node, NotReady, binary, free_ports

SHARD = "shardId-000000000000"


@pytest.fixture(scope="module")
def secured():
    """A node that also serves over TLS, by a certificate of its own."""
    with Cluster(1, tls=True) as cluster:
        yield cluster.nodes[0]


def test_a_client_that_verifies(secured, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secured.certificate))
    sqs = sqs_client(secured.https_endpoint)
    url = sqs.create_queue(QueueName="over-tls")["QueueUrl"]
    assert url == f"{secured.https_endpoint}/000000000000/over-tls"
    sqs.send_message(QueueUrl=url, MessageBody="sealed")
    assert receive_one(sqs, url)["Body"] == "sealed"
    # The other port is as it was, and says so.
    plain = sqs_client(secured.endpoint).get_queue_url(QueueName="over-tls")["QueueUrl"]
    assert plain == f"{secured.endpoint}/000000000000/over-tls"


def test_a_client_that_does_not_trust_it_refuses(secured, monkeypatch):
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        sqs_client(secured.https_endpoint).list_queues()
    assert "levada_tls_handshakes_failed_total" in secured.text("/metrics")


def _consumer(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=1)
    arn = wait_active(kinesis, name)["StreamARN"]
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="c")["Consumer"]["ConsumerARN"]
    deadline = time.monotonic() + 15
    while kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kinesis.put_record(StreamName=name, Data=b"pushed", PartitionKey="k")
    return consumer


def test_boto3_subscribes_to_a_shard(secured, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secured.certificate))
    kinesis = kinesis_client(secured.https_endpoint)
    consumer = _consumer(kinesis, "by-boto3")
    start = {"Type": "TRIM_HORIZON"}
    events = kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId=SHARD, StartingPosition=start)["EventStream"]
    for event in events:
        if records := event["SubscribeToShardEvent"]["Records"]:
            assert [r["Data"] for r in records] == [b"pushed"]
            break
    events.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_http2_is_agreed_on_for_a_subscription(secured):
    consumer = _consumer(kinesis_client(secured.endpoint), "by-h2")
    request = {"ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"}}
    done = subprocess.run(
        ["curl", "-sN", "-m", "3", "--http2", "--cacert", str(secured.certificate)]
        + ["-w", "\n%{http_version} %{http_code} %{content_type}"]
        + ["-H", "X-Amz-Target: Kinesis_20131202.SubscribeToShard", "-H", "Content-Type: application/x-amz-cbor-1.1"]
        + ["--data-binary", "@-", secured.https_endpoint],
        input=cbor2.dumps(request),
        capture_output=True,
        check=False,
    )
    frames, _, said = done.stdout.rpartition(b"\n")
    assert said.decode() == "2 200 application/vnd.amazon.eventstream", done
    assert 0 < frames.index(b"initial-response") < frames.index(b"SubscribeToShardEvent") < frames.index(b"pushed")


def test_clients_that_say_nothing_hold_up_nobody(secured, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secured.certificate))
    silent = [socket.create_connection(("127.0.0.1", secured.tls_port)) for _ in range(400)]
    try:
        begun = time.monotonic()
        sqs_client(secured.https_endpoint).list_queues()
        assert time.monotonic() - begun < 5
        # And they are let go: a handshake has its time.
        for one in silent:
            one.settimeout(20)
            assert one.recv(1) == b""
    finally:
        for one in silent:
            one.close()


def _pair(directory, name, days="30"):
    """A certificate and its key, of openssl's making."""
    paths = directory / f"{name}.pem", directory / f"{name}-key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days]
        + ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        + ["-out", str(paths[0]), "-keyout", str(paths[1])],
        check=True,
        capture_output=True,
    )
    return paths


def _configured(directory, certificate, key):
    ports = free_ports(2)
    tls = f'\n[http.tls]\nlisten = "127.0.0.1:{ports[1]}"\ncertificate = "{certificate}"\nkey = "{key}"\n'
    node = Node(directory, ports[0], extra_config=tls)
    node.tls_port, node.https_endpoint = ports[1], f"https://127.0.0.1:{ports[1]}"
    return node


def _shown(node):
    return ssl.get_server_certificate(("127.0.0.1", node.tls_port))


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@needs_openssl
def test_a_certificate_is_renewed_without_a_restart(tmp_path):
    old, new = _pair(tmp_path, "old"), _pair(tmp_path, "new")
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    shutil.copy(old[0], certificate), shutil.copy(old[1], key)
    node = _configured(tmp_path / "n", certificate, key).start()
    try:
        assert _shown(node) == old[0].read_text()
        # Half of a change is no change.
        shutil.copy(new[0], certificate)
        node.signal(signal.SIGHUP)
        _await(lambda: "the old certificate stays" in node.log_text())
        assert _shown(node) == old[0].read_text()
        shutil.copy(new[1], key)
        node.signal(signal.SIGHUP)
        _await(lambda: _shown(node) == new[0].read_text())
        assert node.alive()
    finally:
        assert node.stop()


def _await(what, timeout_s=20):
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@needs_openssl
def test_files_that_cannot_be_used_are_said_in_words(tmp_path):
    (certificate, key), (other, _) = _pair(tmp_path, "one"), _pair(tmp_path, "other", days="5")
    for n, (files, words) in enumerate(
        [
            ((tmp_path / "missing.pem", key), "cannot read"),
            ((key, key), "holds no certificate in PEM form"),
            ((certificate, certificate), "holds no private key in PEM form"),
            ((other, key), "is not that of the certificate"),
        ]
    ):
        node = _configured(tmp_path / f"n{n}", *files)
        with pytest.raises(NotReady, match=words):
            node.start()
        assert node.process.returncode == 1
        assert words in _doctor(node, 1)
    assert "and its key fit" in _doctor(_configured(tmp_path / "good", certificate, key), 0)
    own_key = tmp_path / "other-key.pem"
    assert "good for less than 14 days" in _doctor(_configured(tmp_path / "soon", other, own_key), 3)
    own_key.chmod(0o644)
    assert "can read the private key" in _doctor(_configured(tmp_path / "open", other, own_key), 3)


def _doctor(node, code):
    # A data directory is looked into as well: one of its own, that is nobody's yet.
    node.data_dir.mkdir(exist_ok=True)
    command = [str(binary()), "doctor", "--config", str(node.directory / "node.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout
    return done.stdout


def test_a_laptop_has_tls_by_one_option(tmp_path):
    http, tls = free_ports(2)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LEVADA_")}
    process = subprocess.Popen(
        [str(binary()), "serve", "--tls-self-signed", "--tls-listen", f"127.0.0.1:{tls}"],
        cwd=tmp_path,
        env=environment | {"LEVADA_HTTP_LISTEN": f"127.0.0.1:{http}"},
        stderr=subprocess.DEVNULL,
    )
    certificate = tmp_path / "levada-data" / "tls" / "certificate.pem"
    try:
        # Written before the port is open, and whole: it is trusted by nothing else.
        _await(lambda: certificate.exists() and process.poll() is None and _answers(http))
        trusted = ssl.create_default_context(cafile=certificate)
        with socket.create_connection(("127.0.0.1", tls)) as plain:
            with trusted.wrap_socket(plain, server_hostname="localhost") as sealed:
                assert sealed.version() == "TLSv1.3"
    finally:
        process.terminate()
        process.wait(20)


def _answers(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_one_stranger_does_not_keep_others_out(secured):
    """He begins as many handshakes as there may be, and says nothing."""
    under_way_max = 2_048
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    at = ("127.0.0.1", secured.tls_port)
    context = ssl.create_default_context(cafile=secured.certificate)
    silent = []
    try:
        for _ in range(under_way_max):
            silent.append(socket.create_connection(at, timeout=10))
        with socket.create_connection(at, timeout=10, source_address=("127.0.0.2", 0)) as other:
            with context.wrap_socket(other, server_hostname="localhost") as tls:
                tls.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert tls.recv(1024).startswith(b"HTTP/1.1 200")
    finally:
        for sock in silent:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

"""Clients that mean harm, or are merely broken: the broker stays up, stays small, and loses nothing.

These tests run against a node of their own, because they measure its memory.
"""

import json
import resource
import select
import socket
import time

import pytest
from support.aws import receive_one, sqs_client
from support.nodes import Cluster
from support.raw import exchange, open_socket, read_answer, request
from support.sqs import Client

MIB = 1_048_576
# What a node may grow by under any of this. A body of 100 MiB must never be held, whoever sends it.
GROWTH_BYTES_MAX = 256 * MIB


@pytest.fixture(scope="module")
def victim():
    with Cluster(1) as cluster:
        yield cluster.nodes[0]


@pytest.fixture
def unharmed(victim):
    """Around each test: an acknowledged message, a bound on memory, and a node that answers quickly."""
    sqs = sqs_client(victim.endpoint)
    url = sqs.create_queue(QueueName="unharmed")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="witness")
    before = victim.resident_bytes()
    yield victim
    assert victim.alive(), victim.log_tail()
    grown = victim.resident_bytes() - before
    assert grown < GROWTH_BYTES_MAX, f"grew by {grown / MIB:.0f} MiB"
    begun = time.monotonic()
    got = receive_one(sqs, url)
    assert got["Body"] == "witness"
    assert time.monotonic() - begun < 1
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    assert "panicked" not in victim.log_text()


def _head(length, target="AmazonSQS.SendMessage"):
    return (
        f"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: {target}\r\n"
        f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.parametrize("kind", ["application/x-amz-json-1.0", "application/x-www-form-urlencoded"])
def test_a_hundred_mebibytes_are_refused(unharmed, kind):
    body = b'{"MessageBody":"' + b"x" * (100 * MIB)
    headers = {"Host": "x", "Content-Type": kind}
    if "json" in kind:
        headers["X-Amz-Target"] = "AmazonSQS.SendMessage"
    answer = exchange(unharmed.endpoint, request("POST", "/", headers, body), timeout_s=60)
    # The refusal may overtake the body, and then the connection ends before it can be read.
    assert answer is None or answer.status in (400, 413), answer


def test_a_hundred_mebibytes_in_chunks_are_refused(unharmed):
    with open_socket(unharmed.endpoint, timeout_s=60) as sock:
        sock.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.SendMessage\r\n"
            b"Content-Type: application/x-amz-json-1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        try:
            for _ in range(100):
                sock.sendall(b"100000\r\n" + b"x" * MIB + b"\r\n")
            sock.sendall(b"0\r\n\r\n")
            answer = read_answer(sock)
        except OSError:
            answer = None
    assert answer is None or answer.status in (400, 413), answer


def test_a_length_that_is_never_sent_is_not_reserved(unharmed):
    socks = []
    for length in [100 * MIB, 2**40, 2**63 - 1, 2**64, 10**30] * 20:
        sock = open_socket(unharmed.endpoint)
        sock.sendall(_head(length))
        socks.append(sock)
    time.sleep(0.5)
    for sock in socks:
        sock.close()


def test_header_bombs_are_refused(unharmed):
    for raw in (
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Bomb: " + b"x" * (8 * MIB) + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(50_000)) + b"\r\n",
        b"GET /" + b"a" * (8 * MIB) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    ):
        try:
            answer = exchange(unharmed.endpoint, raw, timeout_s=30)
        except OSError:
            continue
        assert answer is None or 400 <= answer.status < 500, answer


def test_many_slow_senders_do_not_hold_up_the_others(unharmed):
    body = json.dumps({"QueueName": "slow"}).encode()
    raw = _head(len(body), "AmazonSQS.CreateQueue") + body
    slow = [open_socket(unharmed.endpoint) for _ in range(500)]
    client = Client(unharmed.endpoint)
    latencies = []
    for i in range(20):
        for sock in slow:
            try:
                sock.sendall(raw[i : i + 1])
            except OSError:
                pass
        begun = time.monotonic()
        client.call("ListQueues")
        latencies.append(time.monotonic() - begun)
    for sock in slow:
        sock.close()
    assert sorted(latencies)[len(latencies) // 2] < 0.25, latencies


def test_ten_thousand_idle_connections(unharmed):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = min(10_000, hard - 500)
    address = ("127.0.0.1", unharmed.http_port)
    idle, refused = [], 0
    try:
        for _ in range(wanted):
            sock = socket.socket()
            sock.settimeout(5)
            try:
                sock.connect(address)
                idle.append(sock)
            except OSError:
                sock.close()
                refused += 1
        print(f"{len(idle)} idle connections, {refused} refused")
        client = Client(unharmed.endpoint)
        begun = time.monotonic()
        client.call("ListQueues")
        assert time.monotonic() - begun < 2
        client.close()
        # A bound on connections is allowed; a caller beyond it must be turned away, and not left to hang.
        assert len(idle) + refused == wanted
    finally:
        for sock in idle:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    Client(unharmed.endpoint).call("ListQueues")


def test_pipelined_requests_are_answered_in_order(unharmed):
    raw = b"".join(
        _head(len(b), "AmazonSQS.CreateQueue") + b
        for b in (json.dumps({"QueueName": f"pipe-{i}"}).encode() for i in range(50))
    )
    with open_socket(unharmed.endpoint) as sock:
        sock.sendall(raw)
        data = b""
        while data.count(b"HTTP/1.1 200") < 50 and select.select([sock], [], [], 10)[0]:
            more = sock.recv(65536)
            if not more:
                break
            data += more
    order = [i for _, i in sorted((data.find(f"/pipe-{i}\"".encode()), i) for i in range(50))]
    assert order == list(range(50))


def test_senders_that_hang_up_before_the_answer(unharmed):
    body = json.dumps({"QueueName": "hang-up"}).encode()
    for _ in range(500):
        with open_socket(unharmed.endpoint) as sock:
            sock.sendall(_head(len(body), "AmazonSQS.CreateQueue") + body)


def test_readers_that_never_read(unharmed):
    """Large answers to a peer whose window is full stay bounded."""
    sqs = sqs_client(unharmed.endpoint)
    url = sqs.create_queue(QueueName="never-read", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x" * MIB)
    body = json.dumps({"QueueUrl": url}).encode()
    raw = _head(len(body), "AmazonSQS.ReceiveMessage") + body
    socks = []
    for _ in range(100):
        sock = open_socket(unharmed.endpoint)
        sock.sendall(raw * 5)
        socks.append(sock)
    time.sleep(1)
    grown = unharmed.resident_bytes()
    for sock in socks:
        sock.close()
    sqs.delete_queue(QueueUrl=url)
    assert grown < 1024 * MIB

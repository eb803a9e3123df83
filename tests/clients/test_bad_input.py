"""Every field of every action with the wrong type or far out of bounds, from the published model.

The model says what each action takes, so a new action is covered on the day that botocore knows it. Nothing
here may be answered with a fault of the broker's own (5xx), and the broker must stay as it was.
"""

import gzip
import json
import os
import random

import botocore
import pytest
from support.aws import attributes
from support.raw import exchange, json_call, open_socket, query_call, read_answer, request

MODEL = json.load(
    gzip.open(os.path.join(os.path.dirname(botocore.__file__), "data/sqs/2012-11-05/service-2.json.gz"))
)
SHAPES = MODEL["shapes"]
ACTIONS = sorted(MODEL["operations"])
# What a refusal may be called. InternalFailure is not among them.
MIB = 1_048_576
WRONG = {
    "string": [17, 1.5, True, [], {}, ["x"], {"a": "b"}],
    "integer": ["x", "", 1.5, 1e99, 2**31, 2**63, 2**64, -(2**63), True, [], {}],
    "boolean": ["maybe", 17, []],
    "list": ["x", 17, {"a": "b"}, [17], [[]], [None], [{}]],
    "map": ["x", 17, [], [["a", "b"]], {"a": 17}, {"a": []}, {"a": None}],
    "structure": ["x", 17, []],
    "blob": [17, [], "not base64 !"],
    "long": ["x", 1.5, 2**64, []],
}


def members(action):
    """(name, type) of what an action takes."""
    shape = MODEL["operations"][action].get("input", {}).get("shape")
    return [(n, SHAPES[m["shape"]]["type"]) for n, m in SHAPES[shape]["members"].items()] if shape else []


@pytest.fixture
def valid(queue):
    """Input that each action would take, so that one wrong field is the only thing wrong."""
    arn = "arn:aws:sqs:us-east-1:000000000000:none"
    entry = {"Id": "a", "MessageBody": "x", "ReceiptHandle": "x"}
    every = {
        "QueueUrl": queue,
        "QueueName": "bad-input-q",
        "MessageBody": "x",
        "ReceiptHandle": "x",
        "VisibilityTimeout": 1,
        "Entries": [entry],
        "Label": "l",
        "AWSAccountIds": ["111111111111"],
        "Actions": ["SendMessage"],
        "Attributes": {},
        "Tags": {"a": "b"},
        "TagKeys": ["a"],
        "SourceArn": arn,
        "TaskHandle": "x",
    }
    return lambda action: {n: every[n] for n, _ in members(action) if n in every}


def check(answer, what):
    assert answer is not None, f"no answer to {what}"
    assert answer.status in (200, 400, 403, 404), f"{what}: {answer}"
    if answer.status != 200:
        document = answer.json()
        assert "#" in document["__type"] and answer.headers.get("x-amzn-requestid"), f"{what}: {answer}"


@pytest.mark.parametrize("action", ACTIONS)
def test_wrong_types_are_refused(endpoint, valid, action):
    base = valid(action)
    with open_socket(endpoint) as sock:
        for name, kind in members(action):
            for wrong in WRONG[kind]:
                if action in ("DeleteQueue", "CreateQueue", "PurgeQueue") and wrong in ("", "x"):
                    continue
                answer = _on(sock, endpoint, action, {**base, name: wrong})
                what = f"{action} {name}={wrong!r}"
                check(answer, what)
                clear = kind in ("string", "integer") and isinstance(wrong, (list, dict))
                if clear:
                    assert answer.status == 400, f"{what} was taken: {answer}"
                    assert answer.type == "SerializationException", f"{what}: {answer}"


def _on(sock, endpoint, action, body):
    """A call on a connection that is kept: one that is dropped by a refusal would be a bug of its own."""
    headers = {
        "Host": endpoint.removeprefix("http://"),
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"AmazonSQS.{action}",
        "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request,"
        " SignedHeaders=host, Signature=" + "0" * 64,
    }
    sock.sendall(request("POST", "/", headers, json.dumps(body).encode()))
    return read_answer(sock)


@pytest.mark.parametrize("action", ACTIONS)
def test_missing_fields_are_refused(endpoint, valid, action):
    base = valid(action)
    required = SHAPES[MODEL["operations"][action]["input"]["shape"]].get("required", [])
    for name in required:
        body = {n: v for n, v in base.items() if n != name}
        for document in (body, {**body, name: None}):
            answer = json_call(endpoint, action, document)
            check(answer, f"{action} without {name}")
            assert answer.status != 200, f"{action} without {name} was taken"


@pytest.mark.parametrize("action", ACTIONS)
def test_monstrous_values_are_refused(endpoint, valid, action):
    base = valid(action)
    monsters = {
        "string": ["x" * 100_000, "\x00", "\ud800", "../../etc/passwd", "%00", "'; DROP TABLE", "🚰" * 1000],
        "integer": [-1, 2**31 - 1],
        "list": [["x"] * 10_000, [{"Id": "a"}] * 5000],
        "map": [{f"k{i}": "v" for i in range(5000)}, {"x" * 100_000: "y"}],
    }
    for name, kind in members(action):
        for monster in monsters.get(kind, []):
            if (action, name) == ("SendMessage", "MessageBody"):
                continue
            answer = json_call(endpoint, action, {**base, name: monster})
            check(answer, f"{action} {name}={str(monster)[:40]!r}")


@pytest.fixture
def witness(sqs, queue):
    """An acknowledged message that must still be there afterwards, and alone."""
    sqs.send_message(QueueUrl=queue, MessageBody="witness")
    yield
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    assert sum(int(n) for n in attributes(sqs, queue, *names).values()) == 1


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/json", "application/x-amz-json-1.1", "x/" * 4000])
def test_content_types(endpoint, content_type):
    answer = json_call(endpoint, "ListQueues", "{}", content_type=content_type)
    assert answer is None or answer.status < 500, answer


def test_json_cut_off_at_every_byte(endpoint, queue, witness):
    body = json.dumps({"QueueUrl": queue, "MessageBody": "x", "DelaySeconds": 1}).encode()
    with open_socket(endpoint) as sock:
        for end in range(len(body)):
            headers = {
                "Host": "x",
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": "AmazonSQS.SendMessage",
            }
            sock.sendall(request("POST", "/", headers, body[:end]))
            answer = read_answer(sock)
            assert answer and answer.status in (400, 403), f"{body[:end]!r}: {answer}"


def test_a_body_shorter_than_it_says(endpoint, queue, witness):
    body = json.dumps({"QueueUrl": queue, "MessageBody": "must not be sent"}).encode()
    whole = request("POST", "/", {"Host": "x", "X-Amz-Target": "AmazonSQS.SendMessage"}, body)
    for missing in (1, len(body) // 2, len(body)):
        with open_socket(endpoint) as sock:
            sock.sendall(whole[:-missing])


def test_garbage_instead_of_http(endpoint, witness):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    source = random.Random(seed)
    for i in range(300):
        raw = source.randbytes(source.randrange(1, 2000))
        if i % 3 == 0:
            raw = b"POST / HTTP/1.1\r\nHost: x\r\n" + raw
        with open_socket(endpoint, timeout_s=5) as sock:
            try:
                sock.sendall(raw)
                sock.shutdown(1)
                answer = read_answer(sock)
            except (OSError, ValueError, IndexError):
                continue
            assert answer is None or answer.status < 500 or answer.status == 505, answer


def test_mutated_requests(endpoint, queue, witness):
    """Good requests with a few bytes changed, in both protocols."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    source = random.Random(seed)
    good = [
        (
            "application/x-amz-json-1.0",
            json.dumps(
                {
                    "QueueUrl": queue,
                    "MaxNumberOfMessages": 1,
                    "VisibilityTimeout": 0,
                    "MessageAttributeNames": ["All"],
                    "WaitTimeSeconds": 0,
                }
            ),
        ),
        (
            "application/x-www-form-urlencoded",
            f"Action=ReceiveMessage&Version=2012-11-05&VisibilityTimeout=0&QueueUrl={queue}&AttributeName.1=All",
        ),
    ]
    with open_socket(endpoint) as sock:
        for i in range(600):
            kind, text = good[i % 2]
            body = bytearray(text.encode())
            for _ in range(source.randrange(1, 6)):
                body[source.randrange(len(body))] = source.randrange(256)
            headers = {"Host": "x", "Content-Type": kind}
            if "json" in kind:
                headers["X-Amz-Target"] = "AmazonSQS.ReceiveMessage"
            sock.sendall(request("POST", "/", headers, bytes(body)))
            answer = read_answer(sock)
            assert answer is not None and answer.status < 500, (bytes(body), answer)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "CONNECT", "BREW"])
def test_other_methods(endpoint, method):
    answer = exchange(endpoint, request(method, "/", {"Host": "x", "Connection": "close"}))
    assert answer is None or answer.status < 500 or answer.status == 501, answer


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic dXNlcjpwYXNz",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=",
        "AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=, Signature=",
        "AWS4-HMAC-SHA256 Credential=a/20260101/" + "r" * 5000 + "/sqs/aws4_request, SignedHeaders=h, Signature=0",
        "AWS4-HMAC-SHA256 " + "," * 5000,
        "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=h, Signature=0",
    ],
    ids=range(8),
)
def test_strange_authorization(endpoint, authorization):
    headers = {
        "Host": "x",
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS.ListQueues",
        "Authorization": authorization,
    }
    answer = exchange(endpoint, request("POST", "/", headers, b"{}"))
    assert answer is not None and answer.status in (200, 400, 403, 431), answer


def test_query_values_that_are_monstrous(endpoint, queue):
    for name in ("QueueName", "QueueUrl", "MessageBody", "ReceiptHandle", "Label", "NextToken", "TaskHandle"):
        for action in ACTIONS:
            answer = query_call(endpoint, {"Action": action, name: "x" * 20_000})
            assert answer is not None and answer.status in (200, 400, 403, 404), (action, name, answer)

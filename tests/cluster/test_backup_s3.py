"""A backup in a bucket: streamed there, recognizable while it is not whole, and restored from there."""

import json
import subprocess
import threading
import uuid

import pytest
from moto.core.authorization import enable_iam_authentication
from support.nodes import Cluster, Node, binary, free_ports
from support.operate import levada, refused
from support.sqs import Client
from support.store import BUCKET, SECRET, Store, is_part

# One FIFO queue is in one partition: more than two parts of an upload, each of 32 MiB.
MESSAGES, BODY_BYTES = 80, 1_000_000
PART_BYTES = 32 << 20
WAIT_S = 120


@pytest.fixture(scope="module")
def node():
    """A single node with a FIFO queue of long messages."""
    with Cluster(1) as cluster:
        fill(cluster.nodes[0])
        yield cluster.nodes[0]


@pytest.fixture
def store():
    """A store with an empty bucket."""
    with Store() as store:
        yield store


@pytest.fixture
def place():
    """A prefix for one test."""
    return f"s3://{BUCKET}/levada/{uuid.uuid4().hex[:8]}"


def fill(node):
    client = Client(node.endpoint, timeout_s=60)
    url = client.call("CreateQueue", QueueName="long.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for n in range(MESSAGES):
        client.call(
            "SendMessage", QueueUrl=url, MessageBody=f"{n} " + "x" * BODY_BYTES, MessageGroupId="g",
            MessageDeduplicationId=str(n),
        )
    client.close()


def drain(node):
    """The messages of the queue, in the order in which they came."""
    client = Client(node.endpoint, timeout_s=60)
    url = client.call("GetQueueUrl", QueueName="long.fifo")["QueueUrl"]
    seen = []
    while batch := client.call("ReceiveMessage", QueueUrl=url).get("Messages"):
        for message in batch:
            assert len(message["Body"]) > BODY_BYTES
            seen.append(int(message["Body"].split()[0]))
            client.call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    client.close()
    return seen


def back_up(node, store, place, **options):
    """Makes a backup; no key is ever said."""
    said = levada("backup", place, endpoint=node.endpoint, environment=store.environment, **options)
    assert SECRET not in said.stdout + said.stderr
    return said


def restore_is_refused(store, place, tmp_path):
    """Gives the reason. Nothing is left of it."""
    target = tmp_path / "refused" / "restored"
    target.parent.mkdir(exist_ok=True)
    reason = refused("restore", place, "--data", target, environment=store.environment)
    assert not list(target.parent.iterdir()), "it left something"
    assert SECRET not in reason
    return reason


def test_a_backup_goes_to_a_bucket_over_tls_and_comes_back(node, tmp_path, place):
    with Store(tmp_path) as store:
        prefix = place.removeprefix(f"s3://{BUCKET}/")
        parts = []
        store.door = lambda environ: parts.append(environ["QUERY_STRING"]) if is_part(environ) else None
        assert f"{place} is a whole backup" in back_up(node, store, place).stdout
        objects = store.objects(prefix)
        manifest = store.client().get_object(Bucket=BUCKET, Key=f"{prefix}/manifest.json")["Body"].read()
        files = {p["file"]: p["bytes"] for p in json.loads(manifest)["partitions"]}
        assert files | {"manifest.json": len(manifest)} == objects
        assert max(files.values()) > 2 * PART_BYTES and len(parts) == 3, parts
        assert not store.open_uploads()
        # What was put last?
        when = {o["Key"]: o["LastModified"] for o in store.client().list_objects_v2(Bucket=BUCKET)["Contents"]}
        assert when[f"{prefix}/manifest.json"] == max(when.values())

        assert "nothing is ever written over" in refused(
            "backup", "--to", place, endpoint=node.endpoint, environment=store.environment
        )
        occupied = refused("restore", place, "--data", node.data_dir, environment=store.environment)
        assert "is not empty" in occupied and "give a directory that does not exist" in occupied
        restored = Node(tmp_path / "restored", free_ports(1)[0])
        levada("restore", "--from", place, "--data", restored.data_dir, environment=store.environment)
        # Without the authority the store is a stranger.
        stranger = {k: v for k, v in store.environment.items() if k != "SSL_CERT_FILE"}
        assert "could not be asked" in refused("restore", place, "--data", tmp_path / "no", environment=stranger)
    try:
        restored.start()
        assert drain(restored) == list(range(MESSAGES))
    finally:
        restored.kill()


def test_a_backup_that_was_killed_is_none(node, store, place, tmp_path):
    arrived, go_on = threading.Event(), threading.Event()

    def hold(environ):
        if is_part(environ):
            arrived.set()
            go_on.wait(WAIT_S)

    store.door = hold
    command = [str(binary()), "backup", place, "--endpoint", node.endpoint]
    killed = subprocess.Popen(command, env=store.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert arrived.wait(WAIT_S)
    finally:
        killed.kill()
        killed.wait()
        go_on.set()
    assert "has no manifest.json, which is written when all else is there" in restore_is_refused(store, place, tmp_path)
    if store.objects(place.removeprefix(f"s3://{BUCKET}/")):
        reason = refused("backup", place, endpoint=node.endpoint, environment=store.environment)
        assert "a backup that was cut off" in reason, reason


def test_a_store_that_fails_for_a_moment_is_asked_again(node, store, place, tmp_path):
    failed = []

    def stumble(environ):
        if is_part(environ) and len(failed) < 2:
            failed.append(environ["QUERY_STRING"])
            return "503 Slow Down"
        return None

    store.door = stumble
    back_up(node, store, place)
    assert len(failed) == 2
    levada("restore", place, "--data", tmp_path / "restored", environment=store.environment)


def test_a_store_that_refuses_a_part_keeps_none(node, store, place, tmp_path):
    store.door = lambda environ: "403 Forbidden" if "partNumber=2" in environ["QUERY_STRING"] else None
    said = back_up(node, store, place, check=False)
    assert said.returncode == 1 and "403" in said.stderr, said.stderr
    assert not store.open_uploads()
    assert "has no manifest.json" in restore_is_refused(store, place, tmp_path)


def test_what_is_not_whole_any_more_is_recognized(node, store, place, tmp_path):
    back_up(node, store, place)
    prefix, bucket = place.removeprefix(f"s3://{BUCKET}/"), store.client()
    objects = store.objects(prefix)
    largest = max(objects, key=objects.get)
    key = f"{prefix}/{largest}"
    whole = bucket.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    bucket.put_object(Bucket=BUCKET, Key=key, Body=whole[:-100])
    assert "it is cut off" in restore_is_refused(store, place, tmp_path)
    bucket.put_object(Bucket=BUCKET, Key=key, Body=whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    assert "a checksum does not fit" in restore_is_refused(store, place, tmp_path)
    bucket.delete_object(Bucket=BUCKET, Key=key)
    assert f"{largest} is not a whole backup" in restore_is_refused(store, place, tmp_path)


def test_mistakes_are_told_and_no_key_is(node, store, place, tmp_path):
    def told(words, environment, place=place):
        for command in (("backup", place, "--endpoint", node.endpoint), ("restore", place, "--data", tmp_path / "no")):
            reason = refused(*command, environment=store.environment | environment)
            assert words in reason and SECRET not in reason, reason
            assert not (tmp_path / "no").exists()

    told("there is no bucket elsewhere", {}, "s3://elsewhere/one")
    told("names no bucket", {}, "s3:///one")
    told("AWS_SECRET_ACCESS_KEY is not set", {"AWS_SECRET_ACCESS_KEY": ""})
    told("could not be asked", {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{free_ports(1)[0]}"})


def test_keys_need_the_permissions_that_are_named_and_no_others(node, store, place, tmp_path):
    iam = store.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="operator", AssumeRolePolicyDocument=json.dumps(statement(trust)))["Role"]
    made = store.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
    key, secret, token = made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]

    def as_role(*actions):
        """The environment of who may do these."""
        allow = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        iam.put_role_policy(RoleName="operator", PolicyName="backups", PolicyDocument=json.dumps(statement(allow)))
        return store.keys(key, secret, token)

    def told(words, environment, *command):
        with enable_iam_authentication():
            reason = refused(*command, environment=environment)
        assert words in reason, reason
        assert secret not in reason and token not in reason

    backup = ("backup", place, "--endpoint", node.endpoint)
    told("does not take these keys (InvalidAccessKeyId)", store.keys("AKIAUNKNOWN", secret), *backup)
    told("does not take these keys (SignatureDoesNotMatch)", store.keys(key, "wrong", token), *backup)
    told("does not take these keys (InvalidToken)", store.keys(key, secret, "wrong"), *backup)
    told("may not do that", as_role("s3:GetObject"), *backup)

    writer = as_role("s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload")
    with enable_iam_authentication():
        levada(*backup, environment=writer)
    restore = ("restore", place, "--data", tmp_path / "restored")
    told("may not do that", writer, *restore)
    reader = as_role("s3:ListBucket", "s3:GetObject")
    with enable_iam_authentication():
        levada(*restore, environment=reader)
    told("may not do that", reader, "backup", f"{place}-other", "--endpoint", node.endpoint)


def statement(*statements):
    """A policy."""
    return {"Version": "2012-10-17", "Statement": statements}

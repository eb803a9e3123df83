"""Accounts, regions and hosts: each is a namespace, and a URL is one that the caller can use."""

import http.client
import json
import uuid

import pytest
from support.aws import arn_of, receive_none, receive_one, refused, sqs_client
from support.sqs import sign


def test_a_key_of_twelve_digits_is_its_account(endpoint):
    one, other = (sqs_client(endpoint, access_key=a) for a in ("111111111111", "222222222222"))
    name = f"q-{uuid.uuid4().hex}"
    url = one.create_queue(QueueName=name)["QueueUrl"]
    assert url.endswith(f"/111111111111/{name}")
    assert arn_of(one, url) == f"arn:aws:sqs:us-east-1:111111111111:{name}"
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        other.get_queue_url(QueueName=name)
    mine = other.create_queue(QueueName=name)["QueueUrl"]
    one.send_message(QueueUrl=url, MessageBody="for one")
    receive_none(other, mine)
    assert receive_one(one, url)["Body"] == "for one"
    assert url not in other.list_queues(QueueNamePrefix=name)["QueueUrls"]


def test_any_other_key_is_account_zero(endpoint):
    name = f"q-{uuid.uuid4().hex}"
    url = sqs_client(endpoint, access_key="AKIAIOSFODNN7EXAMPLE").create_queue(QueueName=name)["QueueUrl"]
    assert url.endswith(f"/000000000000/{name}")
    assert sqs_client(endpoint, access_key="other").get_queue_url(QueueName=name)["QueueUrl"] == url


def test_regions_are_apart(endpoint):
    here, there = (sqs_client(endpoint, region=r) for r in ("us-east-1", "eu-central-1"))
    name = f"q-{uuid.uuid4().hex}"
    here.create_queue(QueueName=name)
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        there.get_queue_url(QueueName=name)
    url = there.create_queue(QueueName=name)["QueueUrl"]
    assert arn_of(there, url) == f"arn:aws:sqs:eu-central-1:000000000000:{name}"
    there.send_message(QueueUrl=url, MessageBody="there")
    receive_none(here, here.get_queue_url(QueueName=name)["QueueUrl"])
    assert receive_one(there, url)["Body"] == "there"


def test_the_owner_of_a_queue_can_be_named(endpoint):
    one = sqs_client(endpoint, access_key="111111111111")
    name = f"q-{uuid.uuid4().hex}"
    url = one.create_queue(QueueName=name)["QueueUrl"]
    assert one.get_queue_url(QueueName=name, QueueOwnerAWSAccountId="111111111111")["QueueUrl"] == url
    with refused("AWS.SimpleQueueService.NonExistentQueue"):
        one.get_queue_url(QueueName=name, QueueOwnerAWSAccountId="333333333333")


@pytest.mark.parametrize("host", ["queues.example.org", "queues.example.org:8080", "LOCALHOST", "[::1]:4566"])
def test_a_queue_url_carries_the_callers_host(endpoint, host):
    name = f"q-{uuid.uuid4().hex}"
    body = json.dumps({"QueueName": name}).encode()
    headers = {"Host": host, "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.CreateQueue"}
    sign("POST", "/", "", headers, body)
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=10)
    connection.request("POST", "/", body, headers)
    url = json.loads(connection.getresponse().read())["QueueUrl"]
    connection.close()
    assert url.lower() == f"http://{host}/000000000000/{name}".lower()


def test_a_queue_is_known_by_whatever_host_its_url_has(sqs, queue):
    path = queue.split("/", 3)[3]
    sqs.send_message(QueueUrl=f"http://some.other.host/{path}", MessageBody="x")
    sqs.send_message(QueueUrl=f"https://sqs.us-east-1.amazonaws.com/{path}", MessageBody="x")
    assert len(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]) >= 1


def test_a_queue_is_known_by_its_bare_name(sqs, queue):
    name = queue.rpartition("/")[2]
    sqs.send_message(QueueUrl=name, MessageBody="x")
    assert len(sqs.receive_message(QueueUrl=name, WaitTimeSeconds=2)["Messages"]) == 1


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "http://host/", "http://host/only-one", "http://[bad/0/q"])
def test_a_url_that_names_no_queue_is_refused(sqs, url):
    with pytest.raises(sqs.exceptions.ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody="x")
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)
    assert answer["Error"]["Code"] in (
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidAddress",
        "InvalidParameterValue",
        "MissingParameter",
    )


def test_get_caller_identity_names_the_account(endpoint):
    import boto3

    sts = boto3.client(
        "sts",
        endpoint_url=endpoint,
        aws_access_key_id="111111111111",
        aws_secret_access_key="x",
        region_name="us-east-1",
    )
    who = sts.get_caller_identity()
    assert who["Account"] == "111111111111"
    assert who["Arn"].startswith("arn:aws:") and who["UserId"]

"""Subscriptions of queues: once for each endpoint, confirmed by whoever owns the queue, listed, changed, ended."""

import json
import re
import urllib.error
import uuid

from support.aws import arn_of, attributes, eventually, receive_none, receive_one, refused, sqs_client
from support.sns import document, follow, sns_client, subscribe, subscription_attributes, topic_attributes

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def test_a_queue_is_subscribed_once(sns, other_sns, sqs, topic, queue):
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    assert re.fullmatch(f"{topic}:{UUID}", arn)
    assert subscribe(other_sns, topic, arn_of(sqs, queue)) == arn
    assert subscribe(other_sns, topic, arn_of(sqs, queue), RawMessageDelivery="false") == arn
    with refused("InvalidParameter", "Subscription already exists with different attributes"):
        subscribe(sns, topic, arn_of(sqs, queue), RawMessageDelivery="true")


def test_what_a_subscription_says_of_itself(sns, other_sns, sqs, topic, queue):
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    assert subscription_attributes(other_sns, arn) == {
        "SubscriptionArn": arn,
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": arn_of(sqs, queue),
        "Owner": "000000000000",
        "SubscriptionPrincipal": "arn:aws:iam::000000000000:root",
        "ConfirmationWasAuthenticated": "true",
        "PendingConfirmation": "false",
        "RawMessageDelivery": "false",
    }


def test_attributes_are_set_one_by_one(sns, other_sns, sqs, topic, queue, make_queue):
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, make_queue())})
    for name, value in [("RawMessageDelivery", "true"), ("RedrivePolicy", redrive)]:
        sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)
        assert subscription_attributes(other_sns, arn)[name] == value
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RedrivePolicy", AttributeValue="")
    assert "RedrivePolicy" not in subscription_attributes(other_sns, arn)
    with refused("InvalidParameter"):
        sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="x")


def test_what_cannot_be_subscribed(sns, sqs, topic, fifo):
    with refused("InvalidParameter", "FIFO SQS Queues can not be subscribed to standard SNS topics"):
        subscribe(sns, topic, arn_of(sqs, fifo))
    with refused("InvalidParameter", "SQS endpoint ARN"):
        subscribe(sns, topic, "queue")
    with refused("InvalidParameter", "Amazon SNS does not support this protocol string"):
        sns.subscribe(TopicArn=topic, Protocol="pigeon", Endpoint="loft")
    with refused("NotFound", status=404):
        subscribe(sns, f"{topic}-not", "arn:aws:sqs:us-east-1:000000000000:q")


def test_subscriptions_are_listed_a_hundred_at_a_time(endpoint):
    account = f"{uuid.uuid4().int % 10**11:012}"
    client = sns_client(endpoint, access_key=account)
    topics = [client.create_topic(Name=name)["TopicArn"] for name in ("one", "other")]
    made = {}
    for i in range(101):
        endpoint_arn = f"arn:aws:sqs:us-east-1:{account}:q{i}"
        made[subscribe(client, topics[0], endpoint_arn)] = endpoint_arn
    elsewhere = subscribe(client, topics[1], "arn:aws:sqs:us-east-1:%s:q" % account)
    first = client.list_subscriptions_by_topic(TopicArn=topics[0])
    second = client.list_subscriptions_by_topic(TopicArn=topics[0], NextToken=first["NextToken"])
    assert (len(first["Subscriptions"]), len(second["Subscriptions"])) == (100, 1)
    assert "NextToken" not in second
    told = {s["SubscriptionArn"]: s["Endpoint"] for s in first["Subscriptions"] + second["Subscriptions"]}
    assert told == made
    pages = client.get_paginator("list_subscriptions").paginate()
    mine = [s for page in pages for s in page["Subscriptions"]]
    assert {s["SubscriptionArn"] for s in mine} == {*made, elsewhere}
    assert {s["Owner"] for s in mine} == {account}
    assert {s["Protocol"] for s in mine} == {"sqs"}


def test_an_ended_subscription_gets_nothing_more(sns, other_sns, sqs, topic, queue):
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    other_sns.publish(TopicArn=topic, Message="before")
    assert document(receive_one(sqs, queue))["Message"] == "before"
    other_sns.unsubscribe(SubscriptionArn=arn)
    sns.unsubscribe(SubscriptionArn=arn)
    with refused("NotFound", "Subscription does not exist", status=404):
        sns.get_subscription_attributes(SubscriptionArn=arn)
    # What comes after it shows that it did not come.
    subscribe(sns, topic, arn_of(sqs, queue))
    other_sns.publish(TopicArn=topic, Message="again")
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=5)["Messages"]
    assert [document(m)["Message"] for m in got] == ["again"]


def test_nothing_is_found_by_an_id_that_was_made_up(sns, sqs, topic, queue):
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    made_up = arn[:-1] + ("0" if arn[-1] != "0" else "1")
    with refused("NotFound", status=404):
        sns.get_subscription_attributes(SubscriptionArn=made_up)
    with refused("NotFound", status=404):
        sns.get_subscription_attributes(SubscriptionArn=arn.replace(topic, topic + "x"))


def test_a_topics_subscriptions_go_with_it(sns, other_sns, sqs, make_topic, queue):
    topic = make_topic()
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    other_sns.delete_topic(TopicArn=topic)
    with refused("NotFound", status=404):
        sns.get_subscription_attributes(SubscriptionArn=arn)
    eventually(lambda: arn not in json.dumps(sns.list_subscriptions()))


def open_queue(endpoint):
    """A queue of another account that lets all topics in, and a client for it."""
    owner = sqs_client(endpoint, access_key="222222222222")
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "*",
    }
    policy = json.dumps({"Statement": statement})
    return owner, owner.create_queue(QueueName=f"q-{uuid.uuid4().hex}", Attributes={"Policy": policy})["QueueUrl"]


def test_a_strangers_queue_confirms_by_its_token(endpoint, sns, other_sns, topic):
    """Only who reads the queue has the token."""
    owner, url = open_queue(endpoint)
    queue = attributes(owner, url, "QueueArn")["QueueArn"]
    assert subscribe(sns, topic, queue) == "pending confirmation"
    arn = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert re.fullmatch(f"{topic}:{UUID}", arn)
    assert subscription_attributes(sns, arn)["PendingConfirmation"] == "true"
    assert topic_attributes(sns, topic)["SubscriptionsPending"] == "1"
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [s["SubscriptionArn"] for s in listed] == ["PendingConfirmation"]

    asked = document(receive_one(owner, url, VisibilityTimeout=0))
    assert (asked["Type"], asked["TopicArn"]) == ("SubscriptionConfirmation", topic)
    owner.purge_queue(QueueUrl=url)
    sns.publish(TopicArn=topic, Message="too early")
    with refused("InvalidParameter", "Token"):
        sns.confirm_subscription(TopicArn=topic, Token="0" * 32)
    assert other_sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])["SubscriptionArn"] == arn
    assert subscription_attributes(sns, arn)["PendingConfirmation"] == "false"
    assert subscription_attributes(sns, arn)["ConfirmationWasAuthenticated"] == "false"
    sns.publish(TopicArn=topic, Message="now")
    got = document(receive_one(owner, url))
    assert got["Message"] == "now"
    # It was confirmed without a wish for signatures: so the link in the message ends it.
    assert "<UnsubscribeResponse" in follow(got["UnsubscribeURL"])
    with refused("NotFound", status=404):
        sns.get_subscription_attributes(SubscriptionArn=arn)


def test_the_link_of_a_confirmation_confirms(endpoint, sns, topic):
    owner, url = open_queue(endpoint)
    subscribe(sns, topic, attributes(owner, url, "QueueArn")["QueueArn"])
    asked = document(receive_one(owner, url))
    assert "<ConfirmSubscriptionResponse" in follow(asked["SubscribeURL"])
    assert topic_attributes(sns, topic)["SubscriptionsConfirmed"] == "1"


def test_a_link_does_not_end_what_its_owner_confirmed(sns, sqs, topic, queue):
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    sns.publish(TopicArn=topic, Message="x")
    url = document(receive_one(sqs, queue))["UnsubscribeURL"]
    assert url.endswith(f"/?Action=Unsubscribe&SubscriptionArn={arn}")
    try:
        follow(url)
    except urllib.error.HTTPError as refusal:
        assert refusal.code == 403
        assert "AuthorizationError" in refusal.read().decode()
    else:
        raise AssertionError("the link ended it")
    assert subscription_attributes(sns, arn)["PendingConfirmation"] == "false"
    receive_none(sqs, queue)

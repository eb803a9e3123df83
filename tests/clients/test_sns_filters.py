"""Filter policies: who gets a message by its attributes or its body, from the answer on; what is refused, and in which words.

What each operator matches is tested where policies are understood (crates/policy, docs/filters.md).
"""

import json

import pytest
from support.aws import arn_of, receive_all, receive_none, receive_one, refused
from support.sns import document, subscribe, subscription_attributes

RED = {"colour": ["red"]}
RAW = {"RawMessageDelivery": "true"}


def text(value):
    return {"DataType": "String", "StringValue": value}


def number(value):
    return {"DataType": "Number", "StringValue": value}


def policy(of, scope="MessageAttributes"):
    """The attributes of a raw subscription with this policy."""
    return {"FilterPolicy": json.dumps(of), "FilterPolicyScope": scope, **RAW}


def set_policy(sns, arn, of):
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="FilterPolicy", AttributeValue=of)


def bodies(sqs, url, count):
    """What exactly so many messages say, sorted."""
    got = sorted(m["Body"] for m in receive_all(sqs, url, count))
    receive_none(sqs, url)
    return got


def test_a_message_goes_to_whose_policy_its_attributes_match(sns, sqs, topic, make_queue):
    policies = [RED, {"colour": ["red", "blue"]}, {"colour": ["red"], "size": [{"numeric": [">=", 10]}]}, None]
    queues = [make_queue() for _ in policies]
    for url, of in zip(queues, policies):
        subscribe(sns, topic, arn_of(sqs, url), **(policy(of) if of else RAW))
    sns.publish(TopicArn=topic, Message="red", MessageAttributes={"colour": text("red")})
    sns.publish(TopicArn=topic, Message="blue", MessageAttributes={"colour": text("blue")})
    sns.publish(TopicArn=topic, Message="large", MessageAttributes={"colour": text("red"), "size": number("10.0")})
    sns.publish(TopicArn=topic, Message="plain")
    assert bodies(sqs, queues[0], 2) == ["large", "red"]
    assert bodies(sqs, queues[1], 3) == ["blue", "large", "red"]
    assert bodies(sqs, queues[2], 1) == ["large"]
    assert bodies(sqs, queues[3], 4) == ["blue", "large", "plain", "red"]


def test_attributes_of_every_type(sns, sqs, topic, queue):
    of = {"tags": ["new"], "count": [5], "data": [{"exists": False}]}
    subscribe(sns, topic, arn_of(sqs, queue), **policy(of))
    tags = {"DataType": "String.Array", "StringValue": '["old", "new"]'}
    binary = {"DataType": "Binary", "BinaryValue": b"x"}
    for message, count, data in [("number", number("5.00"), {}), ("binary", number("5"), {"data": binary})]:
        attributes = {"tags": tags, "count": count, **data}
        sns.publish(TopicArn=topic, Message=message, MessageAttributes=attributes)
    sns.publish(TopicArn=topic, Message="text", MessageAttributes={"tags": tags, "count": text("5")})
    # A binary attribute is as if it were not there.
    assert bodies(sqs, queue, 2) == ["binary", "number"]


def test_a_message_goes_to_whose_policy_its_body_matches(sns, sqs, topic, make_queue):
    nested, any_paid = make_queue(), make_queue()
    subscribe(sns, topic, arn_of(sqs, nested), **policy({"order": {"lines": {"sku": ["x"]}}}, "MessageBody"))
    subscribe(sns, topic, arn_of(sqs, any_paid), **policy({"paid": [True]}, "MessageBody"))
    x, y = ({"order": {"lines": [{"sku": sku}]}, "paid": sku == "y"} for sku in "xy")
    for message in (json.dumps(x), json.dumps(y), "no JSON", '["paid"]'):
        # Attributes say nothing to a policy on bodies.
        sns.publish(TopicArn=topic, Message=message, MessageAttributes={"paid": text("true")})
    assert bodies(sqs, nested, 1) == [json.dumps(x)]
    assert bodies(sqs, any_paid, 1) == [json.dumps(y)]


def test_a_policy_on_bodies_looks_at_the_text_for_its_protocol(sns, sqs, topic, queue):
    subscribe(sns, topic, arn_of(sqs, queue), **policy({"to": ["queue"]}, "MessageBody"))
    for texts in ({"default": '{"to": "queue"}', "sqs": "other"}, {"default": "other", "sqs": '{"to": "queue"}'}):
        sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
    assert bodies(sqs, queue, 1) == ['{"to": "queue"}']


def test_each_message_of_a_batch_is_looked_at(sns, sqs, topic, queue):
    subscribe(sns, topic, arn_of(sqs, queue), **policy(RED))
    entries = [
        {"Id": f"e{i}", "Message": f"m{i}", "MessageAttributes": {"colour": text("red" if i % 3 else "blue")}}
        for i in range(10)
    ]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert len(answer["Successful"]) == 10
    assert bodies(sqs, queue, 6) == [f"m{i}" for i in range(10) if i % 3]


def test_a_change_holds_from_its_answer_on(sns, other_sns, sqs, topic, make_queue):
    """Through whichever node: subscriptions come, go and change between messages, and policies with them."""
    queues = [make_queue() for _ in range(3)]
    arns = [subscribe(sns, topic, arn_of(sqs, url), **policy(RED)) for url in queues]
    wanted = {url: [] for url in queues}

    def publish(colour, *to):
        message = f"{sum(map(len, wanted.values()))} {colour}"
        for client in (sns, other_sns):
            client.publish(TopicArn=topic, Message=message, MessageAttributes={"colour": text(colour)})
        for i in to:
            wanted[queues[i]] += [message] * 2

    publish("red", 0, 1, 2)
    set_policy(other_sns, arns[1], '{"colour": ["blue"]}')
    publish("red", 0, 2)
    publish("blue", 1)
    other_sns.unsubscribe(SubscriptionArn=arns[0])
    publish("red", 2)
    set_policy(sns, arns[2], "{}")
    publish("green", 2)
    subscribe(other_sns, topic, arn_of(sqs, queues[0]), **policy({"colour": [{"anything-but": "red"}]}))
    publish("green", 0, 2)
    publish("red", 2)
    set_policy(other_sns, arns[1], "")
    publish("red", 1, 2)
    for url, messages in wanted.items():
        assert bodies(sqs, url, len(messages)) == sorted(messages)


def test_what_a_subscription_says_of_its_policy(sns, other_sns, sqs, topic, queue):
    arn = subscribe(sns, topic, arn_of(sqs, queue), FilterPolicy='{"colour":  ["red"]}')
    told = subscription_attributes(other_sns, arn)
    assert (told["FilterPolicy"], told["FilterPolicyScope"]) == ('{"colour":  ["red"]}', "MessageAttributes")
    assert subscribe(sns, topic, arn_of(sqs, queue), FilterPolicy='{"colour":  ["red"]}') == arn
    with refused("InvalidParameter", "Subscription already exists with different attributes"):
        subscribe(sns, topic, arn_of(sqs, queue), FilterPolicy='{"colour": ["blue"]}')
    set_policy(sns, arn, "{ }")
    assert not {"FilterPolicy", "FilterPolicyScope"} & set(subscription_attributes(other_sns, arn))


BROKEN = [
    ("{broken", "FilterPolicy: failed to parse JSON. "),
    ('"red"', "FilterPolicy: Filter is not an object"),
    ('{"a": "b"}', 'FilterPolicy: "a" must be an object or an array'),
    ('{"a": []}', "FilterPolicy: Empty arrays are not allowed"),
    ('{"a": [{"like": "b"}]}', "FilterPolicy: Unrecognized match type like"),
    ('{"a": {"b": ["c"]}}', "Filter policy scope MessageAttributes does not support nested filter policy"),
    (json.dumps({c: [1] for c in "abcdef"}), "FilterPolicy: Filter policy can not have more than 5 keys"),
    (json.dumps({"a": list(range(151))}), "FilterPolicy: Filter policy is too complex"),
    (json.dumps({"a": ["b" * 262_144]}), "FilterPolicy: Filter policy is larger than"),
]


@pytest.mark.parametrize("broken, words", BROKEN, ids=[words for _, words in BROKEN])
def test_policies_that_are_refused(sns, sqs, topic, queue, broken, words):
    with refused("InvalidParameter", f"Invalid parameter: Attributes Reason: {words}"):
        subscribe(sns, topic, arn_of(sqs, queue), FilterPolicy=broken)
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    with refused("InvalidParameter", f"Invalid parameter: {words}"):
        set_policy(sns, arn, broken)
    assert "FilterPolicy" not in subscription_attributes(sns, arn)


def test_a_policy_and_what_it_looks_at_go_together(sns, sqs, topic, queue):
    scope = {"AttributeName": "FilterPolicyScope"}
    with refused("InvalidParameter", "FilterPolicyScope: Invalid value [x]"):
        subscribe(sns, topic, arn_of(sqs, queue), **policy(RED, "x"))
    arn = subscribe(sns, topic, arn_of(sqs, queue))
    with refused("InvalidParameter", "does not support nested filter policy"):
        set_policy(sns, arn, '{"a": {"b": ["c"]}}')
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeValue="MessageBody", **scope)
    set_policy(sns, arn, '{"a": {"b": ["c"]}}')
    with refused("InvalidParameter", "does not support nested filter policy"):
        sns.set_subscription_attributes(SubscriptionArn=arn, AttributeValue="MessageAttributes", **scope)
    assert subscription_attributes(sns, arn)["FilterPolicyScope"] == "MessageBody"
    sns.publish(TopicArn=topic, Message='{"a": {"b": "c"}}')
    assert document(receive_one(sqs, queue))["Message"] == '{"a": {"b": "c"}}'


def test_what_a_fifo_topic_filters_keeps_its_order(sns, sqs, make_topic, make_queue):
    topic, queue = make_topic(fifo=True), make_queue(fifo=True)
    subscribe(sns, topic, arn_of(sqs, queue), **policy({"kind": ["even"]}))
    for i in range(20):
        kind = text("odd" if i % 2 else "even")
        sns.publish(
            TopicArn=topic,
            Message=f"{i:02}",
            MessageAttributes={"kind": kind},
            MessageGroupId="g",
            MessageDeduplicationId=f"d{i}",
        )
    assert [m["Body"] for m in receive_all(sqs, queue, 10)] == [f"{i:02}" for i in range(0, 20, 2)]
    receive_none(sqs, queue)


def test_what_is_filtered_out_is_no_dead_letter(sns, sqs, topic, make_queue):
    gone, dead = make_queue(), make_queue()
    redrive = json.dumps({"deadLetterTargetArn": arn_of(sqs, dead)})
    subscribe(sns, topic, arn_of(sqs, gone), RedrivePolicy=redrive, **policy(RED))
    sqs.delete_queue(QueueUrl=gone)
    for colour in ("blue", "red"):
        sns.publish(TopicArn=topic, Message=colour, MessageAttributes={"colour": text(colour)})
    assert bodies(sqs, dead, 1) == ["red"]

"""Tags and the permissions that end up in a queue's policy."""

import json

import pytest
from support.aws import arn_of, attributes, refused


def tags(sqs, url):
    return sqs.list_queue_tags(QueueUrl=url).get("Tags", {})


def test_tags_are_set_replaced_and_removed(sqs, queue):
    assert tags(sqs, queue) == {}
    sqs.tag_queue(QueueUrl=queue, Tags={"tag1": "value1", "tag2": "value2", "tag3": ""})
    assert tags(sqs, queue) == {"tag1": "value1", "tag2": "value2", "tag3": ""}
    sqs.tag_queue(QueueUrl=queue, Tags={"tag1": "new"})
    sqs.untag_queue(QueueUrl=queue, TagKeys=["tag3", "never-there"])
    assert tags(sqs, queue) == {"tag1": "new", "tag2": "value2"}
    sqs.untag_queue(QueueUrl=queue, TagKeys=["tag1", "tag2"])
    assert tags(sqs, queue) == {}


def test_a_queue_is_created_with_tags(sqs, make_queue):
    url = make_queue(tags={"team": "blau", "Ü 水": "ü _.:/=+-@ 9"})
    assert tags(sqs, url) == {"team": "blau", "Ü 水": "ü _.:/=+-@ 9"}


@pytest.mark.parametrize("bad", [{}, {"": "v"}, {"k" * 129: "v"}, {"k": "v" * 257}, {"aws:x": "v"}], ids=range(5))
def test_a_bad_tag_is_refused(sqs, queue, bad):
    with pytest.raises(sqs.exceptions.ClientError) as caught:
        sqs.tag_queue(QueueUrl=queue, Tags=bad)
    answer = caught.value.response
    assert answer["Error"]["Code"] in ("InvalidParameterValue", "MissingParameter")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert tags(sqs, queue) == {}


def test_fifty_tags_and_no_more(sqs, queue):
    sqs.tag_queue(QueueUrl=queue, Tags={f"k{i}": "v" for i in range(50)})
    with refused("InvalidParameterValue"):
        sqs.tag_queue(QueueUrl=queue, Tags={"one-more": "v"})
    assert len(tags(sqs, queue)) == 50


def add(sqs, url, label="label", accounts=("111111111111",), actions=("ReceiveMessage",)):
    sqs.add_permission(QueueUrl=url, Label=label, AWSAccountIds=list(accounts), Actions=list(actions))


def policy(sqs, url):
    text = attributes(sqs, url, "Policy").get("Policy")
    return json.loads(text) if text else None


def test_a_permission_becomes_a_statement(sqs, queue):
    add(sqs, queue, "cross", ["111111111111", "668614515564"])
    arn = arn_of(sqs, queue)
    assert policy(sqs, queue) == {
        "Version": "2008-10-17",
        "Id": f"{arn}/SQSDefaultPolicy",
        "Statement": [
            {
                "Sid": "cross",
                "Effect": "Allow",
                "Principal": {"AWS": ["arn:aws:iam::111111111111:root", "arn:aws:iam::668614515564:root"]},
                "Action": "SQS:ReceiveMessage",
                "Resource": arn,
            }
        ],
    }


def test_one_account_and_several_actions(sqs, queue):
    add(sqs, queue, actions=["SendMessage", "ReceiveMessage"])
    statement = policy(sqs, queue)["Statement"][0]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
    assert statement["Action"] == ["SQS:SendMessage", "SQS:ReceiveMessage"]


def test_every_action_is_a_star(sqs, queue):
    add(sqs, queue, actions=["*"])
    assert policy(sqs, queue)["Statement"][0]["Action"] == "SQS:*"


def test_permissions_are_removed_one_by_one(sqs, queue):
    add(sqs, queue, "one")
    add(sqs, queue, "two")
    sqs.remove_permission(QueueUrl=queue, Label="one")
    assert [s["Sid"] for s in policy(sqs, queue)["Statement"]] == ["two"]
    sqs.remove_permission(QueueUrl=queue, Label="two")
    assert policy(sqs, queue) is None
    with refused("InvalidParameterValue", "Value two for parameter Label is invalid. Reason: can't find label."):
        sqs.remove_permission(QueueUrl=queue, Label="two")


def test_a_label_is_taken_once(sqs, queue):
    add(sqs, queue, "label")
    with refused("InvalidParameterValue", "Value label for parameter Label is invalid. Reason: Already exists."):
        add(sqs, queue, "label", ["222222222222"])


def test_actions_that_cannot_be_granted(sqs, queue):
    for action in ("Nonsense", "CreateQueue", "AddPermission", "SetQueueAttributes"):
        with refused("InvalidParameterValue"):
            add(sqs, queue, actions=[action])
    assert policy(sqs, queue) is None


def test_seven_actions_and_no_more(sqs, queue):
    seven = [
        "SendMessage",
        "ReceiveMessage",
        "DeleteMessage",
        "ChangeMessageVisibility",
        "GetQueueAttributes",
        "GetQueueUrl",
        "PurgeQueue",
    ]
    add(sqs, queue, actions=seven)
    with refused("OverLimit", "maximum allowed is 7", status=403):
        add(sqs, queue, "more", actions=seven + ["ListDeadLetterSourceQueues"])


@pytest.mark.parametrize("label", ["", "l" * 81, "with space"])
def test_a_bad_label_is_refused(sqs, queue, label):
    with pytest.raises(sqs.exceptions.ClientError) as caught:
        add(sqs, queue, label)
    assert caught.value.response["Error"]["Code"] in ("InvalidParameterValue", "MissingParameter")

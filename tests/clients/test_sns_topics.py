"""Topics: made once, described, changed, listed, tagged, deleted."""

import json
import uuid

import pytest
from support.aws import arn_of, refused
from support.sns import sns_client, subscribe, topic_attributes


def name_of(arn):
    return arn.rsplit(":", 1)[1]


def test_a_topic_is_made_once(sns, other_sns, make_topic):
    arn = make_topic(DisplayName="Orders")
    assert arn == f"arn:aws:sns:us-east-1:000000000000:{name_of(arn)}"
    for client in (sns, other_sns):
        assert client.create_topic(Name=name_of(arn))["TopicArn"] == arn
        assert client.create_topic(Name=name_of(arn), Attributes={"DisplayName": "Orders"})["TopicArn"] == arn
    with refused("InvalidParameter", "Topic already exists with different attributes"):
        other_sns.create_topic(Name=name_of(arn), Attributes={"DisplayName": "Others"})


def test_tags_make_another_topic_too(sns, make_topic):
    arn = make_topic(tags={"team": "a"})
    same = [{"Key": "team", "Value": "a"}]
    assert sns.create_topic(Name=name_of(arn), Tags=same)["TopicArn"] == arn
    with refused("InvalidParameter", "Topic already exists with different tags"):
        sns.create_topic(Name=name_of(arn), Tags=[{"Key": "team", "Value": "b"}])


@pytest.mark.parametrize("name", ["", "a b", "x" * 257, "a.fifo"])
def test_names_that_are_none(sns, name):
    with refused("InvalidParameter"):
        sns.create_topic(Name=name)


def test_what_a_new_topic_says_of_itself(sns, topic):
    told = topic_attributes(sns, topic)
    assert (told["TopicArn"], told["Owner"], told["DisplayName"]) == (topic, "000000000000", "")
    counts = [told[f"Subscriptions{kind}"] for kind in ("Confirmed", "Pending", "Deleted")]
    assert counts == ["0", "0", "0"]
    policy = json.loads(told["Policy"])
    assert policy["Statement"][0]["Sid"] == "__default_statement_ID"
    assert policy["Statement"][0]["Resource"] == topic
    effective = json.loads(told["EffectiveDeliveryPolicy"])
    assert effective["http"]["defaultHealthyRetryPolicy"]["numRetries"] == 3
    assert "FifoTopic" not in told and "BeginningArchiveTime" not in told


def test_attributes_come_back_as_set(sns, other_sns, topic):
    for name, value in [("DisplayName", "Shown"), ("TracingConfig", "Active"), ("SignatureVersion", "2")]:
        sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=value)
        assert topic_attributes(other_sns, topic)[name] == value
    with refused("InvalidParameter"):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="3")
    with refused("InvalidParameter"):
        sns.set_topic_attributes(TopicArn=topic, AttributeName="FifoTopic", AttributeValue="true")
    assert topic_attributes(sns, topic)["SignatureVersion"] == "2"


def test_a_fifo_topics_attributes(sns, make_topic):
    arn = make_topic(fifo=True, ContentBasedDeduplication="true")
    told = topic_attributes(sns, arn)
    assert (told["FifoTopic"], told["ContentBasedDeduplication"]) == ("true", "true")
    sns.set_topic_attributes(
        TopicArn=arn, AttributeName="ArchivePolicy", AttributeValue='{"MessageRetentionPeriod": "7"}'
    )
    told = topic_attributes(sns, arn)
    assert json.loads(told["ArchivePolicy"]) == {"MessageRetentionPeriod": "7"}
    assert told["BeginningArchiveTime"].endswith("Z")


def test_subscriptions_are_counted(sns, sqs, topic, make_queue):
    subscribed = [subscribe(sns, topic, arn_of(sqs, make_queue())) for _ in range(3)]
    sns.unsubscribe(SubscriptionArn=subscribed[0])
    told = topic_attributes(sns, topic)
    assert [told[f"Subscriptions{kind}"] for kind in ("Confirmed", "Pending", "Deleted")] == ["2", "0", "1"]


def test_what_is_not_there(sns, topic):
    missing = f"{topic}-not"
    with refused("NotFound", "Topic does not exist", status=404):
        sns.get_topic_attributes(TopicArn=missing)
    with refused("NotFound", status=404):
        sns.set_topic_attributes(TopicArn=missing, AttributeName="DisplayName", AttributeValue="x")
    with refused("NotFound", status=404):
        sns.publish(TopicArn=missing, Message="x")
    with refused("ResourceNotFound", "Resource does not exist", status=404):
        sns.list_tags_for_resource(ResourceArn=missing)
    sns.delete_topic(TopicArn=missing)


def test_a_deleted_topic_is_gone_at_every_node(sns, other_sns, make_topic):
    arn = make_topic()
    other_sns.delete_topic(TopicArn=arn)
    for client in (sns, other_sns):
        with refused("NotFound", status=404):
            client.get_topic_attributes(TopicArn=arn)
        with refused("NotFound", status=404):
            client.publish(TopicArn=arn, Message="x")
    assert sns.create_topic(Name=name_of(arn))["TopicArn"] == arn


def test_anothers_topic_is_closed(endpoint, topic):
    stranger = sns_client(endpoint, access_key="111111111111")
    for call in (
        lambda: stranger.get_topic_attributes(TopicArn=topic),
        lambda: stranger.publish(TopicArn=topic, Message="x"),
        lambda: stranger.delete_topic(TopicArn=topic),
    ):
        with refused("AuthorizationError", "is not authorized to perform", status=403):
            call()
    assert topic not in [t["TopicArn"] for t in stranger.list_topics()["Topics"]]


def test_topics_are_listed_a_hundred_at_a_time(endpoint):
    client = sns_client(endpoint, access_key=f"{uuid.uuid4().int % 10**11:012}")
    made = {client.create_topic(Name=f"n{i:03}")["TopicArn"] for i in range(101)}
    first = client.list_topics()
    assert len(first["Topics"]) == 100
    second = client.list_topics(NextToken=first["NextToken"])
    assert "NextToken" not in second
    assert {t["TopicArn"] for t in first["Topics"] + second["Topics"]} == made
    with refused("InvalidParameter", "NextToken"):
        client.list_topics(NextToken="!")


def test_tags(sns, other_sns, make_topic):
    arn = make_topic(tags={"a": "1", "b": "2"})
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "3"}, {"Key": "c", "Value": ""}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["a", "never"])
    told = other_sns.list_tags_for_resource(ResourceArn=arn)["Tags"]
    assert {t["Key"]: t["Value"] for t in told} == {"b": "3", "c": ""}
    with refused("TagLimitExceeded"):
        sns.tag_resource(ResourceArn=arn, Tags=[{"Key": f"k{i}", "Value": "v"} for i in range(49)])
    assert len(sns.list_tags_for_resource(ResourceArn=arn)["Tags"]) == 2


def test_permissions_are_statements_of_the_policy(sns, topic):
    sns.add_permission(TopicArn=topic, Label="share", AWSAccountId=["111111111111"], ActionName=["Publish"])
    statements = json.loads(topic_attributes(sns, topic)["Policy"])["Statement"]
    assert [s["Sid"] for s in statements] == ["__default_statement_ID", "share"]
    assert statements[1]["Action"] == "SNS:Publish"
    with refused("InvalidParameter", "Statement already exists"):
        sns.add_permission(TopicArn=topic, Label="share", AWSAccountId=["111111111111"], ActionName=["Publish"])
    sns.remove_permission(TopicArn=topic, Label="share")
    statements = json.loads(topic_attributes(sns, topic)["Policy"])["Statement"]
    assert [s["Sid"] for s in statements] == ["__default_statement_ID"]


def test_a_data_protection_policy_is_kept_beside_the_attributes(sns, topic):
    assert not sns.get_data_protection_policy(ResourceArn=topic).get("DataProtectionPolicy")
    policy = json.dumps({"Name": "p", "Version": "2021-06-01", "Statement": []})
    sns.put_data_protection_policy(ResourceArn=topic, DataProtectionPolicy=policy)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="x")
    assert sns.get_data_protection_policy(ResourceArn=topic)["DataProtectionPolicy"] == policy
    assert "DataProtectionPolicy" not in topic_attributes(sns, topic)
    assert sns.create_topic(Name=name_of(topic), Attributes={"DisplayName": "x"})["TopicArn"] == topic


def test_what_platforms_there_are(sns):
    with refused("NotFound", status=404):
        sns.get_platform_application_attributes(
            PlatformApplicationArn="arn:aws:sns:us-east-1:000000000000:app/GCM/none"
        )

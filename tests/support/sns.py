"""What the suites on topics say often: a client, a subscribed queue, what came to it."""

import json
import urllib.request

import boto3
from botocore.config import Config

READ_TIMEOUT_S = 60


def sns_client(endpoint, access_key="test", region="us-east-1", **config):
    """An unmodified boto3 client that tries once, so that a test sees what the broker answered."""
    settings = {"retries": {"total_max_attempts": 1}, "read_timeout": READ_TIMEOUT_S, "max_pool_connections": 64}
    settings.update(config)
    return boto3.session.Session().client(
        "sns",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key="test",
        region_name=region,
        config=Config(**settings),
    )


def subscribe(sns, topic, queue_arn, **attributes):
    """The ARN of a queue's subscription."""
    return sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn, Attributes=attributes)["SubscriptionArn"]


def document(message):
    """What the JSON in a received message says."""
    return json.loads(message["Body"])


def topic_attributes(sns, topic):
    """All attributes of a topic."""
    return sns.get_topic_attributes(TopicArn=topic)["Attributes"]


def subscription_attributes(sns, subscription):
    """All attributes of a subscription."""
    return sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]


def follow(url):
    """What a browser is answered that follows a link of a message."""
    with urllib.request.urlopen(url, timeout=READ_TIMEOUT_S) as answer:  # noqa: S310 - a link of ours
        return answer.read().decode()

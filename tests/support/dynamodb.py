"""What the suites on tables say often: a client, a table with a name of its own."""

import uuid

import boto3
from botocore.config import Config

READ_TIMEOUT_S = 60


def dynamodb_client(endpoint, access_key="test", region="us-east-1", **config):
    """An unmodified boto3 client that tries once, so that a test sees what the broker answered. It checks the checksum of
    every answer."""
    settings = {"retries": {"total_max_attempts": 1}, "read_timeout": READ_TIMEOUT_S, "max_pool_connections": 64}
    settings.update(config)
    return boto3.session.Session().client(
        "dynamodb",
        endpoint_url=endpoint,
        aws_access_key_id=access_key,
        aws_secret_access_key="test",
        region_name=region,
        config=Config(**settings),
    )


def lease_table(dynamodb, name=None, hash_key="leaseKey", range_key=None, kind="S", **settings):
    """Makes a table as KCL makes its own, and waits until it is active; its name."""
    name = name or f"t-{uuid.uuid4().hex[:20]}"
    names = [hash_key] + ([range_key] if range_key else [])
    settings.setdefault("BillingMode", "PAY_PER_REQUEST")
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": kind if key == range_key else "S"} for key in names
        ]
        + settings.pop("more_definitions", []),
        KeySchema=[
            {"AttributeName": key, "KeyType": key_type} for key, key_type in zip(names, ("HASH", "RANGE"))
        ],
        **settings,
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    return name


def s(text):
    """A string."""
    return {"S": text}


def n(number):
    """A number."""
    return {"N": str(number)}


def everything(dynamodb, **scan):
    """All items of a scan, page by page."""
    pages = dynamodb.get_paginator("scan").paginate(**scan)
    return [item for page in pages for item in page["Items"]]

"""Reports of metrics, in every protocol that an SDK may choose, and the page that they are shown on."""

import gzip
import json
import urllib.error
import urllib.parse
import urllib.request
import uuid

import boto3
import pytest
from support.aws import refused

NAMESPACE = "app"


@pytest.fixture
def cloudwatch(endpoint):
    """A boto3 client, which speaks CBOR where botocore is new enough."""
    return boto3.session.Session().client(
        "cloudwatch",
        endpoint_url=endpoint,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )


def shown(broker, metric):
    """The lines of a metric on the pages of all nodes, by their name."""
    lines = {}
    for endpoint in broker.endpoints:
        with urllib.request.urlopen(f"{endpoint}/metrics") as page:
            for line in page.read().decode().splitlines():
                if f'metric="{metric}"' in line:
                    lines[line.split("{")[0]] = line
    return {name: float(line.rsplit(" ", 1)[1]) for name, line in lines.items()}, lines


def test_what_boto3_reports_is_shown(broker, cloudwatch):
    metric = f"m-{uuid.uuid4().hex}"
    dimensions = [{"Name": "ShardId", "Value": "shard-0"}, {"Name": "Operation", "Value": "ProcessTask"}]
    cloudwatch.put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {"MetricName": metric, "Dimensions": dimensions, "Value": 2.5, "Unit": "Count"},
            {
                "MetricName": metric,
                "Dimensions": dimensions[::-1],
                "StatisticValues": {"SampleCount": 3, "Sum": 9, "Minimum": 1, "Maximum": 5},
            },
            {"MetricName": metric, "Dimensions": dimensions, "Values": [0.5, 2], "Counts": [2, 1]},
        ],
    )
    values, lines = shown(broker, metric)
    assert values == {
        "levada_reported_values_total": 7,
        "levada_reported_sum": 14.5,
        "levada_reported_minimum": 0.5,
        "levada_reported_maximum": 5,
    }
    assert 'dimensions="Operation=ProcessTask,ShardId=shard-0"' in lines["levada_reported_sum"]


def test_a_long_report_comes_compressed(broker, cloudwatch):
    tag = uuid.uuid4().hex
    data = [{"MetricName": f"{tag}-{i}", "Value": float(i), "Unit": "None"} for i in range(400)]
    cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data)
    values, _ = shown(broker, f"{tag}-399")
    assert values["levada_reported_sum"] == 399


def test_what_is_no_metric_is_refused(cloudwatch):
    with refused("InvalidParameterValue", "The value Miles for parameter MetricData.member.1.Unit is invalid."):
        cloudwatch.put_metric_data(
            Namespace=NAMESPACE, MetricData=[{"MetricName": "m", "Value": 1.0, "Unit": "Miles"}]
        )


def post(endpoint, body, **headers):
    """The status and the body of an answer."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(endpoint, data=body, headers=names)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_older_protocols_are_spoken(broker, endpoint):
    metric = f"m-{uuid.uuid4().hex}"
    form = {
        "Action": "PutMetricData",
        "Version": "2010-08-01",
        "Namespace": NAMESPACE,
        "MetricData.member.1.MetricName": metric,
        "MetricData.member.1.Value": "4",
        "MetricData.member.1.Dimensions.member.1.Name": "a",
        "MetricData.member.1.Dimensions.member.1.Value": "b",
    }
    packed = gzip.compress(urllib.parse.urlencode(form).encode())
    kind = "application/x-www-form-urlencoded"
    status, body = post(endpoint, packed, Content_Type=kind, Content_Encoding="gzip")
    assert status == 200 and b"<PutMetricDataResponse" in body
    datum = {"MetricName": metric, "Value": 5, "Dimensions": [{"Name": "a", "Value": "b"}], "Timestamp": 1.0}
    status, body = post(
        endpoint,
        json.dumps({"Namespace": NAMESPACE, "MetricData": [datum]}).encode(),
        Content_Type="application/x-amz-json-1.0",
        X_Amz_Target="GraniteServiceVersion20100801.PutMetricData",
    )
    assert status == 200
    values, _ = shown(broker, metric)
    assert values["levada_reported_sum"] == 9
    status, body = post(
        endpoint,
        b"{}",
        Content_Type="application/x-amz-json-1.0",
        X_Amz_Target="GraniteServiceVersion20100801.PutMetricData",
    )
    assert status == 400
    assert json.loads(body)["__type"] == "com.amazonaws.cloudwatch#MissingRequiredParameterException"

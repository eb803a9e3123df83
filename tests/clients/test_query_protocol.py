"""The older protocol: a form in, XML out; by POST and GET, on / and on the queue's own path."""

import base64
import hashlib
import urllib.parse
import uuid

import pytest
from support.raw import XMLNS, query_call


@pytest.fixture
def query(endpoint):
    """One call; asserts success and returns the result element, or the answer if it is an error."""

    def call(action, expect=200, method="POST", path="/", **parameters):
        fields = {k.replace("__", "."): str(v) for k, v in parameters.items()}
        answer = query_call(endpoint, {"Action": action, **fields}, method=method, path=path)
        assert answer.status == expect, answer
        assert answer.headers["content-type"].startswith("text/xml"), answer
        root = answer.xml()
        if expect != 200:
            assert root.tag == "ErrorResponse"
            assert root.findtext("Error/Type") == "Sender"
            uuid.UUID(root.findtext("RequestId"))
            return answer
        assert root.tag == f"{action}Response"
        assert f'xmlns="{XMLNS}"'.encode() in answer.body
        uuid.UUID(root.findtext("ResponseMetadata/RequestId"))
        return root.find(f"{action}Result")

    return call


@pytest.fixture
def url(query):
    return query("CreateQueue", QueueName=f"x-{uuid.uuid4().hex}").findtext("QueueUrl")


def test_create_with_attributes_and_tags(query):
    name = f"x-{uuid.uuid4().hex}"
    result = query(
        "CreateQueue",
        QueueName=name,
        Attribute__1__Name="VisibilityTimeout",
        Attribute__1__Value=41,
        Attribute__2__Name="DelaySeconds",
        Attribute__2__Value=1,
        Tag__1__Key="team",
        Tag__1__Value="blue + green@x=1",
    )
    url = result.findtext("QueueUrl")
    assert query("GetQueueUrl", QueueName=name).findtext("QueueUrl") == url
    got = query("GetQueueAttributes", QueueUrl=url, AttributeName__1="All")
    read = {a.findtext("Name"): a.findtext("Value") for a in got.findall("Attribute")}
    assert read["VisibilityTimeout"] == "41" and read["DelaySeconds"] == "1"
    tags = query("ListQueueTags", QueueUrl=url)
    assert [(t.findtext("Key"), t.findtext("Value")) for t in tags.findall("Tag")] == [("team", "blue + green@x=1")]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_message_there_and_back(query, url, method):
    body = "Grüße & <b>\"x\"</b> ]]> 🚰 a+b=c%20\t\n"
    sent = query("SendMessage", method=method, QueueUrl=url, MessageBody=body)
    assert sent.findtext("MD5OfMessageBody") == hashlib.md5(body.encode()).hexdigest()
    got = query("ReceiveMessage", method=method, QueueUrl=url, WaitTimeSeconds=2, AttributeName__1="All")
    message = got.find("Message")
    assert message.findtext("Body") == body
    assert message.findtext("MessageId") == sent.findtext("MessageId")
    attributes = {a.findtext("Name"): a.findtext("Value") for a in message.findall("Attribute")}
    assert attributes["ApproximateReceiveCount"] == "1" and "SentTimestamp" in attributes
    handle = message.findtext("ReceiptHandle")
    query("ChangeMessageVisibility", method=method, QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=60)
    query("DeleteMessage", method=method, QueueUrl=url, ReceiptHandle=handle)
    assert query("ReceiveMessage", QueueUrl=url).find("Message") is None


def test_a_carriage_return_survives_xml(query, url):
    query("SendMessage", QueueUrl=url, MessageBody="a\rb\r\nc")
    assert query("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=2).findtext("Message/Body") == "a\rb\r\nc"


def test_the_queues_own_path_needs_no_queue_url(query, url):
    path = urllib.parse.urlsplit(url).path
    query("SendMessage", path=path, MessageBody="x")
    assert query("ReceiveMessage", path=path, WaitTimeSeconds=2).findtext("Message/Body") == "x"
    query("SendMessage", path=path, method="GET", MessageBody="y")
    assert query("ReceiveMessage", path=path, method="GET", WaitTimeSeconds=2).findtext("Message/Body") == "y"


def test_message_attributes(query, url):
    blob = bytes(range(256))
    query(
        "SendMessage",
        QueueUrl=url,
        MessageBody="x",
        MessageAttribute__1__Name="text",
        MessageAttribute__1__Value__DataType="String",
        MessageAttribute__1__Value__StringValue="<v>",
        MessageAttribute__2__Name="blob",
        MessageAttribute__2__Value__DataType="Binary",
        MessageAttribute__2__Value__BinaryValue=base64.b64encode(blob).decode(),
    )
    got = query("ReceiveMessage", QueueUrl=url, MessageAttributeName__1="All", WaitTimeSeconds=2)
    read = {
        a.findtext("Name"): a.findtext("Value/StringValue") or base64.b64decode(a.findtext("Value/BinaryValue"))
        for a in got.find("Message").findall("MessageAttribute")
    }
    assert read == {"text": "<v>", "blob": blob}


def test_batches(query, url):
    sent = query(
        "SendMessageBatch",
        QueueUrl=url,
        SendMessageBatchRequestEntry__1__Id="a",
        SendMessageBatchRequestEntry__1__MessageBody="one",
        SendMessageBatchRequestEntry__2__Id="b",
        SendMessageBatchRequestEntry__2__MessageBody="two",
        SendMessageBatchRequestEntry__2__DelaySeconds="901",
        SendMessageBatchRequestEntry__3__Id="c",
        SendMessageBatchRequestEntry__3__MessageBody="three",
    )
    assert [e.findtext("Id") for e in sent.findall("SendMessageBatchResultEntry")] == ["a", "c"]
    (failed,) = sent.findall("BatchResultErrorEntry")
    assert (failed.findtext("Id"), failed.findtext("Code"), failed.findtext("SenderFault")) == (
        "b",
        "InvalidParameterValue",
        "true",
    )
    got = []
    for _ in range(5):
        result = query("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        got += [m.findtext("ReceiptHandle") for m in result.findall("Message")]
        if len(got) == 2:
            break
    changed = query(
        "ChangeMessageVisibilityBatch",
        QueueUrl=url,
        ChangeMessageVisibilityBatchRequestEntry__1__Id="a",
        ChangeMessageVisibilityBatchRequestEntry__1__ReceiptHandle=got[0],
        ChangeMessageVisibilityBatchRequestEntry__1__VisibilityTimeout=60,
    )
    assert changed.findtext("ChangeMessageVisibilityBatchResultEntry/Id") == "a"
    deleted = query(
        "DeleteMessageBatch",
        QueueUrl=url,
        DeleteMessageBatchRequestEntry__1__Id="a",
        DeleteMessageBatchRequestEntry__1__ReceiptHandle=got[0],
        DeleteMessageBatchRequestEntry__2__Id="b",
        DeleteMessageBatchRequestEntry__2__ReceiptHandle=got[1],
    )
    assert [e.findtext("Id") for e in deleted.findall("DeleteMessageBatchResultEntry")] == ["a", "b"]


def test_fifo(query):
    url = query(
        "CreateQueue",
        QueueName=f"x-{uuid.uuid4().hex}.fifo",
        Attribute__1__Name="FifoQueue",
        Attribute__1__Value="true",
    ).findtext("QueueUrl")
    sent = query("SendMessage", QueueUrl=url, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="1")
    assert len(sent.findtext("SequenceNumber")) == 20


def test_lists_tags_permissions_purge(query, url):
    prefix = urllib.parse.urlsplit(url).path.rsplit("/", 1)[1]
    listed = query("ListQueues", QueueNamePrefix=prefix, MaxResults=10)
    assert [e.text for e in listed.findall("QueueUrl")] == [url]
    query("TagQueue", QueueUrl=url, Tag__1__Key="a", Tag__1__Value="b")
    query("UntagQueue", QueueUrl=url, TagKey__1="a")
    assert query("ListQueueTags", QueueUrl=url).findall("Tag") == []
    query("AddPermission", QueueUrl=url, Label="l", AWSAccountId__1="111111111111", ActionName__1="SendMessage")
    query("RemovePermission", QueueUrl=url, Label="l")
    query("SetQueueAttributes", QueueUrl=url, Attribute__Name="VisibilityTimeout", Attribute__Value="12")
    got = query("GetQueueAttributes", QueueUrl=url, AttributeName="VisibilityTimeout")
    assert got.findtext("Attribute/Value") == "12"
    query("PurgeQueue", QueueUrl=url)
    assert query("ListDeadLetterSourceQueues", QueueUrl=url).findall("QueueUrl") == []
    query("DeleteQueue", QueueUrl=url)


def test_errors_have_code_wording_and_status(query, url):
    none = query("GetQueueUrl", 400, QueueName="none")
    assert none.code == "AWS.SimpleQueueService.NonExistentQueue"
    assert none.xml().findtext("Error/Message") == "The specified queue does not exist for this wsdl version."
    assert query("SendMessage", 400, QueueUrl=url).code == "MissingParameter"
    wrong = query("ReceiveMessage", 400, QueueUrl=url, MaxNumberOfMessages=11)
    assert wrong.code == "InvalidParameterValue"
    assert "Value 11 for parameter MaxNumberOfMessages is invalid." in wrong.xml().findtext("Error/Message")
    query("PurgeQueue", QueueUrl=url)
    assert query("PurgeQueue", 403, QueueUrl=url).code == "AWS.SimpleQueueService.PurgeQueueInProgress"
    bad = query("DeleteMessage", 404, QueueUrl=url, ReceiptHandle="garbage")
    assert bad.code == "ReceiptHandleIsInvalid"


def test_an_unknown_action(query):
    answer = query("MakeCoffee", 400)
    assert answer.code == "InvalidAction"
    assert answer.xml().findtext("Error/Message") == "The action MakeCoffee is not valid for this endpoint."


@pytest.mark.parametrize("action", ["CreateQueue", "ListQueues"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_queues_own_address_neither_makes_nor_lists_queues(query, url, action, method):
    path = urllib.parse.urlsplit(url).path
    answer = query(action, 400, method=method, path=path, QueueName="x")
    assert answer.code == "InvalidAction"
    assert answer.xml().findtext("Error/Message") == f"The action {action} is not valid for this endpoint."
    assert query("GetQueueUrl", method=method, path=path, QueueName=path.split("/")[-1]).findtext("QueueUrl") == url


def test_a_get_that_asks_for_nothing(endpoint, url):
    for path in ("/", urllib.parse.urlsplit(url).path):
        answer = query_call(endpoint, {}, method="GET", path=path, version=None, raw="")
        assert answer.status == 404 and answer.body.strip() == b"<UnknownOperationException/>", answer
        assert answer.headers["content-type"] == "text/xml" and answer.headers["x-amzn-requestid"]


def test_what_is_empty_has_one_tag(endpoint, url):
    answer = query_call(endpoint, {"Action": "ReceiveMessage", "QueueUrl": url})
    assert b"<ReceiveMessageResult/>" in answer.body, answer


def test_no_action(endpoint):
    answer = query_call(endpoint, {"QueueName": "x"})
    assert answer.status == 400 and answer.code in ("MissingAction", "InvalidAction"), answer


@pytest.mark.parametrize("value", ["ten", "1.5", "99999999999999999999", "", "0x1", "１"])
def test_a_number_that_is_none(endpoint, url, value):
    answer = query_call(
        endpoint, {"Action": "ReceiveMessage", "QueueUrl": url, "MaxNumberOfMessages": value}
    )
    if value == "":
        assert answer.status in (200, 400), answer
        return
    assert answer.status == 400 and answer.code in ("InvalidParameterValue", "MalformedInput"), answer


@pytest.mark.parametrize(
    "form",
    [
        "Action=SendMessage&QueueUrl=%ZZ",
        "Action=SendMessage&&&===&",
        "Action=ListQueues&MaxResults=%",
        "Action",
        "=Action",
        "&" * 10_000,
        "Action=SendMessageBatch&SendMessageBatchRequestEntry.999999999999.Id=a",
        "Action=SendMessageBatch&SendMessageBatchRequestEntry.-1.Id=a",
        "Action=CreateQueue&Attribute.1.Name=x&Attribute.3.Value=y&QueueName=q1",
        "Action=ListQueues&" + "&".join(f"k{i}=v" for i in range(20_000)),
    ],
    ids=range(10),
)
def test_a_malformed_form_is_refused_or_harmless(endpoint, form):
    answer = query_call(endpoint, {}, raw=form)
    assert answer.status in (200, 400, 404, 413), answer


def test_the_version_may_be_left_out(endpoint, url):
    answer = query_call(endpoint, {"Action": "SendMessage", "QueueUrl": url, "MessageBody": "x"}, version=None)
    assert answer.status == 200, answer


def test_json_and_query_share_a_queue(sqs, query, url):
    sqs.send_message(QueueUrl=url, MessageBody="by json")
    assert query("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=2).findtext("Message/Body") == "by json"
    query("SendMessage", QueueUrl=url, MessageBody="by query")
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2)["Messages"][0]["Body"] == "by query"

"""Sending, receiving and deleting: bodies, attributes, digests, batches."""

import hashlib
import struct
import uuid

import pytest
from support.aws import receive_all, receive_none, receive_one, refused

MIB = 1_048_576


def md5_of_attributes(attributes):
    """The digest as the API reference describes it: sorted by name; length-prefixed name, type and value."""
    digest = hashlib.md5()

    def add(raw):
        digest.update(struct.pack(">I", len(raw)) + raw)

    for name, value in sorted(attributes.items()):
        add(name.encode())
        add(value["DataType"].encode())
        if value["DataType"].startswith("Binary"):
            digest.update(b"\x02")
            add(value["BinaryValue"])
        else:
            digest.update(b"\x01")
            add(value["StringValue"].encode())
    return digest.hexdigest()


BODIES = {
    "ascii": "hello",
    "one character": "x",
    "spaces at both ends": "  x  ",
    "control characters that are allowed": "tab\there\nnewline\rreturn",
    "xml": "<a b=\"c\">&amp; ]]> <!-- x --> 'q'</a>",
    "json": '{"a": [1, 2, {"b": "\\"quoted\\""}]}',
    "percent and plus": "a+b%20c&d=e;f?g#h",
    "two bytes": "Grüße, größer",
    "three bytes": "水路 灌漑 \ufffd \ud7ff \ue000",
    "four bytes": "🚰 \U0010ffff 𝄞",
    "combining": "e\u0301 \u200d\u202e",
    "backslashes": "\\n \\u0041 \\",
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_comes_back_as_it_was_sent(sqs, queue, kind):
    body = BODIES[kind]
    sent = sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert sent["MD5OfMessageBody"] == hashlib.md5(body.encode()).hexdigest()
    got = receive_one(sqs, queue)
    assert got["Body"] == body
    assert got["MessageId"] == sent["MessageId"]
    assert got["MD5OfBody"] == sent["MD5OfMessageBody"]


def test_message_ids_are_distinct_uuids(sqs, queue):
    ids = [sqs.send_message(QueueUrl=queue, MessageBody="x")["MessageId"] for _ in range(20)]
    assert len({uuid.UUID(i) for i in ids}) == 20


@pytest.mark.parametrize("character", ["\x00", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff"])
def test_a_character_that_xml_cannot_carry_is_refused(sqs, queue, character):
    with refused("InvalidMessageContents"):
        sqs.send_message(QueueUrl=queue, MessageBody=f"a{character}b")
    receive_none(sqs, queue)


def test_an_empty_body_is_a_missing_parameter(sqs, queue):
    with refused("MissingParameter", "The request must contain the parameter MessageBody."):
        sqs.send_message(QueueUrl=queue, MessageBody="")


def test_a_mebibyte_is_accepted_and_one_more_is_not(sqs, queue):
    body = "".join(chr(97 + i % 26) for i in range(MIB))
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    assert receive_one(sqs, queue)["Body"] == body
    with refused(
        "InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."
    ):
        sqs.send_message(QueueUrl=queue, MessageBody=body + "x")


def test_size_counts_bytes_and_attributes(sqs, make_queue):
    url = make_queue(MaximumMessageSize="1024")
    sqs.send_message(QueueUrl=url, MessageBody="é" * 512)
    with refused("InvalidParameterValue", "Message must be shorter than 1024 bytes."):
        sqs.send_message(QueueUrl=url, MessageBody="é" * 513)
    attribute = {"n": {"DataType": "String", "StringValue": "v" * 10}}  # 1 + 6 + 10 bytes
    sqs.send_message(QueueUrl=url, MessageBody="x" * 1007, MessageAttributes=attribute)
    with refused("InvalidParameterValue", "Message must be shorter than 1024 bytes."):
        sqs.send_message(QueueUrl=url, MessageBody="x" * 1008, MessageAttributes=attribute)


def test_ten_large_messages_come_through(sqs, queue):
    sent = {}
    for i in range(10):
        body = chr(65 + i) * (MIB - i)
        sent[sqs.send_message(QueueUrl=queue, MessageBody=body)["MessageId"]] = body
    got = {m["MessageId"]: m["Body"] for m in receive_all(sqs, queue, 10)}
    assert got == sent


ATTRIBUTES = {
    "text": {"DataType": "String", "StringValue": "Grüße <&> 🚰"},
    "number": {"DataType": "Number", "StringValue": "-12.50"},
    "blob": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
    "my.own-type_1": {"DataType": "Number.int", "StringValue": "7"},
    "custom": {"DataType": "Binary.png", "BinaryValue": b"\x00\xff"},
}


def test_attributes_come_back_with_the_digest_that_the_sdk_checks(sqs, queue):
    sent = sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=ATTRIBUTES)
    assert sent["MD5OfMessageAttributes"] == md5_of_attributes(ATTRIBUTES)
    got = receive_one(sqs, queue, MessageAttributeNames=["All"])
    assert got["MessageAttributes"] == ATTRIBUTES
    assert got["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]


@pytest.mark.parametrize(
    "asked,names",
    [
        ([], set()),
        (["All"], {"Hello", "General", "Help.Me"}),
        ([".*"], {"Hello", "General", "Help.Me"}),
        (["Hello"], {"Hello"}),
        (["Hello", "None"], {"Hello"}),
        (["None"], set()),
        (["Hel.*"], {"Hello", "Help.Me"}),
        (["Help.*"], {"Help.Me"}),
    ],
)
def test_attributes_are_returned_by_name_or_prefix(sqs, queue, asked, names):
    sent = {n: {"DataType": "String", "StringValue": "v"} for n in ("Hello", "General", "Help.Me")}
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=sent)
    got = receive_one(sqs, queue, MessageAttributeNames=asked)
    assert set(got.get("MessageAttributes", {})) == names
    if names:
        assert got["MD5OfMessageAttributes"] == md5_of_attributes({n: sent[n] for n in names})
    else:
        assert "MD5OfMessageAttributes" not in got


def _text(value="v", kind="String"):
    return {"DataType": kind, "StringValue": value}


@pytest.mark.parametrize(
    "wrong",
    [
        {"AWS.x": _text()},
        {"amazon.x": _text()},
        {".x": _text()},
        {"x.": _text()},
        {"x..y": _text()},
        {"a b": _text()},
        {"n" * 257: _text()},
        {"": _text()},
        {"x": _text(kind="Text")},
        {"x": _text(kind="")},
        {"x": _text("")},
        {"x": _text("not a number", "Number")},
        {"x": {"DataType": "Binary", "BinaryValue": b""}},
        {"x": {"DataType": "String"}},
        {"x": {"DataType": "Binary", "StringValue": "v"}},
        {"x": _text("a\x00b")},
        {f"n{i}": _text() for i in range(11)},
    ],
    ids=lambda w: ",".join(w)[:20],
)
def test_a_bad_attribute_is_refused(sqs, queue, wrong):
    with refused("InvalidParameterValue"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes=wrong)
    receive_none(sqs, queue)


def test_an_empty_attribute_is_named_in_the_refusal(sqs, queue):
    with refused(
        "InvalidParameterValue",
        "Message (user) attribute 'ErrorDetails' must contain a non-empty value of type 'String'.",
    ):
        sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes={"ErrorDetails": _text("")})


def test_ten_attributes_are_accepted(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageAttributes={f"n{i}": _text() for i in range(10)})
    assert len(receive_one(sqs, queue, MessageAttributeNames=["All"])["MessageAttributes"]) == 10


def test_system_attributes_that_are_asked_for(sqs, queue):
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    sent = sqs.send_message(
        QueueUrl=queue,
        MessageBody="x",
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": trace}},
    )
    assert sent["MD5OfMessageSystemAttributes"] == md5_of_attributes(
        {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    )
    got = receive_one(sqs, queue, MessageSystemAttributeNames=["All"])["Attributes"]
    assert got["AWSTraceHeader"] == trace
    assert got["ApproximateReceiveCount"] == "1"
    assert got["SentTimestamp"].isdigit() and len(got["SentTimestamp"]) == 13
    assert int(got["ApproximateFirstReceiveTimestamp"]) >= int(got["SentTimestamp"])
    assert got["SenderId"]


@pytest.mark.parametrize("name", ["SenderId", "SentTimestamp", "ApproximateReceiveCount"])
def test_one_system_attribute_by_either_parameter(sqs, queue, name):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    assert set(receive_one(sqs, queue, AttributeNames=[name], VisibilityTimeout=0)["Attributes"]) == {name}
    assert set(receive_one(sqs, queue, MessageSystemAttributeNames=[name])["Attributes"]) == {name}


def test_no_system_attributes_unless_asked(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    assert "Attributes" not in receive_one(sqs, queue)


def test_only_the_trace_header_can_be_set(sqs, queue):
    with refused("InvalidParameterValue"):
        sqs.send_message(
            QueueUrl=queue, MessageBody="x", MessageSystemAttributes={"SenderId": _text("me")}
        )


def test_delete_ends_a_message(sqs, make_queue):
    url = make_queue(VisibilityTimeout="1")
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=receive_one(sqs, url)["ReceiptHandle"])
    receive_none(sqs, url, wait_s=2)


def test_deleting_twice_is_no_error(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    handle = receive_one(sqs, queue)["ReceiptHandle"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)


@pytest.mark.parametrize("handle", ["garbage", "AQEB" + "x" * 200, "🚰", "%%%", "a" * 5000])
def test_a_handle_that_was_never_given_is_invalid(sqs, queue, handle):
    with refused("ReceiptHandleIsInvalid", "is not a valid receipt handle", status=None):
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=handle)
    with refused("ReceiptHandleIsInvalid", status=None):
        sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=handle, VisibilityTimeout=1)


def test_a_handle_of_another_queue_is_invalid(sqs, make_queue):
    one, other = make_queue(), make_queue()
    sqs.send_message(QueueUrl=one, MessageBody="x")
    handle = receive_one(sqs, one)["ReceiptHandle"]
    with refused("ReceiptHandleIsInvalid", status=None):
        sqs.delete_message(QueueUrl=other, ReceiptHandle=handle)


def test_receive_returns_at_most_what_is_asked(sqs, queue):
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(10)])
    for most in (1, 2, 3):
        assert 1 <= len(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=most)["Messages"]) <= most


def test_an_empty_receive_has_no_messages(sqs, queue):
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)


@pytest.mark.parametrize(
    "parameter,value,wording",
    [
        ("MaxNumberOfMessages", 0, "Must be between 1 and 10, if provided."),
        ("MaxNumberOfMessages", 11, "Must be between 1 and 10, if provided."),
        ("MaxNumberOfMessages", -1, "Must be between 1 and 10, if provided."),
        ("WaitTimeSeconds", 21, "Must be >= 0 and <= 20, if provided."),
        ("WaitTimeSeconds", -1, "Must be >= 0 and <= 20, if provided."),
        ("VisibilityTimeout", 43201, "Must be"),
        ("VisibilityTimeout", -1, "Must be"),
    ],
)
def test_receive_names_the_bound_that_was_passed(sqs, queue, parameter, value, wording):
    with refused("InvalidParameterValue", f"Value {value} for parameter {parameter} is invalid. Reason: {wording}"):
        sqs.receive_message(QueueUrl=queue, **{parameter: value})


@pytest.mark.parametrize("delay", [-1, 901])
def test_send_names_the_bound_of_the_delay(sqs, queue, delay):
    with refused("InvalidParameterValue", f"Value {delay} for parameter DelaySeconds is invalid. Reason:"):
        sqs.send_message(QueueUrl=queue, MessageBody="x", DelaySeconds=delay)


def test_a_batch_reports_each_entry(sqs, queue):
    entries = [{"Id": f"m-{i}", "MessageBody": f"body {i}"} for i in range(10)]
    answer = sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    assert [e["Id"] for e in answer["Successful"]] == [e["Id"] for e in entries]
    assert not answer.get("Failed")
    for entry, done in zip(entries, answer["Successful"]):
        assert done["MD5OfMessageBody"] == hashlib.md5(entry["MessageBody"].encode()).hexdigest()
    assert {m["Body"] for m in receive_all(sqs, queue, 10)} == {e["MessageBody"] for e in entries}


def test_the_good_entries_of_a_batch_are_sent_and_the_bad_ones_reported(sqs, queue):
    answer = sqs.send_message_batch(
        QueueUrl=queue,
        Entries=[
            {"Id": "good", "MessageBody": "good"},
            {"Id": "delay", "MessageBody": "x", "DelaySeconds": 901},
            {"Id": "character", "MessageBody": "a\x00b"},
            {"Id": "attribute", "MessageBody": "x", "MessageAttributes": {"x": _text("")}},
            {"Id": "fine", "MessageBody": "fine"},
        ],
    )
    assert {e["Id"] for e in answer["Successful"]} == {"good", "fine"}
    failed = {e["Id"]: e for e in answer["Failed"]}
    assert set(failed) == {"delay", "character", "attribute"}
    assert all(e["SenderFault"] for e in failed.values())
    assert failed["delay"]["Code"] == "InvalidParameterValue"
    assert failed["character"]["Code"] == "InvalidMessageContents"
    assert failed["attribute"]["Code"] == "InvalidParameterValue"
    assert {m["Body"] for m in receive_all(sqs, queue, 2)} == {"good", "fine"}
    receive_none(sqs, queue)


SEND = ("send_message_batch", lambda i: {"Id": i, "MessageBody": "x"})
DELETE = ("delete_message_batch", lambda i: {"Id": i, "ReceiptHandle": "x"})
CHANGE = ("change_message_visibility_batch", lambda i: {"Id": i, "ReceiptHandle": "x", "VisibilityTimeout": 1})


@pytest.mark.parametrize("action,entry", [SEND, DELETE, CHANGE], ids=lambda a: a if isinstance(a, str) else "")
def test_a_batch_is_checked_as_a_whole(sqs, queue, action, entry):
    call = getattr(sqs, action)
    prefix = "AWS.SimpleQueueService"
    with refused(f"{prefix}.EmptyBatchRequest"):
        call(QueueUrl=queue, Entries=[])
    with refused(
        f"{prefix}.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent 20."
    ):
        call(QueueUrl=queue, Entries=[entry(str(i)) for i in range(20)])
    with refused(f"{prefix}.BatchEntryIdsNotDistinct", "Id same repeated."):
        call(QueueUrl=queue, Entries=[entry("same"), entry("other"), entry("same")])
    for bad in ("", "a" * 81, "with:colon", "with space", "ü"):
        with refused(
            f"{prefix}.InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores."
            " It can be at most 80 letters long.",
        ):
            call(QueueUrl=queue, Entries=[entry(bad)])
    receive_none(sqs, queue)


def test_a_batch_holds_a_mebibyte_in_all(sqs, queue):
    half = "x" * (MIB // 2)
    done = sqs.send_message_batch(
        QueueUrl=queue, Entries=[{"Id": "1", "MessageBody": half}, {"Id": "2", "MessageBody": half}]
    )
    assert len(done["Successful"]) == 2
    with refused(
        "AWS.SimpleQueueService.BatchRequestTooLong",
        f"Batch requests cannot be longer than {MIB} bytes. You have sent {MIB + 1} bytes.",
    ):
        sqs.send_message_batch(
            QueueUrl=queue, Entries=[{"Id": "1", "MessageBody": half}, {"Id": "2", "MessageBody": half + "x"}]
        )


def test_delete_batch_reports_each_entry(sqs, queue):
    for i in range(3):
        sqs.send_message(QueueUrl=queue, MessageBody=str(i))
    got = receive_all(sqs, queue, 3, delete=False)
    entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)]
    entries.append({"Id": "bad", "ReceiptHandle": "garbage"})
    answer = sqs.delete_message_batch(QueueUrl=queue, Entries=entries)
    assert [e["Id"] for e in answer["Successful"]] == ["0", "1", "2"]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [
        ("bad", "ReceiptHandleIsInvalid", True)
    ]


def test_a_thousand_messages_come_exactly_as_sent(sqs, other_sqs, queue):
    sent = set()
    for start in range(0, 1000, 10):
        entries = [{"Id": str(i), "MessageBody": f"message {start + i}"} for i in range(10)]
        assert len(sqs.send_message_batch(QueueUrl=queue, Entries=entries)["Successful"]) == 10
        sent |= {e["MessageBody"] for e in entries}
    got = [m["Body"] for m in receive_all(other_sqs, queue, 1000, timeout_s=30)]
    assert set(got) == sent and len(got) == 1000
    receive_none(sqs, queue)

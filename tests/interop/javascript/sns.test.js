// The AWS SDK for JavaScript v3 and the validator of messages `sns-validator`, both unmodified, against one node.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import {
  AuthorizationErrorException,
  BatchEntryIdsNotDistinctException,
  ConfirmSubscriptionCommand,
  CreateTopicCommand,
  DeleteTopicCommand,
  GetSubscriptionAttributesCommand,
  GetTopicAttributesCommand,
  InvalidParameterException,
  InvalidParameterValueException,
  ListTagsForResourceCommand,
  NotFoundException,
  PublishBatchCommand,
  PublishCommand,
  ResourceNotFoundException,
  SetSubscriptionAttributesCommand,
  SetTopicAttributesCommand,
  SNSClient,
  SubscribeCommand,
  UnsubscribeCommand,
  paginateListSubscriptionsByTopic,
  paginateListTopics,
} from "@aws-sdk/client-sns";
import { CreateQueueCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import MessageValidator from "sns-validator";

const client = new SNSClient({
  endpoint: process.env.LEVADA_ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});
const sqs = new SQSClient({
  endpoint: process.env.LEVADA_ENDPOINT,
  region: "us-east-1",
  credentials: { accessKeyId: "test", secretAccessKey: "test" },
  maxAttempts: 1,
});

const name = () => `js-${randomUUID()}`;

async function topic(attributes = {}, Name = name()) {
  return (await client.send(new CreateTopicCommand({ Name, Attributes: attributes }))).TopicArn;
}

async function queue(attributes = {}, QueueName = name()) {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName, Attributes: attributes }));
  const read = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }));
  return { url: QueueUrl, arn: read.Attributes.QueueArn };
}

async function subscribe(TopicArn, { arn }, Attributes = {}) {
  const made = await client.send(new SubscribeCommand({ TopicArn, Protocol: "sqs", Endpoint: arn, Attributes }));
  return made.SubscriptionArn;
}

// So many messages of a queue, or fewer if no more come.
async function receive({ url }, count) {
  const got = [];
  for (let before = -1; got.length < count && got.length > before; ) {
    before = got.length;
    const input = { QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 10, MessageAttributeNames: ["All"] };
    got.push(...((await sqs.send(new ReceiveMessageCommand(input))).Messages ?? []));
  }
  return got;
}

test("a topic is created with attributes and tags, read, changed, listed and deleted", async () => {
  const Name = name();
  const Tags = [{ Key: "team", Value: "Grüße + Co" }];
  const make = () => new CreateTopicCommand({ Name, Attributes: { DisplayName: "Orders" }, Tags });
  const { TopicArn } = await client.send(make());
  assert.equal((await client.send(make())).TopicArn, TopicArn);
  await client.send(
    new SetTopicAttributesCommand({ TopicArn, AttributeName: "SignatureVersion", AttributeValue: "2" }),
  );
  const { Attributes } = await client.send(new GetTopicAttributesCommand({ TopicArn }));
  assert.equal(Attributes.TopicArn, TopicArn);
  assert.equal(Attributes.DisplayName, "Orders");
  assert.equal(Attributes.SignatureVersion, "2");
  assert.deepEqual((await client.send(new ListTagsForResourceCommand({ ResourceArn: TopicArn }))).Tags, Tags);
  const listed = [];
  for await (const page of paginateListTopics({ client }, {})) listed.push(...page.Topics.map((t) => t.TopicArn));
  assert.ok(listed.includes(TopicArn));
  await client.send(new DeleteTopicCommand({ TopicArn }));
  await assert.rejects(client.send(new GetTopicAttributesCommand({ TopicArn })), NotFoundException);
});

test("queues get a message raw and in its document, by their filters", async () => {
  const TopicArn = await topic();
  const [raw, wrapped] = [await queue(), await queue()];
  const FilterPolicy = JSON.stringify({ kind: ["new"] });
  await subscribe(TopicArn, raw, { RawMessageDelivery: "true", FilterPolicy });
  const arn = await subscribe(TopicArn, wrapped);
  await client.send(
    new SetSubscriptionAttributesCommand({
      SubscriptionArn: arn,
      AttributeName: "FilterPolicy",
      AttributeValue: JSON.stringify({ weight: [{ numeric: [">", 2] }] }),
    }),
  );
  const publish = (Message, kind, weight) =>
    client.send(
      new PublishCommand({
        TopicArn,
        Message,
        Subject: "Grüße",
        MessageAttributes: {
          kind: { DataType: "String", StringValue: kind },
          weight: { DataType: "Number", StringValue: weight },
          blob: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 254, 255]) },
        },
      }),
    );
  await publish("for nobody", "old", "1");
  const { MessageId } = await publish("hello 🦀", "new", "2.5");
  const [bare] = await receive(raw, 1);
  assert.equal(bare.Body, "hello 🦀");
  assert.equal(bare.MessageAttributes.kind.StringValue, "new");
  assert.deepEqual(new Uint8Array(bare.MessageAttributes.blob.BinaryValue), new Uint8Array([0, 1, 254, 255]));
  const [message] = await receive(wrapped, 1);
  const told = JSON.parse(message.Body);
  assert.deepEqual(
    [told.Type, told.MessageId, told.TopicArn, told.Subject, told.Message],
    ["Notification", MessageId, TopicArn, "Grüße", "hello 🦀"],
  );
  assert.deepEqual(told.MessageAttributes.weight, { Type: "Number", Value: "2.5" });
});

test("a batch is published whole, and fails whole when one entry is wrong", async () => {
  const TopicArn = await topic();
  const to = await queue();
  await subscribe(TopicArn, to, { RawMessageDelivery: "true" });
  const batch = (...PublishBatchRequestEntries) =>
    client.send(new PublishBatchCommand({ TopicArn, PublishBatchRequestEntries }));
  const [a, b] = ["a", "b"].map((Id) => ({ Id, Message: Id }));
  await assert.rejects(batch(a, { Id: "empty", Message: "" }), InvalidParameterException);
  await assert.rejects(batch(a, a), BatchEntryIdsNotDistinctException);
  const sent = await batch(a, b);
  assert.deepEqual(sent.Successful.map((entry) => entry.Id), ["a", "b"]);
  assert.ok(sent.Successful.every((entry) => /^[0-9a-f-]{36}$/.test(entry.MessageId)));
  assert.deepEqual(sent.Failed ?? [], []);
  const got = await receive(to, 2);
  assert.deepEqual(got.map((m) => m.Body).sort(), ["a", "b"]);
});

test("a FIFO topic keeps order, and takes an id once", async () => {
  const TopicArn = await topic({ FifoTopic: "true", ContentBasedDeduplication: "true" }, `${name()}.fifo`);
  const to = await queue({ FifoQueue: "true" }, `${name()}.fifo`);
  await subscribe(TopicArn, to, { RawMessageDelivery: "true" });
  const numbers = [];
  for (const Message of ["1", "2", "2", "3"]) {
    const sent = await client.send(new PublishCommand({ TopicArn, Message, MessageGroupId: "g" }));
    assert.match(sent.SequenceNumber, /^\d{20}$/);
    numbers.push(sent.SequenceNumber);
  }
  assert.equal(numbers[1], numbers[2]);
  assert.deepEqual((await receive(to, 3)).map((m) => m.Body), ["1", "2", "3"]);
});

test("subscriptions are listed in pages", async () => {
  const TopicArn = await topic();
  const made = [];
  for (let i = 0; i < 101; i++) made.push(subscribe(TopicArn, { arn: `arn:aws:sqs:us-east-1:000000000000:q${i}` }));
  const arns = await Promise.all(made);
  const pages = [];
  for await (const page of paginateListSubscriptionsByTopic({ client }, { TopicArn })) pages.push(page.Subscriptions);
  assert.deepEqual(pages.map((page) => page.length), [100, 1]);
  assert.deepEqual(pages.flat().map((one) => one.SubscriptionArn).sort(), arns.sort());
});

test("errors have their own types", async () => {
  const TopicArn = await topic();
  const none = `${TopicArn}-not`;
  await assert.rejects(client.send(new PublishCommand({ TopicArn: none, Message: "x" })), (error) => {
    assert.ok(error instanceof NotFoundException, error);
    assert.equal(error.$metadata.httpStatusCode, 404);
    assert.equal(error.message, "Topic does not exist");
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    return true;
  });
  await assert.rejects(client.send(new ListTagsForResourceCommand({ ResourceArn: none })), ResourceNotFoundException);
  const subscription = { TopicArn, Protocol: "pigeon", Endpoint: "loft" };
  await assert.rejects(client.send(new SubscribeCommand(subscription)), InvalidParameterException);
  const wrong = { n: { DataType: "Number", StringValue: "many" } };
  await assert.rejects(
    client.send(new PublishCommand({ TopicArn, Message: "x", MessageAttributes: wrong })),
    InvalidParameterValueException,
  );
  const others = TopicArn.replace("000000000000", "111111111111");
  await assert.rejects(client.send(new PublishCommand({ TopicArn: others, Message: "x" })), (error) => {
    assert.ok(error instanceof AuthorizationErrorException, error);
    assert.equal(error.$metadata.httpStatusCode, 403);
    return true;
  });
});

// An HTTP endpoint, and what comes to it, one after the other.
async function hook() {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    response.end();
    server.emit("arrived", request.headers["x-amz-sns-message-type"], Buffer.concat(chunks).toString());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

// The library takes certificates over TLS alone, and its message has that host: of whom who publishes has asked.
const overTls = process.env.LEVADA_TLS_ENDPOINT;
for (const SignatureVersion of ["1", "2"]) {
  test(`sns-validator takes what an endpoint gets, signed by version ${SignatureVersion}`, { skip: !overTls }, async () => {
    const secure = new SNSClient({
      endpoint: overTls,
      region: "us-east-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      maxAttempts: 1,
    });
    const server = await hook();
    try {
      const validator = new MessageValidator(/^127\.0\.0\.1:\d+$/);
      const validate = (text) =>
        new Promise((resolve, reject) => validator.validate(text, (error, told) => (error ? reject(error) : resolve(told))));
      const TopicArn = await topic({ SignatureVersion });
      const asked = once(server, "arrived");
      const Endpoint = `http://127.0.0.1:${server.address().port}/hook`;
      const pending = await secure.send(new SubscribeCommand({ TopicArn, Protocol: "http", Endpoint }));
      assert.equal(pending.SubscriptionArn, "pending confirmation");
      const [kind, request] = await asked;
      assert.equal(kind, "SubscriptionConfirmation");
      const { Token } = await validate(request);
      const confirmed = await secure.send(new ConfirmSubscriptionCommand({ TopicArn, Token }));
      const { SubscriptionArn } = confirmed;
      const { Attributes } = await client.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }));
      assert.equal(Attributes.PendingConfirmation, "false");

      const came = once(server, "arrived");
      const { MessageId } = await secure.send(new PublishCommand({ TopicArn, Subject: "s", Message: 'a "b"\n🦀' }));
      const [, document] = await came;
      const told = await validate(document);
      assert.deepEqual([told.MessageId, told.Message, told.SignatureVersion], [MessageId, 'a "b"\n🦀', SignatureVersion]);
      await assert.rejects(validate(JSON.stringify({ ...told, Message: "forged" })), /signature is invalid/);

      await client.send(new UnsubscribeCommand({ SubscriptionArn }));
      await assert.rejects(
        client.send(new GetSubscriptionAttributesCommand({ SubscriptionArn })),
        NotFoundException,
      );
    } finally {
      server.close();
      server.closeAllConnections();
      secure.destroy();
    }
  });
}

test.after(() => {
  client.destroy();
  sqs.destroy();
});

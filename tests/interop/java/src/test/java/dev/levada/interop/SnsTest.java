package dev.levada.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.protocols.jsoncore.JsonNode;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sns.SnsClient;
import software.amazon.awssdk.services.sns.model.AuthorizationErrorException;
import software.amazon.awssdk.services.sns.model.BatchEntryIdsNotDistinctException;
import software.amazon.awssdk.services.sns.model.InvalidParameterException;
import software.amazon.awssdk.services.sns.model.InvalidParameterValueException;
import software.amazon.awssdk.services.sns.model.MessageAttributeValue;
import software.amazon.awssdk.services.sns.model.NotFoundException;
import software.amazon.awssdk.services.sns.model.PublishBatchRequestEntry;
import software.amazon.awssdk.services.sns.model.PublishBatchResultEntry;
import software.amazon.awssdk.services.sns.model.ResourceNotFoundException;
import software.amazon.awssdk.services.sns.model.Subscription;
import software.amazon.awssdk.services.sns.model.Tag;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;

/** The AWS SDK for Java v2, unmodified, and its topics against the node at LEVADA_ENDPOINT. */
class SnsTest {
    private static final int PATIENCE_SECONDS = 30;

    private final SnsClient sns = SnsClient.builder()
            .endpointOverride(URI.create(System.getenv("LEVADA_ENDPOINT")))
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
            .httpClient(UrlConnectionHttpClient.create())
            .overrideConfiguration(c -> c.retryStrategy(r -> r.maxAttempts(1)))
            .build();
    private final SqsClient sqs = SqsClient.builder()
            .endpointOverride(URI.create(System.getenv("LEVADA_ENDPOINT")))
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
            .httpClient(UrlConnectionHttpClient.create())
            .overrideConfiguration(c -> c.retryStrategy(r -> r.maxAttempts(1)))
            .build();

    private static String name() {
        return "java-" + UUID.randomUUID();
    }

    private String topic(Map<String, String> attributes) {
        return sns.createTopic(r -> r.name(name()).attributes(attributes)).topicArn();
    }

    private String subscribe(String topic, String queue, Map<String, String> attributes) {
        return sns.subscribe(r -> r.topicArn(topic)
                        .protocol("sqs")
                        .endpoint(arn(queue))
                        .attributes(attributes))
                .subscriptionArn();
    }

    private String queue() {
        return sqs.createQueue(r -> r.queueName(name())).queueUrl();
    }

    private String arn(String queue) {
        return sqs.getQueueAttributes(r -> r.queueUrl(queue).attributeNames(QueueAttributeName.QUEUE_ARN))
                .attributes()
                .get(QueueAttributeName.QUEUE_ARN);
    }

    /** So many messages of a queue, or fewer if no more come. */
    private List<Message> receive(String queue, int count) {
        var got = new ArrayList<Message>();
        int before = -1;
        while (got.size() < count && got.size() > before) {
            before = got.size();
            got.addAll(sqs.receiveMessage(r -> r.queueUrl(queue)
                            .maxNumberOfMessages(10)
                            .waitTimeSeconds(10)
                            .messageAttributeNames("All"))
                    .messages());
        }
        return got;
    }

    private static MessageAttributeValue value(String type, String text) {
        return MessageAttributeValue.builder().dataType(type).stringValue(text).build();
    }

    @Test
    void aTopicIsCreatedWithAttributesAndTagsReadChangedListedAndDeleted() {
        var name = name();
        var tag = Tag.builder().key("team").value("Grüße + Co").build();
        var topic = sns.createTopic(
                        r -> r.name(name).attributes(Map.of("DisplayName", "Orders")).tags(tag))
                .topicArn();
        assertEquals(topic, sns.createTopic(r -> r.name(name)).topicArn());
        sns.setTopicAttributes(
                r -> r.topicArn(topic).attributeName("SignatureVersion").attributeValue("2"));
        var attributes = sns.getTopicAttributes(r -> r.topicArn(topic)).attributes();
        assertEquals("Orders", attributes.get("DisplayName"));
        assertEquals("2", attributes.get("SignatureVersion"));
        assertEquals(List.of(tag), sns.listTagsForResource(r -> r.resourceArn(topic)).tags());
        assertTrue(sns.listTopicsPaginator().topics().stream().anyMatch(t -> t.topicArn().equals(topic)));
        sns.deleteTopic(r -> r.topicArn(topic));
        assertThrows(NotFoundException.class, () -> sns.getTopicAttributes(r -> r.topicArn(topic)));
    }

    @Test
    void queuesGetAMessageRawAndInItsDocumentByTheirFilters() {
        var topic = topic(Map.of());
        String raw = queue(), wrapped = queue();
        subscribe(topic, raw, Map.of("RawMessageDelivery", "true", "FilterPolicy", "{\"kind\": [\"new\"]}"));
        var subscription = subscribe(topic, wrapped, Map.of());
        sns.setSubscriptionAttributes(r -> r.subscriptionArn(subscription)
                .attributeName("FilterPolicy")
                .attributeValue("{\"weight\": [{\"numeric\": [\">\", 2]}]}"));
        byte[] blob = {0, 1, -2, -1};
        var binary = MessageAttributeValue.builder().dataType("Binary").binaryValue(SdkBytes.fromByteArray(blob)).build();
        sns.publish(r -> r.topicArn(topic)
                .message("for nobody")
                .messageAttributes(Map.of("kind", value("String", "old"), "weight", value("Number", "1"))));
        var id = sns.publish(r -> r.topicArn(topic)
                        .message("hello 🦀")
                        .subject("Grüße")
                        .messageAttributes(Map.of(
                                "kind", value("String", "new"), "weight", value("Number", "2.5"), "blob", binary)))
                .messageId();
        var bare = receive(raw, 1).get(0);
        assertEquals("hello 🦀", bare.body());
        assertArrayEquals(blob, bare.messageAttributes().get("blob").binaryValue().asByteArray());
        var told = read(receive(wrapped, 1).get(0).body());
        assertEquals("Notification", told.get("Type"));
        assertEquals(id, told.get("MessageId"));
        assertEquals("Grüße", told.get("Subject"));
        assertEquals("hello 🦀", told.get("Message"));
    }

    @Test
    void aBatchIsPublishedWholeAndFailsWholeWhenOneEntryIsWrong() {
        var topic = topic(Map.of());
        var queue = queue();
        subscribe(topic, queue, Map.of("RawMessageDelivery", "true"));
        var a = PublishBatchRequestEntry.builder().id("a").message("a").build();
        var b = PublishBatchRequestEntry.builder().id("b").message("b").build();
        var empty = PublishBatchRequestEntry.builder().id("empty").message("").build();
        assertThrows(
                InvalidParameterException.class,
                () -> sns.publishBatch(r -> r.topicArn(topic).publishBatchRequestEntries(a, empty)));
        assertThrows(
                BatchEntryIdsNotDistinctException.class,
                () -> sns.publishBatch(r -> r.topicArn(topic).publishBatchRequestEntries(a, a)));
        var sent = sns.publishBatch(r -> r.topicArn(topic).publishBatchRequestEntries(a, b));
        assertEquals(List.of("a", "b"), sent.successful().stream().map(PublishBatchResultEntry::id).toList());
        assertTrue(sent.failed().isEmpty());
        assertEquals(List.of("a", "b"), receive(queue, 2).stream().map(Message::body).sorted().toList());
    }

    @Test
    void aFifoTopicKeepsOrderAndTakesAnIdOnce() {
        var topic = sns.createTopic(r -> r.name(name() + ".fifo").attributes(Map.of("FifoTopic", "true"))).topicArn();
        var queue = sqs.createQueue(r -> r.queueName(name() + ".fifo").attributes(Map.of(QueueAttributeName.FIFO_QUEUE, "true")))
                .queueUrl();
        subscribe(topic, queue, Map.of("RawMessageDelivery", "true"));
        var numbers = new ArrayList<String>();
        for (var text : List.of("1", "2", "2", "3")) {
            numbers.add(sns.publish(r -> r.topicArn(topic)
                            .message(text)
                            .messageGroupId("g")
                            .messageDeduplicationId(text))
                    .sequenceNumber());
        }
        assertTrue(numbers.stream().allMatch(number -> number.matches("\\d{20}")), numbers.toString());
        assertEquals(numbers.get(1), numbers.get(2));
        assertEquals(List.of("1", "2", "3"), receive(queue, 3).stream().map(Message::body).toList());
    }

    @Test
    void subscriptionsAreListedInPages() {
        var topic = topic(Map.of());
        var made = new HashSet<String>();
        IntStream.range(0, 101).forEach(n -> made.add(sns.subscribe(r -> r.topicArn(topic)
                        .protocol("sqs")
                        .endpoint("arn:aws:sqs:us-east-1:000000000000:q" + n))
                .subscriptionArn()));
        var sizes = new ArrayList<Integer>();
        Set<String> listed = new HashSet<>();
        sns.listSubscriptionsByTopicPaginator(r -> r.topicArn(topic)).forEach(page -> {
            sizes.add(page.subscriptions().size());
            page.subscriptions().stream().map(Subscription::subscriptionArn).forEach(listed::add);
        });
        assertEquals(List.of(100, 1), sizes);
        assertEquals(made, listed);
    }

    @Test
    void errorsHaveTheirOwnTypes() {
        var topic = topic(Map.of());
        var none = assertThrows(
                NotFoundException.class, () -> sns.publish(r -> r.topicArn(topic + "-not").message("x")));
        assertEquals(404, none.statusCode());
        assertEquals("NotFound", none.awsErrorDetails().errorCode());
        assertEquals("Topic does not exist", none.awsErrorDetails().errorMessage());
        assertNotNull(none.requestId());
        assertThrows(
                ResourceNotFoundException.class, () -> sns.listTagsForResource(r -> r.resourceArn(topic + "-not")));
        assertThrows(
                InvalidParameterException.class,
                () -> sns.subscribe(r -> r.topicArn(topic).protocol("pigeon").endpoint("loft")));
        assertThrows(
                InvalidParameterValueException.class,
                () -> sns.publish(r -> r.topicArn(topic)
                        .message("x")
                        .messageAttributes(Map.of("n", value("Number", "many")))));
        var others = topic.replace("000000000000", "111111111111");
        var closed = assertThrows(
                AuthorizationErrorException.class, () -> sns.publish(r -> r.topicArn(others).message("x")));
        assertEquals(403, closed.statusCode());
    }

    @Test
    void anEndpointConfirmsChecksSignaturesAndIsUnsubscribed() throws Exception {
        BlockingQueue<String> arrived = new LinkedBlockingQueue<>();
        var server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/hook", exchange -> {
            var body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
            arrived.add(body);
        });
        server.start();
        try {
            var topic = topic(Map.of("SignatureVersion", "2"));
            var url = "http://127.0.0.1:" + server.getAddress().getPort() + "/hook";
            var pending = sns.subscribe(r -> r.topicArn(topic).protocol("http").endpoint(url)).subscriptionArn();
            assertEquals("pending confirmation", pending);
            var asked = next(arrived);
            assertEquals("SubscriptionConfirmation", asked.get("Type"));
            var names = List.of("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type");
            assertTrue(isSigned(asked, names));
            var subscription = sns.confirmSubscription(r -> r.topicArn(topic).token(asked.get("Token")))
                    .subscriptionArn();
            var id = sns.publish(r -> r.topicArn(topic).subject("s").message("a \"b\"\n🦀")).messageId();
            var told = next(arrived);
            assertEquals(id, told.get("MessageId"));
            assertEquals("a \"b\"\n🦀", told.get("Message"));
            names = List.of("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type");
            assertTrue(isSigned(told, names));
            told.put("Message", "forged");
            assertFalse(isSigned(told, names));
            sns.unsubscribe(r -> r.subscriptionArn(subscription));
            assertThrows(
                    NotFoundException.class,
                    () -> sns.getSubscriptionAttributes(r -> r.subscriptionArn(subscription)));
        } finally {
            server.stop(0);
        }
    }

    private static Map<String, String> next(BlockingQueue<String> arrived) throws InterruptedException {
        var text = arrived.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertNotNull(text, "nothing was delivered");
        return read(text);
    }

    /** The texts of a document. */
    private static Map<String, String> read(String json) {
        var texts = new HashMap<String, String>();
        JsonNode.parser().parse(json).asObject().forEach((name, value) -> {
            if (value.isString()) {
                texts.put(name, value.asString());
            }
        });
        return texts;
    }

    /** As AWS documents it: each name and value on a line of its own, by the certificate's key. */
    private static boolean isSigned(Map<String, String> told, List<String> names) throws Exception {
        var signature = Signature.getInstance("SHA256withRSA");
        try (var pem = URI.create(told.get("SigningCertURL")).toURL().openStream()) {
            signature.initVerify(CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        for (var name : names) {
            signature.update((name + "\n" + told.get(name) + "\n").getBytes(StandardCharsets.UTF_8));
        }
        return signature.verify(Base64.getDecoder().decode(told.get("Signature")));
    }
}

package dev.levada.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.sqs.SqsClient;
import software.amazon.awssdk.services.sqs.model.BatchEntryIdsNotDistinctException;
import software.amazon.awssdk.services.sqs.model.DeleteMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.Message;
import software.amazon.awssdk.services.sqs.model.MessageAttributeValue;
import software.amazon.awssdk.services.sqs.model.MessageSystemAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueAttributeName;
import software.amazon.awssdk.services.sqs.model.QueueDoesNotExistException;
import software.amazon.awssdk.services.sqs.model.ReceiptHandleIsInvalidException;
import software.amazon.awssdk.services.sqs.model.SendMessageBatchRequestEntry;
import software.amazon.awssdk.services.sqs.model.SqsException;

/** The AWS SDK for Java v2, unmodified, against the node at LEVADA_ENDPOINT. */
class SqsTest {
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

    private String queue(String name, Map<QueueAttributeName, String> attributes) {
        return sqs.createQueue(r -> r.queueName(name).attributes(attributes)).queueUrl();
    }

    private List<Message> receive(String url, int waitSeconds) {
        return sqs.receiveMessage(r -> r.queueUrl(url)
                        .maxNumberOfMessages(10)
                        .waitTimeSeconds(waitSeconds)
                        .messageAttributeNames("All")
                        .messageSystemAttributeNames(MessageSystemAttributeName.ALL))
                .messages();
    }

    @Test
    void aQueueIsCreatedFoundReadAndDeleted() {
        String name = name();
        String url = queue(name, Map.of(QueueAttributeName.VISIBILITY_TIMEOUT, "44"));
        assertEquals(url, sqs.getQueueUrl(r -> r.queueName(name)).queueUrl());
        Map<QueueAttributeName, String> read = sqs.getQueueAttributes(
                        r -> r.queueUrl(url).attributeNames(QueueAttributeName.ALL))
                .attributes();
        assertEquals("44", read.get(QueueAttributeName.VISIBILITY_TIMEOUT));
        sqs.deleteQueue(r -> r.queueUrl(url));
    }

    @Test
    void aMessageIsSentReceivedChangedAndDeleted() {
        String url = queue(name(), Map.of());
        byte[] blob = {0, 1, -2, -1};
        // The SDK checks the digests of body and attributes by itself.
        String id = sqs.sendMessage(r -> r.queueUrl(url)
                        .messageBody("hello 🚰")
                        .messageAttributes(Map.of(
                                "text",
                                MessageAttributeValue.builder().dataType("String").stringValue("Grüße <&>").build(),
                                "blob",
                                MessageAttributeValue.builder()
                                        .dataType("Binary")
                                        .binaryValue(SdkBytes.fromByteArray(blob))
                                        .build())))
                .messageId();
        List<Message> got = receive(url, 5);
        assertEquals(1, got.size());
        assertEquals(id, got.get(0).messageId());
        assertEquals("hello 🚰", got.get(0).body());
        assertArrayEquals(blob, got.get(0).messageAttributes().get("blob").binaryValue().asByteArray());
        assertEquals("1", got.get(0).attributes().get(MessageSystemAttributeName.APPROXIMATE_RECEIVE_COUNT));
        String handle = got.get(0).receiptHandle();
        sqs.changeMessageVisibility(r -> r.queueUrl(url).receiptHandle(handle).visibilityTimeout(60));
        sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle(handle));
        assertTrue(receive(url, 0).isEmpty());
    }

    @Test
    void batchesReportEachEntry() {
        String url = queue(name(), Map.of());
        var sent = sqs.sendMessageBatch(r -> r.queueUrl(url)
                .entries(
                        SendMessageBatchRequestEntry.builder().id("a").messageBody("1").build(),
                        SendMessageBatchRequestEntry.builder().id("b").messageBody("2").delaySeconds(901).build(),
                        SendMessageBatchRequestEntry.builder().id("c").messageBody("3").build()));
        assertEquals(2, sent.successful().size());
        assertEquals("b", sent.failed().get(0).id());
        assertTrue(sent.failed().get(0).senderFault());
        List<DeleteMessageBatchRequestEntry> entries = new ArrayList<>();
        entries.add(DeleteMessageBatchRequestEntry.builder().id("x").receiptHandle("garbage").build());
        for (int turn = 0; turn < 5 && entries.size() < 3; turn++) {
            for (Message message : receive(url, 1)) {
                entries.add(DeleteMessageBatchRequestEntry.builder()
                        .id("m" + message.body())
                        .receiptHandle(message.receiptHandle())
                        .build());
            }
        }
        var deleted = sqs.deleteMessageBatch(r -> r.queueUrl(url).entries(entries));
        assertEquals(2, deleted.successful().size());
        assertEquals("ReceiptHandleIsInvalid", deleted.failed().get(0).code());
    }

    @Test
    void aFifoQueueKeepsOrderAndTakesAnIdOnce() {
        String url = queue(name() + ".fifo", Map.of(QueueAttributeName.FIFO_QUEUE, "true"));
        for (String body : List.of("1", "2", "2", "3")) {
            String number = sqs.sendMessage(r -> r.queueUrl(url)
                            .messageBody(body)
                            .messageGroupId("g")
                            .messageDeduplicationId(body))
                    .sequenceNumber();
            assertTrue(number.matches("\\d{20}"), number);
        }
        assertEquals(List.of("1", "2", "3"), receive(url, 2).stream().map(Message::body).toList());
        assertTrue(receive(url, 0).isEmpty());
    }

    @Test
    void errorsHaveTheirOwnTypes() {
        String url = queue(name(), Map.of());
        var none = assertThrows(
                QueueDoesNotExistException.class, () -> sqs.getQueueUrl(r -> r.queueName(name())));
        assertEquals(400, none.statusCode());
        assertEquals("AWS.SimpleQueueService.NonExistentQueue", none.awsErrorDetails().errorCode());
        assertTrue(none.getMessage().contains("The specified queue does not exist"));
        assertThrows(
                ReceiptHandleIsInvalidException.class,
                () -> sqs.deleteMessage(r -> r.queueUrl(url).receiptHandle("garbage")));
        var same = SendMessageBatchRequestEntry.builder().id("same").messageBody("x").build();
        assertThrows(
                BatchEntryIdsNotDistinctException.class,
                () -> sqs.sendMessageBatch(r -> r.queueUrl(url).entries(same, same)));
        var other = assertThrows(
                SqsException.class, () -> sqs.receiveMessage(r -> r.queueUrl(url).maxNumberOfMessages(11)));
        assertTrue(other.getMessage().contains("Value 11 for parameter MaxNumberOfMessages is invalid"));
    }

    @Test
    void aLongPollWakes() throws Exception {
        String url = queue(name(), Map.of());
        var poll = CompletableFuture.supplyAsync(() -> receive(url, 20));
        Thread.sleep(300);
        long begun = System.nanoTime();
        sqs.sendMessage(r -> r.queueUrl(url).messageBody("x"));
        assertEquals(1, poll.get().size());
        assertTrue(System.nanoTime() - begun < 700_000_000L);
    }

    @Test
    void queuesAreListedInPages() {
        String prefix = name();
        for (int i = 0; i < 5; i++) {
            queue(prefix + i, Map.of());
        }
        List<Integer> sizes = new ArrayList<>();
        sqs.listQueuesPaginator(r -> r.queueNamePrefix(prefix).maxResults(2))
                .forEach(page -> sizes.add(page.queueUrls().size()));
        assertEquals(List.of(2, 2, 1), sizes);
    }
}

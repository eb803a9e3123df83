package dev.levada.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;

/** The AWS SDK for Java v2, unmodified, and its streams against the node at LEVADA_ENDPOINT. It speaks CBOR. */
class KinesisTest {
    private final KinesisClient kinesis = KinesisClient.builder()
            .endpointOverride(URI.create(System.getenv("LEVADA_ENDPOINT")))
            .region(Region.US_EAST_1)
            .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
            .httpClient(UrlConnectionHttpClient.create())
            .overrideConfiguration(c -> c.retryStrategy(r -> r.maxAttempts(1)))
            .build();

    private String stream() {
        var name = "java-" + UUID.randomUUID();
        kinesis.createStream(r -> r.streamName(name).shardCount(1));
        kinesis.waiter().waitUntilStreamExists(r -> r.streamName(name));
        return name;
    }

    private List<Record> read(String stream, String shard, int count) {
        var at = kinesis.getShardIterator(r -> r.streamName(stream)
                        .shardId(shard)
                        .shardIteratorType(ShardIteratorType.TRIM_HORIZON))
                .shardIterator();
        var records = new ArrayList<Record>();
        while (records.size() < count && at != null) {
            var iterator = at;
            var answer = kinesis.getRecords(r -> r.shardIterator(iterator));
            records.addAll(answer.records());
            at = answer.nextShardIterator();
        }
        return records;
    }

    @Test
    void recordsArePutAndReadInOrder() {
        var stream = stream();
        var data = new byte[] {0, 1, -2, -1};
        var first = kinesis.putRecord(
                r -> r.streamName(stream).partitionKey("Grüße").data(SdkBytes.fromByteArray(data)));
        var entries = IntStream.range(0, 50)
                .mapToObj(n -> PutRecordsRequestEntry.builder()
                        .partitionKey("k" + n)
                        .data(SdkBytes.fromUtf8String("" + n))
                        .build())
                .toList();
        var rest = kinesis.putRecords(r -> r.streamName(stream).records(entries));
        var numbers = new ArrayList<>(List.of(first.sequenceNumber()));
        rest.records().forEach(put -> numbers.add(put.sequenceNumber()));
        var records = read(stream, first.shardId(), numbers.size());
        assertArrayEquals(data, records.get(0).data().asByteArray());
        assertEquals("Grüße", records.get(0).partitionKey());
        assertEquals(numbers, records.stream().map(Record::sequenceNumber).toList());
    }

    @Test
    void errorsHaveTheirTypes() {
        var missing = "java-" + UUID.randomUUID();
        assertThrows(
                ResourceNotFoundException.class, () -> kinesis.describeStreamSummary(r -> r.streamName(missing)));
        assertThrows(InvalidArgumentException.class, () -> kinesis.getRecords(r -> r.shardIterator("forged")));
    }
}

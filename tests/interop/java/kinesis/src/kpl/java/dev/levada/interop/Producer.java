package dev.levada.interop;

import com.google.common.util.concurrent.ListenableFuture;
import java.math.BigInteger;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/**
 * Puts records by the KPL, aggregated, and reads them back by the SDK and the KCL's own de-aggregation. The KPL promises no
 * order: it has several requests under way at once.
 *
 * <p>{@code Producer HTTP-ENDPOINT TLS-PORT STREAM COUNT [CERTIFICATE]}. The last line says what came of it; anything that is
 * not as it should be ends with an exception.
 */
public final class Producer {
  private static final int KEYS = 100;

  private Producer() {}

  public static void main(String[] args) throws Exception {
    String stream = args[2];
    int count = Integer.parseInt(args[3]);
    var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
    long port = Long.parseLong(args[1]);
    var configuration =
        new KinesisProducerConfiguration()
            .setRegion("us-east-1")
            .setCredentialsProvider(credentials)
            .setKinesisEndpoint("127.0.0.1")
            .setKinesisPort(port)
            .setStsEndpoint("127.0.0.1")
            .setStsPort(port)
            .setCloudwatchEndpoint("127.0.0.1")
            .setCloudwatchPort(port)
            .setMetricsLevel("none")
            .setAggregationEnabled(true)
            .setRecordMaxBufferedTime(200)
            .setRequestTimeout(20_000);
    if (args.length > 4) {
      configuration.setVerifyCertificate(true).setCaCertFile(args[4]);
    } else {
      configuration.setVerifyCertificate(false);
    }
    Set<String> acknowledged = put(configuration, stream, count);
    var kinesis =
        KinesisAsyncClient.builder()
            .credentialsProvider(credentials)
            .region(Region.US_EAST_1)
            .endpointOverride(URI.create(args[0]))
            .build();
    int packed = 0;
    Set<String> read = new HashSet<>();
    for (Shard shard : kinesis.listShards(r -> r.streamName(stream)).join().shards()) {
      List<KinesisClientRecord> records = read(kinesis, stream, shard);
      packed += records.size();
      var range = shard.hashKeyRange();
      List<KinesisClientRecord> whole = new AggregatorUtil().deaggregate(unread(records));
      // With its hash keys, as the KCL does: that leaves out what should be in another shard.
      List<KinesisClientRecord> own =
          new AggregatorUtil().deaggregate(
              unread(records), range.startingHashKey(), range.endingHashKey());
      check(whole.size() == own.size(), "records of other shards' hash keys are in " + shard.shardId());
      for (KinesisClientRecord record : own) {
        String data = StandardCharsets.UTF_8.decode(record.data()).toString();
        check(read.add(data), "twice: " + data);
        check(data.startsWith(record.partitionKey() + ":"), data + " has the key " + record.partitionKey());
      }
    }
    check(read.equals(acknowledged), acknowledged.size() + " acknowledged, " + read.size() + " read");
    kinesis.close();
    System.out.println("user records " + read.size() + ", kinesis records " + packed);
  }

  /** Puts, and gives the data of what was acknowledged: all of it. */
  private static Set<String> put(KinesisProducerConfiguration configuration, String stream, int count) throws Exception {
    Set<String> acknowledged = new HashSet<>();
    var producer = new KinesisProducer(configuration);
    try {
      List<ListenableFuture<UserRecordResult>> results = new ArrayList<>();
      List<String> sent = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        String key = "key-" + i % KEYS;
        String data = key + ":" + i + ";" + "x".repeat(i % 200);
        sent.add(data);
        results.add(producer.addUserRecord(stream, key, ByteBuffer.wrap(data.getBytes(StandardCharsets.UTF_8))));
      }
      producer.flush();
      for (int i = 0; i < count; i++) {
        UserRecordResult result = results.get(i).get(120, TimeUnit.SECONDS);
        check(result.isSuccessful(), "refused: " + sent.get(i));
        check(new BigInteger(result.getSequenceNumber()).signum() > 0, "no sequence number");
        acknowledged.add(sent.get(i));
      }
    } finally {
      producer.destroy();
    }
    return acknowledged;
  }

  /** All that is in a shard. */
  private static List<KinesisClientRecord> read(KinesisAsyncClient kinesis, String stream, Shard shard) {
    List<KinesisClientRecord> records = new ArrayList<>();
    String at =
        kinesis
            .getShardIterator(r -> r.streamName(stream).shardId(shard.shardId()).shardIteratorType("TRIM_HORIZON"))
            .join()
            .shardIterator();
    while (at != null) {
      String from = at;
      var answer = kinesis.getRecords(r -> r.shardIterator(from)).join();
      for (Record record : answer.records()) {
        records.add(KinesisClientRecord.fromRecord(record));
      }
      if (answer.records().isEmpty() && answer.millisBehindLatest() == 0) {
        break;
      }
      at = answer.nextShardIterator();
    }
    return records;
  }

  /** The same with data that is still to be read: de-aggregation uses it up. */
  private static List<KinesisClientRecord> unread(List<KinesisClientRecord> records) {
    return records.stream().map(r -> r.toBuilder().data(r.data().duplicate()).build()).toList();
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }
}

package dev.levada.interop;

import java.lang.reflect.Method;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.exceptions.InvalidStateException;
import software.amazon.kinesis.exceptions.ShutdownException;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * One worker of an application: says on its standard output what befalls it, a line for each event, and judges nothing.
 *
 * <p>{@code Worker ENDPOINT STREAM APPLICATION WORKER polling|fanout default|quick}. The same source for both lines of the
 * library; a setting that one of them lacks is left out.
 */
public final class Worker {
  private static final long CHECKPOINT_EVERY_MILLIS = 1_000;

  private Worker() {}

  public static void main(String[] args) throws Exception {
    URI endpoint = URI.create(args[0]);
    String stream = args[1];
    String application = args[2];
    String worker = args[3];
    boolean fanOut = args[4].equals("fanout");
    var credentials = StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test"));
    KinesisAsyncClient kinesis =
        KinesisClientUtil.createKinesisAsyncClient(
            KinesisAsyncClient.builder()
                .credentialsProvider(credentials)
                .region(Region.US_EAST_1)
                .endpointOverride(endpoint));
    DynamoDbAsyncClient tables =
        DynamoDbAsyncClient.builder()
            .credentialsProvider(credentials)
            .region(Region.US_EAST_1)
            .endpointOverride(endpoint)
            .build();
    CloudWatchAsyncClient metrics =
        CloudWatchAsyncClient.builder()
            .credentialsProvider(credentials)
            .region(Region.US_EAST_1)
            .endpointOverride(endpoint)
            .build();
    var start = InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON);
    var configs =
        new ConfigsBuilder(
            new SingleStreamTracker(stream, start), application, kinesis, tables, metrics, worker, Processor::new);
    var leases = configs.leaseManagementConfig();
    var coordinator = configs.coordinatorConfig();
    var retrieval = configs.retrievalConfig();
    if (fanOut) {
      retrieval.retrievalSpecificConfig(new FanOutConfig(kinesis).streamName(stream).applicationName(application));
    } else {
      var polling = new PollingConfig(stream, kinesis);
      set(polling, "idleTimeBetweenReadsInMillis", 250L);
      retrieval.retrievalSpecificConfig(polling);
    }
    if (args[5].equals("quick")) {
      // What takes a minute or two by default takes seconds. The calls that are made are the same.
      set(leases, "failoverTimeMillis", 4_000L);
      set(leases, "shardSyncIntervalMillis", 5_000L);
      set(leases, "leasesRecoveryAuditorExecutionFrequencyMillis", 5_000L);
      set(leases, "dynamoDbLockBasedLeaderLeaseDurationInMillis", 9_000L);
      set(leases, "dynamoDbLockBasedLeaderHeartbeatPeriodInMillis", 2_000L);
      Object balance = get(leases, "workerUtilizationAwareAssignmentConfig");
      if (balance != null) {
        set(balance, "workerMetricsReporterFreqInMillis", 2_000L);
        set(balance, "varianceBalancingFrequency", 1);
      }
      set(coordinator, "parentShardPollIntervalMillis", 1_000L);
      set(coordinator, "shardConsumerDispatchPollIntervalMillis", 250L);
    }
    var scheduler =
        new Scheduler(
            configs.checkpointConfig(),
            coordinator,
            leases,
            configs.lifecycleConfig(),
            configs.metricsConfig(),
            configs.processorConfig(),
            retrieval);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  try {
                    scheduler.startGracefulShutdown().get(20, TimeUnit.SECONDS);
                  } catch (Exception e) {
                    say("hurried", "-", e);
                  }
                }));
    say("start", "-", worker);
    scheduler.run();
    say("end", "-", worker);
  }

  /** Sets what a configuration has under this name, if it has it. */
  private static void set(Object configuration, String name, Object value) throws ReflectiveOperationException {
    for (Method method : configuration.getClass().getMethods()) {
      if (method.getName().equals(name) && method.getParameterCount() == 1) {
        method.invoke(configuration, value);
        return;
      }
    }
  }

  /** What a configuration has under this name; null if it has it not. */
  private static Object get(Object configuration, String name) throws ReflectiveOperationException {
    for (Method method : configuration.getClass().getMethods()) {
      if (method.getName().equals(name) && method.getParameterCount() == 0) {
        return method.invoke(configuration);
      }
    }
    return null;
  }

  /** One line: the time in milliseconds, what, which shard, and the rest. Whole, also if the process is killed then. */
  private static synchronized void say(String what, String shard, Object... rest) {
    var line = new StringBuilder().append(System.currentTimeMillis()).append('\t').append(what).append('\t').append(shard);
    for (Object one : rest) {
      line.append('\t').append(one);
    }
    System.out.print(line.append('\n'));
    System.out.flush();
  }

  private static final class Processor implements ShardRecordProcessor {
    private String shard;
    private long checkpointed = System.currentTimeMillis();

    @Override
    public void initialize(InitializationInput input) {
      shard = input.shardId();
      var at = input.extendedSequenceNumber();
      say("init", shard, at.sequenceNumber(), at.subSequenceNumber());
    }

    @Override
    public void processRecords(ProcessRecordsInput input) {
      KinesisClientRecord last = null;
      for (KinesisClientRecord record : input.records()) {
        last = record;
        String data = StandardCharsets.UTF_8.decode(record.data().duplicate()).toString();
        say("record", shard, record.sequenceNumber(), record.subSequenceNumber(), record.partitionKey(), data);
      }
      if (last != null && System.currentTimeMillis() - checkpointed >= CHECKPOINT_EVERY_MILLIS) {
        checkpoint(input.checkpointer(), last.sequenceNumber());
      }
    }

    @Override
    public void leaseLost(LeaseLostInput input) {
      say("lost", shard);
    }

    @Override
    public void shardEnded(ShardEndedInput input) {
      say("ended", shard);
      checkpoint(input.checkpointer(), "SHARD_END");
    }

    @Override
    public void shutdownRequested(ShutdownRequestedInput input) {
      checkpoint(input.checkpointer(), "-");
      say("stopped", shard);
    }

    private void checkpoint(RecordProcessorCheckpointer checkpointer, String sequence) {
      try {
        checkpointer.checkpoint();
        checkpointed = System.currentTimeMillis();
        say("checkpoint", shard, sequence);
      } catch (ShutdownException e) {
        // Another worker has the lease: that one goes on from the last checkpoint.
        say("superseded", shard);
      } catch (InvalidStateException e) {
        say("failed", shard, "checkpoint", e);
      } catch (RuntimeException e) {
        // The next one will do.
        say("unmarked", shard, e);
      }
    }
  }
}

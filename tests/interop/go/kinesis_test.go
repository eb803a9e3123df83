package interop

import (
	"errors"
	"math/big"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func streams() *kinesis.Client {
	return kinesis.New(kinesis.Options{
		BaseEndpoint:     aws.String(os.Getenv("LEVADA_ENDPOINT")),
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	})
}

func active(t *testing.T, name *string) *types.StreamDescriptionSummary {
	t.Helper()
	waiter := kinesis.NewStreamExistsWaiter(streams(), func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	})
	if err := waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: name}, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	return must[*kinesis.DescribeStreamSummaryOutput](t)(streams().DescribeStreamSummary(ctx,
		&kinesis.DescribeStreamSummaryInput{StreamName: name})).StreamDescriptionSummary
}

func stream(t *testing.T) *string {
	t.Helper()
	name := name(t)
	must[*kinesis.CreateStreamOutput](t)(streams().CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName: &name, ShardCount: aws.Int32(1),
	}))
	active(t, &name)
	return &name
}

func read(t *testing.T, stream, shard *string, count int) []types.Record {
	t.Helper()
	at := must[*kinesis.GetShardIteratorOutput](t)(streams().GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: stream, ShardId: shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})).ShardIterator
	var records []types.Record
	for len(records) < count && at != nil {
		answer := must[*kinesis.GetRecordsOutput](t)(streams().GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: at}))
		records, at = append(records, answer.Records...), answer.NextShardIterator
	}
	return records
}

func TestRecordsArePutAndReadInOrder(t *testing.T) {
	stream := stream(t)
	first := must[*kinesis.PutRecordOutput](t)(streams().PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: stream, Data: []byte{0, 1, 254, 255}, PartitionKey: aws.String("Grüße"),
	}))
	numbers := []string{*first.SequenceNumber}
	var entries []types.PutRecordsRequestEntry
	for n := range 50 {
		key := strconv.Itoa(n)
		entries = append(entries, types.PutRecordsRequestEntry{Data: []byte(key), PartitionKey: &key})
	}
	rest := must[*kinesis.PutRecordsOutput](t)(streams().PutRecords(ctx, &kinesis.PutRecordsInput{
		StreamName: stream, Records: entries,
	}))
	for _, put := range rest.Records {
		numbers = append(numbers, *put.SequenceNumber)
	}
	records := read(t, stream, first.ShardId, len(numbers))
	if !slices.Equal(records[0].Data, []byte{0, 1, 254, 255}) || *records[0].PartitionKey != "Grüße" {
		t.Fatal(records[0])
	}
	for n, record := range records {
		if *record.SequenceNumber != numbers[n] {
			t.Fatalf("record %d is %s and not %s", n, *record.SequenceNumber, numbers[n])
		}
	}
}

func TestShardThatWasSplitEndsWithItsChildren(t *testing.T) {
	stream := stream(t)
	put := must[*kinesis.PutRecordOutput](t)(streams().PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: stream, Data: []byte("before"), PartitionKey: aws.String("k"),
	}))
	half := new(big.Int).Lsh(big.NewInt(1), 127).String()
	must[*kinesis.SplitShardOutput](t)(streams().SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: stream, ShardToSplit: put.ShardId, NewStartingHashKey: &half,
	}))
	if open := *active(t, stream).OpenShardCount; open != 2 {
		t.Fatalf("%d shards are open", open)
	}
	// Its iterator ends.
	if records := read(t, stream, put.ShardId, 1_000_000); len(records) != 1 {
		t.Fatal(records)
	}
}

func TestErrorsOfStreamsHaveTheirTypes(t *testing.T) {
	_, err := streams().DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(name(t))})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		t.Fatal(err)
	}
	_, err = streams().GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("forged")})
	var invalid *types.InvalidArgumentException
	if !errors.As(err, &invalid) {
		t.Fatal(err)
	}
}

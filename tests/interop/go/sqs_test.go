// Package interop runs the AWS SDK for Go v2, unmodified, against one node.
package interop

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

var ctx = context.Background()

func client() *sqs.Client {
	return sqs.New(sqs.Options{
		BaseEndpoint:     aws.String(os.Getenv("LEVADA_ENDPOINT")),
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	})
}

func name(t *testing.T) string {
	t.Helper()
	raw := make([]byte, 12)
	if _, err := rand.Read(raw); err != nil {
		t.Fatal(err)
	}
	return "go-" + hex.EncodeToString(raw)
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func queue(t *testing.T, name string, attributes map[string]string) *string {
	t.Helper()
	return must[*sqs.CreateQueueOutput](t)(client().CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: &name, Attributes: attributes,
	})).QueueUrl
}

func receive(t *testing.T, url *string, wait int32) []types.Message {
	t.Helper()
	return must[*sqs.ReceiveMessageOutput](t)(client().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
	})).Messages
}

func TestQueueIsCreatedFoundReadAndDeleted(t *testing.T) {
	name := name(t)
	url := queue(t, name, map[string]string{"VisibilityTimeout": "44"})
	found := must[*sqs.GetQueueUrlOutput](t)(client().GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name}))
	if *found.QueueUrl != *url {
		t.Fatalf("%s is not %s", *found.QueueUrl, *url)
	}
	read := must[*sqs.GetQueueAttributesOutput](t)(client().GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"},
	}))
	if read.Attributes["VisibilityTimeout"] != "44" {
		t.Fatal(read.Attributes)
	}
	must[*sqs.DeleteQueueOutput](t)(client().DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: url}))
}

func TestMessageIsSentReceivedChangedAndDeleted(t *testing.T) {
	url := queue(t, name(t), nil)
	// The SDK checks the digest of the body by itself.
	sent := must[*sqs.SendMessageOutput](t)(client().SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: url, MessageBody: aws.String("hello 🚰"),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"text": {DataType: aws.String("String"), StringValue: aws.String("Grüße <&>")},
			"blob": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 254, 255}},
		},
	}))
	got := receive(t, url, 5)
	if len(got) != 1 || *got[0].Body != "hello 🚰" || *got[0].MessageId != *sent.MessageId {
		t.Fatal(got)
	}
	if *got[0].MD5OfMessageAttributes != *sent.MD5OfMessageAttributes {
		t.Fatal("the digest of the attributes differs")
	}
	if !slices.Equal(got[0].MessageAttributes["blob"].BinaryValue, []byte{0, 1, 254, 255}) {
		t.Fatal(got[0].MessageAttributes)
	}
	if got[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Fatal(got[0].Attributes)
	}
	must[*sqs.ChangeMessageVisibilityOutput](t)(client().ChangeMessageVisibility(ctx,
		&sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 60}))
	must[*sqs.DeleteMessageOutput](t)(client().DeleteMessage(ctx,
		&sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: got[0].ReceiptHandle}))
	if left := receive(t, url, 0); len(left) != 0 {
		t.Fatal(left)
	}
}

func TestBatchesReportEachEntry(t *testing.T) {
	url := queue(t, name(t), nil)
	sent := must[*sqs.SendMessageBatchOutput](t)(client().SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
		QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{
			{Id: aws.String("a"), MessageBody: aws.String("1")},
			{Id: aws.String("b"), MessageBody: aws.String("2"), DelaySeconds: 901},
			{Id: aws.String("c"), MessageBody: aws.String("3")},
		},
	}))
	if len(sent.Successful) != 2 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "b" || !sent.Failed[0].SenderFault {
		t.Fatal(sent.Successful, sent.Failed)
	}
	var got []types.Message
	for range 5 {
		if got = append(got, receive(t, url, 1)...); len(got) == 2 {
			break
		}
	}
	entries := []types.DeleteMessageBatchRequestEntry{{Id: aws.String("x"), ReceiptHandle: aws.String("garbage")}}
	for _, message := range got {
		entries = append(entries, types.DeleteMessageBatchRequestEntry{
			Id: aws.String("m" + *message.Body), ReceiptHandle: message.ReceiptHandle,
		})
	}
	deleted := must[*sqs.DeleteMessageBatchOutput](t)(client().DeleteMessageBatch(ctx,
		&sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: entries}))
	if len(deleted.Successful) != 2 || len(deleted.Failed) != 1 || *deleted.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Fatal(deleted.Successful, deleted.Failed)
	}
}

func TestFifoKeepsOrderAndTakesAnIdOnce(t *testing.T) {
	url := queue(t, name(t)+".fifo", map[string]string{"FifoQueue": "true"})
	for _, body := range []string{"1", "2", "2", "3"} {
		sent := must[*sqs.SendMessageOutput](t)(client().SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: url, MessageBody: &body, MessageGroupId: aws.String("g"), MessageDeduplicationId: &body,
		}))
		if !regexp.MustCompile(`^\d{20}$`).MatchString(*sent.SequenceNumber) {
			t.Fatal(*sent.SequenceNumber)
		}
	}
	var bodies []string
	for _, message := range receive(t, url, 2) {
		bodies = append(bodies, *message.Body)
	}
	if !slices.Equal(bodies, []string{"1", "2", "3"}) {
		t.Fatal(bodies)
	}
}

func TestErrorsHaveTheirOwnTypes(t *testing.T) {
	url := queue(t, name(t), nil)
	_, err := client().GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(name(t))})
	var none *types.QueueDoesNotExist
	if !errors.As(err, &none) || !strings.Contains(none.ErrorMessage(), "The specified queue does not exist") {
		t.Fatal(err)
	}
	if none.ErrorCode() != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Fatal(none.ErrorCode())
	}
	_, err = client().DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: aws.String("garbage")})
	var handle *types.ReceiptHandleIsInvalid
	if !errors.As(err, &handle) {
		t.Fatal(err)
	}
	same := types.SendMessageBatchRequestEntry{Id: aws.String("same"), MessageBody: aws.String("x")}
	_, err = client().SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
		QueueUrl: url, Entries: []types.SendMessageBatchRequestEntry{same, same},
	})
	var distinct *types.BatchEntryIdsNotDistinct
	if !errors.As(err, &distinct) {
		t.Fatal(err)
	}
	_, err = client().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 11})
	var other smithy.APIError
	if !errors.As(err, &other) || !strings.Contains(other.ErrorMessage(), "Value 11 for parameter MaxNumberOfMessages") {
		t.Fatal(err)
	}
}

func TestLongPollWakes(t *testing.T) {
	url := queue(t, name(t), nil)
	got := make(chan int, 1)
	go func() { got <- len(receive(t, url, 20)) }()
	time.Sleep(300 * time.Millisecond)
	begun := time.Now()
	must[*sqs.SendMessageOutput](t)(client().SendMessage(ctx,
		&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")}))
	if count := <-got; count != 1 || time.Since(begun) > 700*time.Millisecond {
		t.Fatal(count, time.Since(begun))
	}
}

func TestQueuesAreListedInPages(t *testing.T) {
	prefix := name(t)
	for _, suffix := range []string{"a", "b", "c", "d", "e"} {
		queue(t, prefix+suffix, nil)
	}
	pages := sqs.NewListQueuesPaginator(client(),
		&sqs.ListQueuesInput{QueueNamePrefix: &prefix, MaxResults: aws.Int32(2)})
	var sizes []int
	for pages.HasMorePages() {
		sizes = append(sizes, len(must[*sqs.ListQueuesOutput](t)(pages.NextPage(ctx)).QueueUrls))
	}
	if !slices.Equal(sizes, []int{2, 2, 1}) {
		t.Fatal(sizes)
	}
}

package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	queues "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func topics() *sns.Client {
	return sns.New(sns.Options{
		BaseEndpoint:     aws.String(os.Getenv("LEVADA_ENDPOINT")),
		Region:           "us-east-1",
		Credentials:      credentials.NewStaticCredentialsProvider("test", "test", ""),
		RetryMaxAttempts: 1,
	})
}

func topic(t *testing.T, name string, attributes map[string]string) *string {
	t.Helper()
	return must[*sns.CreateTopicOutput](t)(topics().CreateTopic(ctx, &sns.CreateTopicInput{
		Name: &name, Attributes: attributes,
	})).TopicArn
}

// A queue that has subscribed, by its URL.
func subscriber(t *testing.T, topic *string, url *string, attributes map[string]string) *string {
	t.Helper()
	read := must[*sqs.GetQueueAttributesOutput](t)(client().GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []queues.QueueAttributeName{"QueueArn"},
	}))
	return must[*sns.SubscribeOutput](t)(topics().Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: aws.String(read.Attributes["QueueArn"]), Attributes: attributes,
	})).SubscriptionArn
}

func bodies(t *testing.T, url *string, count int) []string {
	t.Helper()
	var got []string
	for before := -1; len(got) < count && len(got) > before; {
		before = len(got)
		for _, message := range receive(t, url, 10) {
			got = append(got, *message.Body)
		}
	}
	return got
}

func TestTopicHasAttributesAndTags(t *testing.T) {
	name := name(t)
	made := must[*sns.CreateTopicOutput](t)(topics().CreateTopic(ctx, &sns.CreateTopicInput{
		Name: &name, Attributes: map[string]string{"DisplayName": "Orders"},
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("Grüße + Co")}},
	})).TopicArn
	read := must[*sns.GetTopicAttributesOutput](t)(topics().GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: made}))
	if read.Attributes["DisplayName"] != "Orders" {
		t.Fatal(read.Attributes)
	}
	tags := must[*sns.ListTagsForResourceOutput](t)(topics().ListTagsForResource(ctx,
		&sns.ListTagsForResourceInput{ResourceArn: made})).Tags
	if len(tags) != 1 || *tags[0].Value != "Grüße + Co" {
		t.Fatal(tags)
	}
	must[*sns.DeleteTopicOutput](t)(topics().DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: made}))
}

func TestQueuesGetMessagesRawAndInDocumentsByFilters(t *testing.T) {
	topic := topic(t, name(t), nil)
	raw, wrapped := queue(t, name(t), nil), queue(t, name(t), nil)
	subscriber(t, topic, raw, map[string]string{"RawMessageDelivery": "true", "FilterPolicy": `{"kind": ["new"]}`})
	arn := subscriber(t, topic, wrapped, nil)
	for _, kind := range []string{"old", "new"} {
		must[*sns.PublishOutput](t)(topics().Publish(ctx, &sns.PublishInput{
			TopicArn: topic, Message: aws.String(kind + " 🦀"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"kind": {DataType: aws.String("String"), StringValue: &kind},
				"blob": {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 254, 255}},
			},
		}))
	}
	if got := receive(t, raw, 10); len(got) != 1 || *got[0].Body != "new 🦀" ||
		!slices.Equal(got[0].MessageAttributes["blob"].BinaryValue, []byte{0, 1, 254, 255}) {
		t.Fatal(got)
	}
	var texts []string
	for _, body := range bodies(t, wrapped, 2) {
		var told struct{ Type, Message string }
		if err := json.Unmarshal([]byte(body), &told); err != nil || told.Type != "Notification" {
			t.Fatal(body, err)
		}
		texts = append(texts, told.Message)
	}
	slices.Sort(texts)
	if !slices.Equal(texts, []string{"new 🦀", "old 🦀"}) {
		t.Fatal(texts)
	}
	must[*sns.UnsubscribeOutput](t)(topics().Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: arn}))
	_, err := topics().GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: arn})
	var none *types.NotFoundException
	if !errors.As(err, &none) {
		t.Fatal(err)
	}
}

func TestFifoTopicKeepsOrderAndTakesAnIdOnce(t *testing.T) {
	topic := topic(t, name(t)+".fifo", map[string]string{"FifoTopic": "true"})
	url := queue(t, name(t)+".fifo", map[string]string{"FifoQueue": "true"})
	subscriber(t, topic, url, map[string]string{"RawMessageDelivery": "true"})
	var entries []types.PublishBatchRequestEntry
	for n, body := range []string{"1", "2", "2", "3"} {
		entries = append(entries, types.PublishBatchRequestEntry{
			Id: aws.String(fmt.Sprint(n)), Message: &body, MessageGroupId: aws.String("g"), MessageDeduplicationId: &body,
		})
	}
	sent := must[*sns.PublishBatchOutput](t)(topics().PublishBatch(ctx, &sns.PublishBatchInput{
		TopicArn: topic, PublishBatchRequestEntries: entries,
	}))
	if len(sent.Successful) != 4 || *sent.Successful[1].SequenceNumber != *sent.Successful[2].SequenceNumber {
		t.Fatal(sent.Successful, sent.Failed)
	}
	if got := bodies(t, url, 3); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Fatal(got)
	}
}

func TestErrorsOfTopicsHaveTheirOwnTypes(t *testing.T) {
	topic := topic(t, name(t), nil)
	_, err := topics().Publish(ctx, &sns.PublishInput{TopicArn: aws.String(*topic + "-not"), Message: aws.String("x")})
	var none *types.NotFoundException
	if !errors.As(err, &none) || none.ErrorMessage() != "Topic does not exist" {
		t.Fatal(err)
	}
	_, err = topics().Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic, Protocol: aws.String("pigeon"), Endpoint: aws.String("loft"),
	})
	var parameter *types.InvalidParameterException
	if !errors.As(err, &parameter) {
		t.Fatal(err)
	}
	same := types.PublishBatchRequestEntry{Id: aws.String("same"), Message: aws.String("x")}
	_, err = topics().PublishBatch(ctx, &sns.PublishBatchInput{
		TopicArn: topic, PublishBatchRequestEntries: []types.PublishBatchRequestEntry{same, same},
	})
	var distinct *types.BatchEntryIdsNotDistinctException
	if !errors.As(err, &distinct) {
		t.Fatal(err)
	}
}

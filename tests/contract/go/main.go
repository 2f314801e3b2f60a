// A stranger: reads a topic of the log with nothing but a broker's address and a schema registry's, and prints each
// record as a line of JSON: the event, its key and its headers. Knows no schema and no type of the backbone.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"
)

type line struct {
	Key     string            `json:"key"`
	Headers map[string]string `json:"headers"`
	Event   any               `json:"event"`
}

func main() {
	bootstrap := flag.String("bootstrap", "127.0.0.1:9092", "host:port of a broker")
	url := flag.String("registry", "http://127.0.0.1:8080/schema-registry", "address of a schema registry")
	topic := flag.String("topic", "", "the topic to read from its start")
	count := flag.Int("count", 1, "stop after so many records")
	timeout := flag.Duration("timeout", time.Minute, "give up after so long")
	flag.Parse()

	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	if err := read(ctx, *bootstrap, *url, *topic, *count); err != nil {
		log.Fatal(err)
	}
}

func read(ctx context.Context, bootstrap, url, topic string, count int) error {
	registry, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	defer client.Close()

	schemas := schemas{registry: registry, known: map[int]*avro.Schema{}}
	out := json.NewEncoder(os.Stdout)
	for count > 0 {
		fetches := client.PollRecords(ctx, count)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			event, err := schemas.decode(ctx, record.Value)
			if err != nil {
				return fmt.Errorf("partition %d offset %d: %w", record.Partition, record.Offset, err)
			}
			if err := out.Encode(line{string(record.Key), headers(record), event}); err != nil {
				return err
			}
			count--
		}
	}
	return nil
}

// schemas decodes Confluent wire format, and asks the registry once for each schema.
type schemas struct {
	registry *sr.Client
	known    map[int]*avro.Schema
}

func (s schemas) decode(ctx context.Context, value []byte) (any, error) {
	var header sr.ConfluentHeader
	id, body, err := header.DecodeID(value)
	if err != nil {
		return nil, err
	}
	if s.known[id] == nil {
		fetched, err := s.registry.SchemaByID(ctx, id)
		if err != nil {
			return nil, err
		}
		if s.known[id], err = avro.Parse(fetched.Schema); err != nil {
			return nil, err
		}
	}
	var event any
	rest, err := s.known[id].Decode(body, &event)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes are left over after the event", len(rest))
	}
	return event, err
}

func headers(record *kgo.Record) map[string]string {
	found := map[string]string{}
	for _, header := range record.Headers {
		found[header.Key] = string(header.Value)
	}
	return found
}

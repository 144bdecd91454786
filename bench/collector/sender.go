package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"

	"github.com/otel-exfil/exfil/bench/load"
)

// sender is agents that send to one collector, each over a connection of its own. Batches are taken in turn, and each is a step of event time
// later than the one before.
type sender struct {
	agents  []*grpc.ClientConn
	batches chan *batch // that no agent is sending
	step    time.Duration
	begin   time.Time    // of event time
	sent    atomic.Int64 // batches that an agent has begun to send
}

// newSender makes agents for an address. They send nothing yet.
func newSender(address string, agents int) (*sender, error) {
	s := &sender{}
	for range agents {
		c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(encoded{})))
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.agents = append(s.agents, c)
	}
	return s, nil
}

func (s *sender) close() (err error) {
	for _, c := range s.agents {
		err = errors.Join(err, c.Close())
	}
	return err
}

// setOff has the sender send these batches from now on, from a moment of event time on.
func (s *sender) setOff(batches []*batch, begin time.Time, step time.Duration) {
	s.begin, s.step = begin, step
	s.batches = make(chan *batch, len(batches))
	for _, b := range batches {
		s.batches <- b
	}
	s.sent.Store(0)
}

// saturate sends for a while as fast as the collector answers, all agents at once, and returns how many records that were.
func (s *sender) saturate(ctx context.Context, d time.Duration) (records int64, err error) {
	before := s.sent.Load()
	until := time.Now().Add(d)
	err = s.all(func(agent *grpc.ClientConn) error {
		for time.Now().Before(until) {
			if err := s.next(ctx, agent); err != nil {
				return err
			}
		}
		return nil
	})
	return (s.sent.Load() - before) * load.BatchRecords, err
}

// pace sends a number of batches, one each interval, and returns how long each took from the moment at which it was due: one that has to wait
// because those before it are not answered yet has waited.
func (s *sender) pace(ctx context.Context, n int, interval time.Duration) ([]time.Duration, error) {
	took := make([]time.Duration, n)
	began := time.Now()
	var turn atomic.Int64
	err := s.all(func(agent *grpc.ClientConn) error {
		for {
			i := turn.Add(1) - 1
			if i >= int64(n) {
				return nil
			}
			due := began.Add(time.Duration(i) * interval)
			time.Sleep(time.Until(due))
			if err := s.next(ctx, agent); err != nil {
				return err
			}
			took[i] = time.Since(due)
		}
	})
	return took, err
}

// all has every agent do something and waits for them.
func (s *sender) all(do func(agent *grpc.ClientConn) error) error {
	errs := make([]error, len(s.agents))
	var w sync.WaitGroup
	for i, agent := range s.agents {
		w.Go(func() { errs[i] = do(agent) })
	}
	w.Wait()
	return errors.Join(errs...)
}

// next sends the next batch.
func (s *sender) next(ctx context.Context, agent *grpc.ClientConn) error {
	b := <-s.batches
	defer func() { s.batches <- b }()
	b.moveTo(s.begin.Add(time.Duration(s.sent.Add(1)-1) * s.step))
	return export(ctx, agent, b)
}

// export sends a batch and returns when the collector has taken all of it.
func export(ctx context.Context, agent *grpc.ClientConn, b *batch) error {
	const method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answer := plogotlp.NewExportResponse()
	if err := agent.Invoke(ctx, method, b.encoded, answer); err != nil {
		return err
	}
	if n := answer.PartialSuccess().RejectedLogRecords(); n > 0 {
		return fmt.Errorf("the collector rejected %d records: %s", n, answer.PartialSuccess().ErrorMessage())
	}
	return nil
}

// encoded is a codec of requests that are encoded already, so that sending them costs little of the processors that the collector needs, too.
type encoded struct{}

func (encoded) Name() string { return "proto" }

func (encoded) Marshal(request any) (mem.BufferSlice, error) {
	b, ok := request.([]byte)
	if !ok {
		return nil, fmt.Errorf("%T is not encoded", request)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

func (encoded) Unmarshal(data mem.BufferSlice, answer any) error {
	a, ok := answer.(plogotlp.ExportResponse)
	if !ok {
		return fmt.Errorf("%T is not an answer to logs", answer)
	}
	return a.UnmarshalProto(data.Materialize())
}

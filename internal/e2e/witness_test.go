package e2e

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/otel-exfil/exfil/internal/alert"
)

// witness receives alerts over OTLP and forgets none, whatever becomes of those who send them.
type witness struct {
	plogotlp.UnimplementedGRPCServer
	port    string
	refuses atomic.Bool

	mu   sync.Mutex
	seen plog.Logs
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	w := &witness{port: port, seen: plog.NewLogs()}
	server := grpc.NewServer()
	plogotlp.RegisterGRPCServer(server, w)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; !errors.Is(err, grpc.ErrServerStopped) { // it was stopped before it had begun
			assert.NoError(t, err)
		}
	})
	return w
}

// Export takes what a collector sends, or refuses it.
func (w *witness) Export(_ context.Context, r plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	if w.refuses.Load() {
		return plogotlp.NewExportResponse(), status.Error(codes.Unavailable, "the witness looks away")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Logs().ResourceLogs().MoveAndAppendTo(w.seen.ResourceLogs())
	return plogotlp.NewExportResponse(), nil
}

// all returns what came, in order.
func (w *witness) all() plog.Logs {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := plog.NewLogs()
	w.seen.CopyTo(seen)
	return seen
}

// uids are the identities of alerts, each once, in order.
func uids(alerts []told) []string {
	var all []string
	for _, a := range alerts {
		if uid := a.Attributes["log.record.uid"].(string); !slices.Contains(all, uid) {
			all = append(all, uid)
		}
	}
	return all
}

// entities are the rules with the entities that alerts are about, each once, sorted.
func entities(alerts []told) []string {
	var all []string
	for _, a := range alerts {
		all = append(all, a.Attributes["exfil.rule.id"].(string)+" "+a.Attributes["exfil.entity.value"].(string))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// eventsIn returns all that a component of exfil has told, in order, but for the time at which it did.
func eventsIn(ld plog.Logs) []told {
	var all []told
	for _, name := range []string{alert.EventHealth, alert.EventOverflow, alert.EventAnomaly} {
		for lr := range events(ld, name) {
			all = append(all, told{lr.Timestamp(), lr.Body().Str(), lr.Attributes().AsRaw()})
		}
	}
	return all
}

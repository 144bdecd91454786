package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// sender sends to a collector over one of OTLP's transports. It returns when the collector
// has taken the delivery, so that deliveries keep their order.
type sender interface {
	logs(t *testing.T, ld plog.Logs)
	metrics(t *testing.T, md pmetric.Metrics)
}

// transports are the ways to a collector, by name.
func transports(t *testing.T, c *collector) map[string]sender {
	t.Helper()
	return map[string]sender{"gRPC": overGRPC(t, c), "HTTP": overHTTP{c.http}}
}

type grpcSender struct{ connection *grpc.ClientConn }

func overGRPC(t *testing.T, c *collector) grpcSender {
	t.Helper()
	connection, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, connection.Close()) })
	return grpcSender{connection}
}

func (s grpcSender) logs(t *testing.T, ld plog.Logs) {
	t.Helper()
	// A collector that has just been reloaded is found again.
	_, err := plogotlp.NewGRPCClient(s.connection).Export(t.Context(), plogotlp.NewExportRequestFromLogs(ld), grpc.WaitForReady(true))
	require.NoError(t, err)
}

func (s grpcSender) metrics(t *testing.T, md pmetric.Metrics) {
	t.Helper()
	_, err := pmetricotlp.NewGRPCClient(s.connection).Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(md), grpc.WaitForReady(true))
	require.NoError(t, err)
}

// overHTTP is OTLP/HTTP with Protocol Buffers to an address.
type overHTTP struct{ address string }

func (s overHTTP) logs(t *testing.T, ld plog.Logs) {
	t.Helper()
	body, err := plogotlp.NewExportRequestFromLogs(ld).MarshalProto()
	require.NoError(t, err)
	s.post(t, "/v1/logs", body)
}

func (s overHTTP) metrics(t *testing.T, md pmetric.Metrics) {
	t.Helper()
	body, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	require.NoError(t, err)
	s.post(t, "/v1/metrics", body)
}

func (s overHTTP) post(t *testing.T, path string, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.address+path, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-protobuf")
	answer(t, req)
}

// get returns what an address answers.
func get(t *testing.T, address, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+path, http.NoBody)
	require.NoError(t, err)
	return answer(t, req)
}

func answer(t *testing.T, req *http.Request) string {
	t.Helper()
	req.Close = true // no connection stays open
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode, string(body))
	return string(body)
}

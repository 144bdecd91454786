package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	errCollector = errors.New("the collector")
	errStalled   = errors.New("no record came through")
)

const (
	pollEvery = 100 * time.Millisecond
	patience  = time.Minute // see collector
	// stopWithin is how long the collector may take to write what it has and end.
	stopWithin = 30 * time.Second
)

// runCollector runs the collector on the flows until it has read all records that were
// written, and stops it.
func runCollector(ctx context.Context, f files, records int, p *progress) error {
	// The alerts of an earlier demo must not pass for those of this one.
	if err := os.Remove(f.alerts()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the last demo's alerts: %w", err)
	}
	started := time.Now()
	c, err := startCollector(ctx, f)
	if err != nil {
		return err
	}
	err = c.await(ctx, records, p)
	if err = errors.Join(err, c.stop()); err != nil {
		return fmt.Errorf("%w%s", err, c.lastLines())
	}
	p.end("the collector read them in %.1f s; its log is %s", time.Since(started).Seconds(), f.log())
	return nil
}

// collector is the running child process.
type collector struct {
	log     *os.File
	metrics string     // URL
	end     func()     // asks the process to end
	ended   chan error // receives once, when the process has ended
	// patience is how long no record may come through before await gives up.
	patience time.Duration
}

func startCollector(ctx context.Context, f files) (*collector, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	program, err := filepath.Abs(f.collector)
	if err != nil {
		return nil, fmt.Errorf("find the collector: %w", err)
	}
	log, err := os.Create(f.log())
	if err != nil {
		return nil, fmt.Errorf("write the collector's log: %w", err)
	}
	running, end := context.WithCancel(ctx)
	cmd := exec.CommandContext(running, program, "--config", f.config)
	// Asked to end like this, a collector writes what it holds; killed, it would lose that.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopWithin
	cmd.Env = append(os.Environ(), "EXFIL_DEMO_DIR="+f.dir, "EXFIL_DEMO_METRICS_PORT="+strconv.Itoa(port))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		end()
		return nil, errors.Join(fmt.Errorf("start the collector; `make collector-minimal` builds it: %w", err), log.Close())
	}
	c := &collector{
		log: log, end: end, ended: make(chan error, 1), patience: patience,
		metrics: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/metrics",
	}
	go func() { c.ended <- cmd.Wait() }()
	return c, nil
}

// freePort asks the system for a TCP port that nobody listens on.
func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a port for the collector's telemetry: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// await returns when as many records have come through as were written. The receiver
// counts a record once the whole pipeline is done with it, so that nothing is under way then.
func (c *collector) await(ctx context.Context, records int, p *progress) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	client := &http.Client{Timeout: c.patience}
	defer client.CloseIdleConnections()
	through, since := 0, time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-c.ended:
			c.ended <- err // for stop
			return fmt.Errorf("%w ended before it had read everything", errCollector)
		case now := <-tick.C:
			// Until the collector listens there is no answer: that is no progress, not an error.
			if n, err := c.records(ctx, client); err == nil && n > through {
				through, since = n, now
			}
			if through >= records {
				return nil
			}
			if now.Sub(since) > c.patience {
				return fmt.Errorf("%w %w for %s: it has read %d of %d", errCollector, errStalled, c.patience, through, records)
			}
			p.show(float64(through)/float64(records), "the collector has read %d of %d flows", through, records)
		}
	}
}

func (c *collector) records(ctx context.Context, client *http.Client) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.metrics, http.NoBody)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }() // all that is wanted has been read
	return countRecords(resp.Body)
}

// countRecords adds up what the receivers say that they passed on, in a text in the
// Prometheus exposition format.
func countRecords(r io.Reader) (int, error) {
	total := 0.0
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			return int(total), lines.Err()
		}
		name, value, found := strings.Cut(lines.Text(), "} ")
		if !found || !strings.HasPrefix(name, "otelcol_receiver_accepted_log_records") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("read the collector's telemetry: %w", err)
		}
		total += n
	}
}

// stop asks the collector to end and waits until it has.
func (c *collector) stop() error {
	c.end()
	defer func() { _ = c.log.Close() }() // the child wrote through a descriptor of its own
	// A process that ended well after it was asked to gives the context's error.
	if err := <-c.ended; err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w failed: %w", errCollector, err)
	}
	return nil
}

const (
	lastLines = 8
	lastBytes = 8 << 10
)

// lastLines returns the end of the collector's log, which says why it failed.
func (c *collector) lastLines() string {
	log, err := os.ReadFile(c.log.Name())
	if err != nil {
		return ""
	}
	log = log[max(0, len(log)-lastBytes):]
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	lines = lines[max(0, len(lines)-lastLines):]
	return "\n  the end of " + c.log.Name() + ":\n    " + string(bytes.Join(lines, []byte("\n    ")))
}

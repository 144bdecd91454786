package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The configurations, of which the second is laid over the first.
var (
	//go:embed pipeline.yaml
	pipelineConfig string
	//go:embed exfil.yaml
	exfilConfig string
)

const (
	// patience is how long a collector may take to start, and to end.
	patience  = time.Minute
	pollEvery = 20 * time.Millisecond
)

// process is a collector that runs.
type process struct {
	cmd          *exec.Cmd
	otlp, scrape string // addresses
	stop         context.CancelFunc
	said         bytes.Buffer // read it when it has ended
	ended        chan struct{}
	err          error // of its end; read it when it has ended
}

// start starts a collector and returns when it can be sent to. Whoever starts it ends it.
func start(ctx context.Context, program string, configs ...string) (*process, error) {
	grpc, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	scrape, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	var args []string
	for _, c := range configs {
		args = append(args, "--config", "yaml:"+c)
	}
	running, stop := context.WithCancel(ctx)
	p := &process{
		cmd:  exec.CommandContext(running, program, args...),
		otlp: "127.0.0.1:" + grpc, scrape: "127.0.0.1:" + scrape,
		stop: stop, ended: make(chan struct{}),
	}
	p.cmd.Env = append(os.Environ(), "BENCH_GRPC="+grpc, "BENCH_SCRAPE="+scrape)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = patience
	if err := p.cmd.Start(); err != nil {
		stop()
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	if err := p.listens(ctx); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

// freePort returns a TCP port of the loopback that nobody listens on.
func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// listens waits until records can be sent.
func (p *process) listens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", p.otlp); err == nil {
			return c.Close()
		}
		select {
		case <-p.ended:
			return errors.New("the collector ended before it could be sent to")
		case <-ctx.Done():
			return fmt.Errorf("the collector cannot be sent to: %w", ctx.Err())
		case <-poll.C:
		}
	}
}

// end asks the collector to end and waits until it has. The error tells what the collector said, if it did not end well.
func (p *process) end() error {
	p.stop()
	<-p.ended
	if p.err == nil || errors.Is(p.err, context.Canceled) { // it did when it was asked to
		return nil
	}
	return fmt.Errorf("the collector ended with %w; it said:\n%s", p.err, p.said.String())
}

// usage is what a process has taken.
type usage struct {
	processor      time.Duration // user's and system's, in hundredths of a second
	resident, peak int64         // bytes
}

// usage returns what the collector has taken so far, which Linux tells.
func (p *process) usage() (usage, error) {
	of := "/proc/" + strconv.Itoa(p.cmd.Process.Pid)
	stat, err := os.ReadFile(of + "/stat")
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(of + "/status")
	if err != nil {
		return usage{}, err
	}
	return parseUsage(string(stat), string(status))
}

// tick is the unit of times in /proc, whatever that of the kernel is: USER_HZ, see proc(5).
const tick = time.Second / 100

// parseUsage reads the files stat and status of a process in /proc.
func parseUsage(stat, status string) (u usage, err error) {
	_, stat, found := cutLast(stat, ") ") // the name before it may have blanks and brackets
	fields := strings.Fields(stat)
	const user, system = 14 - 3, 15 - 3 // counted from the third, which is the first after the name
	if !found || len(fields) <= system {
		return u, errors.New("no times in what /proc tells of a process")
	}
	for _, f := range fields[user : system+1] {
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, fmt.Errorf("times in /proc: %w", err)
		}
		u.processor += time.Duration(ticks) * tick
	}
	for line := range strings.Lines(status) {
		var kB int64
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kB); n == 1 {
			u.resident = kB << 10
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 {
			u.peak = kB << 10
		}
	}
	if u.resident == 0 || u.peak == 0 {
		return u, errors.New("no memory in what /proc tells of a process")
	}
	return u, nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

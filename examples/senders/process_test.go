package senders

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// patience is how long a program may take for what takes it a second when it works.
	patience  = time.Minute
	pollEvery = 20 * time.Millisecond
)

// built returns the path of the program that the environment names.
func built(t *testing.T, variable string) string {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		t.Skipf("%s names no program; `make senders-test` builds one and does", variable)
	}
	return program
}

// process is a running program. It ends with the test, if not before.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   string // path
	ended chan struct{}
	err   error // of its end; to be read once it has ended
}

func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	p := &process{name: filepath.Base(program), ended: make(chan struct{})}
	p.log = filepath.Join(t.TempDir(), p.name+".log")
	log, err := os.Create(p.log)
	require.NoError(t, err)
	p.cmd = exec.CommandContext(t.Context(), program, args...) // killed when the test is over
	p.cmd.Stdout, p.cmd.Stderr = log, log
	require.NoError(t, p.cmd.Start())
	require.NoError(t, log.Close()) // the program has a descriptor of its own
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		<-p.ended
		if t.Failed() {
			t.Logf("the end of %s's log:\n%s", p.name, p.lastLines())
		}
	})
	return p
}

// stop asks the program to end and waits until it has.
func (p *process) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.ended:
		require.NoError(t, p.err, "%s did not end well", p.name)
	case <-time.After(patience):
		require.Failf(t, "a program does not end", "%s was asked to end %s ago", p.name, patience)
	}
}

// await polls until the program has done what is named.
func (p *process) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(pollEvery) {
		select {
		case <-p.ended:
			require.Failf(t, "a program ended too early", "%s, before %s: %v", p.name, what, p.err)
		default:
			require.Truef(t, time.Now().Before(deadline), "%s: not within %s: %s", p.name, patience, what)
		}
	}
}

func (p *process) lastLines() []byte {
	log, err := os.ReadFile(p.log)
	if err != nil {
		return []byte(err.Error())
	}
	const enough = 4 << 10
	return log[max(0, len(log)-enough):]
}

// freePort returns a port of the loopback that nobody listens on, for UDP or TCP.
func freePort(t *testing.T, network string) string {
	t.Helper()
	var address net.Addr
	if network == "udp" {
		l, err := new(net.ListenConfig).ListenPacket(t.Context(), network, "127.0.0.1:0")
		require.NoError(t, err)
		address = l.LocalAddr()
		require.NoError(t, l.Close())
	} else {
		l, err := new(net.ListenConfig).Listen(t.Context(), network, "127.0.0.1:0")
		require.NoError(t, err)
		address = l.Addr()
		require.NoError(t, l.Close())
	}
	_, port, err := net.SplitHostPort(address.String())
	require.NoError(t, err)
	return port
}

// get returns what a program answers over HTTP, and "" as long as it does not answer well.
func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	resp, err := client.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return ""
	}
	return body.String()
}

// telemetry adds up the numbers of a metric in the Prometheus text format that have a label;
// -1 where there is none.
func telemetry(t *testing.T, text, metric, label string) (total int) {
	t.Helper()
	seen := false
	for line := range strings.Lines(text) {
		end := strings.LastIndexByte(line, ' ') // a label may have blanks in it
		name, labels, _ := strings.Cut(line[:max(0, end)], "{")
		if name != metric || !strings.Contains(labels, label) {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(line[end:]), 64)
		require.NoError(t, err)
		total, seen = total+int(n), true
	}
	if !seen {
		return -1
	}
	return total
}

// countLines returns how many lines a file has that are complete; 0 where there is none.
func countLines(t *testing.T, path string) int {
	t.Helper()
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	return bytes.Count(content, []byte("\n"))
}

// readLines returns a file's lines.
func readLines(t *testing.T, path string) (lines [][]byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	for s := bufio.NewScanner(bytes.NewReader(content)); s.Scan(); {
		lines = append(lines, bytes.Clone(s.Bytes()))
	}
	return lines
}

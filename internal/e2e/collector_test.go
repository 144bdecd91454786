package e2e

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// patience is how long a collector may take for what takes it a second.
	patience  = time.Minute
	pollEvery = 20 * time.Millisecond
	// ready is what a collector says when all its pipelines have started.
	ready = "Everything is ready"
)

// collector is a collector that runs in a process of its own, and ends with the test if not before.
type collector struct {
	dir                string // where its exporters and its log write
	grpc, http, scrape string // addresses
	process            *exec.Cmd
	ended              chan struct{}
	err                error // of its end; read it when it has ended
}

// program returns the path of the collector that the environment names, or skips the test.
func program(t *testing.T, variable, remedy string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skipf("%s names no collector; %s", variable, remedy)
	}
	return path
}

func minimal(t *testing.T) string {
	t.Helper()
	return program(t, "EXFIL_COLLECTOR", "`make test` builds one and does")
}

// run starts a collector with configurations of testdata, of which the later are laid over the
// earlier, and returns when it takes flows.
func run(t *testing.T, program string, configs ...string) *collector {
	t.Helper()
	c := launch(t, program, configs...)
	c.await(t, "ready", func() bool { return c.said(t, ready) == 1 })
	return c
}

// launch starts a collector and does not wait for it.
func launch(t *testing.T, program string, configs ...string) *collector {
	t.Helper()
	return launchWith(t, program, nil, configs...)
}

// launchWith is launch with more for the environment of the collector.
func launchWith(t *testing.T, program string, env []string, configs ...string) *collector {
	t.Helper()
	c := &collector{dir: t.TempDir(), ended: make(chan struct{})}
	var ports []string
	for range 3 {
		ports = append(ports, freePort(t))
	}
	c.grpc, c.http, c.scrape = "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1], "127.0.0.1:"+ports[2]
	var args []string
	for _, config := range configs {
		args = append(args, "--config", filepath.Join("testdata", config))
	}
	log, err := os.Create(c.log())
	require.NoError(t, err)
	ctx, kill := context.WithCancel(context.Background())
	c.process = exec.CommandContext(ctx, program, args...)
	c.process.Env = append(os.Environ(), "E2E_DIR="+c.dir, "E2E_GRPC="+ports[0], "E2E_HTTP="+ports[1], "E2E_SCRAPE="+ports[2])
	c.process.Env = append(c.process.Env, env...)
	c.process.Stdout, c.process.Stderr = log, log
	require.NoError(t, c.process.Start())
	require.NoError(t, log.Close()) // the process has a descriptor of its own
	go func() {
		c.err = c.process.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		kill()
		<-c.ended
		if t.Failed() {
			t.Logf("the collector said:\n%s", c.read(t, "log"))
		}
	})
	return c
}

// freePort returns a TCP port of the loopback that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// reload tells the collector to read its configuration again, and returns when it takes flows.
func (c *collector) reload(t *testing.T) {
	t.Helper()
	before := c.said(t, ready)
	require.NoError(t, c.process.Process.Signal(syscall.SIGHUP))
	c.await(t, "ready again", func() bool { return c.said(t, ready) > before })
}

// stop asks the collector to end, waits until it has, and says whether it ended well.
func (c *collector) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, c.process.Process.Signal(syscall.SIGTERM))
	require.NoError(t, c.end(t))
}

// end waits until the collector has ended, and returns how.
func (c *collector) end(t *testing.T) error {
	t.Helper()
	select {
	case <-c.ended:
		return c.err
	case <-time.After(patience):
		require.FailNow(t, "the collector does not end")
		return nil
	}
}

// await polls until the collector has done what is named.
func (c *collector) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(pollEvery) {
		select {
		case <-c.ended:
			require.FailNow(t, "the collector ended before it was "+what)
		default:
			require.True(t, time.Now().Before(deadline), "the collector is not %s in %s", what, patience)
		}
	}
}

func (c *collector) log() string { return filepath.Join(c.dir, "log") }

// said returns how often the collector's log says something.
func (c *collector) said(t *testing.T, what string) int {
	t.Helper()
	return bytes.Count(c.read(t, "log"), []byte(what))
}

// read returns what is in a file of the collector's; nothing, if there is none.
func (c *collector) read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(c.dir, name))
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return text
}

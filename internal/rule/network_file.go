package rule

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"

	"github.com/gaissmai/bart"
)

// Bounds of one file of networks, which is held in memory.
const (
	maxNetworkFile = 64 << 20  // bytes
	maxNetworks    = 1_000_000 // in a file
	maxNetworkText = 64        // characters; an IPv6 network has 43 at most
)

// ErrNetworkFile is wrapped by the errors about files of networks.
var ErrNetworkFile = errors.New("unusable file of networks")

// networkFile is a file with one network a line, in CIDR notation or as a single address. What follows a # is a remark.
type networkFile struct {
	path    string
	current atomic.Pointer[bart.Lite] // nil before it was first read
	info    fs.FileInfo               // of what was read last
}

// contains is safe for concurrent use, also with read.
func (f *networkFile) contains(a netip.Addr) bool {
	networks := f.current.Load()
	return networks != nil && networks.Contains(a)
}

// read takes over what the file says if it was replaced or written to since it was last read. After an error, which names
// the line if there is one to name, everything is as before.
func (f *networkFile) read() (changed bool, err error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return false, f.wrong(err)
	}
	if f.info != nil && sameContent(f.info, info) {
		return false, nil
	}
	text, err := f.content(info)
	if err != nil {
		return false, f.wrong(err)
	}
	networks, err := parseNetworks(text)
	if err != nil {
		return false, f.wrong(err)
	}
	f.current.Store(networks)
	f.info = info
	return true, nil
}

func (f *networkFile) wrong(err error) error {
	return fmt.Errorf("%w: %q: %w", ErrNetworkFile, f.path, err)
}

// content reads the file that info is of, and not the half of one that is being written.
func (f *networkFile) content(info fs.FileInfo) (string, error) {
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("it is no regular file (%v); give the path of a text file", info.Mode().Type())
	}
	if info.Size() > maxNetworkFile {
		return "", fmt.Errorf("it is %d bytes long and the limit is %d; split it", info.Size(), maxNetworkFile)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, info.Size()+1))
	if err != nil {
		return "", err
	}
	after, err := file.Stat()
	if err != nil {
		return "", err
	}
	if int64(len(text)) != info.Size() || !sameContent(info, after) {
		return "", errors.New("it was written to while it was read; put a new file in its place instead")
	}
	return string(text), nil
}

// sameContent compares what a change changes at least one of: a new file in the old one's place has another inode, and
// one written in place another time or size.
func sameContent(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func parseNetworks(text string) (*bart.Lite, error) {
	networks, number := new(bart.Lite), 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(line) > maxNetworkText {
			return nil, fmt.Errorf("line %d: it is %d characters long; write one network", number, len(line))
		}
		prefix, err := parseNetwork(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if networks.Insert(prefix); networks.Size() > maxNetworks {
			return nil, fmt.Errorf("line %d: it names more than %d networks; split it", number, maxNetworks)
		}
	}
	if networks.Size() == 0 {
		return nil, errors.New("it names no network; write one a line, such as 198.51.100.0/24")
	}
	return networks, nil
}

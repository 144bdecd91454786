package checkpoint

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// version is the newest format of a manifest, a ledger or a shard that is understood, and the one that is written.
const version = 1

// kind is the magic at the start of a frame.
type kind string

const (
	manifestKind kind = "XFLM"
	ledgerKind   kind = "XFLL"
	shardKind    kind = "XFLS"
)

// A frame is kind (4 bytes), version (4), length of the content (8), all little-endian, checksum (32) and content.
const (
	prefixSize = 16
	headerSize = prefixSize + sha256.Size
)

// checksum is the SHA-256 of a frame without itself.
type checksum [sha256.Size]byte

func prefix(k kind, version uint32, length int) [prefixSize]byte {
	var p [prefixSize]byte
	copy(p[:4], k)
	binary.LittleEndian.PutUint32(p[4:], version)
	binary.LittleEndian.PutUint64(p[8:], uint64(length))
	return p
}

func sumOf(p [prefixSize]byte, content []byte) checksum {
	h := sha256.New()
	h.Write(p[:])
	h.Write(content)
	var sum checksum
	h.Sum(sum[:0])
	return sum
}

// seal returns the frame of content with its checksum, which it does not compute: a shard's is known before.
func seal(k kind, version uint32, content []byte, sum checksum) []byte {
	p := prefix(k, version, len(content))
	frame := make([]byte, 0, headerSize+len(content))
	frame = append(frame, p[:]...)
	frame = append(frame, sum[:]...)
	return append(frame, content...)
}

// open returns what is in a frame, without a copy, and its checksum. Errors wrap ErrDamaged, or ErrNewer for one
// that is sound and of a newer version.
func open(k kind, frame []byte, newest uint32) ([]byte, checksum, error) {
	var sum checksum
	if len(frame) < headerSize {
		return nil, sum, fmt.Errorf("%w: %d bytes, its header alone has %d", ErrDamaged, len(frame), headerSize)
	}
	if got := kind(frame[:4]); got != k {
		return nil, sum, fmt.Errorf("%w: it begins with %q, not with %q", ErrDamaged, got, k)
	}
	version, content := binary.LittleEndian.Uint32(frame[4:]), frame[headerSize:]
	if length := binary.LittleEndian.Uint64(frame[8:]); length != uint64(len(content)) {
		return nil, sum, fmt.Errorf("%w: %d bytes of content, its header says %d", ErrDamaged, len(content), length)
	}
	copy(sum[:], frame[prefixSize:])
	if sum != sumOf([prefixSize]byte(frame), content) {
		return nil, sum, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	// After the checksum, so that damage is not taken for a newer version.
	if version > newest {
		return nil, sum, fmt.Errorf("%w: it has version %d, the newest one known is %d", ErrNewer, version, newest)
	}
	if version == 0 {
		return nil, sum, fmt.Errorf("%w: there is no version 0", ErrDamaged)
	}
	return content, sum, nil
}

package checkpoint

import (
	"encoding/binary"
	"strconv"
)

// The keys in the storage. Later versions must use the same.
const (
	manifestKey     = "checkpoint/manifest"
	manifestCopyKey = "checkpoint/manifest/copy"
	asideKey        = "checkpoint/aside"
	asideCopyKey    = "checkpoint/aside/copy"
	ledgerKey       = "checkpoint/ledger"
)

// ledgerStep is by how many slots the ledger grows at least, so that it is not written for each.
const ledgerStep = 64

func slotKey(slot uint32) string { return "checkpoint/shard/" + strconv.FormatUint(uint64(slot), 10) }

// ledgerFor returns what the ledger must say before that many slots are written to.
func ledgerFor(slots uint32) uint32 { return (slots + ledgerStep - 1) / ledgerStep * ledgerStep }

func encodeLedger(slots uint32) []byte {
	content := binary.LittleEndian.AppendUint32(nil, slots)
	return seal(ledgerKind, version, content, sumOf(prefix(ledgerKind, version, len(content)), content))
}

// decodeLedger returns below which number slots may have been written to. Of a ledger that cannot be
// read that is every slot of an ordinary store.
func decodeLedger(frame []byte) uint32 {
	content, _, err := open(ledgerKind, frame, version)
	if err != nil || len(content) != 4 {
		return ordinarySlots
	}
	slots := binary.LittleEndian.Uint32(content)
	if slots > maxSlots {
		return ordinarySlots
	}
	return slots
}

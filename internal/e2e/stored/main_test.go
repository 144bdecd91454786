package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"
)

// database writes a database with values in a bucket, and returns its path.
func database(t *testing.T, bucket string, values map[string][]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "connector_exfil_")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		for key, value := range values {
			err = errors.Join(err, b.Put([]byte(key), value))
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAllThatIsStoredIsPrinted(t *testing.T) {
	want := map[string][]byte{"manifest": {0, 255, '\n'}, "shard/1": []byte("learned"), "empty": {}}
	var out bytes.Buffer
	if err := run([]string{database(t, bucket, want)}, &out); err != nil {
		t.Fatal(err)
	}
	var got map[string][]byte
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(want, got, bytes.Equal) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWhatIsNoStorageIsAnError(t *testing.T) {
	var out bytes.Buffer
	if err := run(nil, &out); err == nil {
		t.Error("no error without a file")
	}
	if err := run([]string{filepath.Join(t.TempDir(), "none")}, &out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a file that is not there", err)
	}
	if err := run([]string{"go.mod"}, &out); !errors.Is(err, bbolterrors.ErrInvalid) {
		t.Errorf("got %v for another file", err)
	}
	if err := run([]string{database(t, "other", nil)}, &out); err == nil {
		t.Error("no error for a database of something else")
	}
	if out.Len() > 0 {
		t.Errorf("printed %q", out.String())
	}
}

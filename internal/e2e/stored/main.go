// Command stored prints what is in a database of the file_storage extension, as a JSON object of keys and
// their values in base64:
//
//	stored <file>
//
// It only reads, and so leaves to the collector whatever there is to be repaired after a crash. The database must
// be in no other use. It is a module of its own so that no user of exfil inherits the database's.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.etcd.io/bbolt"
)

// bucket is where file_storage keeps all of a component's values.
const bucket = "default"

// patience is how long to wait for a process that is about to end to let the file go.
const patience = time.Minute

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stored:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("usage: stored <file>")
	}
	values, err := read(args[0])
	if err != nil {
		return fmt.Errorf("read %s: %w", args[0], err)
	}
	return json.NewEncoder(out).Encode(values)
}

// read returns all that a database of file_storage holds.
func read(path string) (values map[string][]byte, err error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true, Timeout: patience})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	values = map[string][]byte{}
	err = db.View(func(tx *bbolt.Tx) error {
		all := tx.Bucket([]byte(bucket))
		if all == nil {
			return fmt.Errorf("there is no bucket %q: it is no database of file_storage, or one that was never used", bucket)
		}
		return all.ForEach(func(key, value []byte) error {
			values[string(key)] = append([]byte{}, value...)
			return nil
		})
	})
	return values, err
}

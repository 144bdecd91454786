package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/xextension/storage"
)

// shelf is a storage extension whose values are files, and the host that runs it. It has one client, itself.
type shelf struct {
	component.StartFunc
	component.ShutdownFunc
	directory string
	now       func() time.Time
	wrote     atomic.Int64 // when it was last written to, by the clock, Unix nanoseconds
}

var (
	_ storage.Extension = (*shelf)(nil)
	_ storage.Client    = (*shelf)(nil)
)

func (s *shelf) GetExtensions() map[component.ID]component.Component {
	return map[component.ID]component.Component{storageID: s}
}

func (s *shelf) GetClient(context.Context, component.Kind, component.ID, string) (storage.Client, error) {
	return s, nil
}

// written is when something was last written.
func (s *shelf) written() time.Time { return time.Unix(0, s.wrote.Load()) }

// size is how many bytes are kept.
func (s *shelf) size() (total int64, err error) {
	files, err := os.ReadDir(s.directory)
	for _, f := range files {
		info, e := f.Info()
		if err = errors.Join(err, e); e == nil {
			total += info.Size()
		}
	}
	return total, err
}

func (s *shelf) path(key string) string { return filepath.Join(s.directory, url.PathEscape(key)) }

func (s *shelf) Get(_ context.Context, key string) ([]byte, error) {
	value, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return value, err
}

func (s *shelf) Set(_ context.Context, key string, value []byte) error {
	s.wrote.Store(s.now().UnixNano())
	return os.WriteFile(s.path(key), value, 0o600)
}

func (s *shelf) Delete(_ context.Context, key string) error {
	if err := os.Remove(s.path(key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *shelf) Batch(ctx context.Context, ops ...*storage.Operation) (err error) {
	for _, op := range ops {
		switch op.Type {
		case storage.Get:
			op.Value, err = s.Get(ctx, op.Key)
		case storage.Set:
			err = s.Set(ctx, op.Key, op.Value)
		case storage.Delete:
			err = s.Delete(ctx, op.Key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *shelf) Close(context.Context) error { return nil }

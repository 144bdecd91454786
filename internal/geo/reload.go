package geo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
	"go.uber.org/zap"
)

// The configuration keys, as errors name them.
const (
	databaseKey    = "geo.database"
	asnDatabaseKey = "geo.asn_database"
)

// maxFileSize bounds what is read into memory; the largest databases sold are below half of it.
const maxFileSize = 2 << 30

// Start looks every Options.ReloadInterval, until Close, whether a file has changed, and
// if so reloads. It does nothing without an interval, without a file, or when started already.
func (l *Locator) Start() {
	l.lifecycle.Lock()
	defer l.lifecycle.Unlock()
	if l.cancel != nil || l.options.ReloadInterval == 0 || l.options.Database == "" && l.options.ASNDatabase == "" {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.loop.Go(func() {
		ticker := time.NewTicker(l.options.ReloadInterval)
		defer ticker.Stop()
		l.watch(ctx, ticker.C)
	})
}

// Close ends what Start began and waits for it. Lookups go on working.
func (l *Locator) Close() error {
	l.lifecycle.Lock()
	defer l.lifecycle.Unlock()
	if l.cancel != nil {
		l.cancel()
		l.loop.Wait()
		l.cancel = nil
	}
	return nil
}

// watch reloads at every tick until ctx ends.
func (l *Locator) watch(ctx context.Context, ticks <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
			changed, err := l.Reload(ctx)
			if ctx.Err() != nil {
				return
			}
			l.report(changed, err)
		}
	}
}

func (l *Locator) report(changed bool, err error) {
	switch {
	case err != nil:
		l.options.Logger.Warn("Geo database not reloaded; the one before stays in service", zap.Error(err))
	case changed:
		l.options.Logger.Info("Geo database reloaded", zap.Time("built", l.BuildTime()))
	default:
		return
	}
	if l.options.OnReload != nil {
		l.options.OnReload(err)
	}
}

// Reload reads the files again if one of them was replaced or written to since they were
// last read. After an error everything stays as it was, and the next call tries
// again. Lookups go on meanwhile, and each sees either the old files or the new ones.
func (l *Locator) Reload(ctx context.Context) (changed bool, err error) {
	l.reloading.Lock()
	defer l.reloading.Unlock()
	files, err := l.find()
	if err != nil {
		return false, err
	}
	if slices.EqualFunc(files, l.current.Load().files, file.unchanged) {
		return false, nil
	}
	g, err := l.read(ctx, files)
	if err != nil {
		return false, err
	}
	l.current.Store(g)
	return true, nil
}

// file is a database file as it was when it was found.
type file struct {
	key  string
	path string
	info fs.FileInfo
}

// unchanged compares what an update changes at least one of: a new file in the old
// one's place has another inode, and one written in place another time or size.
func (f file) unchanged(g file) bool {
	return f.key == g.key && f.path == g.path && os.SameFile(f.info, g.info) &&
		f.info.Size() == g.info.Size() && f.info.ModTime().Equal(g.info.ModTime())
}

// find lists the files that the options name.
func (l *Locator) find() ([]file, error) {
	places, err := findFiles(databaseKey, l.options.Database)
	if err != nil {
		return nil, err
	}
	asn, err := findFiles(asnDatabaseKey, l.options.ASNDatabase)
	if err != nil {
		return nil, err
	}
	return append(places, asn...), nil
}

// findFiles lists the file of that name or, if there is none, those that match it as a pattern.
func findFiles(key, name string) ([]file, error) {
	if name == "" {
		return nil, nil
	}
	paths := []string{name}
	_, statErr := os.Stat(name)
	if statErr != nil {
		matches, err := filepath.Glob(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is neither a file nor a pattern: %w; give the path of a .mmdb file", key, name, err)
		}
		if len(matches) == 0 {
			return nil, fmt.Errorf("%s: %q cannot be read: %w; give the path of a .mmdb file that the collector may read", key, name, statErr)
		}
		paths = matches
	}
	files := make([]file, 0, len(paths))
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %q cannot be read: %w; give the path of a .mmdb file that the collector may read", key, path, err)
		}
		files = append(files, file{key: key, path: path, info: info})
	}
	return files, nil
}

// read makes a generation of files.
func (l *Locator) read(ctx context.Context, files []file) (g *generation, err error) {
	g = &generation{files: files, countries: l.countries, blocks: new(blockCache)}
	for _, f := range files {
		switch f.key {
		case databaseKey:
			g.places, err = appendDatabase(ctx, g.places, f, l.countries.placeSchema,
				"a City, Country or Enterprise database in MaxMind's schema, or one with the columns country_code, state1 and city")
		case asnDatabaseKey:
			g.asn, err = appendDatabase(ctx, g.asn, f, systemSchema, "an ASN database in MaxMind's schema")
		}
		if err != nil {
			return nil, err
		}
	}
	if len(g.places) > 0 {
		g.addresses = new(addressCache)
	}
	return g, nil
}

// appendDatabase reads f and appends it to ds. right describes, for the error, what f should have been.
func appendDatabase[T comparable](ctx context.Context, ds databases[T], f file, choose func(*maxminddb.Reader) (schema[T], error), right string) (databases[T], error) {
	content, err := f.content()
	if err != nil {
		return nil, fmt.Errorf("%s: %q cannot be read: %w; give the path of a .mmdb file", f.key, f.path, err)
	}
	d, err := newDatabase(ctx, f.path, content, choose)
	if err != nil {
		return nil, fmt.Errorf("%s: %q: %w; give %s", f.key, f.path, err, right)
	}
	return append(ds, d), nil
}

// content reads the file that was found, and nothing else: not another that has come
// in its place, and not the half of one that is being written.
func (f file) content() ([]byte, error) {
	if !f.info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is no regular file (%v)", f.info.Mode().Type())
	}
	if f.info.Size() > maxFileSize {
		return nil, fmt.Errorf("it is %d bytes long and the limit is %d", f.info.Size(), int64(maxFileSize))
	}
	r, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content := make([]byte, f.info.Size())
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, fmt.Errorf("it shrank while it was read: %w", err)
	}
	info, err := r.Stat()
	if err != nil {
		return nil, err
	}
	if !f.unchanged(file{key: f.key, path: f.path, info: info}) {
		return nil, errors.New("it was written to while it was read")
	}
	return content, nil
}

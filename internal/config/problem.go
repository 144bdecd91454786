package config

import (
	"errors"
	"fmt"
)

// ErrInvalid is wrapped by every error of Validate.
var ErrInvalid = errors.New("invalid configuration")

// KeyError says what is wrong with one key of a configuration.
type KeyError struct {
	Key string // path of the key, such as networks.internal[1]
	Err error  // the value, and what would be right
}

// Error returns the key's path and what is wrong with it.
func (e *KeyError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns ErrInvalid and the reason.
func (e *KeyError) Unwrap() []error { return []error{ErrInvalid, e.Err} }

// problems gathers what is wrong with a configuration.
type problems []error

func (p *problems) add(key, format string, args ...any) {
	*p = append(*p, &KeyError{Key: key, Err: fmt.Errorf(format, args...)})
}

// keyed is an error of a package that names the key's path itself.
type keyed struct{ error }

func (k keyed) Unwrap() []error { return []error{ErrInvalid, k.error} }

// take adds what another package found, which names the keys' paths itself.
func (p *problems) take(err error) {
	if err != nil {
		*p = append(*p, keyed{err})
	}
}

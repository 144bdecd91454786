// Package condition asks questions in OTTL, the OpenTelemetry Transformation Language, about the log record that a flow
// was read of.
package condition

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottllog"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.uber.org/zap"
)

// ErrInvalid is wrapped by the error of Parse.
var ErrInvalid = errors.New("invalid condition")

// Record is a log record and what it belongs to. It is asked while nobody changes it.
type Record struct {
	Resource plog.ResourceLogs
	Scope    plog.ScopeLogs
	Log      plog.LogRecord
}

// Any is a number of conditions, of which one must hold. It is safe for concurrent use.
type Any struct {
	conditions []*ottl.Condition[*ottllog.TransformContext]
	failures   atomic.Int64
}

// Parse reads conditions in the log context, with paths such as log.attributes["app"] and resource.attributes["env"],
// operators, and the converters IsMatch, HasPrefix and HasSuffix. Its error names each that is wrong by its place and wraps ErrInvalid.
func Parse(texts []string) (*Any, error) {
	parser, err := ottllog.NewParser(converters(), component.TelemetrySettings{Logger: zap.NewNop()}, ottllog.EnablePathContextNames())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	a := &Any{}
	var errs []error
	for i, text := range texts {
		parsed, err := parser.ParseCondition(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w [%d] %q: %w", ErrInvalid, i, text, err))
			continue
		}
		a.conditions = append(a.conditions, parsed)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

// Holds says whether one of the conditions holds of r. One that cannot be evaluated, because a value is of another
// type than it takes it for, does not hold and is counted.
func (a *Any) Holds(r *Record) bool {
	ctx := context.Background()
	about := ottllog.NewTransformContextPtr(r.Resource, r.Scope, r.Log)
	defer about.Close()
	for _, c := range a.conditions {
		holds, err := c.Eval(ctx, about)
		if err != nil {
			a.failures.Add(1)
			continue
		}
		if holds {
			return true
		}
	}
	return false
}

// Failures returns how often a condition could not be evaluated.
func (a *Any) Failures() int64 { return a.failures.Load() }

package condition

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl"
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/ottl/contexts/ottllog"
)

// textArguments are those of a converter that holds a value against a text: what is no text is taken as it is written.
type textArguments struct {
	Target ottl.StringLikeGetter[*ottllog.TransformContext]
	Text   ottl.StringGetter[*ottllog.TransformContext]
}

// converters are those that conditions may use. They are called as in other components, whose whole set
// would make every collector 4 MB larger and needs modules beside.
func converters() map[string]ottl.Factory[*ottllog.TransformContext] {
	return ottl.CreateFactoryMap(
		converter("IsMatch", func(pattern string) (func(string) bool, error) {
			expression, err := regexp.Compile(pattern)
			if err != nil {
				return nil, err
			}
			return expression.MatchString, nil
		}),
		converter("HasPrefix", func(prefix string) (func(string) bool, error) {
			return func(s string) bool { return strings.HasPrefix(s, prefix) }, nil
		}),
		converter("HasSuffix", func(suffix string) (func(string) bool, error) {
			return func(s string) bool { return strings.HasSuffix(s, suffix) }, nil
		}),
	)
}

var errArguments = errors.New("the second argument must be a text in quotes")

// converter makes a converter of what it does with its second argument, which is known when a condition is parsed.
func converter(name string, prepare func(text string) (func(string) bool, error)) ottl.Factory[*ottllog.TransformContext] {
	create := func(_ ottl.FunctionContext, given ottl.Arguments) (ottl.ExprFunc[*ottllog.TransformContext], error) {
		arguments, ok := given.(*textArguments)
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, errArguments)
		}
		text, ok := ottl.GetLiteralValue[*ottllog.TransformContext](arguments.Text)
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, errArguments)
		}
		holds, err := prepare(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return func(ctx context.Context, about *ottllog.TransformContext) (any, error) {
			value, err := arguments.Target.Get(ctx, about)
			if err != nil || value == nil {
				return false, err
			}
			return holds(*value), nil
		}, nil
	}
	return ottl.NewFactory(name, &textArguments{}, create)
}

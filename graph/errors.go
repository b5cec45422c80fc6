package graph

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"runtime/debug"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"fieldgate/fgerr"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/guard"
	"fieldgate/internal/hook"
	"fieldgate/internal/web"
	"fieldgate/models"
)

// unavailableRetrySeconds is how many seconds a client waits for a database that does not answer.
const unavailableRetrySeconds = 5

// clientError is the one table: what an error is to a client. ok is false for an error that is not in it, and
// so is none of the client's business.
func clientError(err error) (e map[string]any, message string, ok bool) {
	var (
		product         *fgerr.Error
		unauthenticated *auth.UnauthenticatedError
		input           *account.InputError
		overloaded      *account.OverloadedError
		limited         *models.LimitReachedError
		proofRequired   *account.ProofRequiredError
		undoPending     *account.UndoPendingError
		hookDeadline    *hook.DeadlineError
	)
	forbidden := asForbidden(err)
	switch {
	case errors.As(err, &product):
		return product.Extensions(), product.Error(), true
	case errors.As(err, &unauthenticated):
		return map[string]any{"code": fgerr.Unauthenticated, "reason": unauthenticated.Reason}, unauthenticated.Error(), true
	case forbidden != nil:
		return map[string]any{"code": fgerr.Forbidden, "requires": forbidden.Requires}, forbidden.Error(), true
	case errors.As(err, &input):
		return map[string]any{"code": fgerr.BadUserInput, "fields": fieldErrors(input)}, input.Error(), true
	case errors.As(err, &limited):
		return map[string]any{"code": fgerr.RateLimited, "retryAfter": ceilSeconds(limited.Wait)}, limited.Error(), true
	case errors.As(err, &overloaded):
		return map[string]any{"code": fgerr.Overloaded, "retryAfter": ceilSeconds(overloaded.RetryAfter)}, overloaded.Error(), true
	case errors.Is(err, account.ErrInvalidCredentials):
		return map[string]any{"code": fgerr.InvalidCredentials}, account.ErrInvalidCredentials.Error(), true
	case errors.As(err, &proofRequired):
		return map[string]any{"code": fgerr.ProofRequired}, proofRequired.Error(), true
	case errors.Is(err, account.ErrInvalidToken):
		return map[string]any{"code": fgerr.InvalidToken}, account.ErrInvalidToken.Error(), true
	case errors.Is(err, account.ErrEmailNotVerified):
		return map[string]any{"code": fgerr.EmailNotVerified}, account.ErrEmailNotVerified.Error(), true
	case errors.Is(err, account.ErrOwnAccount):
		return map[string]any{"code": fgerr.Conflict}, account.ErrOwnAccount.Error(), true
	case errors.As(err, &undoPending):
		return map[string]any{"code": fgerr.Conflict, "until": undoPending.Until}, undoPending.Error(), true
	case errors.Is(err, models.ErrLastAdmin):
		return map[string]any{"code": fgerr.Conflict}, models.ErrLastAdmin.Error(), true
	case errors.Is(err, models.ErrEmailTaken):
		return map[string]any{"code": fgerr.EmailTaken}, models.ErrEmailTaken.Error(), true
	case errors.Is(err, models.ErrConflict):
		return map[string]any{"code": fgerr.Conflict}, models.ErrConflict.Error(), true
	case errors.As(err, &hookDeadline):
		return map[string]any{"code": fgerr.Unavailable, "retryAfter": unavailableRetrySeconds}, "try again shortly", true
	case errors.Is(err, models.ErrNotFound):
		return map[string]any{"code": fgerr.NotFound}, "there is nothing with this id", true
	case errors.Is(err, models.ErrUnavailable):
		return map[string]any{"code": fgerr.Unavailable, "retryAfter": unavailableRetrySeconds}, "try again shortly", true
	}
	return nil, "", false
}

// asForbidden is the denial of somebody whose role is too low: for the field, or for the person or the role that the field
// is about. nil is none.
func asForbidden(err error) *ForbiddenError {
	var (
		forbidden *ForbiddenError
		above     *account.InsufficientRoleError
	)
	switch {
	case errors.As(err, &forbidden):
		return forbidden
	case errors.As(err, &above):
		return &ForbiddenError{Requires: above.Required, Have: above.Actual}
	}
	return nil
}

func fieldErrors(e *account.InputError) []guard.FieldError {
	list := make([]guard.FieldError, len(e.Fields))
	for i, f := range e.Fields {
		list[i] = guard.FieldError{Name: f.Name, Message: f.Message}
	}
	return list
}

// ceilSeconds rounds up: a client that waits this long has waited long enough.
func ceilSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// errorPresenter shapes every error that leaves the server. What the table does not know is logged here, once, with
// the request's id, and masked. In development denials are explained.
func errorPresenter(c Config) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		shown := &gqlerror.Error{Path: graphql.GetPath(ctx)}
		if request := (*gqlerror.Error)(nil); errors.As(err, &request) {
			if isRequestError(request) {
				return request
			}
			if name := invalidArgumentName(ctx, request); name != "" {
				return invalidArgumentError(shown.Path, name)
			}
		}
		var known bool
		shown.Extensions, shown.Message, known = clientError(err)
		if known {
			c.logClientError(ctx, err)
			if c.Explain {
				maps.Copy(shown.Extensions, explain(c.Policy, err))
			}
			return shown
		}
		id := web.RequestIDFrom(ctx)
		c.Log.LogAttrs(ctx, internalErrorLevel(err), "internal error", slog.String("error", err.Error()), slog.String("path", shown.Path.String()), stackAttr(err))
		shown.Message = "internal error"
		shown.Extensions = map[string]any{"code": fgerr.Internal, "requestId": id}
		return shown
	}
}

// isRequestError is about the document or the request itself, and has the shape that it leaves with. Its code
// was set by gqlgen or by package guard; nothing else sets one.
func isRequestError(e *gqlerror.Error) bool {
	switch e.Extensions["code"] {
	case fgerr.GraphQLParseFailed, fgerr.GraphQLValidationFailed, fgerr.QueryTooComplex, fgerr.BadUserInput, fgerr.Unavailable, fgerr.PersistedQueryNotSupported:
		return true
	}
	return false
}

// invalidArgumentName returns the name of the argument, or of the field of an input, whose value could not be read: a
// number that has no room in its type. gqlgen adds its name to the path of the field that is being answered.
func invalidArgumentName(ctx context.Context, e *gqlerror.Error) string {
	field := graphql.GetFieldContext(ctx)
	if field == nil || len(e.Path) <= len(field.Path()) {
		return ""
	}
	name, _ := e.Path[len(e.Path)-1].(ast.PathName)
	return string(name)
}

func invalidArgumentError(path ast.Path, name string) *gqlerror.Error {
	e := guard.Error(fgerr.BadUserInput, name+" is not a value of its type", guard.FieldError{Name: name, Message: "is not a value of its type"})
	e.Path = path
	return e
}

// logClientError: a database that does not answer is the operator's business too, and so is who asks for what they may
// not have. Somebody who has not signed in, or whose token has expired, is seen at level debug only: that is what
// every client does every day.
func (c Config) logClientError(ctx context.Context, err error) {
	unauthenticated, forbidden := (*auth.UnauthenticatedError)(nil), asForbidden(err)
	switch {
	case errors.As(err, new(*hook.DeadlineError)):
		c.Log.ErrorContext(ctx, "hook deadline exceeded", "error", err)
	case errors.Is(err, models.ErrUnavailable):
		c.Log.ErrorContext(ctx, "database unavailable", "error", err)
	case forbidden != nil:
		c.logDenied(ctx, slog.LevelInfo, reasonForbidden, slog.String("requires", forbidden.Requires), slog.String("user_id", auth.ViewerFrom(ctx).UserID()))
	case errors.As(err, &unauthenticated):
		c.logDenied(ctx, slog.LevelDebug, string(unauthenticated.Reason), slog.String("reason", string(unauthenticated.Reason)))
	}
}

// logDenied names the field as the schema does; the path would be what the client calls it.
func (c Config) logDenied(ctx context.Context, level slog.Level, reason string, why ...slog.Attr) {
	if field := graphql.GetFieldContext(ctx); field != nil && field.Field.Field != nil {
		name := coordinate(field)
		why = append(why, slog.String("field", name))
		if c.Metrics != nil {
			c.Metrics.Denied(name, reason)
		}
	}
	c.Log.LogAttrs(ctx, level, account.EventDenied, append(why, slog.String("ip", auth.ViewerFrom(ctx).Client().IP))...)
}

func coordinate(field *graphql.FieldContext) string { return field.Object + "." + field.Field.Name }

// internalErrorLevel: that a client hung up is no fault of anybody's.
func internalErrorLevel(err error) slog.Level {
	if errors.Is(err, context.Canceled) {
		return slog.LevelDebug
	}
	return slog.LevelError
}

// panicError is what a resolver's panic becomes.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return "panic in a resolver" }

func recoverPanic(_ context.Context, v any) error { return &panicError{v, debug.Stack()} }

func stackAttr(err error) slog.Attr {
	var (
		resolver *panicError
		inHook   *hook.PanicError
	)
	switch {
	case errors.As(err, &resolver):
		return slog.Group("panic", slog.Any("value", resolver.value), slog.String("stack", string(resolver.stack)))
	case errors.As(err, &inHook):
		return slog.Group("panic", slog.Any("value", inHook.Value), slog.String("stack", string(inHook.Stack)))
	}
	return slog.Attr{}
}

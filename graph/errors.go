package graph

import (
	"context"
	"errors"
	"fmt"
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

// unavailableRetrySeconds is the retryAfter of UNAVAILABLE, in seconds.
const unavailableRetrySeconds = 5

var unavailableMessage = fmt.Sprintf("the server cannot process the request now; try again in %d seconds", unavailableRetrySeconds)

// clientError maps an error to the extensions and the message that the client gets. ok is false for
// every other error, which the client must not see.
func clientError(err error) (e map[string]any, message string, ok bool) {
	var (
		product         *fgerr.Error
		unauthenticated *auth.UnauthenticatedError
		input           *account.InputError
		overloaded      *account.OverloadedError
		limited         *models.LimitReachedError
		proofRequired   *account.ProofRequiredError
		undoPending     *account.UndoPendingError
		secondFactor    *account.SecondFactorRequiredError
		stepUp          *StepUpRequiredError
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
	case errors.Is(err, account.ErrWrongCode):
		return map[string]any{"code": fgerr.InvalidCredentials}, account.ErrWrongCode.Error(), true
	case errors.As(err, &proofRequired):
		return map[string]any{"code": fgerr.ProofRequired}, proofRequired.Error(), true
	case errors.As(err, &secondFactor):
		return secondFactorExtensions(secondFactor), secondFactor.Error(), true
	case errors.As(err, &stepUp):
		return stepUp.extensions(), stepUp.Error(), true
	case errors.Is(err, account.ErrFactorsUnavailable):
		return map[string]any{"code": fgerr.FactorsUnavailable}, account.ErrFactorsUnavailable.Error(), true
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
		return map[string]any{"code": fgerr.Unavailable, "retryAfter": unavailableRetrySeconds}, unavailableMessage, true
	case errors.Is(err, models.ErrNotFound):
		return map[string]any{"code": fgerr.NotFound}, "no object has this id", true
	case errors.Is(err, models.ErrUnavailable):
		return map[string]any{"code": fgerr.Unavailable, "retryAfter": unavailableRetrySeconds}, unavailableMessage, true
	}
	return nil, "", false
}

// asForbidden returns the ForbiddenError of an error, or nil. The caller's role may be too low for
// the field, or for the account or the role that the field changes.
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

// ceilSeconds rounds up, so that a client that waits this long has waited long enough.
func ceilSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// errorPresenter returns the function that converts every error of a response. It logs errors that
// clientError does not know, once and with the request's id, and masks them as INTERNAL. In
// development it adds hints to denials.
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
		c.Log.LogAttrs(ctx, internalErrorLevel(err), "internal error",
			slog.String("error", err.Error()), slog.String("path", shown.Path.String()), stackAttr(err))
		shown.Message = "internal error"
		shown.Extensions = map[string]any{"code": fgerr.Internal, "requestId": id}
		return shown
	}
}

// isRequestError reports whether an error is about the document or the request, and has its final
// form already. Only gqlgen and package guard set the code of such an error.
func isRequestError(e *gqlerror.Error) bool {
	switch e.Extensions["code"] {
	case fgerr.GraphQLParseFailed, fgerr.GraphQLValidationFailed, fgerr.QueryTooComplex,
		fgerr.BadUserInput, fgerr.Unavailable, fgerr.PersistedQueryNotSupported:
		return true
	}
	return false
}

// invalidArgumentName returns the name of the argument or input field whose value gqlgen could not
// read, such as a number that is out of range. gqlgen appends that name to the path of the field
// that is being resolved.
func invalidArgumentName(ctx context.Context, e *gqlerror.Error) string {
	field := graphql.GetFieldContext(ctx)
	if field == nil || len(e.Path) <= len(field.Path()) {
		return ""
	}
	name, _ := e.Path[len(e.Path)-1].(ast.PathName)
	return string(name)
}

func invalidArgumentError(path ast.Path, name string) *gqlerror.Error {
	const problem = "is not a valid value of its type, or is out of its range"
	e := guard.Error(fgerr.BadUserInput, name+" "+problem, guard.FieldError{Name: name, Message: problem})
	e.Path = path
	return e
}

// logClientError logs the known errors that concern the operator: an unavailable database, a hook
// that missed its deadline, and denials. UNAUTHENTICATED is logged at level debug only, because
// every client causes it in normal use.
func (c Config) logClientError(ctx context.Context, err error) {
	unauthenticated, forbidden := (*auth.UnauthenticatedError)(nil), asForbidden(err)
	switch {
	case errors.As(err, new(*hook.DeadlineError)):
		c.Log.ErrorContext(ctx, "hook deadline exceeded", "error", err)
	case errors.Is(err, models.ErrUnavailable):
		c.Log.ErrorContext(ctx, "database unavailable", "error", err)
	case forbidden != nil:
		c.logDenied(ctx, slog.LevelInfo, reasonForbidden,
			slog.String("requires", forbidden.Requires), slog.String("user_id", auth.ViewerFrom(ctx).UserID()))
	case errors.As(err, &unauthenticated):
		reason := string(unauthenticated.Reason)
		c.logDenied(ctx, slog.LevelDebug, reason, slog.String("reason", reason))
	}
}

// logDenied logs the field's coordinate and not its path, which contains aliases that the client
// chose.
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

// internalErrorLevel returns debug if the client closed the connection, which is no fault of the
// server.
func internalErrorLevel(err error) slog.Level {
	if errors.Is(err, context.Canceled) {
		return slog.LevelDebug
	}
	return slog.LevelError
}

// panicError is the error that a resolver's panic is converted to.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return "resolver panicked" }

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

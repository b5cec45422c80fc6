package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/fgerr"
	"fieldgate/graph/generated"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// limiter enforces @limit. It runs once per execution of a root field, after @auth or @public has
// allowed it and before the resolver. It handles all limits of a field together: if gqlgen ran each
// @limit on its own, an execution that the second limit rejects would already have used up capacity
// of the first.
type limiter struct {
	policy  *policy.Policy
	store   *models.Store
	log     *slog.Logger
	metrics Metrics // nil disables metrics
	off     bool
}

func newLimiter(c Config) *limiter {
	return &limiter{policy: c.Policy, store: c.Store, log: c.Log, metrics: c.Metrics, off: c.LimitsOff}
}

// run executes a field within its limits. It returns *models.LimitReachedError if one of them is
// used up.
func (l *limiter) run(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	rules := l.policy.Limits(field.Object, field.Field.Name)
	if l.off || len(rules) == 0 {
		return next(ctx)
	}
	rules, reservations, err := l.reservations(ctx, field, rules)
	if err != nil {
		return nil, err
	}
	acquired, err := l.acquire(ctx, field, rules, reservations)
	if err != nil {
		l.logLimited(ctx, field, err)
		return nil, err
	}
	var forSuccess []models.Reservation
	execution := &limit.Execution{OnSuccess: func(ctx context.Context) (err error) {
		forSuccess, err = l.acquireForSuccess(ctx, field, reservations)
		return err
	}}
	result, err := next(limit.NewContext(ctx, execution))
	if err == nil {
		// The resolver may not have acquired its success. Its work is done, so the success counts
		// as far as the limit has room.
		_ = execution.AcquireSuccess(ctx)
	}
	l.release(ctx, unusedReservations(acquired, forSuccess, execution, err))
	return result, err
}

// acquireForSuccess acquires the reservations of limits that count successes only. acquire has only
// checked them: if it had acquired them, a client that fails often would block the owner's sign-ins
// meanwhile.
func (l *limiter) acquireForSuccess(
	ctx context.Context, field *graphql.FieldContext, reservations []models.Reservation,
) ([]models.Reservation, error) {
	var checked []models.Reservation
	for _, reservation := range reservations {
		if reservation.CheckOnly {
			reservation.CheckOnly = false
			checked = append(checked, reservation)
		}
	}
	if len(checked) == 0 {
		return nil, nil
	}
	acquired, err := l.store.Acquire(ctx, checked)
	if err != nil {
		l.logLimited(ctx, field, err)
	}
	return acquired, err
}

// acquire acquires the reservations of an execution.
//
// If other clients have used up the limit of the account or of the network, a client that the
// account trusts has counts of its own, so that they cannot lock out the owner. A trusted device
// also has its own count of the limit by account and address, because a neighbour behind the same
// NAT has the same address. For other clients that limit always applies, which bounds their
// guesses.
func (l *limiter) acquire(
	ctx context.Context, field *graphql.FieldContext, rules []policy.Limit,
	reservations []models.Reservation,
) ([]models.Reservation, error) {
	acquired, err := l.store.Acquire(ctx, reservations)
	full := (*models.LimitReachedError)(nil)
	if !errors.As(err, &full) {
		return acquired, err
	}
	if token, ok := mailToken(ctx, field); ok && full.Name == policy.ByAddress && l.isPublic(field) {
		key, lookup := account.TokenAccountKey(ctx, l.store, token)
		if lookup != nil {
			return nil, lookup
		}
		if key == "" {
			return nil, err
		}
		_, remaining := withoutAddressFailures(rules, reservations)
		return l.store.Acquire(ctx, remaining)
	}
	if !slices.ContainsFunc(rules, isByAccount) {
		return nil, err
	}
	client := auth.ViewerFrom(ctx).Client()
	if full.Name == policy.ByAccountAndAddress {
		client.IP = ""
	}
	if client.IP == "" && client.Device == "" {
		return nil, err
	}
	key, lookup := l.accountKey(ctx, field)
	if lookup != nil {
		return nil, lookup
	}
	if key == "" {
		return nil, err
	}
	trusted, lookup := account.TrustedPlace(ctx, l.store, key, client)
	if lookup != nil {
		return nil, lookup
	}
	if trusted == nil {
		return nil, err
	}
	isDevice := full.Name == policy.ByAccountAndAddress
	return l.store.Acquire(ctx, trustedReservations(field, rules, reservations, key, trusted, isDevice))
}

func isByAccount(rule policy.Limit) bool { return rule.By == policy.ByAccount }

// trustedReservations returns the reservations of an execution from a trusted client. The limits by
// account count for that client alone. Limits on failures by address do not apply. A trusted device
// also has its own count of failures by account and address.
func trustedReservations(
	field *graphql.FieldContext, rules []policy.Limit, reservations []models.Reservation,
	key string, trusted []byte, isDevice bool,
) (list []models.Reservation) {
	for i, rule := range rules {
		reservation := reservations[i]
		switch {
		case rule.By == policy.ByAddress && !rule.Successes:
			continue
		case rule.By == policy.ByAccount && !rule.SuccessesOnly,
			rule.By == policy.ByAccountAndAddress && !rule.Successes && isDevice:
			scope := rule.Scope(coordinate(field))
			reservation.ID = limit.Key(append(scope, rule.By, key, "trusted", string(trusted))...)
		}
		list = append(list, reservation)
	}
	return list
}

// reservations returns the limits that count an execution, and a reservation for each of them in
// the same order.
func (l *limiter) reservations(
	ctx context.Context, field *graphql.FieldContext, all []policy.Limit,
) (rules []policy.Limit, reservations []models.Reservation, err error) {
	for _, rule := range all {
		parts, err := l.keyParts(ctx, field, rule)
		if err != nil {
			return nil, nil, err
		}
		if parts == nil {
			continue
		}
		rules = append(rules, rule)
		reservations = append(reservations, models.Reservation{
			Name: rule.By, ID: limit.Key(append(append(rule.Scope(coordinate(field)), rule.By), parts...)...),
			Rate:            limit.Rate{Count: rule.Count, Window: rule.Window},
			CountsSuccesses: rule.Successes, CheckOnly: rule.SuccessesOnly,
		})
	}
	if l.isPublic(field) && slices.ContainsFunc(rules, isBySession) {
		rules, reservations = withoutAddressFailures(rules, reservations)
	}
	return rules, reservations, nil
}

func isBySession(rule policy.Limit) bool { return rule.By == policy.BySession }

// withoutAddressFailures drops the limits on failures by address. It is used for an execution with
// a valid token of a session or a mail, so that the invalid tokens of a neighbour with the same
// address do not block it.
func withoutAddressFailures(
	all []policy.Limit, reservations []models.Reservation,
) (rules []policy.Limit, remaining []models.Reservation) {
	for i, rule := range all {
		if rule.By != policy.ByAddress || rule.Successes {
			rules, remaining = append(rules, rule), append(remaining, reservations[i])
		}
	}
	return rules, remaining
}

// isPublic reports whether a field requires no signed-in user, so that only its arguments identify
// the account or session.
func (l *limiter) isPublic(field *graphql.FieldContext) bool {
	rule, _ := l.policy.Rule(field.Object, field.Field.Name)
	return rule.Public
}

// keyParts returns the variable parts of the key that a limit counts an execution by, or nil if it
// does not count it.
func (l *limiter) keyParts(ctx context.Context, field *graphql.FieldContext, rule policy.Limit) ([]string, error) {
	network := limit.Network(auth.ViewerFrom(ctx).Client().IP)
	switch rule.By {
	case policy.ByAddress:
		return []string{network}, nil
	case policy.ByAccountAndAddress:
		key, err := l.accountKey(ctx, field)
		if key == "" {
			return nil, err
		}
		return []string{key, network}, err
	case policy.ByAccount:
		key, err := l.accountKey(ctx, field)
		if key == "" {
			return nil, err
		}
		return []string{key}, err
	case policy.BySession:
		id, err := l.sessionID(ctx, field)
		if id == "" {
			return nil, err
		}
		return []string{id}, err
	default:
		return nil, fmt.Errorf("%s has @limit(by: %s), which the limiter does not implement", coordinate(field), rule.By)
	}
}

// sessionID returns the id of the session that an execution is about: the viewer's session behind
// @auth, otherwise the session of the refresh token. It returns "" for none.
func (l *limiter) sessionID(ctx context.Context, field *graphql.FieldContext) (string, error) {
	v := auth.ViewerFrom(ctx)
	if !l.isPublic(field) {
		session, err := v.Session(ctx)
		if err != nil {
			return "", err
		}
		return session.ID, nil
	}
	token, _ := field.Args["refreshToken"].(*string)
	if token == nil {
		token = new(v.RefreshCookie())
	}
	return account.SessionOfToken(ctx, l.store, *token)
}

// accountKey returns the key of the account that an execution is about: the viewer's account behind
// @auth, otherwise the account of the e-mail address or the mail token in the arguments. It returns
// "" for a token without an account.
func (l *limiter) accountKey(ctx context.Context, field *graphql.FieldContext) (string, error) {
	if !l.isPublic(field) {
		user, err := currentUser(ctx)
		if err != nil {
			return "", err
		}
		return user.EmailKey, nil
	}
	if token, ok := field.Args["token"].(string); ok {
		return account.TokenAccountKey(ctx, l.store, token)
	}
	if completesSignIn(field) {
		challenge, ok := inputText(ctx, field, "challenge")
		if !ok {
			challenge = auth.ViewerFrom(ctx).ChallengeCookie()
		}
		return account.ChallengeAccountKey(ctx, l.store, challenge)
	}
	email, ok := field.Args["email"].(string)
	if !ok {
		if email, ok = inputText(ctx, field, "email"); !ok {
			return "", errors.New("a field with @limit by account has no e-mail address in its arguments")
		}
	}
	return account.AccountKey(email), nil
}

// completesSignIn reports whether a field completes a sign-in: its challenge names the account.
func completesSignIn(field *graphql.FieldContext) bool {
	_, ok := field.Args["input"].(generated.SecondFactorInput)
	return ok
}

// mailToken returns the mail token in a field's arguments or in its input.
func mailToken(ctx context.Context, field *graphql.FieldContext) (token string, ok bool) {
	if token, ok = field.Args["token"].(string); ok {
		return token, true
	}
	return inputText(ctx, field, "token")
}

// inputText returns a string field of the argument "input", with variables and default values
// applied. Package policy has checked that the schema has the field.
func inputText(ctx context.Context, field *graphql.FieldContext, name string) (text string, ok bool) {
	arguments := field.Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
	input, _ := arguments["input"].(map[string]any)
	text, ok = input[name].(string)
	return text, ok
}

// unusedReservations returns the reservations to release after an execution with this outcome.
// After a success or SECOND_FACTOR_REQUIRED these are the ones of limits on failures, after a
// failure the ones of limits on successes only. If nothing was attempted, it returns all.
func unusedReservations(
	acquired, forSuccess []models.Reservation, execution *limit.Execution, err error,
) []models.Reservation {
	switch {
	case err == nil, errors.As(err, new(*account.SecondFactorRequiredError)): // right password
		return slices.DeleteFunc(acquired, func(s models.Reservation) bool { return s.CountsSuccesses })
	case execution.IsCounted() || !wasNotAttempted(err):
		return forSuccess
	default:
		return append(acquired, forSuccess...)
	}
}

// release releases reservations, also after the client has disconnected. A failure does not affect
// the response, because the limit refills with time.
func (l *limiter) release(ctx context.Context, unused []models.Reservation) {
	ctx = context.WithoutCancel(ctx)
	if err := l.store.Release(ctx, unused); err != nil {
		l.log.WarnContext(ctx, "rate limit reservation not released", "error", err)
	}
}

// wasNotAttempted reports whether an error means that the execution attempted nothing: the server
// rejected the input, was overloaded or had no database. The caller has checked that the execution
// did no counted work.
func wasNotAttempted(err error) bool {
	var (
		input         *account.InputError
		overloaded    *account.OverloadedError
		proofRequired *account.ProofRequiredError
	)
	switch fgerr.Code(err) {
	case fgerr.BadUserInput, fgerr.Overloaded, fgerr.Unavailable:
		return true
	}
	return errors.As(err, &input) || errors.As(err, &proofRequired) || errors.As(err, &overloaded) ||
		errors.As(err, new(*StepUpRequiredError)) || errors.Is(err, account.ErrFactorsUnavailable) ||
		errors.Is(err, models.ErrUnavailable)
}

// logLimited does not log the account, because users type passwords into the e-mail field by
// mistake.
func (l *limiter) logLimited(ctx context.Context, field *graphql.FieldContext, err error) {
	full := (*models.LimitReachedError)(nil)
	if !errors.As(err, &full) {
		return
	}
	name := coordinate(field)
	l.log.WarnContext(ctx, "rate limited", "field", name, "by", full.Name,
		"ip", auth.ViewerFrom(ctx).Client().IP, "retry_after", ceilSeconds(full.Wait))
	if l.metrics != nil {
		l.metrics.Limited(name, full.Name)
	}
}

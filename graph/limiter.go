package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/99designs/gqlgen/graphql"

	"fieldgate/fgerr"
	"fieldgate/internal/account"
	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/internal/policy"
	"fieldgate/models"
)

// limiter keeps the rates that the schema states with @limit. It runs behind @auth and @public, one of which every
// root field carries: once an execution, after who is asking was judged, and before anything is done. gqlgen would
// run each @limit of a field by itself, and a slot of the first be gone when the second refuses.
type limiter struct {
	policy  *policy.Policy
	store   *models.Store
	log     *slog.Logger
	metrics Metrics // nil: nobody counts
	off     bool
}

func newLimiter(c Config) *limiter {
	return &limiter{policy: c.Policy, store: c.Store, log: c.Log, metrics: c.Metrics, off: c.LimitsOff}
}

// run executes a field within its limits; the error of one that is used up is *models.LimitReachedError.
func (l *limiter) run(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	rules := l.policy.Limits(field.Object, field.Field.Name)
	if l.off || len(rules) == 0 {
		return next(ctx)
	}
	rules, slots, err := l.reservations(ctx, field, rules)
	if err != nil {
		return nil, err
	}
	taken, err := l.acquire(ctx, field, rules, slots)
	if err != nil {
		l.logLimited(ctx, field, err)
		return nil, err
	}
	var won []models.Reservation
	execution := &limit.Execution{OnSuccess: func(ctx context.Context) (err error) {
		won, err = l.acquireForSuccess(ctx, field, slots)
		return err
	}}
	result, err := next(limit.NewContext(ctx, execution))
	if err == nil {
		// Of a resolver that has not asked before. What is done is done, and counts as far as there is room.
		_ = execution.AcquireSuccess(ctx)
	}
	l.release(ctx, unusedReservations(taken, won, execution, err))
	return result, err
}

// acquireForSuccess takes the slots of limits that count successes only. They were checked before, and nothing was taken for
// an execution that may fail: a client that fails often would block the owner's successes meanwhile.
func (l *limiter) acquireForSuccess(ctx context.Context, field *graphql.FieldContext, slots []models.Reservation) ([]models.Reservation, error) {
	var own []models.Reservation
	for _, slot := range slots {
		if slot.CheckOnly {
			slot.CheckOnly = false
			own = append(own, slot)
		}
	}
	if len(own) == 0 {
		return nil, nil
	}
	taken, err := l.store.Acquire(ctx, own)
	if err != nil {
		l.logLimited(ctx, field, err)
	}
	return taken, err
}

// acquire takes the slots. Where others have used up the account's limit, or that of the network, a place that the account
// trusts has slots of its own, so that they do not lock the owner out. A trusted device has some of the limit by account
// and address too, since a neighbour behind the same NAT has the same address. From other places that one counts in any
// case, so that guesses from there are bounded.
func (l *limiter) acquire(ctx context.Context, field *graphql.FieldContext, rules []policy.Limit, slots []models.Reservation) ([]models.Reservation, error) {
	taken, err := l.store.Acquire(ctx, slots)
	full := (*models.LimitReachedError)(nil)
	if !errors.As(err, &full) {
		return taken, err
	}
	if token, ok := mailToken(ctx, field); ok && full.Name == policy.ByAddress && l.isPublic(field) {
		who, lookup := account.TokenAccountKey(ctx, l.store, token)
		if lookup != nil {
			return nil, lookup
		}
		if who == "" {
			return nil, err
		}
		_, own := withoutAddressFailures(rules, slots)
		return l.store.Acquire(ctx, own)
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
	who, lookup := l.accountKey(ctx, field)
	if lookup != nil {
		return nil, lookup
	}
	if who == "" {
		return nil, err
	}
	place, lookup := account.TrustedPlace(ctx, l.store, who, client)
	if lookup != nil {
		return nil, lookup
	}
	if place == nil {
		return nil, err
	}
	return l.store.Acquire(ctx, trustedReservations(field, rules, slots, who, place, full.Name == policy.ByAccountAndAddress))
}

func isByAccount(rule policy.Limit) bool { return rule.By == policy.ByAccount }

// trustedReservations are the slots of an execution from a trusted place: the account's are counted for that place alone, and
// the failures of others in its network are not counted. For a device that includes those at the account.
func trustedReservations(field *graphql.FieldContext, rules []policy.Limit, slots []models.Reservation, who string, place []byte, isDevice bool) (list []models.Reservation) {
	for i, rule := range rules {
		slot := slots[i]
		switch {
		case rule.By == policy.ByAddress && !rule.Successes:
			continue
		case rule.By == policy.ByAccount && !rule.SuccessesOnly, rule.By == policy.ByAccountAndAddress && !rule.Successes && isDevice:
			slot.ID = limit.Key(append(rule.Scope(coordinate(field)), rule.By, who, "trusted", string(place))...)
		}
		list = append(list, slot)
	}
	return list
}

// reservations are what one execution uses: a slot of each limit that counts it, beside the limit.
func (l *limiter) reservations(ctx context.Context, field *graphql.FieldContext, all []policy.Limit) (rules []policy.Limit, slots []models.Reservation, err error) {
	for _, rule := range all {
		who, err := l.keyParts(ctx, field, rule)
		if err != nil {
			return nil, nil, err
		}
		if who == nil {
			continue
		}
		rules = append(rules, rule)
		slots = append(slots, models.Reservation{
			Name: rule.By, ID: limit.Key(append(append(rule.Scope(coordinate(field)), rule.By), who...)...),
			Rate: limit.Rate{Count: rule.Count, Window: rule.Window}, CountsSuccesses: rule.Successes, CheckOnly: rule.SuccessesOnly,
		})
	}
	if l.isPublic(field) && slices.ContainsFunc(rules, isBySession) {
		rules, slots = withoutAddressFailures(rules, slots)
	}
	return rules, slots, nil
}

func isBySession(rule policy.Limit) bool { return rule.By == policy.BySession }

// withoutAddressFailures drops the limits on failures of a network, for an execution that brings a good token, of a session or a
// mail: the bad tokens of a neighbour do not keep it out.
func withoutAddressFailures(all []policy.Limit, slots []models.Reservation) (rules []policy.Limit, own []models.Reservation) {
	for i, rule := range all {
		if rule.By != policy.ByAddress || rule.Successes {
			rules, own = append(rules, rule), append(own, slots[i])
		}
	}
	return rules, own
}

// isPublic reports whether a field takes no signed-in user: its arguments say what it is about.
func (l *limiter) isPublic(field *graphql.FieldContext) bool {
	rule, _ := l.policy.Rule(field.Object, field.Field.Name)
	return rule.Public
}

// keyParts is what a limit counts an execution by; nil if it does not count it.
func (l *limiter) keyParts(ctx context.Context, field *graphql.FieldContext, rule policy.Limit) ([]string, error) {
	network := limit.Network(auth.ViewerFrom(ctx).Client().IP)
	switch rule.By {
	case policy.ByAddress:
		return []string{network}, nil
	case policy.ByAccountAndAddress:
		who, err := l.accountKey(ctx, field)
		if who == "" {
			return nil, err
		}
		return []string{who, network}, err
	case policy.ByAccount:
		who, err := l.accountKey(ctx, field)
		if who == "" {
			return nil, err
		}
		return []string{who}, err
	case policy.BySession:
		id, err := l.sessionID(ctx, field)
		if id == "" {
			return nil, err
		}
		return []string{id}, err
	default:
		return nil, fmt.Errorf("%s is limited by %s, for which there is no code", coordinate(field), rule.By)
	}
}

// sessionID is the id of the session that an execution is about: the viewer's behind @auth, and else that of the refresh
// token. "" is none.
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

// accountKey is the name of the account that an execution is about: the viewer's behind @auth, and else the one with
// the e-mail address in the arguments, or of the mail's token there. It is "" for a token of no account.
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
	email, ok := field.Args["email"].(string)
	if !ok {
		if email, ok = inputText(ctx, field, "email"); !ok {
			return "", errors.New("a field is limited by account, and has no e-mail address in its arguments")
		}
	}
	return account.AccountKey(email), nil
}

// mailToken is the token of a mail that a field is given, itself or in its input.
func mailToken(ctx context.Context, field *graphql.FieldContext) (token string, ok bool) {
	if token, ok = field.Args["token"].(string); ok {
		return token, true
	}
	return inputText(ctx, field, "token")
}

// inputText returns a string of the argument "input". It reads the values that gqlgen makes the resolver's struct of, after
// variables and default values. Package policy has checked that the schema has the field.
func inputText(ctx context.Context, field *graphql.FieldContext, name string) (text string, ok bool) {
	arguments := field.Field.ArgumentMap(graphql.GetOperationContext(ctx).Variables)
	input, _ := arguments["input"].(map[string]any)
	text, ok = input[name].(string)
	return text, ok
}

// unusedReservations are the slots that an execution with this outcome does not count for: those of limits on failures after a
// success, those of limits on successes only after a failure, and all if nothing was tried.
func unusedReservations(taken, won []models.Reservation, execution *limit.Execution, err error) []models.Reservation {
	switch {
	case err == nil:
		return slices.DeleteFunc(taken, func(s models.Reservation) bool { return s.CountsSuccesses })
	case execution.IsCounted() || !wasNotAttempted(err):
		return won
	default:
		return append(taken, won...)
	}
}

// release gives slots back. It is done whether or not the client still waits, and a failure of it takes nothing from the
// answer: the slot comes back with time.
func (l *limiter) release(ctx context.Context, unused []models.Reservation) {
	ctx = context.WithoutCancel(ctx)
	if err := l.store.Release(ctx, unused); err != nil {
		l.log.WarnContext(ctx, "a rate limit keeps what was to be given back", "error", err)
	}
}

// wasNotAttempted: values that break a rule are refused before anything is done with them, and a server without room or
// without its database finds nothing out. It is asked of executions that have not worked yet.
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
	return errors.As(err, &input) || errors.As(err, &proofRequired) || errors.As(err, &overloaded) || errors.Is(err, models.ErrUnavailable)
}

// logLimited never says whose account it was: what is typed into that field may be a password.
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

package account

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"fieldgate/internal/auth"
	"fieldgate/internal/limit"
	"fieldgate/internal/mail"
	"fieldgate/internal/totp"
	"fieldgate/models"
)

// The values of Session.Methods: authentication method references (RFC 8176 section 2), and one
// that the RFC has no value for.
const (
	methodPassword = "pwd"
	methodOTP      = "otp"
	methodRecovery = "recovery"
)

// The kinds of proofs, as enum Factor of the schema names them.
const (
	FactorPassword     = "PASSWORD"
	FactorTOTP         = models.FactorTOTP
	FactorRecoveryCode = "RECOVERY_CODE"
)

const (
	// challengeTTL is how long a sign-in waits for the second factor.
	challengeTTL = 10 * time.Minute

	purposeSignIn = "sign-in"
	purposeTOTP   = "totp"
)

// ErrFactorsUnavailable is the error of a server without FACTOR_KEYS, and of a secret that none of
// them decrypts.
var ErrFactorsUnavailable = errors.New("the server has no key for second factors: use a recovery code if you have one, or ask the operator")

// ErrWrongCode is the error of a code of a second factor that is wrong, or was used before.
var ErrWrongCode = errors.New("the code is wrong, or was used before")

// SecondFactorRequiredError is the outcome of a sign-in with the right password to an account that
// has a second factor. No session was opened.
type SecondFactorRequiredError struct {
	Methods   []string  // the factors that complete the sign-in
	ExpiresAt time.Time // of the challenge
	Challenge string    // for CompleteSignIn; a secret of the client
}

func (e *SecondFactorRequiredError) Error() string {
	return "enter the code of your second factor"
}

// requireSecondFactor stores a challenge for a user whose password was right. It returns
// *SecondFactorRequiredError, or the error of the database.
func (s *Service) requireSecondFactor(ctx context.Context, user *models.User, kinds []string, rememberMe bool) error {
	// A sign-in that is half done counts as one, so that a stolen password cannot start them
	// without end.
	if err := limit.AcquireSuccess(ctx); err != nil {
		return err
	}
	secret, now := randomToken(), s.config.Store.Now()
	c := &models.Challenge{
		ID: newID(), Hash: challengeHash(secret), UserID: user.ID, Purpose: purposeSignIn, Epoch: user.SessionEpoch,
		RememberMe: rememberMe, CreatedAt: now, ExpiresAt: now.Add(challengeTTL),
	}
	if err := s.config.Store.CreateChallenge(ctx, c); err != nil {
		return err
	}
	return &SecondFactorRequiredError{Methods: MethodsOf(kinds), ExpiresAt: c.ExpiresAt, Challenge: secret}
}

// MethodsOf returns the proofs that count as a second factor for a user with factors of these
// kinds.
func MethodsOf(kinds []string) []string {
	if len(kinds) == 0 {
		return []string{}
	}
	return append(slices.Clone(kinds), FactorRecoveryCode)
}

func challengeHash(secret string) []byte {
	sum := sha256.Sum256([]byte("fieldgate challenge\x00" + secret))
	return sum[:]
}

// SecondFactor completes a sign-in.
type SecondFactor struct {
	Challenge   string
	Factor      string // FactorTOTP or FactorRecoveryCode
	Code        string
	UsesCookies bool // the client takes its refresh token in a cookie
}

// CompleteSignIn opens the session of a sign-in that was SecondFactorRequiredError. It returns
// ErrInvalidToken for a challenge that is unknown, used or expired, or had too many wrong codes;
// ErrWrongCode; *InputError; ErrFactorsUnavailable; and the refusal of a hook.
func (s *Service) CompleteSignIn(ctx context.Context, f SecondFactor, client auth.Client) (*SignIn, error) {
	if f.Factor == FactorPassword {
		return nil, invalid("factor", "must be one of the methods of the error SECOND_FACTOR_REQUIRED")
	}
	now := s.config.Store.Now()
	c, user, err := s.challenge(ctx, f.Challenge, now)
	if err != nil {
		return nil, err
	}
	check, method, err := s.checkCode(ctx, user, f.Factor, f.Code)
	if errors.Is(err, ErrWrongCode) {
		return nil, s.failSecondFactor(ctx, user, c, f.Factor)
	}
	if err != nil {
		return nil, err
	}
	session, refresh := s.newSession(user, c.RememberMe, client)
	session.ProvedAt, session.SecondProvedAt = &c.CreatedAt, &session.CreatedAt
	session.Methods = new(methodPassword + "," + method)
	e := &event{name: EventSignIn, user: user.ID, actor: user.ID, session: session.ID, reason: f.Factor}
	signIn, err := s.openSignIn(ctx, e, session, refresh, f.UsesCookies, client, func(tx *models.Store) error {
		if err := tx.UseChallenge(ctx, c, now); err != nil {
			return notFoundAsInvalidToken(err)
		}
		return check(tx)
	})
	if errors.Is(err, ErrWrongCode) { // another request used it meanwhile
		return nil, s.failSecondFactor(ctx, user, c, f.Factor)
	}
	return signIn, err
}

// challenge returns a challenge that can be completed, and its user. A change of the password, the
// end of all sessions, and a disabled account end it.
func (s *Service) challenge(ctx context.Context, secret string, now time.Time) (*models.Challenge, *models.User, error) {
	if !isRefreshToken(secret) { // both are made by randomToken
		return nil, nil, ErrInvalidToken
	}
	c, err := s.config.Store.ChallengeByHash(ctx, challengeHash(secret))
	if err != nil {
		return nil, nil, notFoundAsInvalidToken(err)
	}
	user, err := s.config.Store.UserByID(ctx, c.UserID)
	if err != nil {
		return nil, nil, notFoundAsInvalidToken(err)
	}
	if c.Purpose != purposeSignIn || c.Attempts >= models.MaxChallengeAttempts || !now.Before(c.ExpiresAt) ||
		c.Epoch != user.SessionEpoch || user.DisabledAt != nil {
		return nil, nil, ErrInvalidToken
	}
	return c, user, nil
}

// ChallengeAccountKey returns the name under which guesses at a challenge are counted, or "" for an
// unknown challenge.
func ChallengeAccountKey(ctx context.Context, store *models.Store, secret string) (string, error) {
	c, err := store.ChallengeByHash(ctx, challengeHash(secret))
	if err == nil {
		var user *models.User
		if user, err = store.UserByID(ctx, c.UserID); err == nil {
			return user.EmailKey, nil
		}
	}
	if errors.Is(err, models.ErrNotFound) {
		return "", nil
	}
	return "", err
}

// checkCode compares a code with a user's factor. It returns what uses the code up, which must run
// in the transaction of what the code is for, and the value for Session.Methods. Both return
// ErrWrongCode for a code that is wrong or was used.
func (s *Service) checkCode(
	ctx context.Context, user *models.User, factor, code string,
) (use func(tx *models.Store) error, method string, err error) {
	switch factor {
	case FactorTOTP:
		use, err = s.checkTOTP(ctx, user.ID, code)
		return use, methodOTP, err
	case FactorRecoveryCode:
		return s.useRecoveryCode(ctx, user, recoveryHash(user.ID, code)), methodRecovery, nil
	}
	return nil, "", invalid("factor", "must be a second factor that the account has")
}

func (s *Service) checkTOTP(ctx context.Context, userID, code string) (func(tx *models.Store) error, error) {
	factor, secret, err := s.totpFactor(ctx, userID)
	if err != nil {
		return nil, err
	}
	now := s.config.Store.Now()
	step, ok := totp.Match(secret, code, now)
	if !ok || step <= factor.LastStep || factor.IsLocked() {
		return nil, ErrWrongCode
	}
	return func(tx *models.Store) error {
		err := tx.AcceptFactorStep(ctx, factor, step, now)
		if errors.Is(err, models.ErrNotFound) {
			return ErrWrongCode
		}
		if err == nil && !s.config.FactorKeys.IsCurrent(factor.Secret) {
			err = tx.ReplaceFactorSecret(ctx, factor, s.config.FactorKeys.Encrypt(secret, totpContext(userID)))
		}
		return err
	}, nil
}

// totpFactor returns a user's factor and its secret. A user without one gets ErrWrongCode.
func (s *Service) totpFactor(ctx context.Context, userID string) (*models.Factor, string, error) {
	factors, err := s.config.Store.Factors(ctx, userID)
	if err != nil {
		return nil, "", err
	}
	i := slices.IndexFunc(factors, func(f *models.Factor) bool { return f.Kind == models.FactorTOTP })
	if i < 0 {
		return nil, "", ErrWrongCode
	}
	secret, err := s.config.FactorKeys.Decrypt(factors[i].Secret, totpContext(userID))
	if err != nil {
		s.config.Log.ErrorContext(ctx, "a second factor cannot be decrypted: its key is missing from FACTOR_KEYS", "user_id", userID)
		return nil, "", ErrFactorsUnavailable
	}
	return factors[i], secret, nil
}

// totpContext binds a secret to its user: in the row of another user it does not decrypt.
func totpContext(userID string) string { return "totp " + userID }

// useRecoveryCode deletes the code and tells the user.
func (s *Service) useRecoveryCode(ctx context.Context, user *models.User, hash []byte) func(tx *models.Store) error {
	return func(tx *models.Store) error {
		left, err := tx.UseRecoveryCode(ctx, user.ID, hash)
		if errors.Is(err, models.ErrNotFound) {
			return ErrWrongCode
		}
		if err != nil {
			return err
		}
		m := s.mailToUser(ctx, mail.RecoveryCodeUsed, user)
		m.Detail = new(strconv.FormatInt(left, 10))
		return tx.CreateMails(ctx, s.outgoing(m))
	}
}

// failSecondFactor counts a wrong code at the challenge, if there is one, and at the factor. The
// first one in a day is also told to the user: behind a right password, it is the sign of a stolen
// password. It returns ErrWrongCode.
func (s *Service) failSecondFactor(ctx context.Context, user *models.User, c *models.Challenge, factor string) error {
	now := s.config.Store.Now()
	e := &event{name: EventSecondFactorFailed, user: user.ID, reason: factor}
	err := s.auditedTx(ctx, e, func(tx *models.Store) error {
		if c != nil {
			if err := tx.FailChallenge(ctx, c); err != nil {
				return err
			}
		}
		factors, err := tx.Factors(ctx, user.ID)
		// Without a second factor, a wrong code is no sign of a theft.
		if err != nil || len(factors) == 0 {
			return err
		}
		for _, f := range factors {
			if f.Kind != factor {
				continue
			}
			if err := tx.FailFactor(ctx, f); err != nil && !errors.Is(err, models.ErrNotFound) {
				return err
			}
		}
		first, err := tx.SetMark(ctx, limit.Key("told of a wrong code", user.ID), now.Add(24*time.Hour))
		if err != nil || !first {
			return err
		}
		return tx.CreateMails(ctx, s.outgoing(s.mailToUser(ctx, mail.WrongCode, user)))
	})
	if err != nil {
		return err
	}
	return ErrWrongCode
}

// ConfirmIdentity records that the user of a session proved a factor anew. The session stays; its
// access token and, for a browser, its refresh token are replaced (OWASP ASVS 5.0, 7.2.4).
// refreshToken is that of the request's cookie, or "". It returns *InputError, *OverloadedError,
// ErrInvalidCredentials for a wrong password, ErrWrongCode, ErrFactorsUnavailable, and
// *auth.UnauthenticatedError if the session has ended meanwhile.
func (s *Service) ConfirmIdentity(
	ctx context.Context, session *models.Session, factor, proof, refreshToken string,
) (*SignIn, error) {
	use, method, err := s.checkProof(ctx, session.User, factor, proof)
	if err != nil {
		return nil, err
	}
	now := s.config.Store.Now()
	e := &event{name: EventIdentityConfirmed, user: session.UserID, session: session.ID, reason: factor}
	err = s.audited(ctx, e, func(tx *models.Store) error {
		if use != nil {
			if err := use(tx); err != nil {
				return err
			}
		}
		return tx.ProveSession(ctx, session, method != methodPassword, addMethod(session.Methods, method), now)
	})
	if errors.Is(err, ErrWrongCode) {
		return nil, s.failSecondFactor(ctx, session.User, nil, factor)
	}
	if err != nil {
		return nil, notFoundAsRevoked(err)
	}
	return s.renew(ctx, session, refreshToken)
}

func (s *Service) checkProof(
	ctx context.Context, user *models.User, factor, proof string,
) (use func(tx *models.Store) error, method string, err error) {
	if factor == FactorPassword {
		if len(proof) > maxPasswordBytes {
			return nil, "", invalid("proof", longPassword)
		}
		_, err := s.authenticate(ctx, user.ID, &proof, EventConfirmationFailed)
		return nil, methodPassword, err
	}
	use, method, err = s.checkCode(ctx, user, factor, proof)
	if errors.Is(err, ErrWrongCode) {
		return nil, "", s.failSecondFactor(ctx, user, nil, factor)
	}
	return use, method, err
}

// renew returns new tokens of a session that was just proved. A client without a cookie keeps its
// refresh token: the server does not know it and could not return its successor.
func (s *Service) renew(ctx context.Context, session *models.Session, refreshToken string) (*SignIn, error) {
	if refreshToken != "" {
		own, err := s.config.Store.SessionByRefreshHash(ctx, refreshHash(refreshToken))
		if err == nil && own.ID == session.ID {
			return s.Refresh(ctx, refreshToken)
		}
		if err != nil && !errors.Is(err, models.ErrNotFound) {
			return nil, err
		}
	}
	current, err := s.config.Store.SessionWithUser(ctx, session.ID, session.UserID)
	if err != nil {
		return nil, notFoundAsRevoked(err)
	}
	signIn, err := s.newSignIn(current, "")
	if err == nil {
		signIn.CookieUnchanged = true
	}
	return signIn, err
}

// addMethod adds a method to Session.Methods.
func addMethod(methods *string, method string) string {
	list := []string{methodPassword}
	if methods != nil {
		list = strings.Split(*methods, ",")
	}
	if !slices.Contains(list, method) {
		list = append(list, method)
	}
	return strings.Join(list, ",")
}

const (
	recoveryCodes     = 10
	recoveryCodeBytes = 10 // 80 bits; NIST SP 800-63B-4 section 4.2.1.1 asks for 64
	recoveryGroup     = 4  // characters between two hyphens
)

// recoveryEncoding has no characters that look alike in most fonts but 2 and Z.
var recoveryEncoding = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// newRecoveryCode returns a random code as users read it: "abcd-efgh-ijkm-npqr".
func newRecoveryCode() string {
	text := recoveryEncoding.EncodeToString(randomBytes(recoveryCodeBytes))
	var groups []string
	for group := range slices.Chunk([]byte(text), recoveryGroup) {
		groups = append(groups, string(group))
	}
	return strings.Join(groups, "-")
}

// recoveryHash ignores what users change when they copy a code: case, white space and hyphens of
// any kind.
func recoveryHash(userID, code string) []byte {
	code = strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Dash, r) {
			return -1
		}
		return r
	}, code))
	sum := sha256.Sum256([]byte("fieldgate recovery code\x00" + userID + "\x00" + code))
	return sum[:]
}

package reference

import (
	"fmt"
	"strings"

	"fieldgate/fgerr"
	"fieldgate/internal/auth"
)

// description is what a client developer has to know of an error code or a reason.
type description struct{ when, extensions, client string }

var codes = map[string]description{
	fgerr.Unauthenticated: {
		"The field requires a signed-in user, and the request has no valid access token.",
		"`reason`; in development `hint`",
		"See [reasons](#reasons-of-unauthenticated): usually refresh once and repeat the request.",
	},
	fgerr.Forbidden: {
		"The user's role does not include the required one, for the field or for the account that it changes.",
		"`requires`; in development `have` and `hint`",
		"Do not repeat the request. Ask [`permissions`](../policy.md#permissions-for-a-frontend) again: the role may have changed.",
	},
	fgerr.BadUserInput: {
		"A value breaks a rule, or the request is malformed. All rules are checked at once.",
		"`fields`: `[{name, message}]`; `name` is the argument or the input field",
		"Show each message beside its form field.",
	},
	fgerr.InvalidCredentials: {
		"A sign-in failed, or a signed-in user gave a wrong password. Unknown address, wrong password and disabled account are not distinguished.",
		"",
		"Ask for the password again, and offer a password reset.",
	},
	fgerr.EmailTaken: {
		"The address has an account. With `REQUIRE_VERIFIED_EMAIL=true` registration does not return this code.",
		"",
		"Offer to sign in or to reset the password.",
	},
	fgerr.EmailNotVerified: {
		"With `REQUIRE_VERIFIED_EMAIL=true`: every registration, and a sign-in with the right password before the address is verified.",
		"",
		"Ask the user to open the link in the mail.",
	},
	fgerr.InvalidToken: {
		"A refresh token, or a token from a mail, is unknown, used or expired.",
		"",
		"After `refresh`: sign in again. After a link: offer a new mail.",
	},
	fgerr.ProofRequired: {
		"`verifyEmail` needs a session of the account, or its password. The token stays valid.",
		"",
		"Ask for the password and repeat the mutation with the same token.",
	},
	fgerr.SecondFactorRequired: {
		"A sign-in with the right password, and the account has a second factor. No session was opened.",
		"`methods`, `expiresAt`, `challenge` (with `delivery: BODY`; else in a cookie)",
		"Ask for the code, and call `completeSignIn`.",
	},
	fgerr.StepUpRequired: {
		"The field requires a fresher proof of identity than the session has, or a second factor.",
		"`maxAge` in seconds or null, `mfa`, `methods` (empty: enrol a second factor first); in development `hint`",
		"Ask for one of the methods, call `confirmIdentity`, and repeat the operation once.",
	},
	fgerr.FactorsUnavailable: {
		"The server has no `FACTOR_KEYS`, or not the key of this factor.",
		"",
		"Tell the user to use a recovery code or to ask the operator.",
	},
	fgerr.NotFound: {
		"The id does not exist, or it belongs to another user.",
		"",
		"Remove the item from the page.",
	},
	fgerr.Conflict: {
		"The change would break a rule between rows: the last ADMIN cannot be demoted, disabled or deleted. An account cannot delete itself while a change of its address can be undone, and an ADMIN deletes their own account with `deleteAccount`.",
		"`until`, a time, while a change of address can be undone",
		"Show the message. If there is `until`, try again after that time.",
	},
	fgerr.RateLimited: {
		"A [rate limit](limits.md#rate-limits) is used up. The field was not executed.",
		"`retryAfter` in seconds; also the header `Retry-After`",
		"Wait `retryAfter` seconds before the next attempt.",
	},
	fgerr.Overloaded: {
		"The [password queue](limits.md#the-password-queue) is full.",
		"`retryAfter` in seconds; also the header `Retry-After`",
		"Repeat the request after `retryAfter` seconds.",
	},
	fgerr.Unavailable: {
		"The database does not answer, or a hook of the product exceeded its deadline. Nothing was changed.",
		"`retryAfter` in seconds; also the header `Retry-After`",
		"Repeat the request after `retryAfter` seconds.",
	},
	fgerr.GraphQLParseFailed: {
		"The document is not GraphQL.",
		"",
		"Fix the document.",
	},
	fgerr.GraphQLValidationFailed: {
		"The document does not match the schema.",
		"",
		"Fix the document, or generate the client's types again.",
	},
	fgerr.QueryTooComplex: {
		"The document exceeds a [document limit](limits.md#document-limits). No field ran.",
		"`limit`, `max`",
		"Ask for less, or split the request.",
	},
	fgerr.PersistedQueryNotSupported: {
		"The request has a hash and no query. The server does not store queries.",
		"",
		"Send the query. Apollo's `PersistedQueryLink` does this without a change.",
	},
	fgerr.Internal: {
		"Any other error, including a COMMIT with an unknown outcome. The log contains it under the same id.",
		"`requestId`",
		"Show the id to the user, for the operator to find the log line.",
	},
}

var reasons = []struct {
	reason       auth.Reason
	when, client string
}{
	{auth.Missing, "The request has no access token.", "Ask the user to sign in."},
	{auth.Expired, "The access token has expired.", "Call `refresh` once and repeat the request."},
	{auth.Invalid, "The access token is not one of this server: damaged, forged, or signed with a removed key.", "Ask the user to sign in."},
	{auth.Revoked, "The session has ended, or the account is disabled or deleted.", "Ask the user to sign in."},
}

// codesTable returns a row for each code of package fgerr. A code without a description is a
// mistake that every build of the documents shows.
func codesTable() string {
	var b strings.Builder
	b.WriteString("| code | when | extensions | what a client does |\n|---|---|---|---|\n")
	for _, code := range fgerr.Codes() {
		d, ok := codes[code]
		if !ok {
			panic("internal/reference/errors.go has no description of " + code)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", code, d.when, d.extensions, d.client)
	}
	return b.String()
}

func reasonsTable() string {
	var b strings.Builder
	b.WriteString("| `reason` | when | what a client does |\n|---|---|---|\n")
	for _, r := range reasons {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.reason, r.when, r.client)
	}
	return b.String()
}

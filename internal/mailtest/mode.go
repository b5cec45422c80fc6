package mailtest

// Mode is the server's behavior.
type Mode struct {
	stage  Stage
	code   int  // the answer at that stage; 0: the connection ends there
	silent bool // the connection stays open without an answer
}

// Stage is a point of the SMTP conversation at which the server answers.
type Stage string

// The stages in their order.
const (
	AtGreeting  Stage = "greeting"  // the client has connected
	AtHandshake Stage = "handshake" // the client has begun TLS
	AtHello     Stage = "hello"     // after EHLO; also the second one, after STARTTLS
	AtLogin     Stage = "login"     // after AUTH
	AtSender    Stage = "sender"    // after MAIL
	AtRecipient Stage = "recipient" // after RCPT
	AtData      Stage = "data"      // after DATA, before the message
	InData      Stage = "in data"   // after the first bytes of the message
	AfterData   Stage = "after data"
	AtGoodbye   Stage = "goodbye" // at the next command after an accepted message, as QUIT
)

// Accept takes every message.
var Accept = Mode{}

// Common modes. After DropAfterData and SilentAfterData the server has the message, but the client
// cannot know.
var (
	Silent          = SilentAt(AtGreeting)
	SilentAfterData = SilentAt(AfterData)
	DropInData      = DropAt(InData)
	DropAfterData   = DropAt(AfterData)
)

// SilentAt stops answering at that stage and keeps the connection open.
func SilentAt(stage Stage) Mode { return Mode{stage: stage, silent: true} }

// DropAt closes the connection at that stage.
func DropAt(stage Stage) Mode { return Mode{stage: stage} }

// RefuseSenders answers MAIL with that code, 4xx or 5xx.
func RefuseSenders(code int) Mode { return Mode{stage: AtSender, code: code} }

// RefuseRecipients answers RCPT with that code, 4xx or 5xx.
func RefuseRecipients(code int) Mode { return Mode{stage: AtRecipient, code: code} }

// RefuseMessages answers the end of a message with that code, 4xx or 5xx, and does not store it.
func RefuseMessages(code int) Mode { return Mode{stage: AfterData, code: code} }

// RefuseLogins answers AUTH with that code, 4xx or 5xx, for any password.
func RefuseLogins(code int) Mode { return Mode{stage: AtLogin, code: code} }

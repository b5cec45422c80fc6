package mailtest

// Mode is how the server behaves.
type Mode struct {
	stage  Stage
	code   int  // is the answer at that stage; 0: the connection ends there,
	silent bool // after silence
}

// Stage is a point of the conversation, at which the server is to answer.
type Stage string

// The stages, in their order.
const (
	AtGreeting  Stage = "greeting"  // the client has connected
	AtHandshake Stage = "handshake" // the client has begun TLS
	AtHello     Stage = "hello"     // after EHLO; also the second one, after STARTTLS
	AtLogin     Stage = "login"     // after AUTH
	AtSender    Stage = "sender"    // after MAIL
	AtRecipient Stage = "recipient" // after RCPT
	AtData      Stage = "data"      // after DATA, before the message
	InData      Stage = "in data"   // when the message begins to come in
	AfterData   Stage = "after data"
	AtGoodbye   Stage = "goodbye" // after a message was taken and the client went on, as with QUIT
)

// Accept takes every message.
var Accept = Mode{}

// Ready-made modes. After DropAfterData and SilentAfterData the server has the
// message, and the client cannot know.
var (
	Silent          = SilentAt(AtGreeting)
	SilentAfterData = SilentAt(AfterData)
	DropInData      = DropAt(InData)
	DropAfterData   = DropAt(AfterData)
)

// SilentAt says nothing from that stage on, and keeps the connection open.
func SilentAt(stage Stage) Mode { return Mode{stage: stage, silent: true} }

// DropAt hangs up at that stage.
func DropAt(stage Stage) Mode { return Mode{stage: stage} }

// RefuseSenders answers MAIL with that code, 4xx or 5xx.
func RefuseSenders(code int) Mode { return Mode{stage: AtSender, code: code} }

// RefuseRecipients answers RCPT with that code, 4xx or 5xx.
func RefuseRecipients(code int) Mode { return Mode{stage: AtRecipient, code: code} }

// RefuseMessages answers the end of a message with that code, 4xx or 5xx, and does not keep it.
func RefuseMessages(code int) Mode { return Mode{stage: AfterData, code: code} }

// RefuseLogins answers AUTH with that code, 4xx or 5xx, whatever the password.
func RefuseLogins(code int) Mode { return Mode{stage: AtLogin, code: code} }

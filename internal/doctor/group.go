package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fieldgate/models"
)

// minMembers is how many members a group needs to survive the loss of one.
const minMembers = 3

// group checks a member of MySQL Group Replication.
func group(r *report, g *models.Group) {
	if g == nil {
		return
	}
	members(r, g)
	groupSettings(r, g)
}

func members(r *report, g *models.Group) {
	const id = "database.group"
	if g.Unreadable != "" {
		r.add(id, Note,
			"the database uses Group Replication, but its members cannot be read: "+g.Unreadable,
			"to check the members, GRANT SELECT ON performance_schema.replication_group_members TO the server's user")
		return
	}
	role := strings.TrimSpace(g.State + " " + g.Role)
	message := fmt.Sprintf("%s in a group of %s (%s)", role, plural(g.Size(), "member", "members"), states(g))
	online := g.Members["ONLINE"]
	switch {
	case g.State != "ONLINE":
		r.add(id, Problem, message+": this member accepts no writes, and its reads may be stale",
			"read its error log, then run START GROUP_REPLICATION; point DATABASE_URL at a proxy that follows the primary (deploy/haproxy-group-replication.cfg)")
	case !g.HasQuorum():
		r.add(id, Problem, message+": this member has lost the majority, and every write blocks",
			"restart the unreachable members, or set group_replication_force_members if they are lost permanently (docs/operations.md)")
	case g.HasSinglePrimary && g.Role != "PRIMARY":
		r.add(
			id, Problem,
			message+": this member accepts no writes",
			"point DATABASE_URL at a proxy that follows the primary (deploy/haproxy-group-replication.cfg)",
		)
	case online < minMembers:
		r.add(id, Warning,
			fmt.Sprintf("%s: with fewer than %d online members, the group does not survive the loss of one", message, minMembers),
			"run START GROUP_REPLICATION on the others, or add a member")
	default:
		r.ok(id, "%s", message)
	}
}

// states formats the number of members in each state: "2 ONLINE, 1 UNREACHABLE".
func states(g *models.Group) string {
	var list []string
	for _, state := range slices.Sorted(maps.Keys(g.Members)) {
		list = append(list, fmt.Sprintf("%d %s", g.Members[state], state))
	}
	return strings.Join(list, ", ")
}

func groupSettings(r *report, g *models.Group) {
	const id = "database.group.settings"
	ok := true
	for _, row := range []struct {
		isWrong   bool
		level     Level
		text, fix string
	}{
		{
			g.Consistency == "EVENTUAL", Warning,
			"group_replication_consistency is EVENTUAL: a new primary answers before it has applied all transactions, so a session that was just revoked may be accepted",
			"run SET PERSIST group_replication_consistency = 'BEFORE_ON_PRIMARY_FAILOVER' on each member",
		},
		{
			g.UnreachableMajority == 0, Warning,
			"group_replication_unreachable_majority_timeout is 0: a primary that is isolated from the others does not become read-only and serves stale reads",
			"run SET PERSIST group_replication_unreachable_majority_timeout = 5 on each member",
		},
		{
			g.ExpelTimeout > 0, Note,
			fmt.Sprintf("group_replication_member_expel_timeout is %s: the replacement of a failed primary is delayed by this time, in which no request is served", shortDuration(g.ExpelTimeout)),
			"run SET PERSIST group_replication_member_expel_timeout = 0 on each member, unless their network loses packets for seconds",
		},
		{
			!g.HasSinglePrimary, Note,
			"group_replication_single_primary_mode is OFF: concurrent writes on several members conflict, and the server must retry transactions",
			"run SELECT group_replication_switch_to_single_primary_mode()",
		},
	} {
		if row.isWrong {
			r.add(id, row.level, row.text, row.fix)
			ok = false
		}
	}
	if ok {
		r.ok(id, "consistency %s, expel timeout %s", g.Consistency, shortDuration(g.ExpelTimeout))
	}
}

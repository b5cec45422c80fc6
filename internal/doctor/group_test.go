package doctor

import (
	"strings"
	"testing"
	"time"

	"fieldgate/models"
)

func TestDoctorChecksGroupReplication(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(g *models.Group)
		want   string // level and id of each finding about the group
		seen   string
	}{
		{"three members are fine", func(*models.Group) {}, "ok database.group, ok database.group.settings", "ONLINE PRIMARY in a group of 3 members (3 ONLINE)"},
		{
			"two online members cannot lose one",
			func(g *models.Group) { g.Members = map[string]int{"ONLINE": 2, "RECOVERING": 1} },
			"warning database.group, ok database.group.settings", "2 ONLINE, 1 RECOVERING",
		},
		{
			"a group of one cannot lose it",
			func(g *models.Group) { g.Members = map[string]int{"ONLINE": 1} },
			"warning database.group, ok database.group.settings", "a group of 1 member (1 ONLINE)",
		},
		{
			"a member that reaches one of four has no quorum",
			func(g *models.Group) { g.Members = map[string]int{"ONLINE": 2, "UNREACHABLE": 2} },
			"problem database.group, ok database.group.settings", "lost the majority",
		},
		{
			"a secondary accepts no writes",
			func(g *models.Group) { g.Role = "SECONDARY" },
			"problem database.group, ok database.group.settings", "accepts no writes",
		},
		{
			"members that all write conflict",
			func(g *models.Group) { g.HasSinglePrimary = false },
			"ok database.group, note database.group.settings", "single_primary_mode is OFF",
		},
		{
			"a member that left its group accepts no writes",
			func(g *models.Group) { g.State, g.Role, g.Members = "OFFLINE", "", map[string]int{"OFFLINE": 1} },
			"problem database.group, ok database.group.settings", "OFFLINE in a group of 1 member",
		},
		{
			"a recovering member may serve stale rows",
			func(g *models.Group) { g.State = "RECOVERING" },
			"problem database.group, ok database.group.settings", "reads may be stale",
		},
		{
			"a missing privilege is named",
			func(g *models.Group) {
				*g = withSettings(models.Group{Unreadable: "Error 1142 (42000): SELECT command denied"})
			},
			"note database.group, ok database.group.settings", "SELECT command denied",
		},
		{
			"the default expel timeout delays a failover",
			func(g *models.Group) { g.ExpelTimeout = 5 * time.Second },
			"ok database.group, note database.group.settings", "expel_timeout is 5s",
		},
		{
			"EVENTUAL reads after a failover are stale",
			func(g *models.Group) { g.Consistency = "EVENTUAL" },
			"ok database.group, warning database.group.settings", "EVENTUAL",
		},
		{
			"an isolated primary that stays one is stale",
			func(g *models.Group) { g.UnreachableMajority = 0 },
			"ok database.group, warning database.group.settings", "unreachable_majority_timeout is 0",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := healthyServer()
			g := withSettings(models.Group{State: "ONLINE", Role: "PRIMARY", Members: map[string]int{"ONLINE": 3}})
			row.change(&g)
			w.inspection.Group = &g
			var got, seen []string
			for _, f := range w.check(t) {
				if strings.HasPrefix(f.ID, "database.group") {
					got, seen = append(got, string(f.Level)+" "+f.ID), append(seen, f.Message)
					if (f.Fix == "") != (f.Level == OK) {
						t.Errorf("%+v: want a fix unless the level is ok", f)
					}
				}
			}
			if strings.Join(got, ", ") != row.want || !strings.Contains(strings.Join(seen, "\n"), row.seen) {
				t.Errorf("got findings %s\n%s\nwant %s\nwith %q", strings.Join(got, ", "), strings.Join(seen, "\n"), row.want, row.seen)
			}
		})
	}
}

// withSettings gives a group the recommended settings.
func withSettings(g models.Group) models.Group {
	g.UnreachableMajority, g.Consistency, g.HasSinglePrimary = 5*time.Second, "BEFORE_ON_PRIMARY_FAILOVER", true
	return g
}

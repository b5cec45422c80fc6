package policytest

import (
	"fmt"
	"strings"
)

// validate says what stands in the way before anything is fired.
func (p *proof) validate() bool {
	ok := true
	complain := func(format string, args ...any) {
		p.t.Helper()
		p.t.Errorf(format, args...)
		ok = false
	}
	for _, rule := range p.gatedRules() {
		if len(p.routes[rule.Type]) == 0 {
			complain("%s cannot be proven: no field of Query or Mutation leads to %s within %d steps. Make one reachable, or take it out of the schema",
				rule.Coordinate(), rule.Type, maxSteps)
		}
		if rule.OrOwner && p.Owners[rule.Type] == "" {
			complain("%s cannot be proven: it says orOwner, and nothing tells whose a %s is. Give Owners[%q], the name of an open field with the id of its owner",
				rule.Coordinate(), rule.Type, rule.Type)
		}
	}
	for typeName, path := range p.Owners {
		if err := p.checkOwnerPath(typeName, path); err != nil {
			complain("Owners[%q] = %q: %v", typeName, path, err)
		}
	}
	for coordinate := range p.Fixtures {
		typeName, name, _ := strings.Cut(coordinate, ".")
		if def := p.Schema.Types[typeName]; def == nil || def.Fields.ForName(name) == nil {
			complain("Fixtures[%q]: there is no such field", coordinate)
		}
	}
	return ok
}

// checkOwnerPath refuses an owner whom not everybody is told.
func (p *proof) checkOwnerPath(typeName, path string) error {
	for _, name := range splitPath(path) {
		def := p.Schema.Types[typeName]
		if def == nil || def.Fields.ForName(name) == nil {
			return fmt.Errorf("%s has no field %s", typeName, name)
		}
		if _, gated := p.Policy.Rule(typeName, name); gated {
			return fmt.Errorf("%s.%s is gated, so not everybody is told", typeName, name)
		}
		typeName = def.Fields.ForName(name).Type.Name()
	}
	return nil
}

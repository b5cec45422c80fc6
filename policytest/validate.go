package policytest

import (
	"fmt"
	"strings"
)

// validate reports what the run cannot test, before it sends a request.
func (p *proof) validate() bool {
	ok := true
	fail := func(format string, args ...any) {
		p.t.Helper()
		p.t.Errorf(format, args...)
		ok = false
	}
	for _, rule := range p.gatedRules() {
		if len(p.routes[rule.Type]) == 0 {
			fail("%s cannot be tested: no field of Query or Mutation leads to %s within %d steps. "+
				"Add a field that does, or remove the type",
				rule.Coordinate(), rule.Type, maxSteps)
		}
		if rule.OrOwner && p.Owners[rule.Type] == "" {
			fail("%s cannot be tested: it has orOwner, but the owner of a %s is unknown. "+
				"Set Owners[%q] to the name of an open field with the owner's id",
				rule.Coordinate(), rule.Type, rule.Type)
		}
	}
	for typeName, path := range p.Owners {
		if err := p.checkOwnerPath(typeName, path); err != nil {
			fail("Owners[%q] = %q: %v", typeName, path, err)
		}
	}
	for coordinate := range p.Fixtures {
		typeName, name, _ := strings.Cut(coordinate, ".")
		if def := p.Schema.Types[typeName]; def == nil || def.Fields.ForName(name) == nil {
			fail("Fixtures[%q]: the schema has no such field", coordinate)
		}
	}
	return ok
}

// checkOwnerPath rejects a path to the owner that not every actor can read.
func (p *proof) checkOwnerPath(typeName, path string) error {
	for _, name := range splitPath(path) {
		def := p.Schema.Types[typeName]
		if def == nil || def.Fields.ForName(name) == nil {
			return fmt.Errorf("%s has no field %s", typeName, name)
		}
		if _, gated := p.Policy.Rule(typeName, name); gated {
			return fmt.Errorf("%s.%s is gated, so not every actor can read it", typeName, name)
		}
		typeName = def.Fields.ForName(name).Type.Name()
	}
	return nil
}

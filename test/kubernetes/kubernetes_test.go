// Package kubernetes decodes deploy/kubernetes strictly with the types of Kubernetes: unknown or
// misplaced fields fail. It is a module of its own, because only it needs those types.
package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

func newObject(kind string) any {
	switch kind {
	case "v1 ConfigMap":
		return &corev1.ConfigMap{}
	case "v1 Service":
		return &corev1.Service{}
	case "apps/v1 Deployment":
		return &appsv1.Deployment{}
	case "batch/v1 Job":
		return &batchv1.Job{}
	case "policy/v1 PodDisruptionBudget":
		return &policyv1.PodDisruptionBudget{}
	case "networking.k8s.io/v1 NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	}
	return nil
}

func decode(document string) error {
	var header struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal([]byte(document), &header); err != nil {
		return err
	}
	kind := header.APIVersion + " " + header.Kind
	object := newObject(kind)
	if object == nil {
		return os.ErrInvalid
	}
	return yaml.UnmarshalStrict([]byte(document), object)
}

func TestManifestsDecodeStrictly(t *testing.T) {
	names, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("%q, %v", names, err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(content), "\n---\n") {
			if err := decode(document); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			// Checks that decoding is strict: a misspelled field and a misplaced one must fail.
			for _, wrong := range []string{"metdata: {}", "replicas: 2"} {
				if decode(document+"\n"+wrong) == nil {
					t.Errorf("%s with %q decodes, want an error", name, wrong)
				}
			}
		}
	}
}

// Command table writes the schema table of kingpost-schema: one Rust file of statics per group and version.
//
// The facts come from three places: the struct tags of k8s.io/api and apimachinery's metav1 (names, protobuf
// numbers, presence, patch strategies), the structured-merge-diff schema of client-go (list types, map keys,
// atomic structs, defaults), and the definitions of PyPI kubernetes-validate (required fields, enumerations).
//
// usage: table DEFINITIONS.json OUTPUT_DIRECTORY
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// stable keeps the versions that are served without a feature gate.
var stable = regexp.MustCompile(`^v[0-9]+$`)

// perGroup names the kinds that upstream registers again in every group version; they stand in the table once.
var perGroup = map[string]bool{
	"WatchEvent": true, "ListOptions": true, "GetOptions": true, "DeleteOptions": true,
	"CreateOptions": true, "UpdateOptions": true, "PatchOptions": true,
}

type kindEntry struct {
	gvk   schema.GroupVersionKind
	ident string
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: table DEFINITIONS.json OUTPUT_DIRECTORY")
	}
	facts, err := loadFacts(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	table := newTable(facts)
	var kinds []kindEntry
	add := func(gvk schema.GroupVersionKind, t reflect.Type) {
		kinds = append(kinds, kindEntry{gvk, table.structType(t).path()})
	}
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		if !stable.MatchString(gvk.Version) || perGroup[gvk.Kind] {
			continue
		}
		add(gvk, t)
	}
	meta := schema.GroupVersion{Version: "v1"}
	for _, object := range []any{
		metav1.WatchEvent{}, metav1.ListOptions{}, metav1.GetOptions{}, metav1.DeleteOptions{},
		metav1.CreateOptions{}, metav1.UpdateOptions{}, metav1.PatchOptions{}, metav1.APIResourceList{},
	} {
		t := reflect.TypeOf(object)
		if gvk := meta.WithKind(t.Name()); !has(kinds, gvk) {
			add(gvk, t)
		}
	}
	metaGroup := schema.GroupVersion{Group: "meta.k8s.io", Version: "v1"}
	for _, object := range []any{metav1.PartialObjectMetadata{}, metav1.PartialObjectMetadataList{}} {
		t := reflect.TypeOf(object)
		add(metaGroup.WithKind(t.Name()), t)
	}
	sort.Slice(kinds, func(i, j int) bool { return less(kinds[i].gvk, kinds[j].gvk) })
	if err := table.write(os.Args[2], kinds); err != nil {
		log.Fatal(err)
	}
	if unused := facts.unused(); len(unused) > 0 {
		log.Printf("facts without a field: %v", unused)
	}
}

func has(kinds []kindEntry, gvk schema.GroupVersionKind) bool {
	for _, entry := range kinds {
		if entry.gvk == gvk {
			return true
		}
	}
	return false
}

// less orders by group, version, kind: the order that the table's binary search uses.
func less(a, b schema.GroupVersionKind) bool {
	if a.Group != b.Group {
		return a.Group < b.Group
	}
	if a.Version != b.Version {
		return a.Version < b.Version
	}
	return a.Kind < b.Kind
}

func quote(text string) string {
	encoded, err := json.Marshal(text)
	if err != nil {
		log.Fatal(err)
	}
	return string(encoded)
}

func writeFile(directory, name, text string) error {
	if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

func screaming(name string) string {
	var out strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		upper := r >= 'A' && r <= 'Z'
		if upper && i > 0 {
			previous := runes[i-1]
			lowerBefore := previous < 'A' || previous > 'Z'
			lowerAfter := i+1 < len(runes) && runes[i+1] >= 'a' && runes[i+1] <= 'z'
			if lowerBefore || lowerAfter {
				out.WriteByte('_')
			}
		}
		out.WriteRune(r)
	}
	return strings.ToUpper(out.String())
}

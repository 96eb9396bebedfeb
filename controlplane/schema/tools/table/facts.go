package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// facts are what struct tags do not say, by OpenAPI model name and field.
type facts struct {
	merge       map[string]mergeType
	definitions map[string]definition
	seen        map[string]bool
}

// mergeType is a type of client-go's structured-merge-diff schema.
type mergeType struct {
	Name string `json:"name"`
	Map  *struct {
		Fields              []mergeField `json:"fields"`
		ElementRelationship string       `json:"elementRelationship"`
	} `json:"map"`
}

type mergeField struct {
	Name    string          `json:"name"`
	Type    mergeFieldType  `json:"type"`
	Default json.RawMessage `json:"default"`
}

type mergeFieldType struct {
	List *struct {
		ElementRelationship string   `json:"elementRelationship"`
		Keys                []string `json:"keys"`
	} `json:"list"`
	Map *struct {
		ElementRelationship string `json:"elementRelationship"`
	} `json:"map"`
	ElementRelationship string `json:"elementRelationship"`
}

// definition is a type of the published OpenAPI definitions.
type definition struct {
	Required   []string            `json:"required"`
	MapType    string              `json:"x-kubernetes-map-type"`
	Properties map[string]property `json:"properties"`
}

type property struct {
	ListType string   `json:"x-kubernetes-list-type"`
	MapKeys  []string `json:"x-kubernetes-list-map-keys"`
	MapType  string   `json:"x-kubernetes-map-type"`
	Enum     []any    `json:"enum"`
}

func loadFacts(definitionsPath string) (*facts, error) {
	loaded := &facts{merge: map[string]mergeType{}, seen: map[string]bool{}}
	text, err := os.ReadFile(definitionsPath)
	if err != nil {
		return nil, err
	}
	var document struct {
		Defs map[string]definition `json:"$defs"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("parse %s: %w", definitionsPath, err)
	}
	loaded.definitions = document.Defs

	// The package that holds the schema is internal to client-go: read its source.
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/client-go").Output()
	if err != nil {
		return nil, fmt.Errorf("find client-go: %w", err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(output)), "applyconfigurations/internal/internal.go"))
	if err != nil {
		return nil, err
	}
	_, rest, found := strings.Cut(string(source), "`")
	schemaText, _, closed := strings.Cut(rest, "`")
	if !found || !closed {
		return nil, fmt.Errorf("client-go's schema is not where it was")
	}
	var schema struct {
		Types []mergeType `json:"types"`
	}
	if err := yaml.Unmarshal([]byte(schemaText), &schema); err != nil {
		return nil, fmt.Errorf("parse client-go's schema: %w", err)
	}
	for _, t := range schema.Types {
		loaded.merge[t.Name] = t
	}
	return loaded, nil
}

// atomicStruct says whether a whole struct type has one owner.
func (f *facts) atomicStruct(model string) bool {
	merge, known := f.merge[model]
	atomic := known && merge.Map != nil && merge.Map.ElementRelationship == "atomic"
	return atomic || f.definitions[model].MapType == "atomic"
}

// field returns what is known of one field of a model.
func (f *facts) field(model, name string) fieldFacts {
	f.seen[model+"."+name] = true
	var out fieldFacts
	described := f.definitions[model].Properties[name]
	out.listType, out.mapKeys = described.ListType, described.MapKeys
	out.atomic = described.MapType == "atomic"
	for _, value := range described.Enum {
		if text, ok := value.(string); ok {
			out.enum = append(out.enum, text)
		}
	}
	sort.Strings(out.enum)
	for _, required := range f.definitions[model].Required {
		out.required = out.required || required == name
	}
	merge, known := f.merge[model]
	if !known || merge.Map == nil {
		return out
	}
	for _, field := range merge.Map.Fields {
		if field.Name != name {
			continue
		}
		if len(field.Default) > 0 {
			out.defaultValue = string(field.Default)
		}
		if list := field.Type.List; list != nil && list.ElementRelationship == "associative" {
			want := "set"
			if len(list.Keys) > 0 {
				want = "map"
			}
			if out.listType != "" && out.listType != want {
				panic(fmt.Sprintf("%s.%s: list type %s and %s", model, name, out.listType, want))
			}
			out.listType, out.mapKeys = want, list.Keys
		}
		if m := field.Type.Map; m != nil && m.ElementRelationship == "atomic" {
			out.atomic = true
		}
		if field.Type.ElementRelationship == "atomic" {
			out.atomic = true
		}
	}
	return out
}

type fieldFacts struct {
	listType     string
	mapKeys      []string
	atomic       bool
	required     bool
	enum         []string
	defaultValue string
}

// unused lists described fields of seen types that no struct tag has: a sign that the sources do not match.
func (f *facts) unused() []string {
	models := map[string]bool{}
	for name := range f.seen {
		models[name[:strings.LastIndex(name, ".")]] = true
	}
	var out []string
	for model := range models {
		for name := range f.definitions[model].Properties {
			if !f.seen[model+"."+name] {
				out = append(out, model+"."+name)
			}
		}
	}
	sort.Strings(out)
	return out
}

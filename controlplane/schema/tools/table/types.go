package main

import (
	"fmt"
	"log"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// special types have an encoding of their own.
var special = map[reflect.Type]string{
	reflect.TypeOf(metav1.Time{}):          "Shape::Time",
	reflect.TypeOf(metav1.MicroTime{}):     "Shape::MicroTime",
	reflect.TypeOf(metav1.Duration{}):      "Shape::Duration",
	reflect.TypeOf(resource.Quantity{}):    "Shape::Quantity",
	reflect.TypeOf(intstr.IntOrString{}):   "Shape::IntOrString",
	reflect.TypeOf(runtime.RawExtension{}): "Shape::Raw",
	reflect.TypeOf(metav1.FieldsV1{}):      "Shape::FieldsV1",
}

type table struct {
	facts *facts
	types map[reflect.Type]*structType
}

type structType struct {
	goType reflect.Type
	model  string
	module string
	ident  string
	fields []field
	wire   []member
}

type field struct {
	name, shape, presence, goName, via, mergeKey, patch string
	number                                              int
	facts                                               fieldFacts
}

type member struct {
	number int
	name   string
	inline *structType
}

func newTable(f *facts) *table { return &table{facts: f, types: map[reflect.Type]*structType{}} }

func (t *structType) path() string { return "super::" + t.module + "::" + t.ident }

func (t *table) structType(goType reflect.Type) *structType {
	if known, ok := t.types[goType]; ok {
		return known
	}
	parts := strings.Split(goType.PkgPath(), "/")
	out := &structType{goType: goType, ident: screaming(goType.Name())}
	out.module = strings.Join(parts[len(parts)-2:], "_")
	if len(parts) >= 2 && parts[0] == "k8s.io" {
		out.model = "io.k8s." + strings.Join(parts[1:], ".") + "." + goType.Name()
	}
	t.types[goType] = out
	t.collect(out, goType, "")
	sort.Slice(out.fields, func(i, j int) bool { return out.fields[i].name < out.fields[j].name })
	sort.Slice(out.wire, func(i, j int) bool { return out.wire[i].number < out.wire[j].number })
	return out
}

// collect adds the JSON fields of goType, those of inlined structs too, and the protobuf members of the outermost.
func (t *table) collect(out *structType, goType reflect.Type, via string) {
	for i := range goType.NumField() {
		source := goType.Field(i)
		tag, hasTag := source.Tag.Lookup("json")
		if source.PkgPath != "" && !source.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		number := protobufNumber(source)
		if name == "-" || (!hasTag && number == 0) {
			continue
		}
		if name == "" {
			if !strings.Contains(options, "inline") && !source.Anonymous {
				log.Fatalf("%v.%s has no JSON name", goType, source.Name)
			}
			embedded := source.Type
			if embedded.Kind() == reflect.Pointer {
				embedded = embedded.Elem()
			}
			if number != 0 && via == "" {
				out.wire = append(out.wire, member{number: number, inline: t.structType(embedded)})
			}
			t.collect(out, embedded, via+source.Name+".")
			continue
		}
		added := t.field(source, name, options)
		added.via, added.facts = via, t.facts.field(out.model, name)
		out.fields = append(out.fields, added)
		if number != 0 && via == "" {
			out.wire = append(out.wire, member{number: number, name: name})
		}
	}
}

func (t *table) field(source reflect.StructField, name, options string) field {
	goType, pointer := source.Type, false
	if goType.Kind() == reflect.Pointer {
		goType, pointer = goType.Elem(), true
	}
	shape := t.shape(goType)
	empty, zero := strings.Contains(options, "omitempty"), strings.Contains(options, "omitzero")
	out := field{name: name, shape: shape, mergeKey: source.Tag.Get("patchMergeKey")}
	isStruct := goType.Kind() == reflect.Struct
	switch {
	case pointer && (empty || zero):
		out.presence = "Pointer"
	case pointer:
		out.presence = "Nullable"
	case zero:
		out.presence = "OmitZero"
	case empty && !isStruct:
		out.presence = "OmitEmpty"
	default:
		out.presence = "Always"
	}
	if goType.PkgPath() != "" && !isStruct {
		out.goName = goType.String()
	} else if derived := derivedName(goType); derived != goType.String() {
		out.goName = goType.String()
	}
	switch strategy := source.Tag.Get("patchStrategy"); strategy {
	case "":
		out.patch = "Default"
	case "merge":
		out.patch = "Merge"
	case "replace":
		out.patch = "Replace"
	case "retainKeys":
		out.patch = "RetainKeys"
	case "merge,retainKeys":
		out.patch = "MergeRetainKeys"
	default:
		log.Fatalf("%s: patch strategy %q", name, strategy)
	}
	return out
}

// derivedName is the Go name that the reader of the table makes from the shape alone.
func derivedName(goType reflect.Type) string {
	switch goType.Kind() {
	case reflect.Slice:
		return "[]" + derivedName(goType.Elem())
	case reflect.Map:
		return "map[string]" + derivedName(goType.Elem())
	case reflect.Struct:
		return goType.String()
	default:
		return goType.Kind().String()
	}
}

func (t *table) shape(goType reflect.Type) string {
	if shape, ok := special[goType]; ok {
		return shape
	}
	switch goType.Kind() {
	case reflect.String:
		return "Shape::String"
	case reflect.Bool:
		return "Shape::Bool"
	case reflect.Int32:
		return "Shape::Int32"
	case reflect.Int64:
		return "Shape::Int64"
	case reflect.Float64:
		return "Shape::Float64"
	case reflect.Struct:
		return "Shape::Object(&" + t.structType(goType).path() + ")"
	case reflect.Pointer:
		return t.shape(goType.Elem())
	case reflect.Slice:
		if goType.Elem().Kind() == reflect.Uint8 {
			return "Shape::Bytes"
		}
		if _, message := goType.MethodByName("MarshalToSizedBuffer"); message {
			return "Shape::Items(&" + t.shape(goType.Elem()) + ")"
		}
		return "Shape::List(&" + t.shape(goType.Elem()) + ")"
	case reflect.Map:
		if goType.Key().Kind() != reflect.String {
			log.Fatalf("map key of %v", goType)
		}
		return "Shape::Map(&" + t.shape(goType.Elem()) + ")"
	}
	log.Fatalf("no shape for %v", goType)
	return ""
}

func protobufNumber(source reflect.StructField) int {
	tag, ok := source.Tag.Lookup("protobuf")
	if !ok {
		return 0
	}
	parts := strings.Split(tag, ",")
	if len(parts) < 3 {
		return 0
	}
	number, err := strconv.Atoi(parts[1])
	if err != nil {
		log.Fatal(fmt.Errorf("%s: %w", source.Name, err))
	}
	return number
}

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"reflect"
	"regexp"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

var stable = regexp.MustCompile(`^v[0-9]+$`)

// protobufCases has each kind twice, with nothing set and with everything set: JSON in one line, protobuf as hex in the
// next.
func protobufCases() []string {
	var kinds []schema.GroupVersionKind
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		_, message := reflect.New(t).Interface().(interface{ Size() int })
		if stable.MatchString(gvk.Version) && message && !perGroup(gvk) {
			kinds = append(kinds, gvk)
		}
	}
	sort.Slice(kinds, func(i, j int) bool { return kinds[i].String() < kinds[j].String() })
	serializer := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	var out []string
	for _, gvk := range kinds {
		for _, full := range []bool{false, true} {
			object, err := scheme.Scheme.New(gvk)
			if err != nil {
				log.Fatal(err)
			}
			if full {
				f := filler{templates: gvk.Kind == "Deployment" || gvk.Kind == "PodTemplate"}
				f.fill(reflect.ValueOf(object).Elem(), "", 0)
			}
			object.GetObjectKind().SetGroupVersionKind(gvk)
			text, err := json.Marshal(object)
			if err != nil {
				log.Fatal(err)
			}
			var message bytes.Buffer
			if err := serializer.Encode(object, &message); err != nil {
				log.Fatal(gvk, err)
			}
			out = append(out, string(text), hex.EncodeToString(message.Bytes()))
		}
	}
	return out
}

func perGroup(gvk schema.GroupVersionKind) bool {
	switch gvk.Kind {
	case "WatchEvent":
		return true
	case "ListOptions", "GetOptions", "DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions":
		return gvk.Group != "apps"
	}
	return false
}

// filler sets every field to a value that follows from its name and place.
type filler struct {
	templates bool
	count     int64
}

func (f *filler) fill(v reflect.Value, name string, depth int) {
	f.count++
	at := metav1.Time{Time: time.Unix(1700000000+f.count, 0)}
	switch v.Interface().(type) {
	case metav1.TypeMeta:
		return
	case metav1.Time:
		v.Set(reflect.ValueOf(at))
		return
	case metav1.MicroTime:
		v.Set(reflect.ValueOf(metav1.MicroTime{Time: at.Add(time.Duration(f.count) * time.Microsecond)}))
		return
	case metav1.Duration:
		v.Set(reflect.ValueOf(metav1.Duration{Duration: time.Duration(f.count) * 1500 * time.Millisecond}))
		return
	case resource.Quantity:
		v.Set(reflect.ValueOf(resource.MustParse(fmt.Sprintf("%dm", f.count*10+1))))
		return
	case intstr.IntOrString:
		value := intstr.FromInt32(int32(f.count))
		if f.count%2 == 0 {
			value = intstr.FromString(name)
		}
		v.Set(reflect.ValueOf(value))
		return
	case runtime.RawExtension:
		v.Set(reflect.ValueOf(runtime.RawExtension{Raw: []byte(`{"raw":{"n":1}}`)}))
		return
	case metav1.FieldsV1:
		v.Set(reflect.ValueOf(metav1.FieldsV1{Raw: []byte(`{"f:metadata":{}}`)}))
		return
	case corev1.PodTemplateSpec:
		if !f.templates {
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 12 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), name, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i), v.Type().Field(i).Name, depth+1)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{0, 255, byte(f.count)})
			return
		}
		// Not more than one: the test data are large enough.
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		f.fill(v.Index(0), name, depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, suffix := range []string{"B", "A"} {
			item := reflect.New(v.Type().Elem()).Elem()
			f.fill(item, name, depth+1)
			v.SetMapIndex(reflect.ValueOf(name+suffix).Convert(v.Type().Key()), item)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("%s-%d", name, f.count))
	case reflect.Bool:
		v.SetBool(f.count%3 != 0)
	case reflect.Int32, reflect.Int64:
		v.SetInt(f.count * 7)
		if f.count%5 == 0 {
			v.SetInt(-f.count)
		}
	case reflect.Float64:
		v.SetFloat(float64(f.count) / 4)
	case reflect.Interface:
	default:
		log.Fatalf("cannot fill %v", v.Type())
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// managedStep is one write and what upstream's field manager makes of it.
type managedStep struct {
	Operation   string          `json:"operation"`
	Manager     string          `json:"manager"`
	Subresource string          `json:"subresource,omitempty"`
	Force       bool            `json:"force,omitempty"`
	Object      json.RawMessage `json:"object"`
	Result      json.RawMessage `json:"result,omitempty"`
	Error       string          `json:"error,omitempty"`
	Causes      []string        `json:"causes,omitempty"`
}

// settled is the time of entries that were there before a step.
var settled = metav1.NewTime(time.Unix(1600000000, 0).UTC())

// versioned converts between unstructured and typed objects of one version.
type versioned struct{ gvk schema.GroupVersionKind }

func (v versioned) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	if u, ok := in.(*unstructured.Unstructured); ok {
		typed, err := scheme.Scheme.New(v.gvk)
		if err != nil {
			return nil, err
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, typed); err != nil {
			return nil, err
		}
		in = typed
	}
	out := in.DeepCopyObject()
	out.GetObjectKind().SetGroupVersionKind(v.gvk)
	return out, nil
}

func (v versioned) Convert(in, out, context any) error { return fmt.Errorf("not used") }

func (v versioned) ConvertFieldLabel(gvk schema.GroupVersionKind, label, value string) (string, string, error) {
	return "", "", fmt.Errorf("not used")
}

type nothing struct{}

func (nothing) Default(runtime.Object) {}

type sequence struct {
	gvk   schema.GroupVersionKind
	steps []managedStep
}

func managedCases() []string {
	var out []string
	for _, s := range append(writtenSequences(), randomSequences()...) {
		out = append(out, s.run())
	}
	return out
}

func (s sequence) manager(subresource string) *managedfields.FieldManager {
	ignored := map[string]fieldpath.Path{"": fieldpath.MakePathOrDie("status"), "status": fieldpath.MakePathOrDie("spec")}
	reset := map[fieldpath.APIVersion]fieldpath.Filter{}
	if path, ok := ignored[subresource]; ok && s.gvk.Kind != "ConfigMap" {
		reset[fieldpath.APIVersion(s.gvk.GroupVersion().String())] = fieldpath.NewExcludeSetFilter(fieldpath.NewSet(path))
	}
	manager, err := managedfields.NewDefaultFieldManager(applyconfigurations.NewTypeConverter(scheme.Scheme),
		versioned{s.gvk}, nothing{}, scheme.Scheme, s.gvk, s.gvk.GroupVersion(), subresource, reset)
	if err != nil {
		log.Fatal(err)
	}
	return manager
}

func (s sequence) run() string {
	var live runtime.Object
	for i := range s.steps {
		step := &s.steps[i]
		empty, err := scheme.Scheme.New(s.gvk)
		if err != nil {
			log.Fatal(err)
		}
		empty.GetObjectKind().SetGroupVersionKind(s.gvk)
		old := empty
		if live != nil {
			old = live.DeepCopyObject()
		}
		var content map[string]any
		if err := json.Unmarshal(step.Object, &content); err != nil {
			log.Fatal(string(step.Object), err)
		}
		step.Object = compact(string(step.Object))
		written := &unstructured.Unstructured{Object: content}
		var result runtime.Object
		if step.Operation == "apply" {
			result, err = s.manager(step.Subresource).Apply(old, written, step.Manager, step.Force)
		} else {
			var typed runtime.Object
			if typed, err = (versioned{s.gvk}).ConvertToVersion(written, nil); err != nil {
				log.Fatal(err)
			}
			result, err = s.manager(step.Subresource).Update(old, typed, step.Manager)
		}
		if err != nil {
			step.Error = err.Error()
			if status, ok := err.(apierrors.APIStatus); ok && status.Status().Details != nil {
				for _, cause := range status.Status().Details.Causes {
					step.Causes = append(step.Causes, cause.Message+" "+cause.Field)
				}
			}
			continue
		}
		accessor, err := meta.Accessor(result)
		if err != nil {
			log.Fatal(err)
		}
		accessor.SetUID("u")
		entries := accessor.GetManagedFields()
		for i := range entries {
			if entries[i].Time != nil {
				entries[i].Time = &settled
			}
		}
		accessor.SetManagedFields(entries)
		if step.Result, err = json.Marshal(result); err != nil {
			log.Fatal(err)
		}
		live = result
	}
	line, err := json.Marshal(s.steps)
	if err != nil {
		log.Fatal(err)
	}
	return string(line)
}

var (
	configMap  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	pod        = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	service    = schema.GroupVersionKind{Version: "v1", Kind: "Service"}
	deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
)

// object makes the JSON of an object from metadata and further members.
func object(gvk schema.GroupVersionKind, metadata, rest string) json.RawMessage {
	version, kind := gvk.ToAPIVersionAndKind()
	if metadata != "" {
		metadata = "," + metadata
	}
	if rest != "" {
		rest = "," + rest
	}
	return json.RawMessage(fmt.Sprintf(`{"apiVersion":%q,"kind":%q,"metadata":{"name":"x","namespace":"ns"%s}%s}`,
		version, kind, metadata, rest))
}

func apply(manager string, object json.RawMessage) managedStep {
	return managedStep{Operation: "apply", Manager: manager, Object: object}
}

func force(manager string, object json.RawMessage) managedStep {
	return managedStep{Operation: "apply", Manager: manager, Force: true, Object: object}
}

func update(manager string, object json.RawMessage) managedStep {
	return managedStep{Operation: "update", Manager: manager, Object: object}
}

func status(step managedStep) managedStep {
	step.Subresource = "status"
	return step
}

const template = `"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"%s"%s}]}}`

func spec(replicas, image, more string) string {
	if replicas != "" {
		replicas = `"replicas":` + replicas + ","
	}
	return fmt.Sprintf(`"spec":{%s"selector":{"matchLabels":{"a":"b"}},`+template+`}`, replicas, image, more)
}

func writtenSequences() []sequence {
	data := func(text string) json.RawMessage { return object(configMap, "", `"data":{`+text+`}`) }
	deploy := func(replicas, image, more string) json.RawMessage {
		return object(deployment, "", spec(replicas, image, more))
	}
	ports := func(text string) json.RawMessage { return object(service, "", `"spec":{"ports":[`+text+`]}`) }
	lastApplied := `"annotations":{"kubectl.kubernetes.io/last-applied-configuration":` +
		`"{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"namespace\":\"ns\"},\"data\":{\"a\":\"1\",\"b\":\"1\"}}"}`
	many := []managedStep{update("m0", data(`"a":"0"`))}
	for i := range 14 {
		many = append(many, update(fmt.Sprint("m", i+1), data(fmt.Sprintf(`"a":"0","k%d":"v"%s`, i, func() string {
			text := ""
			for j := range i {
				text += fmt.Sprintf(`,"k%d":"v"`, j)
			}
			return text
		}()))))
	}
	return []sequence{
		{configMap, []managedStep{
			apply("a", data(`"a":"1","b":"1"`)), apply("a", data(`"a":"2"`)), apply("a", data(`"a":"2"`)),
			apply("b", data(`"a":"2","c":"3"`)), apply("b", data(`"a":"3"`)), force("b", data(`"a":"3"`)),
			apply("a", data(`"a":"3"`)), apply("b", data(`"c":"1"`)), apply("a", object(configMap, "", "")),
		}},
		{configMap, []managedStep{
			update("u", data(`"a":"1"`)), apply("a", data(`"a":"2"`)), apply("a", data(`"a":"1","b":"2"`)),
			update("u", data(`"a":"7","b":"2"`)), apply("a", data(`"a":"1"`)), force("a", data(`"a":"1"`)),
			update("v", object(configMap, `"labels":{"l":"1"},"finalizers":["f/a","f/b"]`, `"data":{"b":"2"}`)),
			apply("a", object(configMap, `"labels":{"l":"2","m":"1"},"finalizers":["f/b","f/c"]`, "")),
		}},
		{configMap, []managedStep{
			update("kubectl-client-side-apply", object(configMap, lastApplied, `"data":{"a":"1","b":"1"}`)),
			apply("kubectl", data(`"a":"2","b":"1"`)),
			update("other", object(configMap, lastApplied, `"data":{"a":"2","b":"9"}`)),
			apply("kubectl", data(`"a":"2","b":"1"`)), apply("ssa", data(`"a":"3"`)),
		}},
		{configMap, append(many, apply("z", data(`"a":"9"`)))},
		{configMap, []managedStep{
			update("u", data(`"a":"1"`)), update("u", object(configMap, `"managedFields":[{}]`, `"data":{"a":"1"}`)),
			update("u", data(`"a":"2"`)), apply("a", data(`"a":"3"`)), force("a", data(`"a":"3"`)),
		}},
		{deployment, []managedStep{
			apply("kubectl", deploy("3", "i:1", "")), apply("kubectl", deploy("3", "i:1", `,"ports":[{"containerPort":80}]`)),
			update("hpa", deploy("5", "i:1", `,"ports":[{"containerPort":80,"protocol":"TCP"}]`)),
			apply("kubectl", deploy("3", "i:2", "")), apply("kubectl", deploy("", "i:2", "")),
			status(update("controller", object(deployment, "", spec("5", "i:2", "")+`,"status":{"replicas":5,"conditions":[{"type":"Available","status":"True"}]}`))),
			status(apply("me", object(deployment, "", `"status":{"replicas":4}`))),
			status(force("me", object(deployment, "", `"spec":{"replicas":9},"status":{"conditions":[{"type":"Mine","status":"True"}]}`))),
			apply("kubectl", object(deployment, "", spec("", "i:2", "")+`,"status":{"replicas":1}`)),
		}},
		{deployment, []managedStep{
			update("create", deploy("1", "i:1", `,"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"resources":{"limits":{"cpu":"1"}},"args":["x"]`)),
			update("edit", deploy("1", "i:1", `,"env":[{"name":"B","value":"3"},{"name":"C","value":"4"}],"args":["x","y"]`)),
			apply("a", deploy("1", "i:1", `,"env":[{"name":"D","value":"5"},{"name":"B","value":"3"}]`)),
			apply("a", deploy("1", "i:1", `,"env":[{"name":"B","value":"4"}],"args":["z"]`)),
			apply("a", deploy("1", "i:1", ``)),
			apply("b", object(deployment, "", `"spec":{"selector":{"matchLabels":{"a":"c"}},"strategy":{"type":"Recreate"}}`)),
			apply("b", object(deployment, "", `"spec":{"template":{"spec":{"containers":[{"name":"d","image":"i:3"}],"volumes":[{"name":"v","emptyDir":{}}],"tolerations":[{"key":"k"}]}}}`)),
			apply("b", object(deployment, "", `"spec":{"template":{"spec":{"volumes":[{"name":"v","hostPath":{"path":"/"}}]}}}`)),
		}},
		{service, []managedStep{
			apply("a", ports(`{"port":80},{"port":53,"protocol":"UDP"}`)),
			apply("b", ports(`{"port":53,"protocol":"TCP","name":"t"},{"port":80,"name":"w"}`)),
			apply("a", ports(`{"port":53,"protocol":"UDP"}`)), apply("b", ports("")),
			apply("a", ports(`{"port":53,"protocol":"UDP","targetPort":"dns"},{"name":"keyless"}`)),
		}},
		{deployment, []managedStep{
			apply("a", object(deployment, "", `"spec":{"replicas":"3"}`)),
			apply("a", object(deployment, "", `"spec":{"template":{"spec":{"containers":[{"name":"c","imagee":"x"}]}}}`)),
			apply("a", object(deployment, "", `"spec":{"template":{"spec":{"containers":[{"name":"c"},{"name":"c"}]}}}`)),
			apply("a", object(deployment, "", `"spec":{"template":{"spec":{"containers":{"name":"c"}}}}`)),
			apply("a", object(deployment, "", `"spec":[]`)), apply("a", object(deployment, "", `"speck":1`)),
			apply("a", object(deployment, `"finalizers":["a","a"]`, "")),
			apply("a", object(deployment, `"managedFields":[{"manager":"x"}]`, "")),
			apply("a", json.RawMessage(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"x"},"spec":null}`)),
			apply("a", object(deployment, `"labels":{"a":null},"annotations":{}`, `"spec":{"paused":null,"template":{"spec":{"containers":[]}}}`)),
		}},
	}
}

func randomSequences() []sequence {
	random := rand.New(rand.NewSource(2))
	var out []sequence
	for range 15 {
		s := sequence{gvk: pod}
		for range 5 {
			var content map[string]any
			if err := json.Unmarshal([]byte(randomPod(random)), &content); err != nil {
				log.Fatal(err)
			}
			content["apiVersion"], content["kind"] = "v1", "Pod"
			content["metadata"].(map[string]any)["name"] = "x"
			text, err := json.Marshal(content)
			if err != nil {
				log.Fatal(err)
			}
			manager := string("abc"[random.Intn(3)])
			step := managedStep{Operation: "apply", Manager: manager, Force: random.Intn(3) > 0, Object: text}
			if random.Intn(3) == 0 {
				step.Operation, step.Force = "update", false
			}
			s.steps = append(s.steps, step)
		}
		out = append(out, s)
	}
	return out
}

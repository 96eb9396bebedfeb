package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

type strategicCase struct {
	Kind    string          `json:"kind"`
	Current json.RawMessage `json:"current"`
	Patch   json.RawMessage `json:"patch"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   string          `json:"error,omitempty"`
}

var patchedTypes = map[string]any{
	"Pod": corev1.Pod{}, "Service": corev1.Service{}, "Deployment": appsv1.Deployment{}, "Node": corev1.Node{},
	"ServiceAccount": corev1.ServiceAccount{}, "ConfigMap": corev1.ConfigMap{},
}

const basePod = `{"metadata":{"name":"p","labels":{"a":"1","b":"2"},"finalizers":["x","y","z"]},"spec":{
"containers":[{"name":"a","image":"i:1","env":[{"name":"E1","value":"1"},{"name":"E2","value":"2"}],
"ports":[{"containerPort":80,"protocol":"TCP"},{"containerPort":80,"protocol":"UDP"},{"containerPort":81}],"args":["x","y"]},
{"name":"b","image":"i:2"},{"name":"c","image":"i:3"}],
"volumes":[{"name":"v1","emptyDir":{}},{"name":"v2","configMap":{"name":"cm","defaultMode":420}}],
"tolerations":[{"key":"k","operator":"Exists"}],"nodeSelector":{"n":"1"},"securityContext":{"runAsUser":1}}}`

const baseDeployment = `{"metadata":{"name":"d"},"spec":{"replicas":1,"strategy":{"type":"RollingUpdate",
"rollingUpdate":{"maxSurge":1}},"selector":{"matchLabels":{"a":"b"}},"template":{"spec":{"containers":[{"name":"a"}]}}}}`

const baseService = `{"spec":{"ports":[{"name":"http","port":80,"targetPort":8080,"nodePort":30080},
{"name":"dns","port":53,"protocol":"UDP"},{"name":"dns-tcp","port":53,"protocol":"TCP"}],"selector":{"a":"b"}}}`

const baseNode = `{"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]},"status":{"conditions":[
{"type":"Ready","status":"True","reason":"r"},{"type":"DiskPressure","status":"False"}],
"addresses":[{"type":"InternalIP","address":"1.2.3.4"}],"images":[{"names":["a"]}]}}`

// written are cases that somebody thought of.
var written = [][3]string{
	{"Pod", basePod, `{"metadata":{"labels":{"a":null,"c":"3","d":null}}}`},
	{"Pod", basePod, `{"metadata":{"labels":{"$patch":"replace","c":"3"}}}`},
	{"Pod", basePod, `{"metadata":{"labels":{"$patch":"delete"}}}`},
	{"Pod", basePod, `{"metadata":{"labels":{"$patch":"odd","n":1}}}`},
	{"Pod", basePod, `{"metadata":{"annotations":{"a":null,"b":"1"}}}`},
	{"Pod", basePod, `{"metadata":{"finalizers":["y","w"]}}`},
	{"Pod", basePod, `{"metadata":{"$deleteFromPrimitiveList/finalizers":["y"]}}`},
	{"Pod", basePod, `{"metadata":{"$deleteFromPrimitiveList/finalizers":["y"],"$setElementOrder/finalizers":["z","w","x"],"finalizers":["w"]}}`},
	{"Pod", basePod, `{"metadata":{"$deleteFromPrimitiveList":["y"]}}`},
	{"Pod", basePod, `{"metadata":{"$deleteFromPrimitiveList/nothing":["y"]}}`},
	{"Pod", basePod, `{"metadata":{"$setElementOrder/finalizers":["z","y","x"]}}`},
	{"Pod", basePod, `{"metadata":{"$setElementOrder":["z"]}}`},
	{"Pod", basePod, `{"metadata":{"$setElementOrder/finalizers":{"a":1}}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"name":"b","image":"new"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"name":"d","image":"new"},{"name":"a","image":"newer"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"name":"b","$patch":"delete"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"name":"zz","$patch":"delete"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"$patch":"replace"},{"name":"only"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"$patch":"merge"},{"name":"only"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"$patch":"delete"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"image":"nameless"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":["text"]}}`},
	{"Pod", basePod, `{"spec":{"containers":[["list"]]}}`},
	{"Pod", basePod, `{"spec":{"containers":{"name":"map"}}}`},
	{"Pod", basePod, `{"spec":{"containers":null}}`},
	{"Pod", basePod, `{"spec":{"containers":[]}}`},
	{"Pod", basePod, `{"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"a"},{"name":"b"}]}}`},
	{"Pod", basePod, `{"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"e"},{"name":"a"}],"containers":[{"name":"e","image":"e"},{"name":"b","$patch":"delete"}]}}`},
	{"Pod", basePod, `{"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],"containers":[{"name":"b","image":"1"},{"name":"a","image":"2"}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"name":"a","args":["z"],"env":[{"name":"E1","value":"9"},{"name":"E3","value":"3"}]}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"hostPort":8080}]}]}}`},
	{"Pod", basePod, `{"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"$patch":"delete"}]}]}}`},
	{"Pod", basePod, `{"spec":{"volumes":[{"name":"v1","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"},"emptyDir":null}]}}`},
	{"Pod", basePod, `{"spec":{"volumes":[{"name":"v2","$retainKeys":["name"],"hostPath":{"path":"/x"}}]}}`},
	{"Pod", basePod, `{"spec":{"volumes":[{"name":"v2","$retainKeys":"name"}]}}`},
	{"Pod", basePod, `{"spec":{"tolerations":[{"key":"other"}]}}`},
	{"Pod", basePod, `{"spec":{"nodeSelector":{"m":"2"},"securityContext":null,"hostAliases":[{"ip":"1.1.1.1","hostnames":["a"]}]}}`},
	{"Pod", basePod, `{"spec":{"securityContext":{"runAsUser":null,"runAsGroup":5,"nothing":{"a":1}}}}`},
	{"Pod", basePod, `{"spec":{"affinity":{"nodeAffinity":{"x":null,"$patch":"delete"}},"initContainers":[{"name":"i","$patch":"delete"},{"name":"j","env":null}]}}`},
	{"Pod", basePod, `{"spek":{"a":1}}`},
	{"Pod", `{"spek":{"a":1}}`, `{"spek":{"b":1}}`},
	{"Pod", `{"spec":{"foo":{"a":1}}}`, `{"spec":{"foo":{"b":1}}}`},
	{"Pod", `{"metadata":{"labels":{"a":{"b":1}}}}`, `{"metadata":{"labels":{"a":{"c":1}}}}`},
	{"Pod", `{"spec":{"containers":[]}}`, `{"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a"}]}}`},
	{"Pod", `{"spec":{"containers":[]}}`, `{"spec":{"$setElementOrder/containers":[{"name":"a"}]}}`},
	{"Pod", `{"metadata":{"finalizers":["a","b","c"]}}`, `{"metadata":{"finalizers":["d","a"]}}`},
	{"Pod", `{"metadata":{"finalizers":["a",1]}}`, `{"metadata":{"finalizers":["d"]}}`},
	{"Pod", basePod, `{"$patch":"replace","metadata":{"name":"q"}}`},
	{"Deployment", baseDeployment, `{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}`},
	{"Deployment", baseDeployment, `{"spec":{"strategy":{"type":"Recreate"}}}`},
	{"Deployment", baseDeployment, `{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate","rollingUpdate":{"maxSurge":2}}}}`},
	{"Deployment", baseDeployment, `{"spec":{"selector":{"matchLabels":{"c":"d"}},"replicas":null}}`},
	{"Deployment", baseDeployment, `{"spec":{"replicas":"3"}}`},
	{"Service", baseService, `{"spec":{"ports":[{"port":53,"targetPort":5353}]}}`},
	{"Service", baseService, `{"spec":{"ports":[{"port":80,"$patch":"delete"},{"port":8080,"name":"new"}]}}`},
	{"Service", baseService, `{"spec":{"$setElementOrder/ports":[{"port":81},{"port":80}],"ports":[{"port":81}]}}`},
	{"Service", baseService, `{"spec":{"ports":[{"port":"80"}]}}`},
	{"Node", baseNode, `{"status":{"$setElementOrder/conditions":[{"type":"DiskPressure"},{"type":"Ready"}],"conditions":[{"type":"Ready","status":"False","reason":null}]}}`},
	{"Node", baseNode, `{"status":{"addresses":[{"type":"Hostname","address":"n"}],"images":null}}`},
	{"Node", baseNode, `{"spec":{"taints":[{"key":"b","effect":"NoExecute"}]}}`},
	{"ServiceAccount", `{"secrets":[{"name":"a"}],"imagePullSecrets":[{"name":"p"}]}`, `{"secrets":[{"name":"b"}],"imagePullSecrets":[{"name":"q"}]}`},
	{"ConfigMap", `{"data":{"a":"1"}}`, `{"data":{"a":"2","b":"3"},"binaryData":{"c":null}}`},
}

func strategicCases() []string {
	var out []string
	for _, c := range written {
		out = append(out, strategicLine(c[0], c[1], c[2]))
	}
	random := rand.New(rand.NewSource(1))
	for range 60 {
		original, modified, current := randomPod(random), randomPod(random), randomPod(random)
		lookup, err := strategicpatch.NewPatchMetaFromStruct(corev1.Pod{})
		if err != nil {
			log.Fatal(err)
		}
		patch, err := strategicpatch.CreateThreeWayMergePatch([]byte(original), []byte(modified), []byte(current), lookup, true)
		if err != nil {
			log.Fatal(err)
		}
		out = append(out, strategicLine("Pod", current, string(patch)))
	}
	return out
}

func strategicLine(kind, current, patch string) string {
	entry := strategicCase{Kind: kind, Current: compact(current), Patch: compact(patch)}
	result, err := strategicpatch.StrategicMergePatch([]byte(current), []byte(patch), patchedTypes[kind])
	if err != nil {
		entry.Error = err.Error()
	} else {
		entry.Result = result
	}
	line, err := json.Marshal(entry)
	if err != nil {
		log.Fatal(err)
	}
	return string(line)
}

func compact(text string) json.RawMessage {
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		log.Fatal(text, err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return out
}

// randomPod draws lists of all merging kinds from small alphabets, so that they overlap.
func randomPod(random *rand.Rand) string {
	pick := func(names string) []string {
		var out []string
		for _, i := range random.Perm(len(names)) {
			if random.Intn(3) > 0 {
				out = append(out, names[i:i+1])
			}
		}
		return out
	}
	maps := func(key string, names []string, rest func(string) map[string]any) []any {
		out := []any{}
		for _, name := range names {
			item := rest(name)
			item[key] = name
			out = append(out, item)
		}
		return out
	}
	number := func() int { return random.Intn(3) }
	labels := map[string]any{}
	for _, name := range pick("abc") {
		labels[name] = fmt.Sprint(number())
	}
	containers := maps("name", pick("abcd"), func(name string) map[string]any {
		ports := []any{}
		for _, i := range random.Perm(4)[:number()] {
			ports = append(ports, map[string]any{"containerPort": 80 + i, "hostPort": number()})
		}
		env := maps("name", pick("xyz"), func(string) map[string]any { return map[string]any{"value": fmt.Sprint(number())} })
		return map[string]any{"image": fmt.Sprint("i", number()), "args": pick("mno"), "ports": ports, "env": env}
	})
	volumes := maps("name", pick("uvw"), func(string) map[string]any {
		if number() == 0 {
			return map[string]any{"emptyDir": map[string]any{}}
		}
		return map[string]any{"hostPath": map[string]any{"path": fmt.Sprint("/", number())}}
	})
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": labels, "finalizers": pick("pqrs")},
		"spec":     map[string]any{"containers": containers, "volumes": volumes, "nodeSelector": labels},
	})
	if err != nil {
		log.Fatal(err)
	}
	return string(text)
}

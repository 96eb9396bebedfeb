package main

import (
	"encoding/json"
	"fmt"
	"log"
	"math/rand"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	kjson "sigs.k8s.io/json"
)

// decodeCase is a request body and what upstream's decoder makes of it.
type decodeCase struct {
	Kind   string          `json:"kind"`
	Body   string          `json:"body"`
	Result json.RawMessage `json:"result,omitempty"`
	Strict []string        `json:"strict,omitempty"`
	Error  string          `json:"error,omitempty"`
}

var decodedTypes = map[string]func() any{
	"Pod":        func() any { return &corev1.Pod{} },
	"Service":    func() any { return &corev1.Service{} },
	"Secret":     func() any { return &corev1.Secret{} },
	"ConfigMap":  func() any { return &corev1.ConfigMap{} },
	"Node":       func() any { return &corev1.Node{} },
	"Deployment": func() any { return &appsv1.Deployment{} },
	"Event":      func() any { return &eventsv1.Event{} },
}

var bodies = [][2]string{
	{"Pod", `{}`}, {"Pod", `null`}, {"Pod", `[]`}, {"Pod", `"x"`}, {"Pod", `1`}, {"Pod", ``}, {"Pod", `{`}, {"Pod", `{} {}`},
	{"Pod", `{"spec":{"containers":null,"nodeSelector":null,"hostNetwork":null,"priority":null}}`},
	{"Pod", `{"spec":{"containers":[null,{}],"nodeSelector":{"a":null},"nodeName":null}}`},
	{"Pod", `{"spec":{"containers":[],"nodeSelector":{},"tolerations":[],"securityContext":{},"hostUsers":false}}`},
	{"Pod", `{"spec":{"containers":[{"name":"a","name":"b","env":[{"nam":"x"}],"x":{"y":[1,{"z":2}]}}],"volumes":[{"name":"v","emptyDir":{"medium":"","sizeLimit":"1Gi"}}]}}`},
	{"Pod", `{"metadata":{"labels":{"a":"1","a":"2"},"labels":{"b":"1"}},"Spec":{},"speC":1}`},
	{"Pod", `{"metadata":{"labels":{"a":1}},"spec":{"hostPID":"yes","containers":{}}}`},
	{"Pod", `{"metadata":{"labels":[],"finalizers":{}}}`}, {"Pod", `{"metadata":"x"}`}, {"Pod", `{"metadata":{"generation":"1"}}`},
	{"Pod", `{"metadata":{"generation":1.0}}`}, {"Pod", `{"metadata":{"generation":1e2}}`},
	{"Pod", `{"metadata":{"generation":99999999999999999999}}`}, {"Pod", `{"spec":{"priority":2147483648}}`},
	{"Pod", `{"spec":{"priority":-2147483648}}`}, {"Pod", `{"spec":{"priority":-0}}`}, {"Pod", `{"spec":{"priority":01}}`},
	{"Pod", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:05.678+02:00"}}`},
	{"Pod", `{"metadata":{"creationTimestamp":"2024-01-02"}}`}, {"Pod", `{"metadata":{"creationTimestamp":""}}`},
	{"Pod", `{"metadata":{"creationTimestamp":5}}`}, {"Pod", `{"metadata":{"creationTimestamp":null}}`},
	{"Pod", `{"metadata":{"creationTimestamp":"2024-13-02T03:04:05Z"}}`},
	{"Pod", `{"metadata":{"creationTimestamp":"2024-01-02T25:04:05Z"}}`},
	{"Pod", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:05"}}`},
	{"Pod", `{"metadata":{"creationTimestamp":"2024-01-02T03:04:05Zx"}}`},
	{"Pod", `{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":"http"}}},{"livenessProbe":{"httpGet":{"port":80}}}]}}`},
	{"Pod", `{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":80.5}}}]}}`},
	{"Pod", `{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":{}}}}]}}`},
	{"Pod", `{"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":true}}}]}}`},
	{"Pod", `{"spec":{"containers":[{"livenessProbe":{"exec":{"command":"x"}}}]}}`},
	{"Pod", `{"spec":{"volumes":[{"emptyDir":[]}]}}`}, {"Pod", `{"spec":{"volumes":[{"secret":{"defaultMode":"0644"}}]}}`},
	{"Pod", `{"spec":{"containers":[{"resources":{"limits":{"cpu":1,"memory":1.5,"x":"1e3"}}}]}}`},
	{"Pod", `{"spec":{"containers":[{"resources":{"limits":{"cpu":true}}}]}}`},
	{"Pod", `{"spec":{"containers":[{"resources":{"limits":{"cpu":{"a":1}}}}]}}`},
	{"Pod", `{"spec":{"containers":[{"resources":{"limits":{"cpu":" 1 "}}}],"hostPID":3}}`},
	{"Pod", `{"spec":{"hostPID":3,"containers":[{"resources":{"limits":{"cpu":"x"}}}]}}`},
	{"Pod", `{"kind":7}`}, {"Pod", `{"metadata":{"managedFields":[{"fieldsV1":{"f:x":{}}},{"fieldsV1":null},{}]}}`},
	{"Pod", "{\"metadata\":{\"name\":\"\xff\\u12\"}}"}, {"Pod", "{\"metadata\":{\"name\":\"a\nb\"}}"},
	{"Pod", `{"metadata":{"name":"\q"}}`}, {"Pod", `{"metadata":{"name":tru}}`}, {"Pod", `{"metadata":{"name":1.}}`},
	{"Pod", `{"metadata":{"name":1e}}`}, {"Pod", `{"metadata":{"name":-}}`}, {"Pod", `{"metadata" "x"}`},
	{"Pod", `{"metadata":{},}`}, {"Pod", `{"metadata":{"finalizers":["a",]}}`}, {"Pod", `{'a':1}`}, {"Pod", `{"a":'x'}`},
	{"Service", `{"spec":{"ports":[{"port":80},{"port":80,"targetPort":"x"}],"type":"","clusterIPs":["None"]}}`},
	{"Secret", `{"data":{"a":"aGk=","b":"","c":null},"stringData":{}}`}, {"Secret", `{"data":{"a":"aGk"}}`},
	{"Secret", `{"data":{"a":"a*k="}}`}, {"Secret", `{"data":{"a":"aG\nk="}}`}, {"Secret", `{"data":{"a":5}}`},
	{"ConfigMap", `{"immutable":false,"data":{"":""},"binaryData":{}}`},
	{"Node", `{"status":{"capacity":{"cpu":"2","memory":"4038076Ki"},"conditions":[{"type":"Ready","lastHeartbeatTime":null}],"nodeInfo":null}}`},
	{"Deployment", `{"spec":{"replicas":null,"strategy":{"rollingUpdate":{"maxSurge":"25%"}}}}`},
	{"Event", `{"eventTime":"2024-01-02T03:04:05.678901Z","series":{"lastObservedTime":null}}`},
	{"Event", `{"eventTime":"2024-01-02T03:04:05Z"}`}, {"Event", `{"eventTime":"2024-01-02T03:04:05.678Z"}`},
	{"Event", `{"regarding":{"kind":"Pod"},"deprecatedFirstTimestamp":"2024-01-02T03:04:05Z"}`},
}

func decodeCases() []string {
	all := append([][2]string{}, bodies...)
	random := rand.New(rand.NewSource(3))
	for range 120 {
		body := fmt.Sprintf(`{"status":{"capacity":{"a":%q}}}`, randomQuantity(random))
		all = append(all, [2]string{"Node", body})
	}
	var out []string
	for _, body := range all {
		entry := decodeCase{Kind: body[0], Body: body[1]}
		object := decodedTypes[body[0]]()
		strict, err := kjson.UnmarshalStrict([]byte(body[1]), object)
		if err != nil {
			entry.Error = err.Error()
		} else if entry.Result, err = json.Marshal(object); err != nil {
			log.Fatal(err)
		}
		for _, err := range strict {
			entry.Strict = append(entry.Strict, err.Error())
		}
		line, err := json.Marshal(entry)
		if err != nil {
			log.Fatal(err)
		}
		out = append(out, string(line))
	}
	return out
}

func randomQuantity(random *rand.Rand) string {
	pick := func(from ...string) string { return from[random.Intn(len(from))] }
	digits := func() string {
		text := ""
		for range random.Intn(7) {
			text += pick("0", "0", "1", "2", "5", "8")
		}
		return text
	}
	text := pick("", "", "-", "+") + digits()
	if random.Intn(2) == 0 {
		text += "." + digits()
	}
	return text + pick("", "", "m", "k", "M", "G", "Ki", "Mi", "Gi", "Ti", "n", "u", "e3", "E-2", "e", "E", "Kx", "e+4")
}

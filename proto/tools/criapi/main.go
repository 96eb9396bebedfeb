// Command criapi prints the descriptor of k8s.io/cri-api's CRI v1 as sorted
// text, one fact a line. Its output is committed as ../../tests/cri-api.txt:
//
//	go run . > ../../tests/cri-api.txt
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type dump struct{ lines []string }

func (d *dump) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *dump) message(prefix string, m *descriptorpb.DescriptorProto) {
	name := prefix + "." + m.GetName()
	d.add("message %s", name)
	for _, f := range m.GetField() {
		kind := strings.ToLower(strings.TrimPrefix(f.GetType().String(), "TYPE_"))
		label := strings.ToLower(strings.TrimPrefix(f.GetLabel().String(), "LABEL_"))
		line := fmt.Sprintf("field %s.%s = %d %s %s", name, f.GetName(), f.GetNumber(), label, kind)
		if f.GetTypeName() != "" {
			line += " " + f.GetTypeName()
		}
		if f.GetOptions().GetDeprecated() {
			line += " deprecated"
		}
		d.add("%s", line)
	}
	for _, e := range m.GetEnumType() {
		d.enum(name, e)
	}
	for _, n := range m.GetNestedType() {
		d.message(name, n)
	}
}

func (d *dump) enum(prefix string, e *descriptorpb.EnumDescriptorProto) {
	name := prefix + "." + e.GetName()
	for _, v := range e.GetValue() {
		d.add("enum %s.%s = %d", name, v.GetName(), v.GetNumber())
	}
}

func (d *dump) service(prefix string, s *descriptorpb.ServiceDescriptorProto) {
	for _, m := range s.GetMethod() {
		stream := ""
		if m.GetServerStreaming() {
			stream = " stream"
		}
		d.add("rpc %s.%s.%s %s%s %s", prefix, s.GetName(), m.GetName(), m.GetInputType(), stream, m.GetOutputType())
	}
}

func main() {
	file := protodesc.ToFileDescriptorProto((&runtime.Mount{}).ProtoReflect().Descriptor().ParentFile())
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "criapi takes no arguments")
		os.Exit(2)
	}
	d := &dump{}
	prefix := "." + file.GetPackage()
	for _, m := range file.GetMessageType() {
		d.message(prefix, m)
	}
	for _, e := range file.GetEnumType() {
		d.enum(prefix, e)
	}
	for _, s := range file.GetService() {
		d.service(prefix, s)
	}
	sort.Strings(d.lines)
	fmt.Println(strings.Join(d.lines, "\n"))
}

// Command golden writes the test data of kingpost-schema, made by the libraries that real clients are made of.
//
// usage: golden OUTPUT_DIRECTORY
package main

import (
	"log"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: golden OUTPUT_DIRECTORY")
	}
	for name, lines := range map[string]func() []string{
		"protobuf.txt":  protobufCases,
		"strategic.txt": strategicCases,
		"managed.txt":   managedCases,
		"decode.txt":    decodeCases,
	} {
		text := strings.Join(lines(), "\n") + "\n"
		if err := os.WriteFile(filepath.Join(os.Args[1], name), []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

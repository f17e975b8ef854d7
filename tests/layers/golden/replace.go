// Answers each line `{"Regex", "Repl", "Text"}` with what Go's regexp replaces, as base64; likewise `{"Path"}` with
// what filepath.Clean makes of it.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

func main() {
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var given struct{ Regex, Repl, Text, Path []byte }
		if err := json.Unmarshal(line, &given); err != nil {
			panic(err)
		}
		answer := []byte(filepath.Clean(string(given.Path)))
		if given.Path == nil {
			answer = regexp.MustCompile(string(given.Regex)).ReplaceAll(given.Text, given.Repl)
		}
		fmt.Println(base64.StdEncoding.EncodeToString(answer))
	}
}

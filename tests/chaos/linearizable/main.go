// Command linearizable judges the parts of a chaos history that are of registers, with porcupine: the names of queues
// in the catalog, and the leases of a table.
//
// Each is a register that is absent or holds one value, see register.go. Exit status: 0 linearizable, 1 not, 2 cannot
// say.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// Longer than any line of a history.
const lineBytesMax = 1 << 20

// What a history tells of: the `op` of its records, and what people call it.
var kinds = []struct{ op, of string }{{"catalog", "names"}, {"lease", "leases"}}

type record struct {
	Op     string  `json:"op"`
	Worker int     `json:"w"`
	Key    string  `json:"key"`
	Do     string  `json:"do"`
	If     value   `json:"if"`
	Value  value   `json:"value"`
	Began  float64 `json:"b"`
	Ended  float64 `json:"e"`
	Result string  `json:"result"`
	Read   *value  `json:"read"`
}

// UnmarshalJSON takes a number or a string.
func (v *value) UnmarshalJSON(text []byte) error {
	*v = value(strings.Trim(string(text), `"`))
	return nil
}

// The calls by kind and name. A call without an answer goes on for ever; a read without one says nothing.
func read(path string) (map[string]map[string][]porcupine.Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := map[string]map[string][]porcupine.Operation{}
	for _, kind := range kinds {
		found[kind.op] = map[string][]porcupine.Operation{}
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		var r record
		if json.Unmarshal(lines.Bytes(), &r) != nil || found[r.Op] == nil {
			continue
		}
		ended := int64(r.Ended * 1e9)
		if r.Result == unknown {
			if r.Do == "get" {
				continue
			}
			ended = math.MaxInt64
		}
		found[r.Op][r.Key] = append(found[r.Op][r.Key], porcupine.Operation{
			ClientId: r.Worker, Input: input{r.Do, r.If, r.Value}, Call: int64(r.Began * 1e9),
			Output: output{r.Result, r.Read}, Return: ended,
		})
	}
	return found, lines.Err()
}

// Judges the registers of one kind and says what came out: how many are not linearizable, and how many undecided.
func judge(op, of string, byKey map[string][]porcupine.Operation, limit time.Duration, pictures string) (int, int) {
	keys := make([]string, 0, len(byKey))
	calls := 0
	for key, operations := range byKey {
		keys = append(keys, key)
		calls += len(operations)
	}
	sort.Strings(keys)
	bad, unsure := 0, 0
	for _, key := range keys {
		result, info := porcupine.CheckOperationsVerbose(register, byKey[key], limit)
		switch result {
		case porcupine.Illegal:
			bad++
			fmt.Printf("%s: the calls about %s have no order that explains them\n", op, key)
			if pictures != "" {
				_ = porcupine.VisualizePath(register, info, filepath.Join(pictures, key+".html"))
			}
		case porcupine.Unknown:
			unsure++
			fmt.Printf("%s: %s was not decided in %s\n", op, key, limit)
		}
	}
	fmt.Printf("%s: %d calls about %d %s, %d not linearizable, %d undecided\n", op, calls, len(keys), of, bad, unsure)
	return bad, unsure
}

func main() {
	seconds := flag.Int("timeout", 60, "seconds that one register may take")
	pictures := flag.String("pictures", "", "a directory for a drawing of each register that is not linearizable")
	flag.Parse()
	found, err := read(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	bad, unsure := 0, 0
	for _, kind := range kinds {
		b, u := judge(kind.op, kind.of, found[kind.op], time.Duration(*seconds)*time.Second, *pictures)
		bad, unsure = bad+b, unsure+u
	}
	switch {
	case bad > 0:
		os.Exit(1)
	case unsure > 0:
		os.Exit(2)
	}
}

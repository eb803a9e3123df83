// Command linearizable judges the catalog's part of a chaos history with porcupine.
//
// Each queue name is a register that is absent or holds one value. Exit status: 0 linearizable, 1 not, 2 cannot say.
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
	"time"

	"github.com/anishathalye/porcupine"
)

// Longer than any line of a history.
const lineBytesMax = 1 << 20

const absent = -1

type record struct {
	Op     string  `json:"op"`
	Worker int     `json:"w"`
	Key    string  `json:"key"`
	Do     string  `json:"do"`
	Value  int     `json:"value"`
	Began  float64 `json:"b"`
	Ended  float64 `json:"e"`
	Result string  `json:"result"`
	Read   int     `json:"read"`
}

type input struct {
	do    string
	value int
}

type output struct {
	result string
	read   int
}

// What a register may answer, and what it holds afterwards. An unknown result agrees with both outcomes.
func step(state, in, out any) (bool, any) {
	held, call, answer := state.(int), in.(input), out.(output)
	after, result := held, "ok"
	switch call.do {
	case "create":
		if held == absent {
			after = call.value
		} else if held != call.value {
			result = "conflict"
		}
	case "set", "delete", "get":
		if held == absent {
			result = "absent"
		} else if call.do == "set" {
			after = call.value
		} else if call.do == "delete" {
			after = absent
		}
	}
	if answer.result == "unknown" {
		return true, after
	}
	if call.do == "get" && result == "ok" && answer.result == "ok" {
		return answer.read == held, after
	}
	return answer.result == result, after
}

var register = porcupine.Model{
	Init: func() any { return absent },
	Step: step,
	DescribeOperation: func(in, out any) string {
		call, answer := in.(input), out.(output)
		if call.do == "get" {
			return fmt.Sprintf("get: %s %d", answer.result, answer.read)
		}
		return fmt.Sprintf("%s %d: %s", call.do, call.value, answer.result)
	},
}

// The calls by name. A call without an answer goes on for ever; a read without one says nothing.
func read(path string) (map[string][]porcupine.Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	byKey := map[string][]porcupine.Operation{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		var r record
		if json.Unmarshal(lines.Bytes(), &r) != nil || r.Op != "catalog" {
			continue
		}
		ended := int64(r.Ended * 1e9)
		if r.Result == "unknown" {
			if r.Do == "get" {
				continue
			}
			ended = math.MaxInt64
		}
		byKey[r.Key] = append(byKey[r.Key], porcupine.Operation{
			ClientId: r.Worker, Input: input{r.Do, r.Value}, Call: int64(r.Began * 1e9),
			Output: output{r.Result, r.Read}, Return: ended,
		})
	}
	return byKey, lines.Err()
}

func main() {
	seconds := flag.Int("timeout", 60, "seconds that one name may take")
	pictures := flag.String("pictures", "", "a directory for a drawing of each name that is not linearizable")
	flag.Parse()
	byKey, err := read(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	keys := make([]string, 0, len(byKey))
	calls := 0
	for key, operations := range byKey {
		keys = append(keys, key)
		calls += len(operations)
	}
	sort.Strings(keys)
	bad, unsure := 0, 0
	for _, key := range keys {
		result, info := porcupine.CheckOperationsVerbose(register, byKey[key], time.Duration(*seconds)*time.Second)
		switch result {
		case porcupine.Illegal:
			bad++
			fmt.Printf("catalog: the calls about %s have no order that explains them\n", key)
			if *pictures != "" {
				_ = porcupine.VisualizePath(register, info, filepath.Join(*pictures, key+".html"))
			}
		case porcupine.Unknown:
			unsure++
			fmt.Printf("catalog: %s was not decided in %d s\n", key, *seconds)
		}
	}
	fmt.Printf("catalog: %d calls about %d names, %d not linearizable, %d undecided\n", calls, len(keys), bad, unsure)
	switch {
	case bad > 0:
		os.Exit(1)
	case unsure > 0:
		os.Exit(2)
	}
}

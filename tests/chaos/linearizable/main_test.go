package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

func judged(t *testing.T, history string) porcupine.CheckResult {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	if err := os.WriteFile(path, []byte(history), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := read(path)
	if err != nil || len(found["catalog"])+len(found["lease"]) != 1 {
		t.Fatal(found, err)
	}
	operations := append(found["catalog"]["a"], found["lease"]["a"]...)
	return porcupine.CheckOperationsTimeout(register, operations, time.Minute)
}

const created = `{"op":"catalog","w":0,"key":"a","do":"create","value":1,"b":0,"e":1,"result":"ok"}
{"op":"catalog","w":0,"key":"a","do":"set","value":2,"b":2,"e":3,"result":"ok"}
`

func TestWhatAQueueMayAnswer(t *testing.T) {
	for _, rest := range []string{
		`{"op":"catalog","w":1,"key":"a","do":"get","value":0,"b":4,"e":5,"result":"ok","read":2}`,
		`{"op":"catalog","w":1,"key":"a","do":"get","value":0,"b":2.5,"e":5,"result":"ok","read":1}`,
		`{"op":"catalog","w":1,"key":"a","do":"create","value":3,"b":4,"e":5,"result":"conflict"}`,
		`{"op":"catalog","w":1,"key":"a","do":"delete","value":0,"b":4,"e":5,"result":"unknown"}
{"op":"catalog","w":0,"key":"a","do":"get","value":0,"b":6,"e":7,"result":"ok","read":2}
{"op":"catalog","w":0,"key":"a","do":"get","value":0,"b":8,"e":9,"result":"absent"}`,
	} {
		if got := judged(t, created+rest); got != porcupine.Ok {
			t.Errorf("%s: %v", rest, got)
		}
	}
}

func TestWhatAQueueMustNotAnswer(t *testing.T) {
	for _, rest := range []string{
		`{"op":"catalog","w":1,"key":"a","do":"get","value":0,"b":4,"e":5,"result":"ok","read":1}`,
		`{"op":"catalog","w":1,"key":"a","do":"get","value":0,"b":4,"e":5,"result":"absent"}`,
		`{"op":"catalog","w":1,"key":"a","do":"create","value":3,"b":4,"e":5,"result":"ok"}`,
		`{"op":"catalog","w":1,"key":"a","do":"delete","value":0,"b":4,"e":5,"result":"ok"}
{"op":"catalog","w":0,"key":"a","do":"get","value":0,"b":6,"e":7,"result":"ok","read":2}`,
	} {
		if got := judged(t, created+rest); got != porcupine.Illegal {
			t.Errorf("%s: %v", rest, got)
		}
	}
}

const made = `{"op":"lease","w":0,"key":"a","do":"insert","value":"1/w0/0","b":0,"e":1,"result":"ok"}
{"op":"lease","w":0,"key":"a","do":"swap","if":"1/w0/0","value":"2/w0/5","b":2,"e":3,"result":"ok","read":"2/w0/5"}
`

func TestWhatALeaseMayAnswer(t *testing.T) {
	for _, rest := range []string{
		`{"op":"lease","w":1,"key":"a","do":"get","b":4,"e":5,"result":"ok","read":"2/w0/5"}`,
		`{"op":"lease","w":1,"key":"a","do":"get","b":2.5,"e":5,"result":"ok","read":"1/w0/0"}`,
		`{"op":"lease","w":1,"key":"a","do":"get","b":0.5,"e":5,"result":"absent"}`,
		`{"op":"lease","w":1,"key":"a","do":"insert","value":"9/w1/0","b":4,"e":5,"result":"conflict","read":"2/w0/5"}`,
		`{"op":"lease","w":1,"key":"a","do":"swap","if":"1/w0/0","value":"2/w1/1","b":4,"e":5,"result":"conflict","read":"2/w0/5"}`,
		`{"op":"lease","w":1,"key":"a","do":"remove","if":"2/w0/5","b":4,"e":5,"result":"ok","read":"2/w0/5"}
{"op":"lease","w":1,"key":"a","do":"swap","if":"2/w0/5","value":"3/w1/6","b":6,"e":7,"result":"conflict","read":""}
{"op":"lease","w":1,"key":"a","do":"delete","b":8,"e":9,"result":"absent"}
{"op":"lease","w":1,"key":"a","do":"insert","value":"9/w1/0","b":10,"e":11,"result":"ok"}
{"op":"lease","w":0,"key":"a","do":"delete","b":12,"e":13,"result":"ok","read":"9/w1/0"}`,
		`{"op":"lease","w":1,"key":"a","do":"swap","if":"2/w0/5","value":"3/w1/6","b":4,"e":5,"result":"unknown"}
{"op":"lease","w":0,"key":"a","do":"get","b":6,"e":7,"result":"ok","read":"2/w0/5"}
{"op":"lease","w":0,"key":"a","do":"get","b":8,"e":9,"result":"ok","read":"3/w1/6"}`,
	} {
		if got := judged(t, made+rest); got != porcupine.Ok {
			t.Errorf("%s: %v", rest, got)
		}
	}
}

func TestWhatALeaseMustNotAnswer(t *testing.T) {
	for what, rest := range map[string]string{
		"old":           `{"op":"lease","w":1,"key":"a","do":"get","b":4,"e":5,"result":"ok","read":"1/w0/0"}`,
		"lost":          `{"op":"lease","w":1,"key":"a","do":"get","b":4,"e":5,"result":"absent"}`,
		"half of it":    `{"op":"lease","w":1,"key":"a","do":"get","b":4,"e":5,"result":"ok","read":"2/w0/0"}`,
		"made twice":    `{"op":"lease","w":1,"key":"a","do":"insert","value":"1/w0/0","b":4,"e":5,"result":"ok"}`,
		"two authors":   `{"op":"lease","w":1,"key":"a","do":"swap","if":"1/w0/0","value":"2/w1/5","b":2,"e":5,"result":"ok"}`,
		"no table":      `{"op":"lease","w":1,"key":"a","do":"get","b":4,"e":5,"result":"ResourceNotFoundException"}`,
		"another's":     `{"op":"lease","w":1,"key":"a","do":"swap","if":"2/w0/5","value":"3/w1/6","b":4,"e":5,"result":"ok","read":"3/w0/6"}`,
		"no reason":     `{"op":"lease","w":1,"key":"a","do":"swap","if":"2/w0/5","value":"3/w1/6","b":4,"e":5,"result":"conflict"}`,
		"an old reason": `{"op":"lease","w":1,"key":"a","do":"insert","value":"9/w1/0","b":4,"e":5,"result":"conflict","read":"1/w0/0"}`,
		"late and twice": `{"op":"lease","w":1,"key":"a","do":"swap","if":"2/w0/5","value":"3/w1/6","b":4,"e":5,"result":"unknown"}
{"op":"lease","w":0,"key":"a","do":"swap","if":"2/w0/5","value":"3/w0/7","b":6,"e":7,"result":"ok","read":"3/w0/7"}
{"op":"lease","w":0,"key":"a","do":"get","b":8,"e":9,"result":"ok","read":"3/w1/6"}`,
	} {
		if got := judged(t, made+rest); got != porcupine.Illegal {
			t.Errorf("%s: %v", what, got)
		}
	}
}

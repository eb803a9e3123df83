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
	byKey, err := read(path)
	if err != nil || len(byKey) != 1 {
		t.Fatal(byKey, err)
	}
	return porcupine.CheckOperationsTimeout(register, byKey["a"], time.Minute)
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

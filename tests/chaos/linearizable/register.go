package main

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// What a register holds, as one word. A queue's is an attribute; a lease's is its counter, owner and checkpoint.
type value string

const (
	absent  value = ""
	unknown       = "unknown"
)

type input struct {
	do       string
	expected value
	value    value
}

// `read` is what the answer showed of the register, if it showed anything: what a change made of it, else what it held.
type output struct {
	result string
	read   *value
}

// What a call makes of what a register held, and how it is answered.
//
//	get      of what is there
//	set      of what is there
//	delete   of what is there
//	create   of what is not there; again by the same value changes nothing
//	insert   of what is not there
//	swap     of what holds the value it is given, else it is refused
//	remove   the same
func apply(call input, held value) (value, string) {
	switch call.do {
	case "create":
		if held == absent || held == call.value {
			return call.value, "ok"
		}
		return held, "conflict"
	case "insert":
		if held == absent {
			return call.value, "ok"
		}
		return held, "conflict"
	case "swap", "remove":
		switch {
		case held == absent || held != call.expected:
			return held, "conflict"
		case call.do == "swap":
			return call.value, "ok"
		}
		return absent, "ok"
	}
	switch {
	case held == absent:
		return absent, "absent"
	case call.do == "set":
		return call.value, "ok"
	case call.do == "delete":
		return absent, "ok"
	}
	return held, "ok"
}

// Whether a register may answer so, and what it holds afterwards. An unknown result agrees with every outcome.
func step(state, in, out any) (bool, any) {
	held, call, answer := state.(value), in.(input), out.(output)
	after, result := apply(call, held)
	if answer.result == unknown {
		return true, after
	}
	if answer.result != result {
		return false, after
	}
	if answer.read == nil {
		return true, after
	}
	if result == "ok" && after != held && after != absent {
		return *answer.read == after, after
	}
	return *answer.read == held, after
}

var register = porcupine.Model{
	Init: func() any { return absent },
	Step: step,
	DescribeOperation: func(in, out any) string {
		call, answer := in.(input), out.(output)
		said := call.do
		if call.expected != "" {
			said += fmt.Sprintf(" if %s", call.expected)
		}
		if call.value != "" && call.do != "get" {
			said += fmt.Sprintf(" to %s", call.value)
		}
		said += ": " + answer.result
		if answer.read != nil {
			said += fmt.Sprintf(" %s", *answer.read)
		}
		return said
	},
}

package sim

import (
	"fmt"
	"math/rand"
	"reflect"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/commands"
)

// A plan as a property of gopter: its transactions and faults are commands on a
// world, the last command lets the sites come to rest, and what it promises is
// that no promise was broken (docs/decisions/0011-gopter.md).

// history is the state of gopter's model: which plan is being made, and how far
// it is.
type history struct {
	plan  *Plan
	steps []step // in the order in which they are scheduled
	made  int
}

// steps are what happens in a plan, in the order in which it is scheduled.
func (p *Plan) steps() []step {
	var list []step
	for _, x := range p.Settings {
		list = append(list, x)
	}
	for _, o := range p.Ops {
		list = append(list, o)
	}
	for _, f := range p.Faults {
		list = append(list, f)
	}
	return list
}

// command is a step of a plan as a command.
type command struct{ step }

// Run implements commands.Command: the step will happen at its time.
func (c command) Run(sut commands.SystemUnderTest) commands.Result {
	sut.(*tried).take(c.step)
	return nil
}

// NextState implements commands.Command.
func (c command) NextState(s commands.State) commands.State {
	h := s.(history)
	h.made++
	return h
}

// PreCondition implements commands.Command.
func (c command) PreCondition(s commands.State) bool {
	return s.(history).made < len(s.(history).steps)
}

// PostCondition implements commands.Command.
func (c command) PostCondition(commands.State, commands.Result) *gopter.PropResult {
	return &gopter.PropResult{Status: gopter.PropTrue}
}

// String implements commands.Command.
func (c command) String() string { return fmt.Sprint(c.step) }

// rest is the last command: time passes, and the sites come to rest.
type rest struct{ command }

// Run implements commands.Command.
func (rest) Run(sut commands.SystemUnderTest) commands.Result { return sut.(*tried).finish() }

// PreCondition implements commands.Command.
func (rest) PreCondition(s commands.State) bool { return s.(history).made == len(s.(history).steps) }

// PostCondition implements commands.Command.
func (rest) PostCondition(_ commands.State, r commands.Result) *gopter.PropResult {
	if res := r.(Result); res.Err != nil {
		return &gopter.PropResult{Status: gopter.PropFalse, Labels: []string{res.Err.Error()}}
	}
	return &gopter.PropResult{Status: gopter.PropTrue}
}

// String implements commands.Command.
func (rest) String() string { return "rest" }

// tried is the system under test: a world that a plan is played to.
type tried struct {
	plan Plan // as far as it was taken
	stop <-chan struct{}
	res  *Result
}

func (t *tried) take(s step) {
	switch s := s.(type) {
	case Op:
		t.plan.Ops = append(t.plan.Ops, s)
	case Fault:
		t.plan.Faults = append(t.plan.Faults, s)
	case Setting:
		t.plan.Settings = append(t.plan.Settings, s)
	}
}

// finish runs what was taken. When a run has failed, gopter tries smaller ones;
// they are passed over, since the shrinker of this package does it.
func (t *tried) finish() Result {
	if t.res.Err != nil {
		return Result{}
	}
	*t.res = t.plan.run(t.stop, func(*World) {})
	return *t.res
}

// try checks one plan as a property, and returns what came of it.
func (p *Plan) try(stop <-chan struct{}) Result {
	res := Result{Err: nil}
	list := p.steps()
	start := history{plan: p, steps: list}
	spec := &commands.ProtoCommands{
		InitialStateGen: func(*gopter.GenParameters) *gopter.GenResult {
			return gopter.NewGenResult(start, gopter.NoShrinker)
		},
		NewSystemUnderTestFunc: func(s commands.State) commands.SystemUnderTest {
			bare := *s.(history).plan
			bare.Ops, bare.Faults, bare.Settings = nil, nil, nil
			return &tried{plan: bare, stop: stop, res: &res}
		},
		GenCommandFunc: func(s commands.State) gopter.Gen { return s.(history).next },
	}
	got := commands.Prop(spec)(&gopter.GenParameters{
		MaxSize: len(list) + 1, Rng: rand.New(gopter.NewLockedSource(int64(p.Seed))),
	})
	if got.Status != gopter.PropTrue && res.Err == nil {
		res.Err = fmt.Errorf("gopter: %v", got)
	}
	return res
}

var commandType = reflect.TypeFor[commands.Command]()

// next generates the next command of a plan.
func (h history) next(*gopter.GenParameters) *gopter.GenResult {
	var c commands.Command = rest{}
	if h.made < len(h.steps) {
		c = command{h.steps[h.made]}
	}
	return &gopter.GenResult{Shrinker: gopter.NoShrinker, Result: c, ResultType: commandType}
}

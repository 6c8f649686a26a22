package scenario

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Kind is what a node of a file is.
type Kind int

// The kinds of nodes.
const (
	Scalar Kind = iota
	List
	Mapping
)

// Node is a value of a YAML file, with its line. Scalars are kept as they are
// written, since what they mean is told by what reads them. It is for files
// that are made out of scenarios, such as those of sweeps.
type Node struct {
	Line  int
	Kind  Kind
	Text  string   // of a scalar
	Keys  []string // of a mapping
	Items []*Node  // of a list, and the values of a mapping
}

// ReadTree reads a YAML text. What is wrong comes back as Problems.
func ReadTree(file, text string) (*Node, error) {
	r := reader{file: file, anchors: map[string]ast.Node{}}
	var n *Node
	if root := r.root([]byte(text)); root != nil {
		n = r.node(root)
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	if n == nil {
		n = &Node{Kind: Mapping, Line: 1}
	}
	return n, nil
}

// node copies a value; nil for what is left empty.
func (r *reader) node(from ast.Node) *Node {
	from = r.resolve(from)
	if from == nil {
		return nil
	}
	n := &Node{Line: from.GetToken().Position.Line}
	var pairs []*ast.MappingValueNode
	switch x := from.(type) {
	case *ast.SequenceNode:
		n.Kind = List
		r.list(x, func(v ast.Node) {
			if item := r.node(v); item != nil {
				n.Items = append(n.Items, item)
			}
		})
		return n
	case *ast.MappingNode:
		pairs = x.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{x}
	default:
		n.Text, _ = r.text(x, "value", "5m")
		return n
	}
	if len(pairs) == 1 {
		if s, is := unsplit(pairs[0]); is {
			n.Text = s
			return n
		}
	}
	n.Kind = Mapping
	for _, p := range pairs {
		if v := r.node(p.Value); v != nil {
			n.Keys, n.Items = append(n.Keys, p.Key.GetToken().Value), append(n.Items, v)
		}
	}
	return n
}

// Get returns the value of a key; nil when it is not there.
func (n *Node) Get(key string) *Node {
	if i := slices.Index(n.Keys, key); i >= 0 {
		return n.Items[i]
	}
	return nil
}

// Clone returns a copy that shares nothing.
func (n *Node) Clone() *Node {
	c := *n
	c.Keys, c.Items = slices.Clone(n.Keys), make([]*Node, len(n.Items))
	for i, item := range n.Items {
		c.Items[i] = item.Clone()
	}
	return &c
}

// Set puts a value at a path such as line.loss or faults[0].for. Keys that are
// not there are added; elements of lists must be there.
func (n *Node) Set(path string, v *Node) error {
	at := n
	steps, err := splitPath(path)
	if err != nil {
		return err
	}
	so := ""
	for i, step := range steps {
		last := i == len(steps)-1
		var slot **Node
		switch k := at.place(step); {
		case at.Kind == Scalar:
			return fmt.Errorf("%s: %q is one value and holds no %s: write it out in the base as keys with values", path, so, step)
		case k < 0 && at.Kind == List:
			return fmt.Errorf("%s: %s has %d elements and no %s: elements count from [0]", path, so, len(at.Items), step)
		case k < 0 && strings.HasPrefix(step, "["):
			return fmt.Errorf("%s: %s is no list: name a key, as in line.loss", path, so)
		case k < 0:
			at.Keys, at.Items = append(at.Keys, step), append(at.Items, &Node{Line: v.Line, Kind: Mapping})
			slot = &at.Items[len(at.Items)-1]
		default:
			slot = &at.Items[k]
		}
		if last {
			*slot = v.Clone()
		}
		at, so = *slot, strings.TrimPrefix(so+"."+step, ".")
	}
	return nil
}

// place returns where a step of a path is among the items; -1 when nowhere.
func (n *Node) place(step string) int {
	if n.Kind == Mapping {
		return slices.Index(n.Keys, step)
	}
	i, err := strconv.Atoi(strings.Trim(step, "[]"))
	if err != nil || !strings.HasPrefix(step, "[") || i < 0 || i >= len(n.Items) {
		return -1
	}
	return i
}

func splitPath(path string) (steps []string, err error) {
	for part := range strings.SplitSeq(strings.ReplaceAll(path, "[", ".["), ".") {
		if part == "" || strings.HasPrefix(part, "[") != strings.HasSuffix(part, "]") {
			return nil, fmt.Errorf("%q is not a path: write it as in line.loss or faults[0].for", path)
		}
		steps = append(steps, part)
	}
	return steps, nil
}

// Write returns the YAML text that reads as the node. Scalars are in quotes:
// no reader of scenarios minds, and none needs to be guessed.
func (n *Node) Write() string {
	var b strings.Builder
	for i, key := range n.Keys {
		item := n.Items[i]
		if item.Kind != List || len(item.Items) == 0 {
			fmt.Fprintf(&b, "%s: %s\n", showKey(key), item)
			continue
		}
		fmt.Fprintf(&b, "%s:\n", showKey(key))
		for _, v := range item.Items {
			fmt.Fprintf(&b, "  - %s\n", v)
		}
	}
	return b.String()
}

// String is the node on one line.
func (n *Node) String() string {
	var parts []string
	for i, item := range n.Items {
		text := item.String()
		if n.Kind == Mapping {
			text = showKey(n.Keys[i]) + ": " + text
		}
		parts = append(parts, text)
	}
	switch n.Kind {
	case List:
		return "[" + strings.Join(parts, ", ") + "]"
	case Mapping:
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return strconv.Quote(n.Text)
	}
}

func showKey(key string) string {
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_") == "" {
		return key
	}
	return strconv.Quote(key)
}

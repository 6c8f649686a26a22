package report

import (
	_ "embed" // the page
	"html/template"
	"io"
	"strings"
)

//go:embed lines.html
var linesText string

var linesPage = template.Must(template.New("lines").Parse(linesText))

// LinesPage is a page of plots with a table of what they show.
type LinesPage struct {
	Title, About, Verdict string
	Held                  bool
	Facts                 [][2]string
	Plots                 []Lines
}

type linesShown struct {
	Title, About string
	Wide, Narrow template.HTML
	Head         []string
	Rows         [][]string
}

// WriteLines writes a page of plots, which needs nothing from anywhere else.
func WriteLines(w io.Writer, p *LinesPage) error {
	_, rest, _ := strings.Cut(pageText, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	var plots []linesShown
	for i := range p.Plots {
		l := &p.Plots[i]
		s := linesShown{Title: l.Title, About: l.About, Head: append([]string{l.Over}, l.names()...)}
		// What draw returns is made of numbers and of texts that it escapes.
		s.Wide = template.HTML(l.draw(wideFigure).svg(l.Title))     //nolint:gosec // as above
		s.Narrow = template.HTML(l.draw(narrowFigure).svg(l.Title)) //nolint:gosec // as above
		for x := range l.X {
			row := []string{l.X[x]}
			for n := range l.Series {
				row = append(row, l.cell(n, x))
			}
			s.Rows = append(s.Rows, row)
		}
		plots = append(plots, s)
	}
	return linesPage.Execute(w, struct {
		*LinesPage
		Style template.CSS
		Shown []linesShown
	}{p, template.CSS(style), plots}) //nolint:gosec // it is our own
}

func (p *Lines) names() (names []string) {
	for i := range p.Series {
		names = append(names, p.Series[i].Name)
	}
	return names
}

// cell is a point for a table.
func (p *Lines) cell(n, i int) string {
	if p.Series[n].Points[i].N == 0 {
		return "–"
	}
	_, text, _ := strings.Cut(p.tell(n, i), ", "+p.X[i]+": ")
	return text
}

package traffic

import "time"

// Errand is a large upload that somebody is meant to make: a first full backup, an
// image of a machine. It is told as a theft is, and its flows are labelled as benign,
// with its Label.
type Errand Theft

func (s *stage) errand(e *Errand, hour time.Time) {
	before := len(s.flows)
	t := Theft(*e)
	s.theft(&t, hour)
	for i := before; i < len(s.flows); i++ {
		s.flows[i].Theft, s.flows[i].Benign = "", t.label()
	}
}

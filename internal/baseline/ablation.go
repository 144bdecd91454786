package baseline

// Ablation leaves parts of the model out, or breaks it, so that it can be measured what each part buys, and that
// a measurement notices what is broken. The zero Ablation is the whole model, and the only one that
// belongs into a product.
type Ablation struct {
	NoSeason       bool // every hour of the week is like any other
	NoActivity     bool // how seldom an entity is active does not count
	NoPeers        bool // newcomers are compared with a fixed prior instead of other newcomers
	NoCalibration  bool // what the model promises is taken on trust
	StudentOnly    bool // newcomers have the tail of entities that have a history
	NoPairs        bool // a pair of keys that was not met before is a newcomer like any other, whatever its halves do
	NoProbation    bool // a key that was taken up by one sender learns from its first window on
	LearnsFirst    bool // broken: windows are judged by a baseline that has learned them already
	JudgesAtTheEnd bool // windows are judged when they close, not by the record that crosses
}

// JudgesLate says whether the record that crosses the threshold goes unnoticed, and windows are judged when they close.
func (a Ablation) JudgesLate() bool { return a.JudgesAtTheEnd || a.LearnsFirst }

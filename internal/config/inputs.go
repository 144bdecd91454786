package config

import "github.com/otel-exfil/exfil/internal/decode"

// DecodeInputs returns the inputs as the decoder takes them.
func (c *Config) DecodeInputs() []decode.Input {
	inputs := make([]decode.Input, 0, len(c.Inputs))
	for _, in := range c.Inputs {
		inputs = append(inputs, decode.Input(in))
	}
	return inputs
}

// checkInputs asks the decoder about each input alone, so that all that are wrong are named,
// and then about how they go together.
func (c *Config) checkInputs(p *problems) {
	inputs := c.DecodeInputs()
	if len(inputs) == 0 {
		p.add("inputs", "no format is named; write [auto] to read every built-in one")
	}
	sound := true
	for i := range inputs {
		if _, err := decode.New(inputs[i : i+1]); err != nil {
			p.take(err)
			sound = false
		}
	}
	if sound {
		_, err := decode.New(inputs)
		p.take(err)
	}
}

package rule

import "testing"

func FuzzRuleFile(f *testing.F) {
	f.Add([]byte("unusual_region: {threshold: 80, details: [], guide: {response: act}}"))
	f.Add([]byte("x:\n  by: [user.name]\n  windows: [3h]\n  min_bytes: 1MiB\n"))
	f.Add([]byte("? [a, b]\n: {c: d}"))
	f.Add([]byte("a: &a {b: *a}"))
	f.Add(base)
	f.Fuzz(func(t *testing.T, text []byte) {
		overrides, err := parse(text)
		if err != nil {
			return
		}
		rules, err := Resolve(overrides)
		if err != nil {
			return
		}
		for _, r := range rules {
			if len(r.By) == 0 || len(r.By) > maxFields || !(r.Threshold >= 0 && r.Threshold <= 100) || r.UUID == "" || r.Name == "" {
				t.Fatalf("%q made the rule %+v", text, r)
			}
		}
	})
}

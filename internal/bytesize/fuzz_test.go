package bytesize

import "testing"

func FuzzParse(f *testing.F) {
	for _, text := range []string{"1MiB", "4.2 GB", "-1", "1e9", "9999999999PiB", "0.0000000001kB", "…"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := Parse(text)
		if err != nil {
			return
		}
		if size < 0 {
			t.Fatalf("%q is %d", text, size)
		}
		if back, err := Parse(size.String()); err != nil || back != size {
			t.Fatalf("%q is %d, which reads back as %d, %v", text, size, back, err)
		}
	})
}

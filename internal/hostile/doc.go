// Package hostile holds no code but tests: what somebody may try who steals data and can also send records, or
// choose what is in them, and what exfil does then. SECURITY.md says what each of them shows.
package hostile

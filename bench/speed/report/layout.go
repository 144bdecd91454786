package main

import "strings"

// preface is what stands before the tables.
const preface = `# Speed

What exfil costs, beside what a collector does with the same records anyway and what other processors cost. Written by ` + "`make bench`" + `:
the benchmarks of bench/speed, at least six runs of all of them one after the other. Each figure is the median of the runs, in brackets its
interval of 95 % confidence (benchstat's); ratios are those within a run. Batches have 1,000 records. A rival's own work differs: filter has one
OTTL condition that holds for no record, attributes and transform set one attribute, group_by_attrs groups by destination.port,
cumulative_to_delta takes differences.

*unmarshal* is OTLP's decoding of the batch, *pass* reads every attribute once and does nothing with it, *nop* is the collector's processor that does
nothing. exfil has the two rules that are on by default with their detail keys, and has learned all that comes in two windows; all of it is
active in the open one. Its sums have no thresholds yet. *exfil learned* has warmed up and has its defaults: sums are held against their thresholds, who
contributes to those that come near is kept, and windows end, one of 512 batches each. That is what a record costs in the long run.
`

const goalsPreface = `
## Goals

Kept is a goal where the median keeps to it; narrowly, where the interval reaches to its other side. The last goal, at most 5 % of a whole
collector's processor time, is measured by itself: [COLLECTOR.md](COLLECTOR.md).

| goal | measured | kept |
|---|---|---|
`

func layout() []table {
	tables := []table{ways("ecs", "Flow logs: ECS", "Fifteen attributes a record, as Packetbeat sends them; 10,000 entities.",
		"unmarshal", "pass", "nop", "exfil", "exfil_learned", "filter", "attributes", "transform", "group_by_attrs")}
	for _, f := range []struct{ format, title, text string }{
		{"zeek", "Flow logs: Zeek", "`conn.log` as JSON, parsed into the body."},
		{"aws_vpc", "Flow logs: AWS VPC", "Attributes."},
		{"netflow", "Flow logs: NetFlow", "Attributes of contrib's receiver."},
	} {
		tables = append(tables, ways(f.format, f.title, f.text, "unmarshal", "pass", "nop", "exfil"))
	}
	tables = append(tables, ways("obi", "Metrics: OBI's counters", "Cumulative counters of six attributes.", "unmarshal", "pass", "exfil", "cumulative_to_delta"))
	return append(tables,
		compared("Entities", "ECS records of as many pairs as make so many entities.", "entities", "entities=1000",
			"entities=10", "entities=1000", "entities=100000", "entities=1000000"),
		compared("Configured with more", "Places are looked up where the event brings none, but as many attributes; addresses are 100,000, drawn alike (uniform) or as traffic is (zipf). "+
			"City of event: the event brings the places that the city database knows, of which there are more than else, so that there are more entities. "+
			"The exceptions are all tried for each record.", "with", "with=nothing",
			"with=nothing", "with=country_table_zipf", "with=country_table_uniform",
			"with=city_of_event_zipf", "with=city_database_zipf", "with=city_of_event_uniform", "with=city_database_uniform",
			"with=third_rule", "with=third_and_fourth_rule", "with=1000_exceptions_by_port"),
		compared("Two at once", "Batches delivered by one goroutine and by two, to one exfil or (apart) to one each, which share nothing: as much as two cores of the "+
			"machine do. Time is that of all records together.", "senders", "senders=1",
			"senders=1", "senders=2", "senders=2_apart"),
	)
}

const memoryPreface = `
## Memory

What the heap grows by for each of a million entities of the two rules that are on by default, none of which has a season table. Not counted is
what is there once, however many they are.

| entities | bytes an entity |
|---|---|
`

func memory() []row {
	return []row{
		{label: "active by turns, in one of sixteen windows, all of which have closed", name: "active=by_turns"},
		{label: "all active in a window that is open", name: "active=all_at_once"},
	}
}

// ways is a table of what can be done with the records of a format.
func ways(format, title, text string, all ...string) table {
	t := table{title: title, text: text, column: "way"}
	name := func(way string) string { return "format=" + format + "/way=" + way }
	for _, way := range all {
		t.rows = append(t.rows, row{label: way, name: name(way), against: []string{name("unmarshal"), name("pass")}, highlight: strings.HasPrefix(way, "exfil")})
	}
	return t
}

// compared is a table of exfil under several circumstances, held against one of them and against the decoding of the same records.
func compared(title, text, column, against string, names ...string) table {
	t := table{title: title, text: text, column: column}
	for _, n := range names {
		t.rows = append(t.rows, row{label: lastValue(n), name: n, against: []string{against, "format=ecs/way=unmarshal"}})
	}
	return t
}

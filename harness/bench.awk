# SPDX-License-Identifier: GPL-2.0
#
# The figures of bench.sh as a table, as JSON or as a plot for gnuplot.  Lines:
#	fact,NAME,VALUE
#	KERNEL,strategies,NAME,SETUP,PROCESSING,UNMAP,MINOR,MAJOR,PRESENT,LOCKED,MLOCKED,REASON
#	KERNEL,lock|unused,GROUP,NAME,PER,MEDIAN,LEAST,MEAN,REASON
#	KERNEL,text,OBJECT,BYTES
# No value has a comma in it but the last.

# the rest of the line after n values
function rest(n,	s, i) {
	s = $0
	for (i = 0; i < n; i++)
		sub(/^[^,]*,/, "", s)
	gsub(/^"|"$/, "", s)
	return s
}

function add(list, name) {
	if (!((list, name) in known)) {
		known[list, name] = 1
		names[list, ++count[list]] = name
	}
}

BEGIN {
	FS = ","
	# the kernel to show, and what it adds to
	if (!ours)
		ours = "series"
	without = ours == "fixes" ? "stock" : "baseline"
}
$1 == "fact" { fact[$2] = rest(2); next }
$2 == "strategies" {
	add("strategies", $3)
	k = $1 SUBSEP $3
	if ($4 == "") {
		why[k] = rest(11)
		next
	}
	have[k] = 1
	setup[k] = $4; processing[k] = $5; unmap[k] = $6
	minor[k] = $7; major[k] = $8
	present[k] = $9; locked[k] = $10; mlocked[k] = $11
	next
}
$2 == "lock" || $2 == "unused" {
	name = $4
	if ($3 == "program") {
		name = "kernbench"
		$5 = "run"
	}
	add($2, name)
	per[name] = $5
	k = $1 SUBSEP $2 SUBSEP name
	if ($6 == "")
		why[k] = rest(8)
	else {
		have[k] = 1
		cost[k] = $6
		least[k] = $7
	}
	next
}
$2 == "text" {
	add("text", $3)
	text[$1, $3] = $4
	next
}
{
	print "bench.awk: not understood: " $0 >"/dev/stderr"
	bad = 1
	exit 1
}

function ratio(a, b) { return a > 0 ? sprintf("%.2f", b / a) : "-" }
function ms(ns) { return sprintf("%.3f", ns / 1e6) }
# What is new may cost a thousandth; more has to be explained.  An instruction
# more on the way shows in the median round and in the cheapest.
function percent(a, b) { return a > 0 ? sprintf("%+.2f", (b - a) * 100 / a) : "-" }
function over(a, b) { return b - a > a / 1000 || a - b > a / 1000 }

function table(	i, n, a, b, x, y, t) {
	printf "Linux %s (%s), %s, %s\n\n", fact["base"], fact["revision"], fact["arch"], fact["machine"]
	printf "A file of %d MiB in the page cache, %d random reads; milliseconds\n", fact["mib"], fact["reads"]
	printf "%-11s %30s %30s %30s %17s\n", "", "setup            ", "processing         ", "unmap            ", "mlocked kB   "
	printf "%-11s", "strategy"
	for (i = 0; i < 3; i++)
		printf " %11s %11s %6s", "stock", ours, "ratio"
	printf " %8s %8s\n", "stock", ours
	for (i = 1; i <= count["strategies"]; i++) {
		n = names["strategies", i]
		a = "stock" SUBSEP n; b = ours SUBSEP n
		if (!have[a] || !have[b]) {
			printf "%-11s not available: %s\n", n, have[a] ? ours ": " why[b] : "stock: " why[a]
			continue
		}
		printf "%-11s %11s %11s %6s %11s %11s %6s %11s %11s %6s %8s %8s\n", n,
			ms(setup[a]), ms(setup[b]), ratio(setup[a], setup[b]),
			ms(processing[a]), ms(processing[b]), ratio(processing[a], processing[b]),
			ms(unmap[a]), ms(unmap[b]), ratio(unmap[a], unmap[b]), mlocked[a], mlocked[b]
	}
	printf "\nWith locks on fault; instructions\n"
	printf "%-39s %-11s %14s %14s %7s\n", "", "of one", "stock", ours, "ratio"
	for (i = 1; i <= count["lock"]; i++) {
		n = names["lock", i]
		a = "stock" SUBSEP "lock" SUBSEP n; b = ours SUBSEP "lock" SUBSEP n
		if (!have[a] || !have[b])
			printf "%-39s not available: %s\n", n, have[a] ? ours ": " why[b] : "stock: " why[a]
		else
			printf "%-39s %-11s %14.1f %14.1f %7s\n", n, per[n], cost[a], cost[b], ratio(cost[a], cost[b])
	}
	printf "\nWhere they are not used; instructions (! is more than 0.1 %% in both)\n"
	printf "%-39s %-11s %14s %14s %9s %20s\n", "", "of one", without, ours, "change", "of the least"
	for (i = 1; i <= count["unused"]; i++) {
		n = names["unused", i]
		a = without SUBSEP "unused" SUBSEP n; b = ours SUBSEP "unused" SUBSEP n
		if (!have[a] || !have[b])
			printf "%-39s not available: %s\n", n, have[a] ? ours ": " why[b] : without ": " why[a]
		else
			printf "%-39s %-11s %14.1f %14.1f %8s%% %19s%%%s\n", n, per[n], cost[a], cost[b],
				percent(cost[a], cost[b]), percent(least[a], least[b]),
				over(cost[a], cost[b]) && over(least[a], least[b]) ? " !" : ""
	}
	if (!count["text"])
		return
	printf "\nText of the objects that differ; bytes\n"
	printf "%-51s %14s %14s %9s\n", "", without, ours, "change"
	for (i = 1; i <= count["text"]; i++) {
		n = names["text", i]
		x = text[without, n] + 0; y = text[ours, n] + 0
		if (x != y && n != "vmlinux")
			printf "%-51s %14d %14d %+9d\n", n, x, y, y - x
	}
	x = text[without, "vmlinux"]; y = text[ours, "vmlinux"]
	printf "%-51s %14d %14d %+9d\n", "all of the kernel", x, y, y - x
}

function quote(s) {
	gsub(/[\\"]/, "\\\\&", s)
	return "\"" s "\""
}

function json_fact(name) { return quote(name) ": " quote(fact[name]) }

function json_costs(list, one, other,	i, n, a, b, k, kernel) {
	printf ",\n \"%s\": [", list
	for (i = 1; i <= count[list]; i++) {
		n = names[list, i]
		printf "%s\n  {\"name\": %s, \"per\": %s", (i > 1 ? "," : ""), quote(n), quote(per[n])
		for (k = 1; k <= 2; k++) {
			kernel = k == 1 ? one : other
			a = kernel SUBSEP list SUBSEP n
			if (have[a])
				printf ", \"%s\": %s, \"%s_least\": %s", kernel, cost[a], kernel, least[a]
			else
				printf ", \"%s\": null, \"%s_reason\": %s", kernel, kernel, quote(why[a])
		}
		printf "}"
	}
	printf "\n ]"
}

function json(	i, n, k, a, kernel) {
	printf "{%s, %s, %s,\n %s,\n %s,\n", json_fact("base"), json_fact("arch"), json_fact("revision"),
		json_fact("machine"), json_fact("compiler")
	if ("series" in fact)
		printf " %s,\n", json_fact("series")
	printf " \"unit\": \"ns, each an instruction\", \"file_mib\": %d, \"reads\": %d,\n \"strategies\": [", fact["mib"], fact["reads"]
	for (i = 1; i <= count["strategies"]; i++) {
		n = names["strategies", i]
		printf "%s\n  {\"name\": %s", (i > 1 ? "," : ""), quote(n)
		for (k = 1; k <= 2; k++) {
			kernel = k == 1 ? "stock" : ours
			a = kernel SUBSEP n
			printf ",\n   \"%s\": ", kernel
			if (!have[a]) {
				printf "{\"available\": false, \"reason\": %s}", quote(why[a])
				continue
			}
			printf "{\"available\": true, \"setup_ns\": %s, \"processing_ns\": %s, \"unmap_ns\": %s,", setup[a], processing[a], unmap[a]
			printf " \"minor_faults\": %s, \"major_faults\": %s,", minor[a], major[a]
			printf " \"present_kb\": %s, \"locked_kb\": %s, \"mlocked_kb\": %s}", present[a], locked[a], mlocked[a]
		}
		printf "}"
	}
	printf "\n ]"
	json_costs("lock", "stock", ours)
	json_costs("unused", without, ours)
	printf ",\n \"text_bytes\": {"
	k = 0
	for (i = 1; i <= count["text"]; i++) {
		n = names["text", i]
		if (text[without, n] + 0 != text[ours, n] + 0 || n == "vmlinux")
			printf "%s\n  %s: {%s: %d, %s: %d}", k++ ? "," : "", quote(n), quote(without), text[without, n], quote(ours), text[ours, n]
	}
	printf "%s}\n}\n", k ? "\n " : ""
}

function panel(title, values) {
	printf "set title \"%s\"\nplot $%s using 2:xtic(1) title \"stock\" linecolor rgb \"#999999\", \"\" using 3 title \"%s\" linecolor rgb \"#2060a0\"\n", title, values, ours
}

function data(name, value,	i, n, a, b) {
	printf "$%s <<END\n", name
	for (i = 1; i <= count["strategies"]; i++) {
		n = names["strategies", i]
		a = "stock" SUBSEP n; b = ours SUBSEP n
		printf "\"%s\" %s %s\n", n, have[a] ? ms(value[a]) : "NaN", have[b] ? ms(value[b]) : "NaN"
	}
	print "END"
}

function plot() {
	data("setup", setup)
	data("processing", processing)
	print "set terminal svg size 960,420 noenhanced background rgb \"white\""
	print "set style data histogram\nset style histogram clustered gap 1\nset style fill solid"
	print "set logscale y\nset yrange [0.01:*]\nset ylabel \"milliseconds, logarithmic\"\nset grid ytics"
	print "set xtics rotate by -35\nset key top right\nset bmargin 5"
	printf "set multiplot layout 1,2 title \"Linux %s (%s), %s: %d MiB, %d random reads\"\n",
		fact["base"], fact["revision"], fact["arch"], fact["mib"], fact["reads"]
	panel("setup", "setup")
	panel("processing", "processing")
	print "unset multiplot"
}

END {
	if (bad)
		exit 1
	if (as == "table")
		table()
	else if (as == "json")
		json()
	else
		plot()
}

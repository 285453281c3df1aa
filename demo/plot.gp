# SPDX-License-Identifier: GPL-2.0-only
# Draws a demo: gnuplot -c plot.gp DEMO-CSV CHURN-CSV SVG CAPTION SECOND-CAPTION
# Needs gnuplot 5.4 (Debian's gnuplot-nox).

series = ARG1
churn = ARG2
caption = ARG4
second_caption = ARG5

set terminal svg size 1200,960 dynamic enhanced font 'DejaVu Sans,Helvetica,Arial,sans-serif,13' background '#ffffff'
set output ARG3
set datafile separator comma

virtual = '#1f3a5f'
physical = '#5aa9a3'
retained = '#f2c078'
budget = '#d6409f'
leak = '#c8442c'
ink = '#2b2f36'

mib(bytes) = bytes / 1048576.0
of(allocator) = stringcolumn(1) eq allocator ? $2 : NaN

set border 3 linewidth 1 linecolor rgb '#9aa0a8'
set tics nomirror out scale 0.5 textcolor rgb ink
set grid ytics linewidth 1 linetype 1 linecolor rgb '#e8eaed'
set ylabel textcolor rgb ink offset 1,0
set xlabel textcolor rgb ink
set style fill solid 1.0 noborder

stats series using ($3/1048576.0) name 'V' nooutput
stats series using ($6/1048576.0) name 'VB' nooutput
stats series using ($7/1048576.0) name 'PB' nooutput
stats series using ($1/1000.0) name 'T' nooutput
stats series using 2 name 'R' nooutput
stats churn using (mib($6)) name 'M' nooutput
stats churn using (mib($8)) name 'CB' nooutput

set multiplot

# The replay
set origin 0, 0.43
set size 1, 0.57
set lmargin 9
set rmargin 3
set tmargin 6
set bmargin 3.6
set title "{/*1.35:Bold A real program's memory in segpool: mapped grows to its budget once, physical goes up and down}" \
	textcolor rgb ink offset 0,2.2
set label 100 caption noenhanced at graph 0.5, 1.10 center textcolor rgb ink
set label 101 second_caption noenhanced at graph 0.5, 1.05 center textcolor rgb ink
set xlabel "seconds of the program's own time"
set ylabel 'MiB'
set xrange [0:T_max]
set yrange [0:VB_max * 1.2]
set key top right horizontal reverse Left width 1 samplen 2.2 textcolor rgb ink

# Where a run ends, and the next begins with the same pool.
do for [r = 1:R_max - 1] {
	stats series using ($2 == r ? $1/1000.0 : NaN) name 'S' nooutput
	set arrow r from S_max, 0 to S_max, VB_max nohead dashtype 3 linewidth 1.5 linecolor rgb ink front
	set label r 'exit, and start again' at S_max, VB_max left offset 0.8,-1.1 textcolor rgb ink front
}

plot series using ($1/1000):(0):(mib($4)) with filledcurves linecolor rgb physical title 'physical', \
	series using ($1/1000):(mib($4)):(mib($4 + $5)) with filledcurves linecolor rgb retained title 'retained', \
	series using ($1/1000):(mib($7)) with lines linewidth 1.5 dashtype (8,5) linecolor rgb physical title 'physical budget', \
	series using ($1/1000):(mib($3)) with steps linewidth 3 linecolor rgb virtual title 'mapped (virtual)', \
	series using ($1/1000):(mib($6)) with lines linewidth 1.5 dashtype (8,5) linecolor rgb virtual title 'virtual budget'
unset arrow
unset label

# The leak and its cure. The legends stand above the plots, because inside they would cut the grid.
set yrange [0:M_max * 1.05]
set xlabel 'epoch: release 100 regions of 2 MiB, take 100'
set tmargin 5.2
set size 0.5, 0.43
set key at graph 0.5, 1.18 center top horizontal reverse Left width -4 maxrows 2 textcolor rgb ink
set xrange [0:*]

set origin 0, 0
set title '{/*1.2:Bold The leak: one counter}' textcolor rgb ink offset 0,2.2
plot churn using (of('classic')):(mib($7)) with fillsteps linecolor rgb physical title 'resident (VmRSS)', \
	'' using (of('classic')):(mib($6)) with steps linewidth 3 linecolor rgb leak title 'mapped (VmSize)', \
	'' using (of('classic')):(mib($3)) with steps linewidth 2 linecolor rgb virtual title 'what the counter says', \
	'' using (of('classic')):(mib($8)) with lines linewidth 1.5 dashtype (8,5) linecolor rgb budget title 'budget'

set origin 0.5, 0
set title '{/*1.2:Bold The cure: segpool}' textcolor rgb ink offset 0,2.2
plot churn using (of('segpool')):(mib($4 + $5)) with fillsteps linecolor rgb retained title 'retained', \
	'' using (of('segpool')):(mib($4)) with fillsteps linecolor rgb physical title 'physical', \
	'' using (of('segpool')):(mib($3)) with steps linewidth 2 linecolor rgb virtual title 'mapped (virtual)', \
	'' using (of('segpool')):(mib($8)) with lines linewidth 1.5 dashtype (8,5) linecolor rgb budget title 'budget'

unset multiplot

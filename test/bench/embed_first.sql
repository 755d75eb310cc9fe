-- In a new backend: time of the first call, and its memory before and after.
-- Lines: what, then Rss, Pss, private and anonymous kB, or ms.
SELECT pg_backend_pid() AS pid \gset
\setenv backend :pid
-- What any function of the extension costs a backend is not the model's.
SELECT vector_dims('[1]') \g /dev/null
\echo -n 'before '
\! awk '/^Rss/ {r=$2} /^Pss:/ {p=$2} /^Private/ {v+=$2} /^Anonymous/ {a=$2} END {print r, p, v, a}' /proc/$backend/smaps_rollup
SELECT clock_timestamp() AS start \gset
SELECT embed('how do I draw a graph?') \g /dev/null
SELECT 'first', extract(epoch FROM clock_timestamp() - :'start') * 1000;
SELECT clock_timestamp() AS start \gset
SELECT embed('how do I draw a map?') \g /dev/null
SELECT 'second', extract(epoch FROM clock_timestamp() - :'start') * 1000;
\echo -n 'after '
\! awk '/^Rss/ {r=$2} /^Pss:/ {p=$2} /^Private/ {v+=$2} /^Anonymous/ {a=$2} END {print r, p, v, a}' /proc/$backend/smaps_rollup

# Filtered scans of random tables, under random conditions and limits, next to
# sorting all rows; the same after a crash and on a standby.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

my ($primary, $standby) = start_pair('autovacuum = off', 'jit = off');

# One line for each query: whether it satisfies the conditions, has the rows it
# should have, comes in order; how many it found and should have found.
$primary->safe_psql('postgres', q{
CREATE TABLE result (trial int, exact bool, bounded bool, planned bool, satisfied bool, complete bool, ordered bool,
	found int, wanted int, query text, settings text[]);

-- steps: how many values an element may have, or 0 for any
CREATE FUNCTION some_vector(dims int, steps int) RETURNS vector LANGUAGE sql AS $$
	SELECT array_agg(CASE WHEN steps > 0 THEN 1 + floor(random() * steps) ELSE random() - .5 END)::real[]::vector
	FROM generate_series(1, dims)
$$;
CREATE FUNCTION some_condition() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(c, CASE WHEN random() < .8 THEN ' AND ' ELSE ' OR ' END) FROM (
		SELECT CASE floor(random() * 8)
			WHEN 0 THEN format('a = %s', floor(random() * 60))
			WHEN 1 THEN format('b < %s', floor(random() * random() * 1000))
			WHEN 2 THEN format('b >= %s', floor(random() * 1000))
			WHEN 3 THEN format('tags && ARRAY[%s, %s]', floor(random() * 30), floor(random() * 30))
			WHEN 4 THEN format('a IN (%s, %s, 999)', floor(random() * 60), floor(random() * 60))
			WHEN 5 THEN format('at <@ box ''(%s,%s),(50,50)''', floor(random() * 100), floor(random() * 100))
			WHEN 6 THEN format('day BETWEEN %s AND %s', floor(random() * 50), floor(random() * 100))
			ELSE format('id %% %s = 0', 1 + floor(random() * 4)) END AS c
		FROM generate_series(1, 1 + floor(random() * 3)::int)) q
$$;
-- varied: the limits of a scan, which a filtered one goes beyond, too
CREATE FUNCTION some_settings(exact bool, varied bool) RETURNS text[] LANGUAGE sql AS $$
	SELECT ARRAY['vecsearch.filter_strategy = ' || CASE WHEN exact THEN 'exact' ELSE 'auto' END,
			'work_mem = ' || CASE WHEN random() < .3 THEN 64 ELSE 4096 END]
		|| CASE WHEN varied THEN ARRAY['hnsw.ef_search = ' || 1 + floor(random() * random() * 100),
			'hnsw.max_scan_tuples = ' || 1 + floor(random() * 400),
			'hnsw.iterative_scan = ' || ('{off,strict_order,relaxed_order}'::text[])[1 + floor(random() * 3)]] END
$$;

-- the ids and distances of a query
CREATE FUNCTION answer(query text, OUT ids int[], OUT distances float8[]) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT array_agg(id), array_agg(d) FROM (%s) q', query) INTO ids, distances;
	ids := coalesce(ids, '{}');
	distances := coalesce(distances, '{}');
END
$$;

-- varied: with settings, limits and bounds of the distance that others lack
CREATE FUNCTION run_query(trial int, op text, dims int, steps int, varied bool) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	distance text := format('v %s %L::vector', op, some_vector(dims, steps));
	cond text := format('(%s)', some_condition());
	k text := CASE WHEN varied AND random() < .05 THEN 'ALL' ELSE floor(random() * random() * 300)::text END;
	skip int := CASE WHEN random() < .2 THEN 3 ELSE 0 END;
	exact bool := random() < .3;
	bounded bool := varied AND random() < .2;
	settings text[] := some_settings(exact, varied);
	bound float8;
	query text;
	got record;
	truth record;
	line text;
	planned bool := false;
	satisfied bool;
BEGIN
	SET LOCAL enable_indexscan = off;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_sort = on;
	IF bounded THEN
		EXECUTE format('SELECT %s FROM t ORDER BY random() LIMIT 1', distance) INTO bound;
		cond := format('%s AND %s <= %L::float8', cond, distance, bound);
	END IF;
	query := format('SELECT id, %s AS d FROM t WHERE %s ORDER BY %1$s LIMIT %3$s OFFSET %4$s', distance, cond, k, skip);
	-- rows without a vector are not in the index
	truth := answer(replace(replace(query, ' WHERE ', ' WHERE v IS NOT NULL AND ('), ' ORDER BY', ') ORDER BY'));
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_sort = off;
	FOREACH line IN ARRAY settings LOOP
		EXECUTE 'SET LOCAL ' || line;
	END LOOP;
	-- a bound alone makes such a scan without a bitmap
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		planned := planned OR line LIKE '%Bitmap: %';
	END LOOP;
	got := answer(query);
	SET LOCAL work_mem = '4MB';
	EXECUTE format('SELECT count(*) = cardinality($1) AND coalesce(bool_and(%s), true) FROM t WHERE id = ANY ($1)', cond)
		INTO satisfied USING got.ids;
	INSERT INTO result SELECT trial, exact, bounded, planned, satisfied,
		cardinality(got.ids) = cardinality(truth.ids),
		(SELECT coalesce(bool_and(d >= before), true)
			FROM (SELECT d, lag(d) OVER (ORDER BY n) AS before FROM unnest(got.distances) WITH ORDINALITY u (d, n)) o),
		(SELECT count(*) FROM unnest(got.distances) d
			WHERE d <= truth.distances[cardinality(truth.distances)]),
		cardinality(truth.ids), query, settings;
END
$$;
});

my @metrics = ([ 'l2', '<->' ], [ 'ip', '<#>' ], [ 'cosine', '<=>' ], [ 'l1', '<+>' ],
	[ 'hellinger', '<^>' ], [ 'jensen_shannon', '<|>' ]);
my @indexes = ('(a)', '(b)', 'USING gin (tags)', 'USING gist (at)', 'USING brin (day) WITH (pages_per_range = 2)',
	'USING hash (a)', '(b, a)', '(b) WHERE a < 30', 'USING spgist (at)');

# What makes a table that rows have come to and gone from.
#	trial		seed of its rows
#	rows
#	class, options	of its vectors' index
#	columns		to filter by, in that index
#	dims, steps	of its vectors
#	indexes		on other columns
#	analyze, vacuum	whether they are done when it has its rows
sub table_sql
{
	my ($t) = @_;
	my $vector = "some_vector($t->{dims}, $t->{steps})";
	my $row = "i % 60, floor(random() * 1000), ARRAY[i % 30, floor(random() * 30)]::int[],
		point(random() * 100, random() * 100), i * 100 / $t->{rows},
		CASE WHEN i % 50 = 0 THEN NULL ELSE $vector END";
	my $columns = join ', ', "v vector_$t->{class}_ops", @{ $t->{columns} };

	return join ";\n", "SELECT setseed(0.0001 * $t->{trial})", 'DROP TABLE IF EXISTS t', 'BEGIN',
		"CREATE TABLE t (id int, a int, b int, tags int[], at point, day int, v vector($t->{dims}))",
		"INSERT INTO t SELECT i, $row FROM generate_series(1, $t->{rows}) i",
		"CREATE INDEX t_v ON t USING hnsw ($columns) WITH ($t->{options})",
		(map { "CREATE INDEX ON t $_" } @{ $t->{indexes} }),
		$t->{analyze} ? 'ANALYZE t' : (), 'COMMIT', 'BEGIN',
		'UPDATE t SET b = b + 1 WHERE id % 7 = 0',
		"UPDATE t SET v = $vector WHERE id % 11 = 0",
		'DELETE FROM t WHERE id % 13 = 0', 'COMMIT',
		$t->{vacuum} ? 'VACUUM (INDEX_CLEANUP on) t' : (),
		"INSERT INTO t SELECT $t->{rows} + i, $row FROM generate_series(1, $t->{rows} / 10) i;\n";
}

# One of some size, as asked for by a number
sub large_table
{
	my ($trial) = @_;
	my ($class, $op) = @{ $metrics[ $trial % 4 ] };
	my $dims = (2, 3, 8, 24)[ int($trial / 4) % 4 ];

	return { trial => $trial, rows => (300, 1500, 4000)[ $trial % 3 ], class => $class, op => $op, options => 'm = 16',
		dims => $dims, steps => $dims < 4 ? 10 : 0, indexes => [ @indexes[ 0 .. 4 ] ],
		columns => ([], ['b'], [ 'tags', 'b' ], [ 'a', 'day', 'id' ])[ int($trial / 2) % 4 ],
		analyze => 1, vacuum => $trial % 2, queries => 60, varied => 'false' };
}

# A small one of any kind
sub small_table
{
	my ($trial) = @_;
	my ($class, $op) = @{ $metrics[ rand @metrics ] };
	my $m = 2 + int rand 20;

	return { trial => $trial, rows => 5 + int rand rand 400, class => $class, op => $op,
		options => "m = $m, ef_construction = " . ($m * 2 + int rand 50), dims => 1 + int rand 24,
		steps => (2, 10, 1000, $class =~ /hellinger|jensen/ ? 100 : 0)[ rand 4 ],
		indexes => [ grep { rand() < .35 } @indexes ], columns => [ grep { rand() < .3 } qw(a b tags day id) ],
		analyze => rand() < .7, vacuum => rand() < .3, queries => 4 + int rand 5, varied => 'true' };
}

# Make such tables, one after another, and ask queries of each.
sub run_trials
{
	$primary->safe_psql('postgres', join '', map {
		table_sql($_) . "SELECT setseed(0.0002 * $_->{trial});
			SELECT count(run_query($_->{trial}, '$_->{op}', $_->{dims}, $_->{steps}, $_->{varied}))
			FROM generate_series(1, $_->{queries});\n" } @_);
	return;
}

sub result_of
{
	my ($what, $where) = @_;
	return $primary->safe_psql('postgres', "SELECT $what FROM result WHERE $where");
}

# What all queries of some trials must have in common.
#	name
#	queries, planned	how many there are, and what share has a filtered scan at least
#	recall		that those reach which are not exact
sub check_results
{
	my ($trials, $o) = @_;
	my $which = "string_agg(trial || ': ' || query || ' ' || settings::text, '; ' ORDER BY trial)";

	is(result_of('count(*)', $trials), $o->{queries}, "$o->{name}: all queries were answered");
	cmp_ok(result_of('avg(planned::int)', $trials), '>', $o->{planned}, "$o->{name}: plans have a filtered scan");
	is(result_of($which, "$trials AND NOT satisfied"), '', "$o->{name}: all rows satisfy the conditions");
	is(result_of($which, "$trials AND planned AND (exact OR NOT bounded) AND NOT complete"), '',
		"$o->{name}: there are as many rows as there should be");
	is(result_of($which, "$trials AND planned AND exact AND found < wanted"), '',
		"$o->{name}: an exact search finds what sorting finds");
	is(result_of($which, "$trials AND planned AND exact AND NOT ordered"), '',
		"$o->{name}: an exact search keeps the order");
	cmp_ok(result_of('sum(found)::float8 / sum(wanted)', "$trials AND planned AND NOT exact"), '>=', $o->{recall},
		"$o->{name}: recall of the others");
	return;
}

run_trials(map { large_table($_) } 1 .. 24);
check_results('trial <= 24', { name => 'large tables', queries => 24 * 60, planned => .5, recall => .95 });

srand(1);
my @small = map { small_table($_) } 25 .. 2024;
my $queries = 0;
$queries += $_->{queries} for @small;
run_trials(splice @small, 0, 100) while @small;
check_results('trial > 24', { name => 'small tables', queries => $queries, planned => .3, recall => .9 });

# The revmap after a crash and on a standby
my $ask = q{
	SET enable_seqscan = off; SET enable_sort = off; SET vecsearch.filter_strategy = exact;
	SELECT array_agg(id) FROM (SELECT id FROM t WHERE b < 400 ORDER BY v <=> (SELECT v FROM t WHERE id = 5) LIMIT 100) q;
	SELECT array_agg(id) FROM (SELECT id FROM t WHERE tags && ARRAY[3] ORDER BY v <=> (SELECT v FROM t WHERE id = 6) LIMIT 100) q};
$primary->safe_psql('postgres', table_sql(large_table(10)));
$primary->safe_psql('postgres', 'DELETE FROM t WHERE id % 5 = 1');
$primary->safe_psql('postgres', 'VACUUM (INDEX_CLEANUP on) t');
$primary->safe_psql('postgres', 'INSERT INTO t SELECT id + 100000, a, b, tags, at, day, v FROM t WHERE id % 3 = 0');
my $before = $primary->safe_psql('postgres', $ask);
like($before, qr/^\{\d+(,\d+){50,}\}$/m, 'there are answers');
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $ask), $before, 'the same on a standby');
$primary->stop('immediate');
$primary->start;
is($primary->safe_psql('postgres', $ask), $before, 'the same after a crash');

done_testing();

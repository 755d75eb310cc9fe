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
CREATE TABLE result (trial int, exact bool, planned bool, satisfied bool, complete bool, ordered bool,
	found int, wanted int, cond text);

CREATE FUNCTION some_vector(dims int) RETURNS vector LANGUAGE sql AS $$
	SELECT array_agg(CASE WHEN dims < 4 THEN 1 + floor(random() * 10) ELSE random() - .5 END)::real[]::vector
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

-- the ids and distances of a query
CREATE FUNCTION answer(query text, OUT ids int[], OUT distances float8[]) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT array_agg(id), array_agg(d) FROM (%s) q', query) INTO ids, distances;
	ids := coalesce(ids, '{}');
	distances := coalesce(distances, '{}');
END
$$;

CREATE FUNCTION run_query(trial int, op text, dims int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	cond text := format('(%s)', some_condition());
	k int := floor(random() * random() * 300);
	skip int := CASE WHEN random() < .2 THEN 3 ELSE 0 END;
	exact bool := random() < .3;
	query text := format('SELECT id, v %s %L::vector AS d FROM t WHERE %s ORDER BY v %1$s %2$L::vector LIMIT %4$s OFFSET %5$s',
		op, some_vector(dims), cond, k, skip);
	got record;
	truth record;
	line text;
	planned bool := false;
BEGIN
	SET LOCAL enable_indexscan = off;
	SET LOCAL enable_seqscan = on;
	SET LOCAL enable_sort = on;
	-- rows without a vector are not in the index
	truth := answer(replace(replace(query, ' WHERE ', ' WHERE v IS NOT NULL AND ('), ' ORDER BY', ') ORDER BY'));
	SET LOCAL enable_indexscan = on;
	SET LOCAL enable_seqscan = off;
	SET LOCAL enable_sort = off;
	EXECUTE format('SET LOCAL vecsearch.filter_strategy = %s', CASE WHEN exact THEN 'exact' ELSE 'auto' END);
	EXECUTE format('SET LOCAL work_mem = %L', CASE WHEN random() < .3 THEN '64kB' ELSE '4MB' END);
	FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
		planned := planned OR line LIKE '%FilteredVectorScan%';
	END LOOP;
	got := answer(query);
	INSERT INTO result SELECT trial, exact, planned,
		(SELECT count(*) FROM t WHERE id = ANY (got.ids)) = cardinality(got.ids),
		cardinality(got.ids) = cardinality(truth.ids),
		(SELECT coalesce(bool_and(d >= before), true)
			FROM (SELECT d, lag(d) OVER (ORDER BY n) AS before FROM unnest(got.distances) WITH ORDINALITY u (d, n)) o),
		(SELECT count(*) FROM unnest(got.distances) d
			WHERE d <= truth.distances[cardinality(truth.distances)]),
		cardinality(truth.ids), cond;
	EXECUTE format('UPDATE result SET satisfied = satisfied AND (SELECT coalesce(bool_and(%s), true) FROM t WHERE id = ANY ($1))
		WHERE ctid = (SELECT max(ctid) FROM result)', cond) USING got.ids;
	SET LOCAL work_mem = '4MB';
	SET LOCAL vecsearch.filter_strategy = auto;
END
$$;
});

my @metrics = ([ 'l2', '<->' ], [ 'ip', '<#>' ], [ 'cosine', '<=>' ], [ 'l1', '<+>' ]);

# A table that rows have come to and gone from, with indexes of every type.
# Returns the operator of its order and its dimensions.
sub make_table
{
	my ($trial) = @_;
	my ($class, $op) = @{ $metrics[ $trial % @metrics ] };
	my $dims = (2, 3, 8, 24)[ int($trial / 4) % 4 ];
	my $rows = (300, 1500, 4000)[ $trial % 3 ];
	my $row = "i % 60, floor(random() * 1000), ARRAY[i % 30, floor(random() * 30)]::int[],
		point(random() * 100, random() * 100), i * 100 / $rows,
		CASE WHEN i % 50 = 0 THEN NULL ELSE some_vector($dims) END";

	$primary->safe_psql('postgres', qq{
		SELECT setseed(0.001 * $trial);
		DROP TABLE IF EXISTS t;
		CREATE TABLE t (id int, a int, b int, tags int[], at point, day int, v vector($dims));
		INSERT INTO t SELECT i, $row FROM generate_series(1, $rows) i;
		CREATE INDEX t_v ON t USING hnsw (v vector_${class}_ops);
		CREATE INDEX ON t (a);
		CREATE INDEX ON t (b);
		CREATE INDEX ON t USING gin (tags);
		CREATE INDEX ON t USING gist (at);
		CREATE INDEX ON t USING brin (day) WITH (pages_per_range = 2);
		ANALYZE t;
		UPDATE t SET b = b + 1 WHERE id % 7 = 0;
		UPDATE t SET v = some_vector($dims) WHERE id % 11 = 0;
		DELETE FROM t WHERE id % 13 = 0});
	$primary->safe_psql('postgres', "VACUUM (INDEX_CLEANUP on) t") if $trial % 2;
	$primary->safe_psql('postgres', qq{
		SELECT setseed(0.002 * $trial);
		INSERT INTO t SELECT $rows + i, $row FROM generate_series(1, $rows / 5) i});
	return ($op, $dims);
}

sub result_of
{
	my ($what, $where) = @_;
	return $primary->safe_psql('postgres', "SELECT $what FROM result WHERE $where");
}

for my $trial (1 .. 24)
{
	my ($op, $dims) = make_table($trial);

	$primary->safe_psql('postgres', qq{
		SELECT setseed(0.003 * $trial);
		SELECT run_query($trial, '$op', $dims) FROM generate_series(1, 60)});
}
is(result_of('count(*)', 'true'), 24 * 60, 'all queries were answered');
cmp_ok(result_of('count(*) FILTER (WHERE planned)::float8 / count(*)', 'true'), '>', 0.5,
	'most plans have a filtered scan');
is(result_of("string_agg(cond, '; ')", 'NOT satisfied'), '', 'all rows satisfy the conditions');
is(result_of("string_agg(trial || ': ' || cond, '; ')", 'planned AND NOT complete'), '',
	'there are as many rows as there should be');
is(result_of("string_agg(trial || ': ' || cond, '; ')", 'planned AND exact AND found < wanted'), '',
	'an exact search finds what sorting finds');
is(result_of("string_agg(trial || ': ' || cond, '; ')", 'planned AND exact AND NOT ordered'), '',
	'an exact search keeps the order');
cmp_ok(result_of('sum(found)::float8 / sum(wanted)', 'planned AND NOT exact'), '>=', 0.95,
	'recall of the others');

# The revmap after a crash and on a standby
my $ask = q{
	SET enable_seqscan = off; SET enable_sort = off; SET vecsearch.filter_strategy = exact;
	SELECT array_agg(id) FROM (SELECT id FROM t WHERE b < 400 ORDER BY v <=> (SELECT v FROM t WHERE id = 5) LIMIT 100) q;
	SELECT array_agg(id) FROM (SELECT id FROM t WHERE tags && ARRAY[3] ORDER BY v <=> (SELECT v FROM t WHERE id = 6) LIMIT 100) q};
make_table(10);
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

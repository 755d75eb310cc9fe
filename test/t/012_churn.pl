# Recall and completeness of an index with a history: rows deleted and inserted
# over and over, a build that runs out of memory, several sessions at once, a
# cancelled build, dump and restore.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

my $node = start_node('main', 'autovacuum = off', 'shared_buffers = 128MB');

# Churn

# operator class, operator, dimensions, m, share deleted in each round, floor
my @cases = (
	[ 'vector_l2_ops', '<->', 24, 16, 0.3, 0.95 ],
	[ 'vector_l2_ops', '<->', 24, 16, 0.9, 0.95 ],
	[ 'vector_ip_ops', '<#>', 24, 16, 0.3, 0.95 ],
	[ 'vector_cosine_ops', '<=>', 64, 16, 0.5, 0.95 ],
	[ 'vector_l1_ops', '<+>', 8, 8, 0.5, 0.95 ],
	[ 'vector_l2_ops', '<->', 600, 5, 0.5, 0.90 ],);

for my $case (@cases)
{
	my ($opclass, $op, $dims, $m, $share, $floor) = @$case;
	my $name = "$opclass $dims, m $m, $share deleted";
	my $rows = $dims > 100 ? 200 : 1000;
	my $size;

	vectors($node, { table => 'item', dims => $dims, rows => $rows });
	vectors($node, { table => 'item_query', dims => $dims, rows => 30, first => 900001 });
	vectors($node, { table => 'pool', dims => $dims, rows => $rows, first => 100001 });
	$node->safe_psql('postgres', qq{
		UPDATE item_query SET id = id - 900000;
		CREATE INDEX item_v ON item USING hnsw (v $opclass) WITH (m = $m)});
	for my $round (1 .. 4)
	{
		$node->safe_psql('postgres', qq{
			DELETE FROM item WHERE abs(hashint4extended(id, $round)) % 100 < $share * 100});
		$node->safe_psql('postgres', 'VACUUM item');
		$node->safe_psql('postgres', qq{
			INSERT INTO item SELECT id + 1000000 * $round, v FROM pool
			ORDER BY hashint4extended(id, $round)
			LIMIT $rows - (SELECT count(*) FROM item)});
		$size //= $node->safe_psql('postgres', "SELECT pg_relation_size('item_v')");
	}
	recall_at_least($node, { table => 'item', op => $op, floor => $floor, queries => 30, name => $name });
	whole_through_index($node, { table => 'item', op => $op, name => "$name: whole" });
	cmp_ok($node->safe_psql('postgres', "SELECT pg_relation_size('item_v')"),
		'<=', 1.3 * $size, "$name: freed room is used again");
	$node->safe_psql('postgres', 'DROP TABLE item, item_query, pool');
}

# Little memory: the build says so and goes on

vectors($node, { table => 'item', dims => 48, rows => 4000 });
vectors($node, { table => 'item_query', dims => 48, rows => 30, first => 900001 });
$node->safe_psql('postgres', 'UPDATE item_query SET id = id - 900000');

# and equal vectors on both sides of the border
$node->safe_psql('postgres', 'INSERT INTO item SELECT id + 10000, v FROM item WHERE id <= 200');
my ($code, $out, $err) = $node->psql('postgres', q{
	SET maintenance_work_mem = '1MB';
	CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops)});
is($code, 0, 'a build with little memory succeeds');
like($err, qr/NOTICE:  hnsw graph no longer fits into maintenance_work_mem after \d+ tuples/,
	'it tells that it takes longer');
recall_at_least($node, { table => 'item', op => '<->', floor => 0.95, queries => 30,
		name => 'little memory' });
whole_through_index($node, { table => 'item', name => 'little memory: whole' });
$node->safe_psql('postgres', 'DROP INDEX item_v');

# A cancelled build leaves nothing

my $files = 'SELECT count(*) FROM pg_ls_dir((SELECT $$base/$$ || oid FROM pg_database WHERE datname = current_database())) f WHERE f ~ $$^[0-9]+$$';
my $before = $node->safe_psql('postgres', "CHECKPOINT; $files");
my $table = $node->safe_psql('postgres', 'SELECT count(*), sum(hashtext(v::text)) FROM item');
for my $memory ('64MB', '1MB')
{
	($code, $out, $err) = $node->psql('postgres', qq{
		\\set VERBOSITY verbose
		SET maintenance_work_mem = '$memory';
		SET statement_timeout = '200ms';
		CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 1000)});
	like($err, qr/57014/, "$memory: a build is cancelled");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'item_v'}),
		0, "$memory: there is no index");
	is($node->safe_psql('postgres', "CHECKPOINT; $files"), $before, "$memory: and no file");
	is($node->safe_psql('postgres', 'SELECT count(*), sum(hashtext(v::text)) FROM item'),
		$table, "$memory: the table is as it was");
}
$node->safe_psql('postgres', 'CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops)');
whole_through_index($node, { table => 'item', name => 'built after all: whole' });

# Several sessions insert, delete and search at once, one VACUUMs.  Ids are
# given once only: a row is told by its id when the answers are counted.

$node->safe_psql('postgres', 'CREATE SEQUENCE item_id START 20001');
my $script = $node->basedir . '/work.sql';
append_to_file($script, q{
\set id random(1, 4000)
\set at random(1, 2000)
INSERT INTO item SELECT nextval('item_id'), v FROM item WHERE id = :id;
INSERT INTO item SELECT nextval('item_id'), (v::real[])[1:47]::vector || '[0.5]' FROM item WHERE id = :id;
DELETE FROM item WHERE id = :at;
UPDATE item SET v = v + (SELECT v FROM item_query WHERE id = 1) WHERE id = :id;
SELECT id FROM item ORDER BY v <-> (SELECT v FROM item_query WHERE id = 1 + :at % 30) LIMIT 10;
});
my $vacuum = $node->basedir . '/vacuum.sql';
append_to_file($vacuum, "VACUUM item;\n\\sleep 50 ms\n");
$node->command_ok(
	[   'pgbench', '-n', '-c', 7, '-j', 2, '-T', 4,
		'-f', "$script\@20", '-f', "$vacuum\@1", 'postgres' ],
	'sessions that insert, delete, update, search and vacuum at once');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM item WHERE id > 20000'),
	'>', 100, 'they have done something');
whole_through_index($node, { table => 'item', name => 'sessions at once: whole' });
recall_at_least($node, { table => 'item', op => '<->', floor => 0.95, queries => 30, name => 'sessions at once' });
$node->safe_psql('postgres', 'VACUUM item');
whole_through_index($node, { table => 'item', name => 'sessions at once, after VACUUM: whole' });

# only insertions, which all make the graph from nothing
$node->safe_psql('postgres', q{CREATE TABLE fresh (id serial, v vector(48));
	CREATE INDEX fresh_v ON fresh USING hnsw (v vector_l2_ops)});
my $insert = $node->basedir . '/insert.sql';
append_to_file($insert, "\\set id random(1, 4000)\nINSERT INTO fresh (v) SELECT v FROM item WHERE id = :id;\n");
$node->command_ok([ 'pgbench', '-n', '-c', 6, '-j', 2, '-t', 300, '-f', $insert, 'postgres' ],
	'six sessions insert into an empty index');
whole_through_index($node, { table => 'fresh', name => 'six sessions: whole' });
recall_at_least($node, { table => 'fresh', query_table => 'item_query', op => '<->', floor => 0.9,
		queries => 30, name => 'six sessions' });

# Dump and restore

$node->safe_psql('postgres', q{CREATE TABLE kept (id int, v vector(48));
	INSERT INTO kept SELECT id, v FROM item LIMIT 1500;
	INSERT INTO kept VALUES (-1, NULL);
	CREATE INDEX kept_v ON kept USING hnsw (v vector_cosine_ops) WITH (m = 10, ef_construction = 50);
	CREATE DATABASE copy});
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-T', '[^k]*', 'postgres' ], 'dumped');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, 'copy' ], 'restored');
is($node->safe_psql('copy', q{SELECT indexdef FROM pg_indexes WHERE indexname = 'kept_v'}),
	"CREATE INDEX kept_v ON public.kept USING hnsw (v vector_cosine_ops) WITH (m='10', ef_construction='50')",
	'the index came along');
my $sum = 'SELECT count(*), count(v), sum(hashtextextended(v::text, 0)) FROM kept';
is($node->safe_psql('copy', $sum), $node->safe_psql('postgres', $sum), 'and the rows');
my $near = q{SET enable_seqscan = off; SET hnsw.ef_search = 400;
	SELECT id, v <=> (SELECT v FROM kept ORDER BY id DESC LIMIT 1) AS d FROM kept ORDER BY d LIMIT 20};
is($node->safe_psql('copy', $near), $node->safe_psql('postgres', $near), 'and the answers');

$node->stop;
done_testing();

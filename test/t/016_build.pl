# Building: several processes, the end of memory with them, repeatable builds,
# concurrent builds while rows come and go, a cancel, progress, memory.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

my $node = start_node('main', 'autovacuum = off', 'shared_buffers = 128MB',
	'max_parallel_maintenance_workers = 2', 'max_worker_processes = 8',
	'min_parallel_table_scan_size = 0', 'log_error_verbosity = default');

my $index = 'CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops)';

# Run a command with settings; returns what it told.
sub build
{
	my ($settings, $command) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "$settings; $command");

	is($code, 0, "built: $settings") or diag($err);
	return $err;
}

vectors($node, { table => 'item', dims => 80, rows => 6000 });
vectors($node, { table => 'item_query', dims => 80, rows => 30, first => 900001 });
$node->safe_psql('postgres', q{
	UPDATE item_query SET id = id - 900000;
	ALTER TABLE item SET (parallel_workers = 2);
	INSERT INTO item SELECT id + 100000, v FROM item WHERE id <= 300});

# Several processes, by every metric that is searched in its own way

for my $case ([ 'vector_l2_ops', '<->' ], [ 'vector_ip_ops', '<#>' ],
	[ 'vector_cosine_ops', '<=>' ], [ 'vector_l1_ops', '<+>' ])
{
	my ($opclass, $op) = @$case;

	build('SET max_parallel_maintenance_workers = 2',
		"CREATE INDEX item_v ON item USING hnsw (v $opclass)");
	recall_at_least($node, { table => 'item', op => $op, floor => 0.95,
			queries => 30, name => "$opclass, three processes" });
	whole_through_index($node, { table => 'item', op => $op,
			name => "$opclass, three processes: whole" });
	$node->safe_psql('postgres', 'DROP INDEX item_v');
}

# Values far from zero and near to each other need exact rows

$node->safe_psql('postgres', q{
	CREATE TABLE far (id int, v vector(80));
	INSERT INTO far SELECT id, ('[1000' || repeat(',1000', 79) || ']')::vector + v FROM item WHERE id <= 3000;
	CREATE TABLE far_query AS SELECT id, ('[1000' || repeat(',1000', 79) || ']')::vector + v AS v FROM item_query;
	SET max_parallel_maintenance_workers = 0;
	CREATE INDEX far_v ON far USING hnsw (v vector_l2_ops)});
recall_at_least($node, { table => 'far', op => '<->', floor => 0.9, queries => 30,
		name => 'far from zero' });

# The end of memory, with and without workers

for my $workers (0, 2)
{
	my $err = build("SET maintenance_work_mem = '1MB'; SET max_parallel_maintenance_workers = $workers", $index);

	like($err, qr/NOTICE:  hnsw graph no longer fits into maintenance_work_mem after \d+ tuples/,
		"$workers workers: little memory is told");
	recall_at_least($node, { table => 'item', op => '<->', floor => 0.95, queries => 30,
			name => "$workers workers, little memory" });
	whole_through_index($node, { table => 'item', name => "$workers workers, little memory: whole" });
	$node->safe_psql('postgres', 'DROP INDEX item_v');
}

# Shared memory that is short

SKIP:
{
	my (undef, $space) = split /\n/, `df -Pk /dev/shm 2>/dev/null`;
	my $free = $space ? (split ' ', $space)[3] : undef;

	skip '/dev/shm has room for everything', 3
	  if !defined $free || $free >= 60 * 1024 * 1024;
	$node->safe_psql('postgres',
		"UPDATE pg_class SET reltuples = 1e9 WHERE relname = 'item'");
	my $err = build("SET maintenance_work_mem = '60GB'; SET max_parallel_maintenance_workers = 2", $index);
	like($err, qr/NOTICE:  building index "item_v" without parallel workers/,
		'short of shared memory: told');
	whole_through_index($node, { table => 'item', name => 'short of shared memory: whole' });
	$node->safe_psql('postgres', 'DROP INDEX item_v; ANALYZE item');
}

# One process builds the same index each time

my @sums;
for (1 .. 2)
{
	build('SET max_parallel_maintenance_workers = 0', $index);
	$node->safe_psql('postgres', 'CHECKPOINT');
	my $path = $node->data_dir . '/' .
		$node->safe_psql('postgres', q{SELECT pg_relation_filepath('item_v')});
	my $pages = slurp_file($path);

	# the place in the log and the checksum in the head of each page differ
	my $sum = '';
	for (my $at = 0; $at < length $pages; $at += 8192)
	{
		$sum .= unpack('%32C*', substr($pages, $at + 10, 8182)) . ' ';
	}
	push @sums, $sum;
	$node->safe_psql('postgres', 'DROP INDEX item_v');
}
is($sums[0], $sums[1], 'two builds of one process are equal');

# Built while rows come and go

my $script = $node->basedir . '/rows.sql';
append_to_file($script, q{
\set id random(1, 6000)
INSERT INTO item SELECT 200000 + :client_id * 100000 + (random() * 90000)::int, v FROM item WHERE id = :id;
DELETE FROM item WHERE id IN (SELECT id FROM item WHERE id > 200000 LIMIT 1);
UPDATE item SET v = v WHERE id = :id;
});
my $concurrent = $node->basedir . '/concurrent.sql';
append_to_file($concurrent, q{
SET max_parallel_maintenance_workers = 2;
CREATE INDEX CONCURRENTLY IF NOT EXISTS item_v ON item USING hnsw (v vector_l2_ops);
REINDEX INDEX CONCURRENTLY item_v;
});
my $writers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 3, '-T', 6, '-f', $script,
		'-h', $node->host, '-p', $node->port, 'postgres' ],
	'>', '/dev/null', '2>', \my $bench_err);
$node->command_ok(
	[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $concurrent, 'postgres' ],
	'created and rebuilt concurrently');
ok(IPC::Run::finish($writers), 'while others wrote') or diag($bench_err);
is($node->safe_psql('postgres', q{SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE indrelid = 'item'::regclass}),
	'1|t', 'there is one index, and it is valid');
$node->safe_psql('postgres', 'VACUUM item');
whole_through_index($node, { table => 'item', name => 'concurrently: whole' });
recall_at_least($node, { table => 'item', op => '<->', floor => 0.95, queries => 30,
		name => 'concurrently' });
$node->safe_psql('postgres', 'DROP INDEX item_v');

# Memory: the peak of a process, less what it has of the shared buffers

$node->safe_psql('postgres', q{
	CREATE TABLE many AS SELECT ARRAY(SELECT sin(i * 0.7 + d * d * i)::real
			FROM generate_series(1, 16) d)::vector(16) AS v
		FROM generate_series(1, 42000) i});
my $peak = q{SELECT 1024 * (substring(s FROM 'VmHWM:\s+(\d+)')::bigint -
		substring(s FROM 'RssShmem:\s+(\d+)')::bigint)
	FROM pg_read_file('/proc/self/status', 0, 100000) s};
SKIP:
{
	skip 'no /proc', 2 unless -e '/proc/self/status';
	for my $case ([ '16MB', 16 ], [ '1GB', 24 ])
	{
		my ($setting, $mb) = @$case;
		my ($before, $after) = split /\n/, $node->safe_psql('postgres', qq{
			SET maintenance_work_mem = '$setting';
			SET max_parallel_maintenance_workers = 0;
			SET client_min_messages = warning;
			$peak;
			CREATE INDEX many_v ON many USING hnsw (v vector_l2_ops);
			$peak});
		cmp_ok($after - $before, '<=', (1.1 * $mb + 6) * 1024 * 1024,
			"maintenance_work_mem = $setting: the build takes no more than that, or than its rows");
		$node->safe_psql('postgres', 'DROP INDEX many_v');
	}
}

# A cancel ends the workers, too, and leaves nothing

my ($code, $out, $err) = $node->psql('postgres', qq{
	\\set VERBOSITY verbose
	SET statement_timeout = '400ms';
	$index WITH (m = 100, ef_construction = 1000)});
like($err, qr/57014/, 'a build of three processes is cancelled');
ok($node->poll_query_until('postgres',
		q{SELECT NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE backend_type = 'parallel worker')}),
	'its workers are gone');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'item_v'}),
	0, 'and so is the index');

done_testing();

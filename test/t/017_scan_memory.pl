# The memory of a scan: however far it has to go, it stays within work_mem
# times hnsw.scan_mem_multiplier, and says so when that ended it.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

# what a first window takes and all that a query needs besides, in kB
use constant BESIDES => 256;

plan skip_all => 'needs /proc' unless -r '/proc/self/status';

my $node = start_node('main', 'autovacuum = off', 'fsync = off', 'shared_buffers = 128MB',
	'max_parallel_maintenance_workers = 0', 'maintenance_work_mem = 256MB');
my $rows = 100000;

vectors($node, { table => 'item', dims => 4, rows => $rows });
$node->safe_psql('postgres',
	'CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops) WITH (m = 12, ef_construction = 24)');

# kB by which a session grew during a scan that is to find a row which is not
# there, and what hnsw_last_scan says of it.  The scan's memory only grows until
# its cursor is closed.  Shared memory does not count.
sub scan
{
	my ($work_mem, $multiplier) = @_;
	my $query = q{SELECT id FROM item WHERE id < 0 ORDER BY v <-> '[1,2,3,4]' LIMIT 1};
	my $measure = '\! grep RssAnon /proc/$SCAN_PID/status';
	my $out = $node->safe_psql('postgres', qq{
		SET enable_seqscan = off;
		SET enable_sort = off;
		SET hnsw.iterative_scan = strict_order;
		SET hnsw.max_scan_tuples = 100;
		$query;
		SET hnsw.max_scan_tuples = 2147483647;
		SET work_mem = '$work_mem';
		SET hnsw.scan_mem_multiplier = $multiplier;
		SELECT pg_backend_pid() AS pid \\gset
		\\setenv SCAN_PID :pid
		BEGIN;
		DECLARE c CURSOR FOR $query;
		$measure
		FETCH c;
		$measure
		COMMIT;
		SELECT hops, rows, memory / 1024, ended FROM hnsw_last_scan();});
	my ($before, $after) = $out =~ /RssAnon:\s+(\d+) kB/g;
	my ($hops, $handed, $memory, $ended) = $out =~ /^(\d+)\|(\d+)\|(\d+)\|(.+)$/m;

	note("work_mem $work_mem, multiplier $multiplier: "
		  . ($after - $before) . " kB more, $memory kB of memory, $hops hops, $handed rows, $ended");
	return ($after - $before, $memory, $hops, $handed, $ended);
}

my $last = 0;

for my $case ([ '64kB', 1, 64 ], [ '256kB', 1, 256 ], [ '64kB', 16, 1024 ], [ '2MB', 1, 2048 ], [ '4MB', 1.5, 6144 ])
{
	my ($work_mem, $multiplier, $limit) = @$case;
	my ($grew, $memory, $hops, $handed, $ended) = scan($work_mem, $multiplier);

	cmp_ok($grew, '<=', $limit + BESIDES, "$work_mem times $multiplier: the session stays within");
	cmp_ok($memory, '<=', $limit + BESIDES, "$work_mem times $multiplier: and by its own account");
	is($ended, 'memory', "$work_mem times $multiplier: memory ended the scan");
	is($handed, $hops, "$work_mem times $multiplier: all rows that were met were handed out");
	cmp_ok($hops, '>=', $last, "$work_mem times $multiplier: more memory goes farther");
	$last = $hops;
}

my ($grew, $memory, $hops, $handed, $ended) = scan('64MB', 1);
cmp_ok($grew, '<=', 65536 + BESIDES, 'enough memory: the session stays within');
is("$handed, $ended", "$rows, exhausted", 'enough memory: the scan meets every row');

$node->stop;
done_testing();

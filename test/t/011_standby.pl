# A standby gives the answers of its primary: after a build, insertions,
# deletions and VACUUM, and once it is promoted.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

my ($primary, $standby) = start_pair('autovacuum = off');

my @classes = (
	[ 'l2', '<->', 24 ],
	[ 'ip', '<#>', 24 ],
	[ 'cosine', '<=>', 100 ],
	[ 'l1', '<+>', 24 ],);

# ordered ids and distances of many queries, by every index
sub same_after
{
	my ($what) = @_;

	$primary->wait_for_catchup($standby);
	for my $class (@classes)
	{
		my ($name, $op) = @$class;
		my $ask = qq{
			SET enable_seqscan = off;
			SELECT q.id, array_to_string(ARRAY(SELECT t.id || ':' || (t.v $op q.v)
				FROM $name t ORDER BY t.v $op q.v LIMIT 60), ' ')
			FROM ${name}_query q ORDER BY q.id};

		same_answers($primary, $standby, $ask, "$name: same after $what");
		isnt($standby->safe_psql('postgres', $ask), '', "$name: there are answers after $what");
	}
	return;
}

for my $class (@classes)
{
	my ($name, $op, $dims) = @$class;

	vectors($primary, { table => $name, dims => $dims, rows => 800 });
	vectors($primary, { table => "${name}_query", dims => $dims, rows => 25 });
	$primary->safe_psql('postgres',
		"CREATE INDEX ${name}_v ON $name USING hnsw (v vector_${name}_ops)");
}
like($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), qr/t/, 'the standby is one');
same_after('the build');

for my $class (@classes)
{
	my ($name, $op, $dims) = @$class;

	vectors($primary, { table => $name, dims => $dims, rows => 400, first => 5001 });

	# equal vectors too
	$primary->safe_psql('postgres',
		"INSERT INTO $name SELECT id + 100000, v FROM $name WHERE id <= 40");
}
same_after('insertions');

for my $class (@classes)
{
	my $name = $class->[0];

	$primary->safe_psql('postgres',
		"DELETE FROM $name WHERE id % 3 = 0; UPDATE $name SET id = -id WHERE id % 5 = 0");
}
same_after('deletions');
for my $class (@classes)
{
	$primary->safe_psql('postgres', "VACUUM $class->[0]");
}
same_after('VACUUM');
for my $class (@classes)
{
	my ($name, $op, $dims) = @$class;

	vectors($primary, { table => $name, dims => $dims, rows => 500, first => 9001 });
}
same_after('reuse');
for my $class (@classes)
{
	whole_through_index($standby,
		{ table => $class->[0], op => $class->[1], name => "$class->[0]: whole on the standby" });
}

# What can be looked at on a standby: all but what VACUUM must be kept out for
for my $class (@classes)
{
	my ($code, $out, $err) = $standby->psql('postgres', "SELECT hnsw_check('$class->[0]_v', true)");

	like("$code $err", qr/^0 .*NOTICE:  during recovery only the pages by themselves are checked$/,
		"$class->[0]: hnsw_check on the standby");
}
same_answers($primary, $standby, q{SELECT (hnsw_index_stats('l2_v')).*}, 'hnsw_index_stats on the standby');
same_answers($primary, $standby, q{SELECT sampled, recall FROM hnsw_recall('l2_v')}, 'hnsw_recall on the standby');

# A query on the standby under way while VACUUM of the primary is replayed.
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->reload;
my $session = $standby->background_psql('postgres');
my $stored = $session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM l2');

$session->query_safe(q{
	SET LOCAL enable_seqscan = off;
	SET LOCAL hnsw.max_scan_tuples = 1000000;
	DECLARE c CURSOR FOR SELECT id FROM l2
		ORDER BY v <-> (SELECT v FROM l2_query WHERE id = 1) LIMIT 100000});
my @ids = split /\n/, $session->query_safe('FETCH 10 FROM c');
$primary->safe_psql('postgres', 'DELETE FROM l2 WHERE id % 2 = 0');
$primary->safe_psql('postgres', 'VACUUM l2');
vectors($primary, { table => 'l2', dims => 24, rows => 300, first => 20001 });
push @ids, split /\n/, $session->query_safe('FETCH ALL FROM c');
is(scalar @ids, $stored, 'a scan on the standby sees all its rows through a VACUUM');
is(scalar(keys %{ { map { $_ => 1 } @ids } }), $stored, 'and each once');
$session->query_safe('COMMIT');
$session->quit;
$primary->wait_for_catchup($standby);

$standby->promote;
vectors($standby, { table => 'l2', dims => 24, rows => 900, first => 30001 });
$standby->safe_psql('postgres', 'DELETE FROM l2 WHERE id % 7 = 0; VACUUM l2');
whole_through_index($standby, { table => 'l2', name => 'whole after promotion' });
is($standby->safe_psql('postgres', q{SET client_min_messages = warning; SELECT hnsw_check('l2_v', true)}),
	'', 'no damage after promotion');

$standby->stop;
$primary->stop;
done_testing();

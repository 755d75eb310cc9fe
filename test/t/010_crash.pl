# What a crash leaves behind: in the middle of a load, of a VACUUM, and after
# a build that was not logged.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

my $node = start_node('main', 'autovacuum = off', 'wal_level = replica',
	'max_wal_size = 1GB', 'checkpoint_timeout = 1h');

# psql that is still at work when the server dies
sub start_psql
{
	my @statements = @_;
	my ($out, $err) = ('', '');

	return IPC::Run::start(
		[   'psql', '-XAtq', '-d', $node->connstr('postgres'),
			map { ('-c', $_) } @statements ],
		'>', \$out, '2>', \$err, IPC::Run::timeout(60));
}

sub wait_for
{
	my ($sql) = @_;

	for (1 .. 400)
	{
		return if $node->safe_psql('postgres', "SELECT $sql") eq 't';
		select(undef, undef, undef, 0.05);
	}
	die "this never came true: $sql";
}

# the answers by the index are those of the table, and it goes on to work
sub works
{
	my ($name) = @_;

	whole_through_index($node, { table => 'item', name => "$name: whole" });
	recall_at_least($node,
		{ table => 'item', op => '<->', floor => 0.9, queries => 30, name => $name });
	return;
}

# In the middle of a load, twice: by an immediate stop and by kill -9.
vectors($node, { table => 'item', dims => 32, rows => 1000 });
vectors($node, { table => 'item_query', dims => 32, rows => 30 });
$node->safe_psql('postgres',
	'CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops)');
vectors($node, { table => 'more', dims => 32, rows => 4000, first => 2001 });
$node->safe_psql('postgres', 'CHECKPOINT');

for my $way ('immediate stop', 'kill -9')
{
	my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM item');

	# rows that are committed one after the other, until there is no server
	my $load = start_psql(
		q{DO $$ BEGIN FOR round IN 1 .. 1000 LOOP FOR i IN 2001 .. 6000 LOOP
		INSERT INTO item SELECT 10000 * round + id, v FROM more WHERE id = i;
		COMMIT; END LOOP; END LOOP; END $$});
	wait_for("count(*) > $before + 300 FROM item");
	if ($way eq 'kill -9')
	{
		# its children do not all notice that it is gone
		my @children = split /\n/, $node->safe_psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");

		my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

		$node->kill9;
		kill 'KILL', @children;

		# in a container it may stay a zombie, which looks like a live server
		for (1 .. 100)
		{
			last unless kill 0, $postmaster;
			select(undef, undef, undef, 0.1);
		}
		unlink $node->data_dir . '/postmaster.pid';
	}
	else
	{
		$node->stop('immediate');
	}
	eval { $load->finish };
	$node->start;

	my $after = $node->safe_psql('postgres', 'SELECT count(*) FROM item');
	cmp_ok($after, '>', $before + 300, "$way: committed rows are there");
	works($way);

	# insertion and VACUUM go on
	$node->safe_psql('postgres',
		"DELETE FROM item WHERE id % 3 = 0; VACUUM item");
	whole_through_index($node, { table => 'item', name => "$way, after VACUUM: whole" });
	$node->safe_psql('postgres',
		'INSERT INTO item SELECT id + 20000, v FROM more WHERE id % 4 = 0');
	works("$way, after more rows");
	$node->safe_psql('postgres', 'DELETE FROM item WHERE id > 10000; VACUUM item');
}

# In one transaction: none of its rows may be seen, and VACUUM takes them out.
my $count = $node->safe_psql('postgres', 'SELECT count(*) FROM item');
my $load = start_psql('BEGIN', 'INSERT INTO item SELECT id + 30000, v FROM more', 'SELECT pg_sleep(60)');
wait_for("count(*) = 1 FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'");
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop('immediate');
eval { $load->finish };
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM item'), $count,
	'rows of the crashed transaction are gone');
works('crashed transaction');
$node->safe_psql('postgres', 'VACUUM item');
works('crashed transaction, after VACUUM');

# In the middle of a VACUUM that is made slow.
$node->safe_psql('postgres', 'INSERT INTO item SELECT * FROM more');
$node->safe_psql('postgres', 'DELETE FROM item WHERE id % 2 = 0; CHECKPOINT');
my $vacuum = start_psql('SET vacuum_cost_delay = 20', 'SET vacuum_cost_limit = 50', 'VACUUM item');
wait_for("count(*) = 1 FROM pg_stat_progress_vacuum WHERE phase = 'vacuuming indexes'");
select(undef, undef, undef, 0.7);
is($node->safe_psql('postgres', 'SELECT phase FROM pg_stat_progress_vacuum'),
	'vacuuming indexes', 'VACUUM is in the middle of it');
$node->stop('immediate');
eval { $vacuum->finish };
$node->start;
works('crash in VACUUM');
$node->safe_psql('postgres', 'VACUUM item');
works('crash in VACUUM, after the next one');
$node->safe_psql('postgres', 'INSERT INTO item SELECT * FROM more WHERE id % 2 = 0');
works('crash in VACUUM, filled up again');

# An unlogged table is empty after a crash, and its index with it.
$node->safe_psql('postgres', q{CREATE UNLOGGED TABLE loose AS SELECT * FROM more;
	CREATE INDEX loose_v ON loose USING hnsw (v vector_l2_ops);});
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres',
	'SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM loose ORDER BY v <-> (SELECT v FROM more LIMIT 1) LIMIT 10) t'),
	0, 'an unlogged index is empty after a crash');
$node->safe_psql('postgres', 'INSERT INTO loose SELECT * FROM more WHERE id < 2300');
whole_through_index($node, { table => 'loose', name => 'an unlogged index is filled again' });

# A build whose pages are not logged, at wal_level = minimal.
$node->append_conf('postgresql.conf',
	"wal_level = minimal\nmax_wal_senders = 0\nwal_skip_threshold = 0");
$node->restart;
$node->safe_psql('postgres', q{
	BEGIN;
	CREATE TABLE skipped (id int, v vector(32));
	INSERT INTO skipped SELECT * FROM more WHERE id < 4000;
	CREATE INDEX skipped_v ON skipped USING hnsw (v vector_l2_ops);
	INSERT INTO skipped SELECT * FROM more WHERE id >= 4000;
	COMMIT;});
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM skipped'), 4000,
	'wal_level = minimal: the rows are there');
whole_through_index($node, { table => 'skipped', name => 'wal_level = minimal: whole' });
recall_at_least($node, { table => 'skipped', query_table => 'item_query', op => '<->',
		floor => 0.9, queries => 30, name => 'wal_level = minimal' });

$node->stop;
done_testing();

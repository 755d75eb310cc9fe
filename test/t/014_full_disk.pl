# No more room for the index: an error, the table untouched, and all goes on
# once there is room.  A limit on the size of files stands for the full disk,
# as it needs no rights.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

if (system('prlimit --version >/dev/null 2>&1') != 0)
{
	plan skip_all => 'prlimit (util-linux) is needed to limit the size of files';
}

my $limit = 3 * 1024 * 1024;
my $node = PostgreSQL::Test::Cluster->new('main');

$node->init(extra => [ '--wal-segsize', '1' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\nmin_wal_size = 2MB\nmax_wal_size = 64MB");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION vecsearch');

# sessions that start from now on may write files of this size
sub limit_files
{
	my ($bytes) = @_;
	my ($pid) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

	system_or_bail('prlimit', '--pid', $pid, "--fsize=$bytes:unlimited");
	return;
}

sub table_is_untouched
{
	my ($name, $rows) = @_;

	is($node->safe_psql('postgres', 'SELECT count(*), sum(hashtextextended(v::text, id)) FROM item'),
		$rows, "$name: the table is untouched");
	return;
}

vectors($node, { table => 'item', dims => 64, rows => 4000 });
vectors($node, { table => 'item_query', dims => 64, rows => 20, first => 900001 });
$node->safe_psql('postgres', 'UPDATE item_query SET id = id - 900000');
my $rows = $node->safe_psql('postgres', 'SELECT count(*), sum(hashtextextended(v::text, id)) FROM item');
my $files = 'SELECT count(*) FROM pg_ls_dir((SELECT $$base/$$ || oid FROM pg_database WHERE datname = current_database())) f WHERE f ~ $$^[0-9]+$$';

cmp_ok($node->safe_psql('postgres', q{SELECT pg_relation_size('item')}), '<', $limit,
	'the table is smaller than the limit');
my $before = $node->safe_psql('postgres', "CHECKPOINT; $files");

# During a build, in memory and by insertions

limit_files($limit);
for my $memory ('64MB', '1MB')
{
	my ($code, $out, $err) = $node->psql('postgres',
		"SET maintenance_work_mem = '$memory'; CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops)");

	isnt($code, 0, "$memory: a build fails");
	like($err, qr/ERROR:  could not (extend|write)/, "$memory: and says why");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'item_v'}),
		0, "$memory: there is no index");
	is($node->safe_psql('postgres', "CHECKPOINT; $files"), $before, "$memory: and no file");
	table_is_untouched($memory, $rows);
}

# During insertions, again and again

limit_files('unlimited');
$node->safe_psql('postgres', q{
	CREATE TABLE part (id int, v vector(64));
	CREATE INDEX part_v ON part USING hnsw (v vector_l2_ops)});
limit_files(1024 * 1024);
my $failed = 0;

for my $i (0 .. 39)
{
	my ($code, $out, $err) = $node->psql('postgres',
		"INSERT INTO part SELECT * FROM item WHERE id > 100 * $i AND id <= 100 * ($i + 1)");

	next if $code == 0;
	$failed++;
	like($err, qr/ERROR:  could not (extend|write)/, 'an insertion fails and says why') if $failed == 1;
}
cmp_ok($failed, '>', 5, 'insertions fail');
my $part = $node->safe_psql('postgres', 'SELECT count(*) FROM part');
cmp_ok($part, '>', 100, 'those before had success');
is($part % 100, 0, 'each statement all or nothing');
whole_through_index($node, { table => 'part', name => 'insertions on a full disk: whole' });
$node->safe_psql('postgres', 'DELETE FROM part WHERE id % 4 = 0');
$node->safe_psql('postgres', 'VACUUM part');
whole_through_index($node, { table => 'part', name => 'VACUUM on a full disk: whole' });

# With room again

limit_files('unlimited');
$node->safe_psql('postgres', 'INSERT INTO part SELECT id + 10000, v FROM item');
whole_through_index($node, { table => 'part', name => 'with room again: whole' });
recall_at_least($node, { table => 'part', query_table => 'item_query', op => '<->', floor => 0.95,
		queries => 20, name => 'with room again' });
$node->safe_psql('postgres', 'CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops)');
whole_through_index($node, { table => 'item', name => 'built with room: whole' });
recall_at_least($node, { table => 'item', op => '<->', floor => 0.95, queries => 20, name => 'built with room' });

# and a crash after all that
$node->stop('immediate');
$node->start;
whole_through_index($node, { table => 'part', name => 'after a crash: whole' });

$node->stop;
done_testing();

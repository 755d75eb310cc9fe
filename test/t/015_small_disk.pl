# A disk that is really full: a tablespace on a tmpfs that is too small for the
# index.  "make check" mounts it where it may and names it in VS_SMALL_DISK.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

if (!defined $ENV{VS_SMALL_DISK})
{
	plan skip_all => 'VS_SMALL_DISK names no tmpfs';
}

my $node = PostgreSQL::Test::Cluster->new('main');

$node->init;
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION vecsearch');
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$ENV{VS_SMALL_DISK}'");

vectors($node, { table => 'item', dims => 64, rows => 6000 });
my $sum = 'SELECT count(*), sum(hashtextextended(v::text, id)) FROM item';
my $rows = $node->safe_psql('postgres', $sum);

sub disk_is_full
{
	my ($name, $sql) = @_;
	my ($code, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$sql");

	isnt($code, 0, "$name fails");
	like($err, qr/ERROR:  53100: could not (extend|write).*No space left on device/s, "$name says why");
	return;
}

# during a build

disk_is_full('a build', 'CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops) TABLESPACE small');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relname = 'item_v'}),
	0, 'there is no index');
is($node->safe_psql('postgres', $sum), $rows, 'the table is untouched');

# during insertions

$node->safe_psql('postgres', q{
	CREATE TABLE part (id int, v vector(64));
	CREATE INDEX part_v ON part USING hnsw (v vector_l2_ops) TABLESPACE small;
	INSERT INTO part SELECT * FROM item WHERE id <= 1000});
disk_is_full('an insertion', 'INSERT INTO part SELECT * FROM item WHERE id > 1000');
is($node->safe_psql('postgres', 'SELECT count(*) FROM part'), 1000, 'none of its rows stay');
whole_through_index($node, { table => 'part', name => 'after that: whole' });

# VACUUM makes room in the index

$node->safe_psql('postgres', 'VACUUM part');
$node->safe_psql('postgres', 'INSERT INTO part SELECT * FROM item WHERE id > 1000 AND id <= 1500');
whole_through_index($node, { table => 'part', name => 'with room again: whole' });

$node->safe_psql('postgres', 'DROP TABLE part; DROP TABLESPACE small');
$node->stop;
done_testing();

# Recall of every operator class, after a build and after rows were added.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

# type, operator class, operator, dimensions, floor of the recall, and for
# distributions how uneven they are
my @cases = (
	[ 'vector', 'vector_l2_ops', '<->', 96, 0.95 ],
	[ 'vector', 'vector_ip_ops', '<#>', 96, 0.95 ],
	[ 'vector', 'vector_cosine_ops', '<=>', 96, 0.95 ],
	[ 'vector', 'vector_l1_ops', '<+>', 96, 0.95 ],
	[ 'vector', 'vector_hellinger_ops', '<^>', 50, 0.95, 4 ],
	[ 'vector', 'vector_jensen_shannon_ops', '<|>', 50, 0.95, 4 ],
	[ 'vector', 'vector_jensen_shannon_ops', '<|>', 200, 0.95, 6 ],
	[ 'vector', 'vector_l2_ops', '<->', 3, 0.98 ],
	[ 'vector', 'vector_cosine_ops', '<=>', 768, 0.90 ],);

my $node = start_node('main', 'shared_buffers = 128MB',
	'maintenance_work_mem = 256MB', 'autovacuum = off');

for my $case (@cases)
{
	my ($type, $opclass, $op, $dims, $floor, $power) = @$case;
	my $name = "$opclass, $dims dimensions";
	my %rows = (
		table => 'item',
		type => $type,
		dims => $dims,
		power => $power);
	my %ask = (table => 'item', op => $op, floor => $floor);

	vectors($node, { %rows, rows => 4000 });
	vectors($node,
		{ %rows, table => 'query', rows => 50, first => 1000001 });
	$node->safe_psql('postgres', 'UPDATE query SET id = id - 1000000');
	$node->safe_psql('postgres',
		"CREATE INDEX item_v ON item USING hnsw (v $opclass)");
	%ask = (%ask, query_table => 'query', queries => 50);
	recall_at_least($node, { %ask, name => "$name, built" });

	vectors($node, { %rows, rows => 1000, first => 4001 });
	recall_at_least($node, { %ask, name => "$name, inserted" });
	$node->safe_psql('postgres', 'DROP TABLE item, query');
}

$node->stop;
done_testing();

# hnsw_check: finds every kind of damage, each told by what it is; and finds
# none in an index that others insert into, delete from and VACUUM meanwhile.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

use constant BLOCK => 8192;
use constant DATA => 32;    # where a page's content begins
use constant NONE => 0xFFFFFFFF;
use constant { NODE => 0, CELL => 1, REVMAP => 2, REVMAP_MORE => 3 };
use constant CELLS_PER_PAGE => int((BLOCK - DATA) / 12);

# Servers of 18 have checksums, and warn of damaged pages.
my $node = start_node('main', 'autovacuum = off', 'fsync = off',
	'shared_buffers = 16MB', 'ignore_checksum_failure = on', 'client_min_messages = error');

# An index with free nodes and cells, nodes with cells, and rows to VACUUM

vectors($node, { table => 'item', dims => 32, rows => 1500 });
$node->safe_psql('postgres', q{
	INSERT INTO item SELECT id + 10000, v FROM item WHERE id <= 300;
	CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops);
	INSERT INTO item SELECT id + 20000, v FROM item WHERE id <= 100;
	DELETE FROM item WHERE id % 5 = 0;
	VACUUM item;
	DELETE FROM item WHERE id % 7 = 0;
	CHECKPOINT;});
my $file = $node->data_dir . '/'
  . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('item_v')});
$node->stop;
my $sound = slurp_file($file);

# Fields of the metapage and places of things

my ($upper_degree, $slot_size, $per_page, $ids_at, $base_at);
{
	my @layout = unpack('SSCCCCCCCCS10', substr($sound, DATA + 8, 32));

	($upper_degree, $slot_size, $per_page, $ids_at, $base_at) = @layout[ 7, 13, 14, 17, 18 ];
}
my $span = u32($sound, DATA + 44);
my %meta = (
	metric => DATA + 12,
	entry => DATA + 56,
	entry_level => DATA + 60,
	dead_head => DATA + 64,
	pages => DATA + 72,
	next_id => DATA + 76,
	free_head => DATA + 80,
	extent => DATA + 136);

sub u8 { my ($bytes, $at) = @_; return unpack('C', substr($bytes, $at, 1)); }
sub u16 { my ($bytes, $at) = @_; return unpack('S', substr($bytes, $at, 2)); }
sub u32 { my ($bytes, $at) = @_; return unpack('L', substr($bytes, $at, 4)); }

sub of_space
{
	my ($field, $space) = @_;

	return $meta{$field} + 16 * $space;
}

# where an extent of a space is written
sub extent_at
{
	my ($space, $i) = @_;

	return $meta{extent} + 8 * (200 * $space + $i);
}

# where a page of a space begins in the file
sub page_at
{
	my ($space, $page_no) = @_;
	my $extents = u32($sound, of_space('pages', $space) + 12);

	for my $i (reverse 0 .. $extents - 1)
	{
		my $first = u32($sound, extent_at($space, $i));

		return (u32($sound, extent_at($space, $i) + 4) + $page_no - $first) * BLOCK
		  if $first <= $page_no;
	}
	die "no page $page_no in space $space";
}

sub slot_at
{
	my ($id) = @_;

	return page_at(NODE, int($id / $per_page)) + DATA + $id % $per_page * $slot_size;
}

sub cell_at
{
	my ($id) = @_;

	return page_at(CELL, int($id / CELLS_PER_PAGE)) + DATA + $id % CELLS_PER_PAGE * 12;
}

# first node for which a test of its slot's place holds
sub some_node
{
	my ($test) = @_;

	for my $id (0 .. u32($sound, of_space('next_id', NODE)) - 1)
	{
		return $id if $test->(slot_at($id));
	}
	die 'no such node';
}

my $live = some_node(sub { u8($sound, $_[0]) == 1 && u8($sound, $_[0] + 1) == 0 && u32($sound, $_[0] + 12) == NONE });
my $other = some_node(sub { u8($sound, $_[0]) == 1 && $_[0] != slot_at($live) && u32($sound, $_[0] + 12) == NONE });
my $rich = some_node(sub { u8($sound, $_[0]) == 1 && u32($sound, $_[0] + 12) != NONE });
my $cell = u32($sound, slot_at($rich) + 12);
my $free = u32($sound, of_space('free_head', NODE));
my $next_free = u32($sound, slot_at($free) + 8);
my $free_cell = u32($sound, of_space('free_head', CELL));
my $nodes = u32($sound, of_space('next_id', NODE));
ok($free != NONE && $next_free != NONE && $free_cell != NONE, 'there are free nodes and cells');

# entries of the revmap's first page
my $map = page_at(REVMAP, 0) + DATA;
my $entries = u16($sound, $map + 4);

# where the entry of a row, given as in a node or cell, is
sub entry_at
{
	my ($tid_at) = @_;
	my $block = u16($sound, $tid_at) * 65536 + u16($sound, $tid_at + 2);
	my $page = page_at(REVMAP, int($block / $span)) + DATA;

	for my $i (0 .. u16($sound, $page + 4) - 1)
	{
		my $at = $page + 8 + 8 * $i;

		return $at if u16($sound, $at) == $block % $span && u16($sound, $at + 2) == u16($sound, $tid_at + 4);
	}
	die 'no entry';
}

# Damages: what is written where, by pack, and what is said of it

my $zeros = "\0" x BLOCK;
my @damages = (
	[ 'two extents in one place', qr/Block \d+ is in two places of the directory/,
		[ extent_at(CELL, 0) + 4, 'L', u32($sound, extent_at(NODE, 0) + 4) ] ],
	[ 'an extent over the metapage', qr/Block 0 is in two places of the directory/,
		[ extent_at(CELL, 0) + 4, 'L', 0 ] ],
	[ 'an extent behind the end', qr/The directory goes on to block \d+ in a file of \d+ blocks/,
		[ extent_at(CELL, 0) + 4, 'L', 100000 ] ],
	[ 'an extent that begins late', qr/Extent 0 of space 2 has no pages/,
		[ extent_at(REVMAP, 0), 'L', 5 ] ],
	[ 'pages without extents', qr/Space 1 has \d+ pages in 0 extents/,
		[ of_space('pages', CELL) + 12, 'L', 0 ] ],
	[ 'more ids than room', qr/items of space 0 do not fit into its \d+ pages/,
		[ of_space('next_id', NODE), 'L', 1000000 ] ],
	[ 'a free list that begins nowhere', qr/The free list of space 0 begins at 999999/,
		[ of_space('free_head', NODE), 'L', 999999 ] ],
	[ 'another distance', qr/The metapage is of another distance than the operator class/,
		[ $meta{metric}, 'C', 3 ] ],
	[ 'an empty page', qr/The page is empty/, [ page_at(NODE, 1), 'a*', $zeros ] ],
	[ 'a page of another number', qr/The page is of another kind/,
		[ page_at(NODE, 1) + 24, 'L', 0 ] ],
	[ 'a page of another space', qr/The page is of another kind/,
		[ page_at(CELL, 0) + 28, 'S', NODE ] ],
	[ 'a revmap page too full', qr/more entries than it can hold/, [ $map + 4, 'S', 5000 ] ],
	[ 'more sorted entries than entries', qr/more sorted entries than it has/, [ $map + 6, 'S', $entries + 1 ] ],
	[ 'sorted entries in another order', qr/Entry 1 of the revmap's page is out of order/,
		[ $map + 8, 'a*', substr($sound, $map + 16, 8) . substr($sound, $map + 8, 8) ] ],
	[ 'a state that is none', qr/A node has impossible fields/, [ slot_at($live), 'C', 3 ] ],
	[ 'a level that is none', qr/A node has impossible fields/, [ slot_at($live) + 1, 'C', 4 ] ],
	[ 'too many links', qr/A node has impossible fields/, [ slot_at($live) + 4, 'C', 255 ] ],
	[ 'a link above the level', qr/Node $live has links of level 2, above its own/,
		[ slot_at($live) + 6, 'C', 1 ] ],
	[ 'a link to nowhere', qr/Node $live has a link to node $nodes, which does not exist/,
		[ slot_at($live) + $ids_at + 4, 'L', $nodes ] ],
	[ 'a link without a price', qr/Node $live has a link to node \d+ that has no price/,
		[ slot_at($live) + $base_at, 'S', 0x7FC0 ] ],
	[ 'a negative error', qr/Node $live has a row of scale \S+ and error -1/,
		[ slot_at($live) + 20, 'f', -1 ] ],
	[ 'a scale of infinity', qr/Node $live has a row of scale inf/i,
		[ slot_at($live) + 16, 'f', 9**9**9 ] ],
	[ 'a life without a row', qr/Node $live lives without a heap row/,
		[ slot_at($live) + 28, 'S', 0 ] ],
	[ 'a row without a life', qr/Node $live has a heap row and does not live/,
		[ slot_at($live), 'C', 2 ] ],
	[ 'a life on a list', qr/Node $live lives and is part of a list/,
		[ slot_at($live) + 8, 'L', $free ] ],
	[ 'a list to nowhere', qr/Node $free is followed by node 999999, which does not exist/,
		[ slot_at($free) + 8, 'L', 999999 ] ],
	[ 'a cell that is none', qr/Node $live has cell 999999, which does not exist/,
		[ slot_at($live) + 12, 'L', 999999 ] ],
	[ 'cells without a life', qr/Node $free has cells and does not live/,
		[ slot_at($free) + 12, 'L', $cell ] ],
	[ 'a cell before none', qr/Cell $cell is followed by cell 999999, which does not exist/,
		[ cell_at($cell), 'L', 999999 ] ],
	[ 'a free node off the list', qr/Node $free does not live and is on no list/,
		[ of_space('free_head', NODE), 'L', $next_free ] ],
	[ 'a dead node off the list', qr/Node $live does not live and is on no list/,
		[ slot_at($live), 'C', 2 ], [ slot_at($live) + 28, 'S', 0 ] ],
	[ 'a free list in a circle', qr/The list of free nodes leads to $free, which is on a list already/,
		[ slot_at($next_free) + 8, 'L', $free ] ],
	[ 'a free list that leads to life', qr/The list of free nodes leads to $live, which is of another kind/,
		[ slot_at($free) + 8, 'L', $live ] ],
	[ 'a free list that begins with life', qr/The list of free nodes leads to $live, which is of another kind/,
		[ of_space('free_head', NODE), 'L', $live ] ],
	[ 'a dead list of a free node', qr/The list of dead nodes leads to $free, which is/,
		[ $meta{dead_head}, 'L', $free ] ],
	[ 'a dead list that leads to life', qr/The list of dead nodes leads to $live, which is of another kind/,
		[ $meta{dead_head}, 'L', $live ] ],
	[ 'free cells that are not', qr/The list of free cells leads to $cell, which is of another kind/,
		[ of_space('free_head', CELL), 'L', $cell ] ],
	[ 'a free cell off the list', qr/Cell $free_cell is on no list/,
		[ of_space('free_head', CELL), 'L', u32($sound, cell_at($free_cell)) ] ],
	[ 'cells in a circle', qr/Cell $cell of node $rich is in a list already/,
		[ cell_at($cell), 'L', $cell ] ],
	[ 'a cell of two nodes', qr/Cell $cell of node \d+ is in a list already/,
		[ slot_at($other) + 12, 'L', $cell ] ],
	[ 'a cell without a row', qr/Cell $cell of node $rich has no heap row/,
		[ cell_at($cell) + 8, 'S', 0 ] ],
	[ 'a row that left its node', qr/Heap row \(\d+,\d+\) is in the revmap but not in its node $rich/,
		[ slot_at($rich) + 12, 'L', NONE ] ],
	[ 'a row that left the revmap', qr/Heap row \(\d+,\d+\) of node \d+ is not in the revmap/,
		[ $map + 4, 'SS', $entries - 1, 0 ] ],
	[ 'a row twice in the revmap', qr/Heap row \(\d+,\d+\) of node \d+ is twice in the revmap/,
		[ $map + 6, 'S', 0 ], [ $map + 8, 'a*', substr($sound, $map + 16, 8) ] ],
	[ 'a row twice in its node', qr/Heap row \(\d+,\d+\) of node $rich is twice in the node/,
		[ cell_at($cell) + 4, 'a*', substr($sound, slot_at($rich) + 24, 6) ] ],
	[ 'a row of another node', qr/Heap row \(\d+,\d+\) is in the revmap but not in its node|is not in the revmap/,
		[ entry_at(slot_at($live) + 24) + 4, 'L', $other ] ],
	[ 'an entry of no node', qr/Entry 0 of the revmap's page is of node $nodes, which does not exist/,
		[ $map + 12, 'L', $nodes ] ],
	[ 'an entry of no heap row', qr/Entry 0 of the revmap's page is of an impossible heap row/,
		[ $map + 6, 'S', 0 ], [ $map + 10, 'S', 0 ] ],
	[ 'an entry of another home', qr/Entry 0 of the revmap's page is of an impossible heap row/,
		[ $map + 6, 'S', 0 ], [ $map + 8, 'S', $span ] ],
	[ 'a revmap that goes on nowhere', qr/The revmap goes on in page 7, which does not exist/,
		[ $map, 'L', 7 ] ],
	[ 'an entry node that is none', qr/The entry is node $nodes, which does not exist/,
		[ $meta{entry}, 'L', $nodes ] ],
	[ 'an entry node that is free', qr/Node $free is the entry on level \d+ and has level \d+ and state 0/,
		[ $meta{entry}, 'L', $free ] ],
	[ 'an entry node of another level', qr/Node $live is the entry on level \d+ and has level 0 and state 1/,
		[ $meta{entry}, 'L', $live ] ],);

# start with this content of the index
sub start_with
{
	my ($content) = @_;

	$node->stop if defined $node->{_pid};
	open(my $handle, '>:raw', $file) or die "$file: $!";
	print $handle $content;
	close($handle) or die "$file: $!";
	$node->start;
	return;
}

# the same with these fields changed
sub start_with_changes
{
	my $content = $sound;

	for my $change (@_)
	{
		my ($at, $template, $value) = @$change;
		my $bytes = pack($template, $value);

		substr($content, $at, length($bytes)) = $bytes;
	}
	start_with($content);
	return;
}

# what hnsw_check says
sub check
{
	my ($index, $heap_too) = @_;
	my ($code, $out, $err) = $node->psql('postgres',
		"\\set VERBOSITY verbose\nSELECT hnsw_check('$index', $heap_too)");

	return $err;
}

start_with($sound);
is(check('item_v', 'true'), '', 'a sound index passes');
for my $damage (@damages)
{
	my ($name, $said, @changes) = @$damage;

	start_with_changes(@changes);
	my $err = check('item_v', 'false');

	like($err, $said, "$name: it is told");
	like($err, qr/XX002: index "item_v" is damaged at block \d+/, "$name: with its block");
}
start_with(substr($sound, 0, length($sound) - BLOCK));
like(check('item_v', 'false'), qr/The directory goes on to block/, 'a file cut short: it is told');

# A row that left the index altogether, in good order: only the table knows

{
	my $entry = entry_at(cell_at($cell) + 4);
	my $page = int($entry / BLOCK) * BLOCK + DATA;
	my $last = u16($sound, $page + 4) - 1;
	my ($block, $offset) = (
		u16($sound, cell_at($cell) + 4) * 65536 + u16($sound, cell_at($cell) + 6),
		u16($sound, cell_at($cell) + 8));

	start_with_changes(
		[ slot_at($rich) + 12, 'L', u32($sound, cell_at($cell)) ],
		[ cell_at($cell), 'L', $free_cell ],
		[ cell_at($cell) + 8, 'S', 0 ],
		[ of_space('free_head', CELL), 'L', $cell ],
		[ $entry, 'a*', substr($sound, $page + 8 + 8 * $last, 8) ],
		[ $page + 4, 'SS', $last, 0 ]);
	my $visible = $node->safe_psql('postgres', "SELECT count(*) FROM item WHERE ctid = '($block,$offset)'");

	is($visible, 1, 'a row missing: it is in the table');
	is(check('item_v', 'false'), '', 'a row missing: the index by itself is sound');
	like(check('item_v', 'true'),
		qr/XX002: heap row \($block,$offset\) of table "item" is not in index "item_v"/,
		'a row missing: the table tells');
}

# A revmap entry that an interrupted VACUUM left of a dead row is no damage

start_with($sound);
my $dead = $node->safe_psql('postgres', q{
	CREATE TABLE seen AS SELECT ctid AS at FROM item;
	SELECT count(*) FROM seen});
note("$dead rows are visible");
my ($left) = grep {
	my $at = slot_at($_) + 24;
	my $tid = '(' . (u16($sound, $at) * 65536 + u16($sound, $at + 2)) . ',' . u16($sound, $at + 4) . ')';

	u8($sound, slot_at($_)) == 1 && u32($sound, slot_at($_) + 12) == NONE
	  && $node->safe_psql('postgres', "SELECT count(*) FROM seen WHERE at = '$tid'") eq '0'
} 300 .. 400;
ok(defined $left, 'there is a node of a dead row');
start_with_changes(
	[ slot_at($left), 'C', 2 ],
	[ slot_at($left) + 28, 'S', 0 ],
	[ slot_at($left) + 8, 'L', NONE ],
	[ $meta{dead_head}, 'L', $left ]);
is(check('item_v', 'true'), '', 'what an interrupted VACUUM leaves is no damage');
is($node->safe_psql('postgres', q{SELECT dead_nodes FROM hnsw_index_stats('item_v')}), 1, 'but counted');
$node->safe_psql('postgres', 'VACUUM item');
is(check('item_v', 'true'), '', 'the next VACUUM finds its way');
is($node->safe_psql('postgres', q{SELECT dead_nodes FROM hnsw_index_stats('item_v')}), 0, 'and frees it');

# More rows than maintenance_work_mem holds: nodes are checked in ranges

$node->safe_psql('postgres', q{
	CREATE TABLE big AS SELECT i AS id, ARRAY[i % 1000, i / 1000]::vector(2) AS v FROM generate_series(1, 200000) i;
	ALTER TABLE big ALTER v TYPE vector(2);
	UPDATE big SET v = v WHERE id <= 2000;
	SET max_parallel_maintenance_workers = 0;
	CREATE INDEX big_v ON big USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 8)});
my ($code, $out, $err) = $node->psql('postgres',
	q{SET maintenance_work_mem = '1MB'; SET client_min_messages = warning; SELECT hnsw_check('big_v', true)});
is("$code $err", '0 ', 'many rows and little memory');
$node->safe_psql('postgres', 'DROP TABLE big');

# EXPLAIN has a line of its own where the server lets us

my $plan = $node->safe_psql('postgres', q{
	SET enable_seqscan = off;
	EXPLAIN (ANALYZE, COSTS off) SELECT id FROM item ORDER BY v <-> (SELECT v FROM item LIMIT 1) LIMIT 5});
my $line = qr/HNSW: hops=\d+\+\d\d+ links=\d+ hit=\d+ read=\d+ batches=1 memory=\d+kB ended=enough/;
if ($node->safe_psql('postgres', 'SHOW server_version_num') >= 180000)
{
	like($plan, $line, 'EXPLAIN (ANALYZE) tells of the scan');
}
else
{
	unlike($plan, qr/HNSW/, 'EXPLAIN (ANALYZE) is as it was');
}

# Others are at work

$node->safe_psql('postgres', q{
	REINDEX INDEX item_v;
	CREATE SEQUENCE item_id START 100001});
my $work = $node->basedir . '/work.sql';
append_to_file($work, q{
\set id random(1, 1500)
\set at random(1, 1500)
INSERT INTO item SELECT nextval('item_id'), v FROM item WHERE id = :id;
INSERT INTO item SELECT nextval('item_id'), (v::real[])[1:31]::vector || ARRAY[random()]::vector FROM item WHERE id = :id;
UPDATE item SET id = id WHERE id = :at;
DELETE FROM item WHERE id > 100000 AND id % 1500 = :id;
});
my $vacuum = $node->basedir . '/vacuum.sql';
append_to_file($vacuum, "VACUUM item;\n\\sleep 20 ms\n");
my $check = $node->basedir . '/check.sql';
append_to_file($check, q{SELECT hnsw_check('item_v', true);
SELECT count(*) FROM hnsw_index_stats('item_v'), hnsw_recall('item_v', 5);
});
$node->command_ok(
	[   'pgbench', '-n', '-c', 6, '-j', 2, '-T', 8, '-f', "$work\@10", '-f', "$vacuum\@1",
		'-f', "$check\@2", 'postgres' ],
	'no damage is seen while others work');
unlike(slurp_file($node->logfile), qr/ERROR:  (?!index "item_v" is damaged at block|heap row .* of table "item" is not in index)/,
	'and no other error came up');
is(check('item_v', 'true'), '', 'nor afterwards');

$node->stop;
done_testing();

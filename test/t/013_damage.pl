# Pages of an index damaged by hand: a query ends in an error that says so, or
# returns rows of the table; the server stays up, the table stays readable and
# REINDEX repairs all.

use strict;
use warnings;

use Fcntl qw(SEEK_SET);
use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

use constant BLOCK => 8192;
use constant HEADER => 24;

# what an index page can be, by the number behind the page header
my %spaces = (
	0 => 'node',
	1 => 'cell',
	2 => 'revmap',
	3 => 'revmap continuation',
	65535 => 'metapage');

my $node = start_node('main', 'autovacuum = off', 'fsync = off',
	'shared_buffers = 16MB');

vectors($node, { table => 'item', dims => 32, rows => 1500 });
vectors($node, { table => 'item_query', dims => 32, rows => 10, first => 900001 });
$node->safe_psql('postgres', q{
	UPDATE item_query SET id = id - 900000;
	INSERT INTO item SELECT id + 10000, v FROM item WHERE id <= 300;
	CREATE INDEX item_v ON item USING hnsw (v vector_l2_ops);
	INSERT INTO item SELECT id + 20000, v FROM item WHERE id <= 100;
	DELETE FROM item WHERE id % 5 = 0;
	VACUUM item;
	DELETE FROM item WHERE id % 7 = 0;
	CHECKPOINT;});
my $rows = $node->safe_psql('postgres', 'SELECT count(*), sum(id) FROM item');
my $file = $node->data_dir . '/'
  . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('item_v')});
my $table_file = $node->data_dir . '/'
  . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('item')});
$node->stop;
my $sound = slurp_file($file);
my %table = map { $_ => slurp_file($_) } grep { -e } $table_file, "${table_file}_vm", "${table_file}_fsm";
my $blocks = length($sound) / BLOCK;

# blocks by their kind
my %blocks;
for my $block (0 .. $blocks - 1)
{
	my $head = substr($sound, $block * BLOCK + HEADER, 8);
	my ($page_no, $space, $id) = unpack('LSS', $head);

	push @{ $blocks{ $spaces{$space} } }, $block if $id != 0;
}
note(join ', ', map { "$_: " . scalar @{ $blocks{$_} } } sort keys %blocks);
ok($blocks{$_}, "there is a $_ page") for qw(metapage node cell revmap);

# the least and surest generator, for the same damage in every run
my $state = 1;

sub random
{
	my ($below) = @_;

	$state = ($state * 1103515245 + 12345) % 2147483648;
	return int($state / 65536) % $below;
}

sub overwrite
{
	my ($name, $content) = @_;

	open(my $handle, '>:raw', $name) or die "$name: $!";
	print $handle $content;
	close($handle) or die "$name: $!";
	return;
}

# start with this content of the index, and the table as it was then
sub start_with
{
	my ($content) = @_;

	$node->stop if defined $node->{_pid};
	overwrite($file, $content);
	overwrite($_, $table{$_}) for keys %table;
	$node->start;
	return;
}

# what statements come to with the index: counts of good ends and of SQLSTATEs
sub ends_of
{
	my (@statements) = @_;
	my %ends;

	my $script = join '', "\\set VERBOSITY verbose\n", map {"$_;\n"}
	  q{SET statement_timeout = '10s'}, 'SET enable_seqscan = off', @statements;
	my ($code, $out, $err) = $node->psql('postgres', $script, on_error_stop => 0);

	# a flipped heap row or error bound: the executor finds that the true
	# distance is below the bound
	$err =~ s/ERROR:  XX000: index returned tuples in wrong order/ERROR:  order:/g;

	# a flipped block number, in the directory or of a heap row
	$err =~ s/ERROR:  (58P01|XX000): could not open file/ERROR:  segment:/g;
	$ends{$1}++ while $err =~ /ERROR:\s+(\w+):/g;
	if ($code == 2 || $err =~ /FATAL|PANIC|connection/)
	{
		$ends{'server gone'}++;
		$node->poll_query_until('postgres', 'SELECT true');
	}
	$ends{'other complaint'}++ if $err =~ /WARNING/;
	$ends{'strange rows'}++ if $out =~ /f/;
	return \%ends;
}

# rows must be of the table, each once, in order; LIMIT may not be reached
my @queries = map {
	my $limit = $_;

	map {
		"WITH found AS MATERIALIZED (SELECT id, v <-> (SELECT v FROM item_query WHERE id = $_) AS d
			FROM item ORDER BY d LIMIT $limit)
		SELECT count(*) <= $limit AND count(*) = count(DISTINCT id) FROM found"
	} 1 .. 3
} 10, 5000;
my @changes = (
	q{INSERT INTO item SELECT 100000 + id, v FROM item_query},
	q{INSERT INTO item SELECT 200000 + id, v FROM item WHERE id IN (1, 2, 3)},
	'VACUUM item',
	q{INSERT INTO item SELECT 300000 + id, v FROM item_query});
my %allowed = map { $_ => 1 } qw(XX001 XX002);
my %allowed_in_flips = (%allowed, order => 1, segment => 1);

# Every damage but bit flips must be told as such, unless it looks like
# something sound.
sub is_told
{
	my ($name, $content, @statements) = @_;
	my $looks_sound = $name eq 'revmap of zeros';    # no row of its heap blocks

	start_with($content);
	my $ends = ends_of(@statements);
	my @wrong = grep { !$allowed{$_} } sort keys %$ends;

	is("@wrong", '', "$name: nothing but XX001 and XX002");
	cmp_ok(($ends->{XX001} // 0) + ($ends->{XX002} // 0), '>', 0, "$name: it is told")
	  unless $looks_sound;
	is($node->safe_psql('postgres', 'SET enable_indexscan = off; SELECT count(*), sum(id) FROM item WHERE id < 100000'),
		$rows, "$name: the table is readable");
	return;
}

sub damaged
{
	my ($offset, $bytes) = @_;
	my $content = $sound;

	substr($content, $offset, length($bytes)) = $bytes;
	return $content;
}

# The metapage

is_told('magic', damaged(HEADER + 8, "\0\0\0\0"), @queries, @changes);
is_told('format version', damaged(HEADER + 12, "\7\0\0\0"), @queries, @changes);
is_told('empty metapage', damaged(0, "\0" x BLOCK), @queries, @changes);
is_told('metapage of ones', damaged(HEADER, "\xFF" x (BLOCK - HEADER)), @queries, @changes);
is_told('layout of ones', damaged(HEADER + 16, "\xFF" x 48), @queries, @changes);
is_told('layout of zeros', damaged(HEADER + 16, "\0" x 48), @queries, @changes);
is_told('directory of ones', damaged(HEADER + 160, "\xFF" x 7000), @queries, @changes);

# Pages of each kind, whole: the statements that must meet them

for my $case (
	[ 'node', \@queries ],
	[ 'cell', \@queries ],
	[ 'revmap', \@changes ])
{
	my ($kind, $statements) = @$case;
	my $content = $sound;
	my %with = (
		zeros => "\0" x BLOCK,
		ones => "\xFF" x (BLOCK - HEADER),
		'ones below a sound head' => "\xFF" x (BLOCK - HEADER - 8),
		'another page' => substr($sound, 0, BLOCK));

	for my $what (sort keys %with)
	{
		my $all = $sound;

		for my $block (@{ $blocks{$kind} })
		{
			substr($all, ($block + 1) * BLOCK - length($with{$what}), length($with{$what})) = $with{$what};
		}
		is_told("$kind of $what", $all, @$statements);
	}
}
is_told('a file cut short', substr($sound, 0, BLOCK) . ("\0" x (length($sound) - BLOCK)), @queries);

# Random bytes in pages of every kind.  What looks sound cannot be told from
# what is, so an end may be good; but no other error, and no crash.

for my $kind (sort keys %blocks)
{
	my %ends;
	my $readable = 0;
	my $rounds = $kind eq 'metapage' ? 12 : 4;

	for my $round (1 .. $rounds)
	{
		my $content = $sound;
		my @pages = @{ $blocks{$kind} };

		for my $flip (1 .. ($kind eq 'metapage' ? 4 : 3 * @pages))
		{
			my $at = $pages[ random(scalar @pages) ] * BLOCK + HEADER;

			# the heads of things more often than their inside
			$at += $kind eq 'metapage' ? random(200) : random(3) ? random(BLOCK - HEADER) : random(80);
			substr($content, $at, 1) = chr(random(256));
		}
		start_with($content);
		my $end = ends_of(@queries, @changes);
		my @wrong = grep { !$allowed_in_flips{$_} } keys %$end;

		diag("$kind, round $round: @wrong") if @wrong;
		$ends{$_} += $end->{$_} for keys %$end;
		$readable++ if $rows eq $node->safe_psql('postgres',
			'SET enable_indexscan = off; SELECT count(*), sum(id) FROM item WHERE id < 100000');
	}
	my @wrong = grep { !$allowed_in_flips{$_} } sort keys %ends;

	is("@wrong", '', "random bytes in $kind pages: nothing but XX001 and XX002");
	is($readable, $rounds, "random bytes in $kind pages: the table is readable");
	note(join ', ', map { "$_: $ends{$_}" } sort keys %ends);
}

# REINDEX repairs it

$node->safe_psql('postgres', 'REINDEX INDEX item_v');
whole_through_index($node, { table => 'item', name => 'whole after REINDEX' });
recall_at_least($node, { table => 'item', op => '<->', floor => 0.95, queries => 10, name => 'after REINDEX' });

$node->stop;
done_testing();

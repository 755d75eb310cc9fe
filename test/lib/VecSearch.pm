
=pod

=head1 NAME

VecSearch - what the TAP tests of vecsearch share

=head1 SYNOPSIS

	my $node = start_node('primary', 'shared_buffers = 64MB');
	my ($primary, $standby) = start_pair('autovacuum = off');
	vectors($node, { table => 'item', dims => 64, rows => 5000 });
	recall_at_least($node, { table => 'item', op => '<->', floor => 0.9 });
	same_answers($node, $standby, 'SELECT count(*) FROM item');

=cut

package VecSearch;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use Test::More;

our @EXPORT = qw(start_node start_pair vectors recall_at_least same_answers
  whole_through_index answer_of);

# start_node(NAME, CONFIGURATION_LINE...): a started server with the extension
sub start_node
{
	my ($name, @lines) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', join("\n", @lines, ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION vecsearch');
	return $node;
}

# start_pair(CONFIGURATION_LINE...): a started server with the extension, and a
# standby of it
sub start_pair
{
	my (@lines) = @_;
	my $primary = PostgreSQL::Test::Cluster->new('primary');
	my $standby = PostgreSQL::Test::Cluster->new('standby');

	$primary->init(allows_streaming => 1);
	$primary->append_conf('postgresql.conf', join("\n", @lines, ''));
	$primary->start;
	$primary->safe_psql('postgres', 'CREATE EXTENSION vecsearch');
	$primary->backup('base');
	$standby->init_from_backup($primary, 'base', has_streaming => 1);
	$standby->start;
	return ($primary, $standby);
}

# vectors($node, {...}): rows of clustered random vectors.  They are made from
# hashes of row and dimension, so the same arguments give the same rows on any
# server.
#	table		made as (id int, v TYPE(dims)) unless it exists
#	dims
#	rows
#	first		id of the first row (1)
#	type		of the column (vector)
#	clusters	(50)
#	spread		size of a cluster, as a share of the space's (0.5)
#	power		raise the magnitude of each element to it: rows become like
#				distributions, the more uneven the higher it is (none)
sub vectors
{
	my ($node, $arg) = @_;
	my %o = (
		first => 1,
		type => 'vector',
		clusters => 50,
		spread => 0.5,
		%$arg);
	my $element = "test_random(1 + hashint8(i) % $o{clusters}, d)
				+ $o{spread} * test_random(1000000 + i, d)";
	$element = "power(abs($element), $o{power})" if $o{power};
	my $last = $o{first} + $o{rows} - 1;
	my $create =
	  "CREATE TABLE IF NOT EXISTS $o{table} (id int, v $o{type}($o{dims}))";

	$node->safe_psql(
		'postgres', qq{
		SET client_min_messages = warning;
		CREATE OR REPLACE FUNCTION test_random(seed bigint, n bigint)
		RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS \$\$
			SELECT (hashint8extended(n, seed) & 9007199254740991)
				/ 4503599627370496.0 - 1
		\$\$;
		$create;
		INSERT INTO $o{table}
		SELECT i, (SELECT array_agg($element ORDER BY d)
			FROM generate_series(1, $o{dims}) d)::real[]::$o{type}
		FROM generate_series($o{first}, $last) i;
		ANALYZE $o{table};});
	return;
}

# nearest($node, \%o, SETTING, WHAT): for each query, in order, a reference to
# the list of WHAT of its k nearest rows
sub nearest
{
	my ($node, $o, $setting, $what) = @_;
	my $rows = $node->safe_psql(
		'postgres', qq{
		SET enable_$setting = off;
		SET hnsw.ef_search = $o->{ef_search};
		SELECT array_to_string(ARRAY(SELECT $what FROM $o->{table} t
			ORDER BY t.v $o->{op} q.v LIMIT $o->{k}), ',')
		FROM $o->{query_table} q WHERE q.id <= $o->{queries} ORDER BY q.id});

	return map { [ split /,/ ] } split /\n/, $rows;
}

# recall_at_least($node, {...}): tests that a search through the index of a
# table finds the share FLOOR of the true neighbors of all queries, gives k
# rows each time, and gives them in order of distance.
#	table		as made by vectors()
#	query_table	(TABLE_query), as made by vectors()
#	op			the operator
#	floor
#	k			(10)
#	queries		how many of them to ask (100)
#	ef_search	(100)
#	name		of the tests (TABLE OP)
sub recall_at_least
{
	my ($node, $arg) = @_;
	my %o = (
		k => 10,
		queries => 100,
		ef_search => 100,
		query_table => "$arg->{table}_query",
		name => "$arg->{table} $arg->{op}",
		%$arg);

	my $plan = $node->safe_psql(
		'postgres', qq{
		SET enable_seqscan = off;
		EXPLAIN (COSTS OFF) SELECT id FROM $o{table} t
		ORDER BY v $o{op} (SELECT v FROM $o{query_table} LIMIT 1)
		LIMIT $o{k}});
	like($plan, qr/Index Scan using \S+ on $o{table}/,
		"$o{name}: the index is used");

	my @truth = nearest($node, \%o, 'indexscan', 't.id');
	my @found = nearest($node, \%o, 'seqscan', 't.id');
	my @distances = nearest($node, \%o, 'seqscan', "t.v $o{op} q.v");
	my ($right, $short, $unordered) = (0, 0, 0);

	for my $q (0 .. $o{queries} - 1)
	{
		my %is_true = map { $_ => 1 } @{ $truth[$q] };
		my @d = @{ $distances[$q] };
		my %distinct = map { $_ => 1 } @{ $found[$q] };

		$right += grep { $is_true{$_} } keys %distinct;
		$short++ if keys %distinct < $o{k};
		$unordered++ if grep { $d[ $_ - 1 ] > $d[$_] } 1 .. $#d;
	}
	my $recall = $right / ($o{k} * $o{queries});

	note("recall $recall");
	cmp_ok($recall, '>=', $o{floor}, "$o{name}: recall\@$o{k}");
	is($short, 0, "$o{name}: each query gets $o{k} rows");
	is($unordered, 0, "$o{name}: rows come in order of distance");
	return $recall;
}

# whole_through_index($node, {...}): tests that a scan of the index to its end
# returns every row of the table once.  Dies if hnsw_check finds damage in an
# index of the table; a standby is not checked.
#	table		as made by vectors()
#	op			the operator (<->)
#	name		of the test
sub whole_through_index
{
	my ($node, $arg) = @_;
	my %o = (op => '<->', name => "$arg->{table} is whole", %$arg);
	my $answer = $node->safe_psql(
		'postgres', qq{
		SET client_min_messages = warning;
		DO \$\$
		BEGIN
			PERFORM hnsw_check(c.oid, true)
			FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
			WHERE indrelid = '$o{table}'::regclass AND amname = 'hnsw' AND indisvalid
				AND NOT pg_is_in_recovery();
		END
		\$\$;
		SET enable_seqscan = off;
		-- some servers (13.16, 18.6) lose the ctid of what the executor orders
		SET vecsearch.rerank = off;
		SET hnsw.max_scan_tuples = 2147483647;
		SET hnsw.scan_mem_multiplier = 1000;
		WITH scanned AS MATERIALIZED (SELECT ctid AS at FROM $o{table}
				ORDER BY v $o{op} (SELECT v FROM $o{table} LIMIT 1)
				LIMIT 1000000000),
			stored AS MATERIALIZED (SELECT ctid AS at FROM $o{table} WHERE v IS NOT NULL)
		SELECT (SELECT count(*) - count(DISTINCT at) FROM scanned) || ' twice, '
			|| (SELECT count(*) FROM stored WHERE at NOT IN (SELECT at FROM scanned))
			|| ' missing'});

	is($answer, '0 twice, 0 missing', $o{name});
	return;
}

# answer_of($session, SQL): what a session of background_psql answers.  Some
# servers (13.16) leave their own mark where it answers nothing.
sub answer_of
{
	my ($session, $sql) = @_;
	my $answer = $session->query($sql);

	$answer =~ s/^background_psql: QUERY_SEPARATOR\n?//;
	return $answer;
}

# same_answers($node_a, $node_b, SQL, NAME): tests that both say the same
sub same_answers
{
	my ($node_a, $node_b, $sql, $name) = @_;

	is( $node_a->safe_psql('postgres', $sql),
		$node_b->safe_psql('postgres', $sql),
		$name // 'the answers are the same');
	return;
}

1;

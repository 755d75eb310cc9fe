# Embedding models as files: other backends, damage, crashes, standbys, dumps;
# and embed_table by several processes, interrupted and resumed.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Copy qw(copy);
use File::Path qw(make_path);
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VecSearch;

my $models = abs_path('test/data/models');
my $scratch = PostgreSQL::Test::Utils::tempdir();

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', join "\n",
	q{vecsearch.embedding_model = 'bert'}, 'max_worker_processes = 6', '');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION vecsearch');

sub sql
{
	my ($statement, $server) = @_;

	return ($server // $node)->safe_psql('postgres', $statement);
}

# The SQLSTATE that a statement ends in, or ''; the server must go on.
sub state_of
{
	my ($statement, $server) = @_;

	$server //= $node;
	my ($code, $out, $err) = $server->psql('postgres', "\\set VERBOSITY sqlstate\n$statement");
	is($server->safe_psql('postgres', 'SELECT 1'), '1', 'the server is up');
	return $err =~ /ERROR:\s+(\w+)/ ? $1 : $err =~ /FATAL|PANIC|connection/ ? 'gone' : '';
}

sub copy_model
{
	my ($from, $to) = @_;

	system('cp', '-r', "$models/$from", "$scratch/$to") == 0 or die "cp: $?";
	return "$scratch/$to";
}

sub register
{
	my ($name, $from, $server) = @_;

	return sql("SELECT embedding_model_register('$name', '$from')", $server);
}

my $question = q{SELECT embed('How do I draw a graph?')};

register('bert', "$models/bert");
my $answer = sql($question);
my $hash = sql(q{SELECT hash FROM embedding_models WHERE name = 'bert'});
my $database = sql(q{SELECT oid FROM pg_database WHERE datname = 'postgres'});
my $file = $node->data_dir . "/vecsearch_models/$database/$hash";

ok(-f $file, 'the file is where it should be');
is((stat $file)[2] & 0077, 0, 'others cannot read it');

# Directories that are no good

my $bad = copy_model('bert', 'truncated');
truncate("$bad/model.safetensors", (-s "$bad/model.safetensors") - 100);
isnt(state_of("SELECT embedding_model_register('bad', '$bad')"), '', 'truncated weights');
$bad = copy_model('bert', 'no_tokenizer');
unlink "$bad/tokenizer.json";
isnt(state_of("SELECT embedding_model_register('bad', '$bad')"), '', 'no tokenizer');
$bad = copy_model('bert', 'fifo');
unlink "$bad/model.safetensors";
mkfifo("$bad/model.safetensors", 0600) or die "mkfifo: $!";
isnt(state_of("SET statement_timeout = '20s'; SELECT embedding_model_register('bad', '$bad')"), '57014',
	'a FIFO for weights does not block');
$bad = copy_model('bert', 'fifo_config');
unlink "$bad/config.json";
mkfifo("$bad/config.json", 0600) or die "mkfifo: $!";
isnt(state_of("SET statement_timeout = '20s'; SELECT embedding_model_register('bad', '$bad')"), '57014',
	'nor one for the configuration');
$bad = copy_model('bert', 'unreadable');
chmod 0, "$bad/model.safetensors";
isnt(state_of("SELECT embedding_model_register('bad', '$bad')"), '', 'weights that cannot be read')
  if $> != 0;
isnt(state_of("SELECT embedding_model_register('bad', '$models/bert.tsv')"), '', 'not a directory');
$bad = copy_model('bert', 'config_of_garbage');
open(my $handle, '>', "$bad/config.json") or die $!;
print $handle '{' x 100000;
close $handle;
isnt(state_of("SELECT embedding_model_register('bad', '$bad')"), '', 'deep JSON');
is(sql('SELECT count(*) FROM embedding_models'), '1', 'none of them was registered');

# Another backend uses it

my $session = $node->background_psql('postgres', on_error_stop => 0);
is($session->query_safe($question), $answer, 'another backend gives the same');
$session->query_safe('BEGIN');
is($session->query_safe($question), $answer, 'in a transaction');
sql(q{SELECT embedding_model_drop('bert')});
ok(!-e $file, 'the file goes with the model');
is(answer_of($session, $question), '', 'a dropped model stops working in other backends');
$session->query('ROLLBACK');
register('bert', "$models/bert");
is(scalar $session->query($question), $answer, 'and works again when it is back');
$session->quit;

# Files change: what was registered does not

my $changing = copy_model('bert', 'changing');
register('changing', $changing);
my $before = sql(q{SELECT embed('x', model => 'changing')});
open($handle, '+<', "$changing/model.safetensors") or die $!;
seek($handle, -4, 2);
print $handle "\0\0\0\0";
close $handle;
is(sql(q{SELECT embed('x', model => 'changing')}), $before, 'the files of the directory can change');
is(state_of("SELECT embedding_model_register('changing', '$changing')"), '42710', 'but cannot take the name');
sql(q{SELECT embedding_model_drop('changing')});

# The file is missing or damaged

my $sound = slurp_file($file);
unlink $file;
is(state_of($question), '58P01', 'a missing file is an error');
is(sql('SELECT available FROM embedding_models'), 'f', 'and is told');
register('bert', "$models/bert");
is(sql($question), $answer, 'registered again it is there again');
for my $damage (
	[ 'cut short', substr($sound, 0, length($sound) / 2) ],
	[ 'empty', '' ],
	[ 'zeros', "\0" x length($sound) ],
	[ 'too long', $sound . "\0" x 4096 ])
{
	my ($name, $content) = @$damage;

	unlink $file;
	open($handle, '>:raw', $file) or die $!;
	print $handle $content;
	close $handle;
	is(state_of($question), 'XX001', "a file that is $name is an error");
	register('bert', "$models/bert");
	is(sql($question), $answer, "$name: registered again it is sound");
}

# A transaction that comes to nothing leaves nothing

sub files
{
	return scalar grep { -f } glob($node->data_dir . "/vecsearch_models/$database/*");
}

is(files(), 1, 'one file');
sql("BEGIN; SELECT embedding_model_register('t5', '$models/t5'); ROLLBACK");
is(files(), 1, 'one after a rollback');
sql("BEGIN; SAVEPOINT a; SELECT embedding_model_register('t5', '$models/t5'); ROLLBACK TO a; COMMIT");
is(files(), 1, 'one after a rollback to a savepoint');
my $crashing = $node->background_psql('postgres', on_error_stop => 0);
$crashing->query("BEGIN; SELECT embedding_model_register('t5', '$models/t5')");
is(files(), 2, 'two in the transaction');
$node->stop('immediate');
$node->start;
is(files(), 2, 'the crash leaves one behind');
is(sql($question), $answer, 'the other is sound');
register('t5', "$models/t5");
sql(q{SELECT embedding_model_drop('t5')});
is(files(), 1, 'which is gone when the catalog changes');

# embed_table

sql(q{CREATE TABLE item (id int, body text, embedding vector);
	INSERT INTO item SELECT i, repeat('word ', 40) || i FROM generate_series(1, 4000) i});
my $complete = q{SELECT count(*) FILTER (WHERE embedding IS NULL),
	bool_and(embedding = embed(body)) FILTER (WHERE id % 400 = 0) FROM item};

$node->psql('postgres', q{SET statement_timeout = '100ms'; CALL embed_table('item', 'body', 'embedding', batch => 10)});
my $left = sql('SELECT count(*) FROM item WHERE embedding IS NULL');
cmp_ok($left, '<', 4000, 'what was done before an interruption stays');
note("$left left");
sql(q{CALL embed_table('item', 'body', 'embedding')});
is(sql($complete), '0|t', 'a second call does the rest');
sql('UPDATE item SET embedding = NULL');
sql(q{CALL embed_table('item', 'body', 'embedding', workers => 2)});
is(sql($complete), '0|t', 'two processes do it all, and give the same');
sql('UPDATE item SET embedding = NULL');
my ($code, $out, $err) = $node->psql('postgres', q{CALL embed_table('item', 'body', 'embedding', workers => 30)});
like($err, qr/works with \d+ of 30 processes/, 'fewer workers than wanted are told');
is(sql($complete), '0|t', 'and do it all');

sql('UPDATE item SET embedding = NULL');
$node->psql('postgres', q{SET statement_timeout = '100ms'; CALL embed_table('item', 'body', 'embedding', batch => 10, workers => 2)});
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'embed_table%'}), '0', 'no worker outlives the leader');
is(sql('SELECT count(*) FROM embedding_progress'), '0', 'nor its progress');
sql(q{CALL embed_table('item', 'body', 'embedding')});

# rows that change meanwhile are not given stale vectors
sql('UPDATE item SET embedding = NULL');
my $writer = $node->background_psql('postgres');
$writer->query_safe(q{BEGIN; UPDATE item SET body = 'changed' WHERE id = 4000});
my $leader = $node->background_psql('postgres');
$leader->query_until(qr/started/, "\\echo started\nCALL embed_table('item', 'body', 'embedding');\n");
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')});
is(sql('SELECT count(*) FROM embedding_progress'), '1', 'progress is seen by others');
$writer->query_safe('COMMIT');
$writer->quit;
$leader->quit;
is(sql('SELECT embedding = embed(body) FROM item WHERE id = 4000'), 't', 'a row that changed meanwhile has the vector of its new text');
is(sql($complete), '0|t', 'and all others theirs');

# Dump and restore

$node->safe_psql('postgres', q{SELECT embedding_task_set('bert', 'mine', 'mine: ', false)});
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$scratch/dump", '-d', $node->connstr('postgres') ], 'dump');
sql('CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), "$scratch/dump" ], 'restore');
is( $node->safe_psql('restored', q{SELECT name, hash, tasks ->> 'mine', available FROM embedding_models}),
	"bert|$hash|mine: |f", 'models and tasks are restored, files are not');
is($node->safe_psql('restored', 'SELECT relation, target, model FROM embedding_columns'),
	'item|embedding|bert', 'and what columns hold');
$node->safe_psql('restored', "SELECT embedding_model_register('bert', '$models/bert')");
is($node->safe_psql('restored', $question), $answer, 'registered again, it works');
sql('DROP DATABASE restored');
register('t5', "$models/t5");
is(scalar(grep { -d } glob($node->data_dir . '/vecsearch_models/*')), 1, 'models of a dropped database go');
sql(q{SELECT embedding_model_drop('t5')});

# Standbys: with the file, then one that is registered after

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is(sql($question, $standby), $answer, 'a standby has the files of the backup');
register('t5', "$models/t5");
$node->wait_for_catchup($standby);
is(state_of(q{SELECT embed('x', model => 't5')}, $standby), '58P01', 'and not those that come later');
is(state_of("SELECT embedding_model_register('t5', '$models/bert')", $standby), '42710', 'only the same files restore it');
register('t5', "$models/t5", $standby);
same_answers($node, $standby, q{SELECT embed('x', model => 't5')}, 'registered on the standby, it works');
is(state_of("SELECT embedding_model_register('new', '$models/bert')", $standby), '42704', 'a standby cannot register what is new');
$standby->stop;

# Memory: what a further backend takes of its own

SKIP:
{
	my $backend = $node->background_psql('postgres');

	$backend->query_safe($question);
	my $pid = $backend->query_safe('SELECT pg_backend_pid()');

	open(my $smaps, '<', "/proc/$pid/smaps") or skip 'no smaps', 1;
	my ($ours, $private) = (0, 0);

	while (<$smaps>)
	{
		$ours = index($_, $hash) >= 0 if /^[0-9a-f]+-[0-9a-f]+ /;
		$private += $1 if $ours && /^Private_Dirty:\s+(\d+)/;
	}
	is($private, 0, 'the weights are shared, not copied');
	$backend->quit;
}

$node->stop;
done_testing();

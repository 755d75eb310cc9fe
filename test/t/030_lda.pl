# Topic models: quality on documents whose topics are known, memory, several
# processes and sessions, interruptions, crashes, standbys, dumps.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use VecSearch;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', join "\n",
	'max_worker_processes = 8', 'restart_after_crash = on',
	'shared_buffers = 16MB', '');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION vecsearch');

sub sql
{
	my ($statement, $server) = @_;

	return ($server // $node)->safe_psql('postgres', "SET client_min_messages = warning; $statement");
}

# What a statement says that fails, or else all that it says.
sub said
{
	my ($statement, $server) = @_;
	my ($code, $out, $err) = ($server // $node)->psql('postgres', $statement);

	return $err =~ /ERROR:\s+([^\n]+)/ ? $1 : $err;
}

# A session that has begun a statement.
sub begin
{
	my ($statement) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);

	$session->query_until(qr/started/,
		"SET client_min_messages = warning;\n\\echo started\n$statement;\n");
	return $session;
}

# What that said, if it failed; the session must go on.
sub end
{
	my ($session) = @_;
	my $alive = $session->query('SELECT 42');
	my $error = $session->{stderr} =~ /ERROR:\s+([^\n]+)/ ? $1 : '';

	like($alive, qr/42$/, 'the session goes on');
	$session->quit;
	return $error;
}

sub wait_for
{
	my ($condition, $name) = @_;

	$node->poll_query_until('postgres', "SELECT EXISTS ($condition)")
	  or fail($name // $condition);
	return;
}

sub wait_for_phase
{
	my ($phase) = @_;

	wait_for("SELECT FROM lda_progress WHERE phase LIKE '$phase%' AND pid IN (SELECT pid FROM pg_stat_activity)");
	return;
}

sub nothing_left
{
	my ($name) = @_;

	is( sql(q{SELECT (SELECT count(*) FROM vecsearch_lda_model WHERE name LIKE 'gone%'),
			(SELECT count(*) FROM vecsearch_lda_word WHERE model LIKE 'gone%'),
			(SELECT count(*) FROM lda_progress)}),
		'0|0|0', "$name: no model, no words, no progress");
	ok( $node->poll_query_until('postgres',
			q{SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'parallel worker')}),
		"$name: no workers");
	return;
}

# Documents of ten topics.  A topic has 200 of 1000 words, half of which it
# shares with each of its neighbors; its r-th has the probability sqrt((r + 1)
# / 200) - sqrt(r / 200).  The mixtures of topics are of the Dirichlet
# distribution of 0.5 each: squares of normal numbers.
sql(q{
	CREATE FUNCTION uniform(n bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
		'SELECT ((hashint8extended(n, 1) & 9007199254740991) + .5) / 9007199254740992';
	CREATE TABLE mixture AS SELECT id, array_agg(x / total ORDER BY k) AS theta, array_agg(upto / total ORDER BY k) AS upto
		FROM (SELECT id, k, x, sum(x) OVER (PARTITION BY id ORDER BY k) AS upto, sum(x) OVER (PARTITION BY id) AS total
			FROM (SELECT id, k, -ln(uniform(id * 20 + k)) * cos(2 * pi() * uniform(id * 20 + k + 10)) ^ 2 AS x
				FROM generate_series(1, 3300) id, generate_series(0, 9) k) x) s GROUP BY id;
	CREATE TABLE doc AS SELECT id, string_agg('w' || (k * 100 + floor(200 * uniform(-1 - id * 100 - n) ^ 2)::int) % 1000, ' ' ORDER BY n) AS body
		FROM (SELECT id, n, width_bucket(uniform(1000000 + id * 100 + n), upto) % 10 AS k
			FROM mixture, generate_series(1, 80) n) t GROUP BY id;
	CREATE TABLE truth AS SELECT 'w' || (k * 100 + r) % 1000 AS word, k, sqrt((r + 1) / 200.) - sqrt(r / 200.) AS phi
		FROM generate_series(0, 9) k, generate_series(0, 199) r;
	ANALYZE});
my $documents = 'SELECT id, body FROM doc WHERE id <= 3000';
my $unseen = 'SELECT id, body FROM doc WHERE id > 3000';
my $begun = time;

# Quality: next to the true model, written into the tables by hand

sql(q{
	INSERT INTO vecsearch_lda_word SELECT 'truth', row_number() OVER (ORDER BY word) - 1, word, 1, 1, array_agg(k + 1 ORDER BY k), array_agg(phi * 1e6 ORDER BY k)
		FROM truth GROUP BY word;
	INSERT INTO vecsearch_lda_model SELECT 'truth', 'none', 'postgres'::regrole, '{-}', 10, 1000, 1, 1, array_fill(.5::float8, ARRAY[10]), 1e-9,
		array_fill(1e6::float8, ARRAY[10]), array_fill(0::float8, ARRAY[10]), 'pg_catalog.simple', '', 1, 1, 0, NULL, 0, now()});
sql("SELECT lda_train('known', '$documents', 10, config => 'simple', held_out => .05)");
my ($known, $truth, $held) = map { sql($_) } "SELECT lda_perplexity('known', '$unseen')",
  "SELECT lda_perplexity('truth', '$unseen')", q{SELECT perplexity FROM lda_models WHERE name = 'known'};
my $unigram = sql(q{SELECT exp(-sum(p * ln(p))) FROM (SELECT tokens::float8 / sum(tokens) OVER () AS p FROM vecsearch_lda_word WHERE model = 'known') w});
note("perplexity: true model $truth, ours $known (held out $held), without topics $unigram");
cmp_ok($known, '<', $truth * 1.02, 'perplexity is near that of the true model');
cmp_ok($known, '<', $unigram * 0.75, 'and far from one without topics');
cmp_ok(abs($held / $known - 1), '<', 0.1, 'documents held out tell about the same');
my $match = q{
	SELECT DISTINCT ON (k) k, topic FROM (SELECT k, topic, sum(sqrt(phi * probability)) AS overlap
		FROM generate_series(1, 10) topic, lda_top_words('%s', topic, 1000) w JOIN truth USING (word) GROUP BY k, topic) m
	ORDER BY k, overlap DESC};
my $accuracy = sql(sprintf "WITH match AS ($match)
	SELECT avg((topic = (lda_dominant_topic('known', body)).topic)::int)
	FROM doc JOIN mixture USING (id) JOIN match ON theta[k + 1] > .7 WHERE id > 3000", 'known');
cmp_ok($accuracy, '>=', 0.95, 'the dominant topic of documents mostly of one');
note("dominant topic: $accuracy");
is(sql(sprintf "SELECT count(DISTINCT topic) FROM ($match) m", 'known'), '10', 'each topic is found once');

# The bars: words are the cells of a square, topics its rows and columns

sql(q{
	CREATE TABLE square AS
	WITH word AS (SELECT id, 'c' || CASE WHEN b < 5 THEN b * 5 + cell ELSE cell * 5 + b - 5 END AS word, count(*)::int AS n
		FROM (SELECT id, width_bucket(uniform(-n - 1000 * id), upto) % 10 AS b, floor(uniform(n + 1000 * id) * 5)::int AS cell
			FROM (SELECT id, array_agg(upto / total ORDER BY b) AS upto FROM (SELECT id, b, sum(x) OVER (PARTITION BY id ORDER BY b) AS upto,
					sum(x) OVER (PARTITION BY id) AS total FROM (SELECT id, b, -ln(uniform(id * 10 + b)) AS x
						FROM generate_series(1, 500) id, generate_series(0, 9) b) u) s GROUP BY id) mixture, generate_series(1, 100) n) token
		GROUP BY 1, 2)
	SELECT id, array_agg(word ORDER BY word) AS words, array_agg(n ORDER BY word) AS counts FROM word GROUP BY id});
for my $seed (1 .. 5)
{
	sql("SELECT lda_train('square', 'SELECT * FROM square', 10, seed => $seed, alpha => 1)");
	is( sql(q{SELECT count(DISTINCT topic), count(DISTINCT b), min(cosine) > .95 FROM (
			SELECT topic, b, sum(probability * (cell / 5 = b OR cell % 5 + 5 = b)::int) / sqrt(sum(probability ^ 2) * 5) AS cosine
			FROM generate_series(1, 10) topic, generate_series(0, 9) b,
				LATERAL (SELECT substr(word, 2)::int AS cell, probability FROM lda_top_words('square', topic, 25)) w
			GROUP BY topic, b) c WHERE cosine > .8}),
		'10|10|t', "all bars are found with seed $seed");
	sql(q{SELECT lda_drop('square')});
}
note(sprintf 'quality: %.1f s', time - $begun);
$begun = time;

# Memory: documents that do not fit are kept in files

my $log = -s $node->logfile;
my $twice = "$documents UNION ALL SELECT -id, body FROM doc WHERE id <= 3000";
my @small = (
	[ 'small', "lda_train('small', '$twice', 10, config => 'simple', iterations => 100)", 1.02 ],
	[ 'small2', "lda_train('small2', '$twice', 10, config => 'simple', iterations => 100, workers => 2)", 1.04 ],
	[ 'online', "lda_train('online', '$twice', 10, config => 'simple', method => 'online')", 1.05 ],
	[ 'online', "lda_update('online', 'SELECT id + 10000, body FROM ($twice) t', workers => 2)", 1.05 ]);
for my $case (@small)
{
	my ($model, $call, $bound) = @$case;

	sql("SET log_temp_files = 0; SET maintenance_work_mem = '2MB'; SELECT $call");
	my $perplexity = sql("SELECT lda_perplexity('$model', '$unseen')");
	note("perplexity $perplexity");
	cmp_ok($perplexity, '<', $truth * $bound, "good with little memory: $call");
}
like(slurp_file($node->logfile, $log), qr/temporary file: path/, 'temporary files are used');

# a vocabulary that does not fit: words of few documents go, and are counted
my ($code, $out, $err) = $node->psql('postgres', q{SET maintenance_work_mem = '2MB';
	SELECT words, words_left_out > 50000, tokens, tokens_left_out FROM lda_train('rare',
		'SELECT i, concat_ws($$ $$, $$cat dog fur paw$$, $$a$$ || i, $$b$$ || i, $$c$$ || i, $$w$$ || i % 100) FROM generate_series(1, 20000) i', 5,
		config => 'simple', iterations => 10)});
is($out, '104|t|100000|60000', 'a vocabulary that does not fit');
like($err, qr/NOTICE:  \d+ rare words were forgotten while documents were read/, 'is told');
sql(q{SELECT lda_drop('rare')});
like(said("SET maintenance_work_mem = '1MB'; SELECT lda_train('gone', '$documents', 1000, config => 'simple')"),
	qr/^training needs at least \d+ MB of memory$/, 'counts that do not fit are an error');
like(said("SET temp_file_limit = '200kB'; SET maintenance_work_mem = '2MB'; SELECT lda_train('gone', '$twice', 10, config => 'simple')"),
	qr/^temporary file size exceeds "?temp_file_limit/, 'files beyond the limit are an error');
nothing_left('no room');

# a corpus of 4 million tokens and 24 MB
sql(q{CREATE TABLE big AS SELECT id, (SELECT array_agg('w' || (id % 10 * 100 + floor(power(uniform(id * 100::bigint + n), 2) * 200)::int) % 1000)
		FROM generate_series(1, 25) n) AS words, array_fill(4, ARRAY[25]) AS counts FROM generate_series(1, 40000) id;
	CHECKPOINT});
SKIP:
{
	my $backend = $node->background_psql('postgres');
	my $pid = $backend->query_safe(q{SET client_min_messages = warning; SET maintenance_work_mem = '12MB'; SELECT pg_backend_pid()});

	skip 'no peak of memory', 1 unless defined peak($pid);
	# what it takes in any case: code, catalogs, all of the shared buffers
	$backend->query_safe(q{SELECT count(words::text || counts::text) FROM big; SELECT count(*) FROM doc;
		SELECT lda_train('gone', 'SELECT * FROM big LIMIT 1000', 10, iterations => 1); SELECT lda_drop('gone')});
	my $before = peak($pid);

	$backend->query_safe(q{SELECT lda_train('big', 'SELECT * FROM big', 10, iterations => 3)});
	my $growth = (peak($pid) - $before) / 1024;

	note("peak of memory grew by $growth MB");
	# an eighth for the sort, and what rows, files and the model take
	cmp_ok($growth, '<=', 12 * 1.125 + 4, 'memory is within the setting');
	$backend->query_safe(q{SELECT lda_drop('big')});
	$backend->quit;
}

# kB of memory that a process had at most, or undef
sub peak
{
	my ($pid) = @_;

	open(my $status, '<', "/proc/$pid/status") or return;
	return (map { /^VmHWM:\s+(\d+) kB/ } <$status>)[0];
}

note(sprintf 'memory: %.1f s', time - $begun);
$begun = time;

# Several processes

sub version_of
{
	my ($arguments) = @_;

	sql("SELECT lda_train('version', '$documents', 10, config => 'simple', iterations => 20, $arguments)");
	return drop_version();
}

sub drop_version
{
	my $version = sql(q{SELECT version FROM lda_models WHERE name = 'version'});

	sql(q{SELECT lda_drop('version')});
	return $version;
}

my $two = version_of('workers => 2');
is(version_of('workers => 2'), $two, 'two processes make the same model again');
isnt(version_of('workers => 1'), $two, 'which is not that of one');
my $three = version_of('workers => 3');
($code, $out, $err) = $node->psql('postgres', "SET max_parallel_workers = 1;
	SELECT processes FROM lda_train('version', '$documents', 10, config => 'simple', iterations => 20, workers => 3)");
is($out, '2', 'fewer processes than wanted');
like($err, qr/NOTICE:  lda_train works with 2 of 3 processes/, 'are told');
is(drop_version(), $three, 'and make the same model');
($code, $out, $err) = $node->psql('postgres', "SET max_parallel_workers = 0;
	SELECT processes FROM lda_train('version', '$documents', 10, config => 'simple', iterations => 20, workers => 3)");
is($out, '1', 'even one');
is(drop_version(), $three, 'alone');
($code, $out, $err) = $node->psql('postgres', "SELECT lda_train('version', '$documents', 10, config => 'simple', iterations => 20, workers => 64)");
is($code, 0, 'more processes than the server has');
sql(q{SELECT lda_drop('version')});
nothing_left('several processes');

# Interruptions: at each phase, and in each way

my $endless = "SELECT lda_train('gone', '$documents', 10, config => 'simple', iterations => 100000, workers => 2)";
my $reading = q{SELECT lda_train('gone', 'SELECT id, body || pg_sleep(.01) FROM doc', 10)};
my $cancel = q{SELECT pg_cancel_backend(pid) FROM lda_progress};
my $session = begin($reading);
wait_for_phase('reading');
is(sql('SELECT model, phase, total IS NULL, percent IS NULL, started <= now() FROM lda_progress'), 'gone|reading documents|t|t|t', 'progress of reading');
sql($cancel);
like(end($session), qr/^canceling statement due to user request/, 'cancelled while reading');
nothing_left('cancelled while reading');

$session = begin($endless);
wait_for_phase('sampling');
is(sql(q{SELECT model, total, done < total, percent < 100 FROM lda_progress}), 'gone|100000|t|t', 'progress of sampling');
cmp_ok(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), '==', 1, 'a worker is at it');
sql($cancel);
like(end($session), qr/^canceling statement due to user request/, 'cancelled while sampling');
nothing_left('cancelled while sampling');

like(said("SET statement_timeout = '300ms'; $endless"), qr/^canceling statement due to statement timeout/, 'out of time');
nothing_left('out of time');

$session = begin($endless);
wait_for(q{SELECT FROM pg_stat_activity WHERE backend_type = 'parallel worker'});
sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'parallel worker'});
like(end($session), qr/terminating/, 'the worker was terminated');
nothing_left('the worker was terminated');

$session = begin($endless);
wait_for_phase('sampling');
sql(q{SELECT pg_terminate_backend(pid) FROM lda_progress});
nothing_left('the session was terminated');
eval { $session->quit };

# in the middle of writing: a word's row waits for another's end
my $blocker = $node->background_psql('postgres');
$blocker->query_safe(q{BEGIN; INSERT INTO vecsearch_lda_word VALUES ('gone', 500, '', 0, 0, '{}', '{}')});
$session = begin("SELECT lda_train('gone', '$documents', 10, config => 'simple', iterations => 10)");
wait_for(q{SELECT FROM pg_stat_activity a JOIN lda_progress USING (pid) WHERE phase = 'writing' AND wait_event_type = 'Lock'});
sql($cancel);
like(end($session), qr/^canceling statement due to user request/, 'cancelled while writing');
$blocker->query_safe('ROLLBACK');
$blocker->quit;
nothing_left('cancelled while writing');

# an update that is cancelled leaves the model
my $version = sql(q{SELECT version FROM lda_models WHERE name = 'known'});
$session = begin("SELECT lda_update('known', '$unseen', iterations => 100000, workers => 2)");
wait_for_phase('sampling');
sql($cancel);
like(end($session), qr/^canceling statement due to user request/, 'an update was cancelled');
is(sql(q{SELECT version, (SELECT count(*) FROM vecsearch_lda_word WHERE model = name) = words FROM lda_models WHERE name = 'known'}), "$version|t", 'the model is as it was');
nothing_left('an update was cancelled');
like(said(q{SET statement_timeout = '200ms'; SELECT lda_perplexity('known', 'SELECT id, body || pg_sleep(.1) FROM doc')}),
	qr/^canceling statement due to statement timeout/, 'perplexity can be cancelled');

# Who sees progress

sql(q{CREATE ROLE regress_lda_a LOGIN; CREATE ROLE regress_lda_b LOGIN; CREATE ROLE regress_lda_stats LOGIN IN ROLE pg_read_all_stats;
	GRANT SELECT ON doc TO regress_lda_a});
$session = begin("SET ROLE regress_lda_a; $endless");
wait_for_phase('sampling');
is(sql("SET ROLE $_->[0]; SELECT count(*) FROM lda_progress"), $_->[1], "progress for $_->[0]")
  for [ 'postgres', 1 ], [ 'regress_lda_a', 1 ], [ 'regress_lda_b', 0 ], [ 'regress_lda_stats', 1 ];
sql(q{CREATE DATABASE other});
$node->safe_psql('other', 'CREATE EXTENSION vecsearch');
is($node->safe_psql('other', 'SELECT count(*) FROM lda_progress'), '0', 'progress in another database');
sql($cancel);
end($session);
sql(q{DROP OWNED BY regress_lda_a; DROP ROLE regress_lda_a, regress_lda_b, regress_lda_stats});
like(said(q{SELECT lda_train('gone', 'SELECT id, CASE WHEN 1 / (1500 - id) < 2 THEN body END FROM doc ORDER BY id', 10)}), qr/^division by zero/, 'a query that fails');
nothing_left('a query that failed');

# Two sessions: each statement sees what others have done

my $session2 = $node->background_psql('postgres', on_error_stop => 0);
my $ask = q{SELECT lda_topics('shared', 'w1 w2 w3 w901')};
sql("SELECT lda_train('shared', '$documents', 10, config => 'simple', iterations => 20)");
$session2->query_safe('CREATE ROLE regress_lda; SET client_min_messages = warning');
my $answer = $session2->query_safe($ask);
is($answer, sql($ask), 'two sessions answer the same');
$session2->query_safe('BEGIN');
is(scalar $session2->query($ask), $answer, 'in a transaction');
sql("SELECT lda_update('shared', '$unseen')");
my $updated = sql($ask);
isnt($updated, $answer, 'an update changes the answer');
is(scalar $session2->query($ask), $updated, 'of the other session too');
$session2->query_safe('COMMIT; SET ROLE regress_lda');
is(scalar $session2->query($ask), $updated, 'everyone may use it');
sql(q{SELECT lda_revoke('shared', 'public')});
is(answer_of($session2, $ask), '', 'then nobody');
sql(q{SELECT lda_grant('shared', 'regress_lda')});
is(scalar $session2->query($ask), $updated, 'then this role');
sql(q{SELECT lda_drop('shared')});
is(answer_of($session2, $ask), '', 'dropped');
sql("SELECT lda_train('shared', '$documents', 3, config => 'simple', iterations => 20)");
is(scalar $session2->query('SELECT vector_dims(lda_topics($$shared$$, $$w1$$))'), '3', 'and another of its name');
sql(q{SELECT lda_drop('shared')});
$session2->query('RESET ROLE; DROP ROLE regress_lda');
$session2->quit;

# trained at the same time by the same name: one has it
my @sessions = map { begin("SELECT lda_train('gone', '$documents', 10, config => 'simple', seed => $_)") } 1, 2;
my @ends = map { end($_) } @sessions;
is(join('', sort @ends), 'topic model "gone" already exists', 'one fails');
is(sql(q{SELECT words FROM lda_models WHERE name = 'gone'}), '1000', 'one is there');
sql(q{SELECT lda_drop('gone')});

# The first answer of a large model in a new session: told, not tested

sql(q{INSERT INTO vecsearch_lda_word SELECT 'large', i, 'word' || i, 1, 1, ARRAY[1 + i % 200, 1 + (i * 7 + 3) % 200, 1 + (i * 13 + 11) % 200], '{5,3,2}'
		FROM generate_series(0, 49999) i;
	INSERT INTO vecsearch_lda_model SELECT 'large', 'none', 'postgres'::regrole, '{-}', 200, 50000, 1, 1, array_fill(.1::float8, ARRAY[200]), .01,
		array_fill(2500::float8, ARRAY[200]), array_fill(0::float8, ARRAY[200]), 'pg_catalog.simple', '', 1, 1, 0, NULL, 0, now();
	SELECT lda_topics('large', 'word1')});
($code, $out, $err) = $node->psql('postgres', "SELECT 1;\n\\timing on\nSELECT vector_dims(lda_topics('large', 'word1 word2'));\nSELECT vector_dims(lda_topics('large', 'word1 word3'));");
note('first and second answer of 200 topics and 50,000 words: ', join ', ', $out =~ /Time: ([\d.]+ ms)/g);
is(sql(q{SELECT topic_share(lda_topics('large', repeat('word0 ', 100)), 1) > .5}), 't', 'it answers');
sql(q{SELECT lda_drop('large')});
note(sprintf 'processes and sessions: %.1f s', time - $begun);
$begun = time;

# Dump and restore

my $question = q{SELECT pinned, lda_topics_pinned(pinned, 'w1 w2 w3 w901'), (SELECT md5(string_agg(i::text, '' ORDER BY topic)) FROM lda_topic_info(name) i) FROM lda_models WHERE name = 'known'};
$answer = sql($question);
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-T', 'big', '-d', $node->connstr('postgres') ], 'dump');
sql('CREATE DATABASE restored');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'restore');
is($node->safe_psql('restored', $question), $answer, 'a restored model is the same');
$node->safe_psql('restored', "SET client_min_messages = warning; SELECT lda_update('known', '$unseen')");
isnt($node->safe_psql('restored', $question), $answer, 'and can be updated');
sql('DROP DATABASE restored');
sql('DROP DATABASE other');

# A standby answers, and refuses to learn

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is(sql($question, $standby), $answer, 'a standby answers the same');
my $on_standby = $standby->background_psql('postgres', on_error_stop => 0);
my $plain = q{SELECT lda_topics('known', 'w1 w2 w3 w901')};
is(scalar $on_standby->query($plain), sql($plain), 'and without a version');
sql("SELECT lda_update('known', '$unseen', iterations => 5)");
$node->wait_for_catchup($standby);
is(scalar $on_standby->query($plain), sql($plain), 'also after an update');
$on_standby->quit;
same_answers($node, $standby, "SELECT lda_perplexity('known', '$unseen')", 'perplexity is the same');
is(said("SELECT lda_train('gone', '$documents', 10)", $standby), 'cannot execute lda_train() in a read-only transaction', 'it does not train');
is(said("SELECT lda_update('known', '$unseen')", $standby), 'cannot execute lda_update() in a read-only transaction', 'nor update');
is(said(q{SELECT lda_drop('known')}, $standby), 'cannot execute lda_drop() in a read-only transaction', 'nor drop');
is(sql('SELECT count(*) FROM lda_progress', $standby), '0', 'and shows no progress');
$standby->stop;

# Crashes

$answer = sql($question);
sql(q{SELECT lda_drop('small'), lda_drop('small2')});
$node->stop('immediate');
$node->start;
is(sql($question), $answer, 'a model survives a crash');
is(sql(q{SELECT count(*) FROM lda_models WHERE name LIKE 'small_'}), '0', 'and a drop');
$session = begin($endless);
wait_for_phase('sampling');
my $pid = sql(q{SELECT pid FROM lda_progress});
kill 'KILL', $pid;
$node->poll_query_until('postgres', "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $pid)");
eval { $session->quit };
nothing_left('a session was killed');
is(sql($question), $answer, 'the model survives that');
sql("SELECT lda_train('gone', '$documents', 10, config => 'simple', iterations => 5, workers => 2); SELECT lda_drop('gone')");
nothing_left('training goes on');
note(sprintf 'the rest: %.1f s', time - $begun);

$node->stop;
done_testing();

# The report of a topic model, as a browser shows it.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use Browser;
use VecSearch;

# The bars of Griffiths and Steyvers (2004): words are the cells of a square,
# topics its rows and columns.  Some words try to get out of their places.
my $cells = 25;
my @hostile = (
	q{</script><script>document.title='broken'</script>},
	q{<!--<script>},
	q{<img src=x onerror="document.title='broken'">},
	q{' onclick='document.title=1},
	q("]}&quot;\\),
	"\x{2028}\x{202e}\x{1f600}\x{e9}\x{5e9}",
	"\x01\t\x7f",);

# For statements of JavaScript: what the page shows.
my $state = q{
	const at = (id) => document.getElementById(id);
	const all = (selector) => Array.from(document.querySelectorAll(selector));
	const state = () => ({
		title: document.title,
		heading: at('bars-title').textContent,
		words: all('.bar .word').map((one) => one.textContent),
		widths: all('.bar .inside').map((one) => parseFloat(one.style.width)),
		radii: all('circle.topic').map((one) => +one.getAttribute('r')),
		chosen: all('.chosen').map((one) => +one.dataset.topic),
		map: at('map-title').textContent,
		hash: location.hash,
		lambda: at('lambda').value,
		number: at('number').value,
		rows: all('#topics tbody tr').map((one) => +one.dataset.topic),
		spare: document.documentElement.clientWidth -
			document.documentElement.scrollWidth
	});
	const send = (target, kind, made) => target.dispatchEvent(
		new (made || Event)(kind, { bubbles: true, pointerType: 'mouse',
			key: 'Escape' }));
	const go = (hash) => {
		history.replaceState(null, '', hash || '#');
		window.dispatchEvent(new HashChangeEvent('hashchange'));
	};
};

my $node = start_node('primary');
my $words = join ', ', map {
	my $word = $hostile[ $_ / 3 ];
	utf8::encode($word) if defined $word;
	defined $word && $_ % 3 == 0
	  ? "convert_from('\\x" . unpack('H*', $word) . "', 'UTF8')"
	  : "'cell$_'"
} 0 .. $cells - 1;

# Each document has the words of two bars.
$node->safe_psql('postgres', qq{
	CREATE TABLE doc AS
	WITH word AS (SELECT ARRAY[$words] AS all_words),
	bars AS (SELECT id, abs(hashint4(id)) % 10 AS first,
			abs(hashint4(id + 100000)) % 10 AS second
		FROM generate_series(1, 1000) id)
	SELECT id, array_agg(all_words[cell + 1] ORDER BY cell) AS words,
		array_agg(1 + abs(hashint4(id * 25 + cell)) % 5 ORDER BY cell) AS counts
	FROM bars, word, generate_series(0, 24) cell
	WHERE cell / 5 IN (first, second) OR cell % 5 + 5 IN (first, second)
	GROUP BY id});
$node->safe_psql('postgres',
	q{SELECT lda_train('bars', $$SELECT id, words, counts FROM doc$$, 10, seed => 1)});

my $page = PostgreSQL::Test::Utils::tempdir() . '/report.html';
my $html = $node->safe_psql('postgres', q{SELECT lda_report('bars')});
open(my $file, '>', $page) or die "$page: $!";
print $file $html;
close($file);

unlike($html, qr/[^\n -~]/, 'the page is ASCII');
is(() = $html =~ m{</script>}g, 2, 'no word ends a script');
is(() = $html =~ /<tr data-topic=/g, 10, 'the table has all topics');

SKIP:
{
	skip 'no chromium', 1 unless Browser::is_there();
	subtest 'in a browser' => \&browse_page;
}

$node->stop;
done_testing();

# states([HASH, STATEMENTS]...): what the page shows after the statements, each
# time from an address; all in one page, since a browser is slow to start.
sub states
{
	my $steps = join ', ',
	  map { "(() => { go('$_->[0]'); $_->[1]; return state(); })()" } @_;

	return @{ Browser::ask($page, '', "(() => { $state; return [$steps]; })()") };
}

sub browse_page
{
	my ($dom, @errors) = Browser::dom($page, '');

	is("@errors", '', 'scripts have no errors, and nothing is asked for');
	like($dom, qr{<title>[^<]*bars[^<]*</title>}, 'no word changed the title');
	is(() = $dom =~ /<circle class="topic/g, 10, 'a circle for each topic');
	is(() = $dom =~ /<li class="bar"/g, $cells, 'a bar for each word');
	is(() = $dom =~ /<input type="range" id="lambda"/g, 1, 'a slider');
	is(() = $dom =~ /<script/g, 2, 'no word made a script');
	unlike($dom, qr/<img/, 'no word made an image');
	is(() = $dom =~ /<title/g, 12, 'titles of page, map and circles');

	my $third = Browser::ask($page, '#topic=3&lambda=0.4',
		"(() => { $state; return state(); })()");
	is("@{ $third->{chosen} }", '3 3 3', 'circle, number and row are chosen');
	is("$third->{number} $third->{lambda}", '3 0.4', 'as the address says');
	like($third->{heading}, qr/^Topic 3:/, 'words of the topic');
	ok((grep { $_ > 0 } @{ $third->{widths} }) >= 5, 'bars of the topic');

	my ($all, $frequent, $typical, $word, $pointed, $sorted) = states(
		[ '', '' ],
		[ '#topic=3&lambda=1', '' ],
		[   '#topic=3&lambda=1',
			q{at('lambda').value = 0; send(at('lambda'), 'input')}
		],
		[ '#topic=3', q{send(all('.word')[0], 'pointerover', PointerEvent)} ],
		[   '#topic=2',
			q{send(all('circle.topic')[0], 'pointerover', PointerEvent)}
		],
		[   '',
			q{for (const column of [4, 0, 0])
				all('#topics th button')[column].click()}
		]);
	my %is_shown = map { $_ => 1 } @{ $all->{words} };
	my @missing = grep { !$is_shown{$_} } @hostile[ 0 .. 5 ];

	is("@missing", '', 'hostile words are as they were');
	ok($is_shown{"\x{2401}\x{2409}\x{2421}"}, 'control characters are shown');
	is("@{ $all->{chosen} }", '', 'nothing is chosen');
	like($all->{heading}, qr/^All topics/, 'words of all topics');
	is($all->{spare}, 0, 'nothing sticks out');
	isnt("@{ $third->{words} }", "@{ $all->{words} }", 'a topic has others');

	is($typical->{lambda}, 0, 'the slider is moved');
	isnt("@{ $typical->{words} }", "@{ $frequent->{words} }",
		'words are ranked anew');

	my ($whole, $before) = (0, 0);
	$whole += $_**2 for @{ $word->{radii} };
	$before += $_**2 for @{ $third->{radii} };
	isnt("@{ $word->{radii} }", "@{ $third->{radii} }", 'a word is pointed at');
	cmp_ok(abs($whole / $before - 1), '<', 0.05, 'areas are shares of one');
	like($word->{map}, qr/^Where .* is used$/, 'and the map says so');

	like($pointed->{heading}, qr/^Topic 1:/, 'a circle is pointed at');
	is("@{ $sorted->{rows} }", join(' ', reverse 1 .. 10), 'the table is sorted');

	# what chooses a topic, and which
	my @ways = (
		[ '#topic=3', q{at('next').click()}, 4, 'the next' ],
		[ '#topic=1', q{at('previous').click()}, '', 'before the first' ],
		[ '#topic=10', q{at('next').click()}, '', 'after the last' ],
		[ '#topic=11&lambda=2', '', '', 'none of that number' ],
		[ '#topic=2', q{at('clear').click()}, '', 'all' ],
		[ '#topic=2', q{send(document, 'keydown', KeyboardEvent)}, '', 'Escape' ],
		[ '', q{at('number').value = 7; send(at('number'), 'input')}, 7, 'typed' ],
		[ '', q{all('circle.topic')[0].dispatchEvent(
			new MouseEvent('click', { bubbles: true }))}, 1, 'a circle' ],
		[ '', q{all('#topics tr[data-topic="5"] a')[0].click()}, 5, 'a row' ]);
	my @found = states(@ways);

	for my $i (0 .. $#ways)
	{
		is($found[$i]{number}, $ways[$i][2], "topic chosen: $ways[$i][3]");
	}
	like($found[0]{hash}, qr/^#topic=4&lambda=/, 'the address has the choice');

	# that errors are seen at all
	my $broken = PostgreSQL::Test::Utils::tempdir() . '/broken.html';
	open(my $out, '>', $broken) or die "$broken: $!";
	print $out "<script>nothing.there()</script>";
	close($out);
	my ($ignored, @seen) = Browser::dom($broken, '');
	is(scalar @seen, 1, 'an error would have been seen');
	return;
}

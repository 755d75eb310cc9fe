/*
 * lda_report_test.c
 *		Tests of lda_topics.c, lda_map.c and lda_report*.c, printed as TAP.
 *
 * With the name of a file, writes a page into it instead, to look at; with
 * "hostile" behind it, one of words that try to get out of their places; with
 * a number behind it, one of so many topics.
 */
#include "postgres.h"

#include <math.h>
#include <time.h>

#include "mb/pg_wchar.h"

#include "embed/embed_json.h"
#include "lda/lda_map.h"
#include "lda/lda_report.h"
#include "lda/lda_topics.h"

#include "random.h"
#include "server_stub.h"
#include "tap.h"

#define LANES	16

/* ------------------------------------------------------------------------
 * Models
 * ------------------------------------------------------------------------ */

#define THEMES		10
#define THEME_WORDS	12

static const char *const themes[THEMES][THEME_WORDS] = {
	{"ship", "sea", "sailor", "harbour", "wind", "captain", "island", "storm",
	"wave", "sail", "fish", "coast"},
	{"bread", "salt", "oven", "butter", "recipe", "sugar", "flour", "fish",
	"cook", "taste", "onion", "wine"},
	{"song", "music", "piano", "voice", "concert", "opera", "melody", "guitar",
	"dance", "record", "sing", "band"},
	{"star", "planet", "telescope", "orbit", "moon", "galaxy", "light",
	"space", "sun", "comet", "sky", "gravity"},
	{"court", "judge", "law", "trial", "jury", "crime", "police", "lawyer",
	"evidence", "case", "prison", "record"},
	{"garden", "tree", "flower", "seed", "leaf", "soil", "root", "plant",
	"rose", "water", "sun", "spring"},
	{"bank", "money", "price", "market", "loan", "tax", "trade", "interest",
	"stock", "credit", "fund", "dollar"},
	{"doctor", "patient", "disease", "blood", "hospital", "cell", "drug",
	"heart", "nurse", "trial", "virus", "health"},
	{"computer", "program", "data", "memory", "network", "code", "user",
	"file", "software", "cell", "system", "web"},
	{"team", "game", "goal", "player", "season", "coach", "ball", "league",
	"score", "match", "record", "win"},
};

/* Each tries something; all are words as a user may have them. */
static const char *const hostile_words[] = {
	"</script><script>document.title='broken'</script>",
	"<!--<script>", "<img src=x onerror=\"document.title='broken'\">",
	"' onclick='document.title=1", "\" autofocus onfocus=\"document.title=1",
	"]]>", "&lt;b&gt;", "&#60;", "\\u003c/script>", "\\", "\"]}", "${1}", "`",
	"\xe2\x80\xa8line\xe2\x80\xa9", "\xe2\x80\xaeright\xe2\x80\x8f", "a\tb\r\nc",
	"\x01\x1f\x7f", "\xc2\x85\xc2\x9f", "\xf0\x9f\x98\x80", "\xef\xbf\xbe",
	"\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", "na\xc3\xafve", "</title>", "</bdi>",
	"__proto__", "constructor",
	"a-word-that-is-longer-than-any-column-that-a-page-may-have-for-it-at-all"
};

static VsLdaModel *
make_model(const char *name, int topics, int words)
{
	VsLdaModel *model = palloc0(sizeof(VsLdaModel));
	Size		cells;

	model->context = CurrentMemoryContext;
	model->name = pstrdup(name);
	model->topics = topics;
	model->words = words;
	model->stride = (topics + LANES - 1) / LANES * LANES;
	model->beta = 0.01;
	cells = (Size) words * model->stride;
	model->topic = palloc0(topics * sizeof(VsLdaTopic));
	model->word = palloc0(words * sizeof(VsLdaWord));
	model->phi = MemoryContextAllocHuge(CurrentMemoryContext,
										cells * sizeof(float));
	memset(model->phi, 0, cells * sizeof(float));
	model->alpha = palloc0(model->stride * sizeof(float));
	for (int w = 0; w < words; w++)
	{
		char		text[32];

		snprintf(text, sizeof(text), "word%d", w);
		model->word[w].text = pstrdup(text);
		model->word[w].len = strlen(text);
	}
	for (int k = 0; k < topics; k++)
		model->topic[k].coherence = k % 4 == 3 ? NAN : 0.3 - 0.05 * k;
	return model;
}

static void
name_word(VsLdaModel *model, int word, const char *text)
{
	model->word[word].text = text;
	model->word[word].len = strlen(text);
}

static float *
cell(const VsLdaModel *model, int word, int topic)
{
	return model->phi + (Size) word * model->stride + topic;
}

/* Phi is counts so far; make it what training would. */
static void
finish_model(VsLdaModel *model)
{
	for (int k = 0; k < model->topics; k++)
	{
		double		tokens = 0;

		for (int w = 0; w < model->words; w++)
			tokens += *cell(model, w, k);
		model->topic[k].tokens = tokens;
		model->tokens += tokens;
		for (int w = 0; w < model->words; w++)
		{
			double		count = *cell(model, w, k);

			model->word[w].tokens += count;
			*cell(model, w, k) = (count + model->beta) /
				(tokens + model->words * model->beta);
		}
	}
}

/* Topics of random words, some of them common to all. */
static VsLdaModel *
random_model(int topics, int words)
{
	VsLdaModel *model = make_model("random", topics, words);

	random_state = 7;
	for (int k = 0; k < topics; k++)
		for (int i = 0; i < 40; i++)
			*cell(model, random_bits() % (i % 4 ? words : words / 10 + 1), k) +=
				1 + random_bits() % (3000 / (i + 1) / (k % 7 + 1) + 1);
	finish_model(model);
	return model;
}

static VsLdaModel *
theme_model(void)
{
	static const char *const common[] = {
		"time", "year", "people", "make", "work", "new", "world", "day"
	};
	int			words = lengthof(common);
	VsLdaModel *model = make_model("themes", THEMES, 1000);

	random_state = 3;
	for (int w = 0; w < words; w++)
		name_word(model, w, common[w]);
	for (int k = 0; k < THEMES; k++)
	{
		for (int w = 0; w < (int) lengthof(common); w++)
			*cell(model, w, k) = (1500 - 150 * w + random_bits() % 200) / (k + 2);
		for (int i = 0; i < THEME_WORDS; i++)
		{
			int			w = 0;

			while (w < words && strcmp(model->word[w].text, themes[k][i]) != 0)
				w++;
			if (w == words)
				name_word(model, words++, themes[k][i]);
			*cell(model, w, k) += 9000 / (i + 4) / (k * 0.4 + 1);
		}
		for (int i = 0; i < 200; i++)
			*cell(model, 200 + random_bits() % 800, k) +=
				1 + random_bits() % (60 / (k + 1));
	}
	finish_model(model);
	return model;
}

static VsLdaModel *
hostile_model(void)
{
	int			words = lengthof(hostile_words);
	VsLdaModel *model =
	make_model("</title><script>document.title='broken'</script>'\"&\xe2\x80\xae",
			   3, words);

	for (int w = 0; w < words; w++)
	{
		name_word(model, w, hostile_words[w]);
		for (int k = 0; k < 3; k++)
			*cell(model, w, k) = w % 3 == k ? 1000 - 20 * w : w % 2;
	}
	finish_model(model);
	return model;
}

/* ------------------------------------------------------------------------
 * Topics
 * ------------------------------------------------------------------------ */

static int
compare_ranked(const void *a, const void *b)
{
	const VsLdaRanked *x = a;
	const VsLdaRanked *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->index - y->index;
}

static void
test_top(void)
{
	for (int n = 0; n <= 300; n += 1 + n / 4)
	{
		VsLdaRanked all[200];
		VsLdaTop	top;
		int			found[300];
		int			count;

		for (int i = 0; i < 200; i++)
		{
			/* ties, and what has no rank */
			double		score = (double) (random_bits() % 20);

			all[i].index = i;
			all[i].score = score == 19 ? -INFINITY : score;
		}
		vs_lda_top_init(&top, n);
		for (int i = 0; i < 200; i++)
			vs_lda_top_offer(&top, (i * 77) % 200,
							 isfinite(all[(i * 77) % 200].score) ?
							 all[(i * 77) % 200].score : NAN);
		count = vs_lda_top_take(&top, found);
		qsort(all, 200, sizeof(VsLdaRanked), compare_ranked);
		if (count != Min(n, 200) || top.count != 0)
			fail("%d of %d", count, n);
		for (int i = 0; i < count; i++)
			if (found[i] != all[i].index)
				fail("%d of %d is %d, not %d", i, n, found[i], all[i].index);
		stub_reset();
	}
	end_test("the best of what is offered are those of a sort");
}

static bool
near(double a, double b)
{
	return fabs(a - b) <= 1e-6 * Max(fabs(a), 1);
}

/* Three words: one is common to both topics, one is of each. */
static void
test_topics(void)
{
	VsLdaModel *model = make_model("small", 2, 4);
	static const float phi[4][2] = {{0.6, 0.6}, {0.4, 0}, {0, 0.3}, {0, 0.1}};
	int			words[4];
	double		p[2];

	for (int w = 0; w < 4; w++)
		for (int k = 0; k < 2; k++)
			*cell(model, w, k) = phi[w][k];
	model->tokens = 1000;
	model->topic[0].tokens = 750;
	model->topic[1].tokens = 250;
	model->word[0].tokens = 600;
	model->word[1].tokens = 300;
	model->word[2].tokens = 75;
	model->word[3].tokens = 25;

	if (vs_lda_top_words(model, 0, 1, 2, words) != 2 ||
		words[0] != 0 || words[1] != 1)
		fail("most probable words");
	if (vs_lda_top_words(model, 0, 0, 9, words) != 4 ||
		words[0] != 1 || words[1] != 0 || words[2] != 2 || words[3] != 3)
		fail("most typical words, and those without any probability");
	vs_lda_top_words(model, 1, 0, 4, words);
	if (words[0] != 2 || words[1] != 3 || words[2] != 0)
		fail("equally typical words come by index");
	if (!near(vs_lda_relevance(model, 1, 0, 0.3),
			  0.3 * log(0.4) + 0.7 * log(0.4 / 0.3)))
		fail("relevance");
	words[0] = 0;
	words[1] = 1;
	if (!near(vs_lda_exclusivity(model, 0, words, 2), 0.75) ||
		!isnan(vs_lda_exclusivity(model, 0, words, 0)))
		fail("exclusivity");
	vs_lda_word_topics(model, 0, p);
	if (!near(p[0], 0.75) || !near(p[1], 0.25))
		fail("topics of a common word");
	vs_lda_word_topics(model, 3, p);
	if (p[0] != 0 || p[1] != 1)
		fail("topics of a word of one topic");
	if (vs_lda_saliency(model, 0) > 1e-6 ||
		!near(vs_lda_saliency(model, 2), 0.075 * log(4)))
		fail("saliency");
	if (!near(vs_lda_topic_share(model, 1), 0.25) ||
		!near(vs_lda_word_share(model, 2), 0.075))
		fail("shares");
	stub_reset();
	end_test("relevance, exclusivity, saliency of a model of four words");
}

/* ------------------------------------------------------------------------
 * Map
 * ------------------------------------------------------------------------ */

static double
plain_divergence(const VsLdaModel *model, int a, int b)
{
	double		sum = 0;

	for (int w = 0; w < model->words; w++)
	{
		double		p = *cell(model, w, a);
		double		q = *cell(model, w, b);

		sum += p > 0 ? p * log(2 * p / (p + q)) / 2 : 0;
		sum += q > 0 ? q * log(2 * q / (p + q)) / 2 : 0;
	}
	return sum;
}

/* Compare with the definition; what is left out may be up to this. */
static void
check_divergences(const VsLdaModel *model, int most_words, double loss)
{
	int			topics = model->topics;
	double	   *square = palloc(topics * topics * sizeof(double));

	vs_lda_divergences(model, most_words, square);
	for (int a = 0; a < topics; a++)
		for (int b = 0; b < topics; b++)
		{
			double		exact = a == b ? 0 : plain_divergence(model, a, b);
			double		found = square[a * topics + b];

			if (found > exact + 1e-9 || found < exact - loss - 1e-9 ||
				found != square[b * topics + a])
				fail("topics %d and %d, %d words: %.12f, not %.12f", a, b,
					 most_words, found, exact);
		}
}

static void
test_divergences(void)
{
	VsLdaModel *model = random_model(13, 500);
	VsLdaModel *dense = random_model(5, 60);
	VsLdaModel *apart = make_model("apart", 2, 2);

	check_divergences(model, 500, 0);
	check_divergences(model, 50, 0);
	check_divergences(model, 20, 0.2);
	check_divergences(model, 1, log(2));

	/* no word is at the least, and some have nothing */
	for (int w = 0; w < dense->words; w++)
		for (int k = 0; k < dense->topics; k++)
			*cell(dense, w, k) = (w + k) % 3 ? (random_float() + 1) / 40 : 0;
	check_divergences(dense, 60, 0);

	*cell(apart, 0, 0) = *cell(apart, 1, 1) = 1;
	check_divergences(apart, 2, 0);
	stub_reset();
	end_test("divergences are those of the definition");
}

static double
distance(double x, double y, double u, double v)
{
	return (x - u) * (x - u) + (y - v) * (y - v);
}

/* Scale n points; they must keep their distances. */
static void
check_plane(const double *x, const double *y, int n)
{
	double	   *square = palloc(n * n * sizeof(double));
	VsLdaMap	map;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			square[i * n + j] = distance(x[i], y[i], x[j], y[j]);
	vs_lda_scale(square, n, &map);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			if (fabs(distance(map.x[i], map.y[i], map.x[j], map.y[j]) -
					 distance(x[i], y[i], x[j], y[j])) > 1e-6)
				fail("%d points: distance of %d and %d", n, i, j);
	if (!(map.explained[0] >= map.explained[1]) || map.explained[1] < 0)
		fail("%d points: %g %g", n, map.explained[0], map.explained[1]);
}

static void
test_scale(void)
{
	double		x[100];
	double		y[100];
	double		zero[100] = {0};
	double	   *square = palloc(100 * 100 * sizeof(double));
	VsLdaMap	map;

	for (int i = 0; i < 100; i++)
	{
		x[i] = 3 * random_float();
		y[i] = random_float();
	}
	for (int n = 1; n <= 100; n += 1 + n / 3)
	{
		check_plane(x, y, n);
		check_plane(zero, x, n);
		check_plane(zero, zero, n);
	}
	end_test("points of a plane, of a line and of one place keep distances");

	/* all as far from one another as can be: any plane is as good */
	for (int i = 0; i < 100 * 100; i++)
		square[i] = i / 100 != i % 100;
	vs_lda_scale(square, 100, &map);
	if (!near(map.explained[0], 1.0 / 99) || !near(map.explained[1], 1.0 / 99))
		fail("%g %g", map.explained[0], map.explained[1]);
	for (int i = 0; i < 100; i++)
		if (!isfinite(map.x[i]) || !isfinite(map.y[i]))
			fail("point %d", i);
	stub_reset();
	end_test("points of a simplex");
}

/* ------------------------------------------------------------------------
 * The page
 * ------------------------------------------------------------------------ */

static char *
page_of(const VsLdaModel *model)
{
	StringInfoData out;

	initStringInfo(&out);
	vs_lda_report(&out, model);
	return out.data;
}

static void
make_page(void *arg)
{
	page_of(arg);
}

static int
count_of(const char *page, const char *part)
{
	int			n = 0;

	for (const char *p = page; (p = strstr(p, part)) != NULL; p++)
		n++;
	return n;
}

static void
has(const char *page, const char *part, int times)
{
	int			n = count_of(page, part);

	if (n != times)
		fail("%d times, not %d: %s", n, times, part);
}

/* What must hold for the page of any model; returns its data. */
static const VsJson *
check_page(const VsLdaModel *model, const char *page)
{
	const char *start = strstr(page, "id='data'>");
	const VsJson *data;
	const VsJson *topics;
	const VsJson *words;

	for (const char *p = page; *p != '\0'; p++)
		if (*p != '\n' && (*p < ' ' || *p > '~'))
			fail("byte %d at %d", (unsigned char) *p, (int) (p - page));
	has(page, "<circle class='topic'", model->topics);
	has(page, "<tr data-topic=", model->topics);
	has(page, "</script>", 2);
	has(page, "<script", 2);
	has(page, "<!--", 0);
	has(page, "</title>", 2 + model->topics);
	has(page, "='nan", 0);
	has(page, "='-nan", 0);
	has(page, "inf'", 0);
	has(page, "http://", 0);
	has(page, "https://", 0);

	start += strlen("id='data'>");
	data = vs_json_parse("page", start, strstr(start, "</script>") - start);
	topics = vs_json_array("page", data, "topics");
	words = vs_json_array("page", data, "words");
	if ((int) topics->count != model->topics)
		fail("%u topics", topics->count);
	for (uint32 k = 0; k < topics->count; k++)
	{
		const VsJson *list = vs_json_array("page", &topics->u.items[k], "words");

		for (uint32 i = 0; i < list->count; i += 2)
			if (list->u.items[i].u.number >= words->count)
				fail("topic %u has no word %u", k, i / 2);
	}
	return data;
}

static void
test_page(void)
{
	VsLdaModel *model = theme_model();
	char	   *page = page_of(model);
	const VsJson *data = check_page(model, page);
	const VsJson *words = vs_json_array("page", data, "words");
	const VsJson *topics = vs_json_array("page", data, "topics");
	double		shares = 0;

	has(page, "<td data-value=''>&#8211;</td>", 2);
	has(page, "<title>Topics of &#8296;themes&#8297;</title>", 1);
	has(page, "<td data-value='0.300000'>0.300</td>", 1);

	/* the words at each lambda are there, and what is said of them is so */
	for (int k = 0; k < THEMES; k++)
	{
		const VsJson *list = vs_json_array("page", &topics->u.items[k], "words");

		shares += vs_json_number("page", &topics->u.items[k], "share", 0, 1, 0);
		for (int i = 0; i <= 10; i++)
		{
			int			top[30];
			int			n = vs_lda_top_words(model, k, i / 10.0, 30, top);

			for (int t = 0; t < n; t++)
			{
				const VsLdaWord *word = &model->word[top[t]];
				bool		is_there = false;

				if (vs_lda_word_share(model, top[t]) == 0)
					continue;
				for (uint32 j = 0; j < list->count && !is_there; j += 2)
				{
					const VsJson *shown =
					&words->u.items[(int) list->u.items[j].u.number];

					is_there = strcmp(vs_json_string("page", shown, "text"),
									  word->text) == 0 &&
						vs_json_number("page", shown, "n", 0, 1e9, 0) ==
						word->tokens &&
						near(list->u.items[j + 1].u.number,
							 *cell(model, top[t], k));
				}
				if (!is_there)
					fail("topic %d, lambda %d/10: %s", k, i, word->text);
			}
		}
	}
	if (!near(shares, 1))
		fail("shares are %g", shares);
	if (strcmp(page, page_of(theme_model())) != 0)
		fail("another page for the same model");
	stub_reset();
	end_test("a page has what it shows");
}

static void
test_degenerate(void)
{
	for (int topics = 1; topics <= 17; topics++)
	{
		VsLdaModel *model = make_model("", topics, 5);

		check_page(model, page_of(model));
		for (int w = 0; w < 5; w++)
			for (int k = 0; k < topics; k++)
				*cell(model, w, k) = 1 + w;
		finish_model(model);
		check_page(model, page_of(model));
		stub_reset();
	}
	check_page(make_model("none", 3, 0), page_of(make_model("none", 3, 0)));
	stub_reset();
	end_test("pages of models without tokens, of equal topics, of no words");
}

static const char *
first_word(VsLdaModel *model)
{
	const VsJson *data = check_page(model, page_of(model));
	const VsJson *words = vs_json_array("page", data, "words");

	return vs_json_string("page", &words->u.items[0], "text");
}

/* A model of one word is shown in the database's encoding as this in UTF-8. */
static void
word_becomes(int encoding, const char *text, const char *wanted)
{
	VsLdaModel *model = make_model("one", 1, 1);
	const char *found;

	name_word(model, 0, text);
	*cell(model, 0, 0) = 3;
	finish_model(model);
	stub_encoding = encoding;
	found = first_word(model);
	stub_encoding = PG_UTF8;
	if (strcmp(found, wanted) != 0)
		fail("\"%s\" became \"%s\"", wanted, found);
	stub_reset();
}

static void
test_hostile(void)
{
	VsLdaModel *model = hostile_model();
	char	   *page = page_of(model);
	const VsJson *data = check_page(model, page);
	const VsJson *words = vs_json_array("page", data, "words");
	int			same = 0;

	if (words->count != lengthof(hostile_words))
		fail("%u words", words->count);
	for (uint32 i = 0; i < words->count; i++)
		for (int w = 0; w < (int) lengthof(hostile_words); w++)
			same += strcmp(hostile_words[w],
						   vs_json_string("page", &words->u.items[i],
										  "text")) == 0;

	/* all but the three of control characters are as they were */
	if (same != (int) lengthof(hostile_words) - 3)
		fail("%d words are the same", same);
	has(page, "<img", 0);
	has(page, "'broken'", 0);
	has(page, "onclick='", 0);
	has(page, "autofocus onfocus=\"", 0);
	stub_reset();
	end_test("words that would get out of their places");

	word_becomes(PG_UTF8, "\x01\t\x7f\xc2\x85",
				 "\xe2\x90\x81\xe2\x90\x89\xe2\x90\xa1\xef\xbf\xbd");
	word_becomes(PG_UTF8, "\xf0\x9f\x98\x80\xc3\xa9", "\xf0\x9f\x98\x80\xc3\xa9");
	word_becomes(PG_LATIN1, "\xe9t\xe9", "\xc3\xa9t\xc3\xa9");
	word_becomes(PG_SQL_ASCII, "a\xe9z\xe2\x82", "a\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd");
	word_becomes(PG_SQL_ASCII, "\xed\xa0\x80\xff\xc0\x80",
				 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
				 "\xef\xbf\xbd\xef\xbf\xbd");
	word_becomes(PG_SQL_ASCII, "\xe2\x82\xac", "\xe2\x82\xac");
	end_test("words of other encodings, and of none");
}

static void
test_interrupt(void)
{
	VsLdaModel *model = random_model(20, 200);

	stub_interrupt();
	if (!stub_expect(ERRCODE_QUERY_CANCELED, "canceling", make_page, model))
		fail("it goes on");
	stub_reset();
	end_test("making a page can be interrupted");
}

/* ------------------------------------------------------------------------
 * A page to look at
 * ------------------------------------------------------------------------ */

static int
write_page(const char *path, const char *kind)
{
	int			topics = atoi(kind);
	VsLdaModel *model = strcmp(kind, "hostile") == 0 ? hostile_model() :
	topics > 0 ? random_model(topics, 100 * topics) : theme_model();
	clock_t		start = clock();
	char	   *page = page_of(model);
	FILE	   *file = fopen(path, "wb");

	printf("%zu bytes, %.2f s\n", strlen(page),
		   (double) (clock() - start) / CLOCKS_PER_SEC);
	if (file == NULL || fputs(page, file) == EOF || fclose(file) != 0)
	{
		perror(path);
		return 1;
	}
	stub_reset();
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		return write_page(argv[1], argc > 2 ? argv[2] : "");

	test_top();
	test_topics();
	test_divergences();
	test_scale();
	test_page();
	test_degenerate();
	test_hostile();
	test_interrupt();
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}

/*
 * lda_coherence_test.c
 *		Tests of lda_coherence.c, printed as TAP: what gensim gives
 *		(test/data/lda), what one can count by hand, and all windows of random
 *		texts looked at one by one.
 */
#include "postgres.h"

#include <math.h>

#include "lda/lda_coherence.h"
#include "utils/memutils.h"

#include "random.h"
#include "server_stub.h"
#include "tap.h"

#define FOLDER		"test/data/lda/"
#define MAX_TOPICS	16
#define MAX_WORDS	10
#define MAX_TEXTS	100
#define MAX_LENGTH	300
#define EPSILON		1e-12

static const VsLdaMeasure measures[] = {
	VS_LDA_U_MASS, VS_LDA_C_NPMI, VS_LDA_C_V
};
static const char *const measure_names[] = {"u_mass", "c_npmi", "c_v"};

/* What is computed, and what comes out: the argument of run_case. */
typedef struct CoherenceCase
{
	VsLdaMeasure measure;
	int			topics;
	int			top_n;
	int			top_words[MAX_TOPICS * MAX_WORDS];
	int			vocabulary;
	int			texts;
	int			length[MAX_TEXTS];
	int			text[MAX_TEXTS][MAX_LENGTH];
	double		per_topic[MAX_TOPICS];
} CoherenceCase;

static CoherenceCase the_case;

static void
run_case(void *arg)
{
	CoherenceCase *c = arg;
	VsLdaCoherence *coherence;

	coherence = vs_lda_coherence_begin(CurrentMemoryContext, c->measure,
									   c->topics, c->top_n, c->top_words,
									   c->vocabulary);
	/* its own copy, so that ASan sees a read past the end */
	for (int i = 0; i < c->texts; i++)
	{
		int		   *text = palloc(sizeof(int) * Max(c->length[i], 1));

		memcpy(text, c->text[i], sizeof(int) * c->length[i]);
		vs_lda_coherence_add(coherence, c->length[i], text);
		pfree(text);
	}
	vs_lda_coherence_end(coherence, c->per_topic);
}

static void
compute(void)
{
	if (!stub_expect(0, "", run_case, &the_case))
		fail("an error");
	stub_reset();
}

static bool
is_close(double got, double wanted)
{
	if (isnan(wanted) || isinf(wanted))
		return isnan(wanted) ? isnan(got) : got == wanted;
	return fabs(got - wanted) <= 1e-10;
}

static void
expect_topic(int topic, double wanted)
{
	double		got = the_case.per_topic[topic];

	if (!is_close(got, wanted))
		fail("topic %d: %.15g instead of %.15g", topic, got, wanted);
}

/* add_text(n, id, ...) */
static void
add_text(int n,...)
{
	va_list		args;
	int			number = the_case.texts++;

	the_case.length[number] = n;
	va_start(args, n);
	for (int i = 0; i < n; i++)
		the_case.text[number][i] = va_arg(args, int);
	va_end(args);
}

/* A text without any known word. */
static void
add_blank_text(int n)
{
	int			number = the_case.texts++;

	the_case.length[number] = n;
	for (int i = 0; i < n; i++)
		the_case.text[number][i] = -1;
}

/* One topic of words 0 and 1. */
static void
start_pair_case(VsLdaMeasure measure)
{
	memset(&the_case, 0, sizeof(the_case));
	the_case.measure = measure;
	the_case.topics = 1;
	the_case.top_n = 2;
	the_case.top_words[1] = 1;
	the_case.vocabulary = 3;
}

/* How often each word was counted shows in npmi of the pair. */
static double
npmi_of(double windows, double a, double b, double both)
{
	double		p = both / windows + EPSILON;

	return log(p / ((a / windows) * (b / windows))) / -log(p);
}

static void
test_u_mass(void)
{
	start_pair_case(VS_LDA_U_MASS);
	add_text(3, 0, 1, 0);
	add_text(1, 0);
	add_text(4, 1, 2, -1, 0);
	add_text(1, 1);
	compute();
	/* 2 of 4 documents have both, 3 have the first word */
	expect_topic(0, log((2.0 / 4 + EPSILON) / (3.0 / 4)));
	end_test("u_mass by hand");
	add_text(0);
	compute();
	expect_topic(0, log((2.0 / 5 + EPSILON) / (3.0 / 5)));
	end_test("an empty document counts in u_mass");
}

static void
test_windows(void)
{
	start_pair_case(VS_LDA_C_NPMI);
	add_text(2, 0, 1);
	add_text(2, 1, 2);
	add_text(1, 0);
	add_text(0);
	compute();
	expect_topic(0, npmi_of(3, 2, 2, 1));
	end_test("short texts are a window each, and empty ones are none");

	/* of the first text: windows 0-9, 1-10, 2-11 */
	start_pair_case(VS_LDA_C_NPMI);
	add_blank_text(12);
	the_case.text[0][0] = 0;
	the_case.text[0][11] = 1;
	add_blank_text(12);
	the_case.text[1][1] = 0;
	the_case.text[1][10] = 1;
	compute();
	expect_topic(0, npmi_of(6, 3, 3, 1));
	end_test("windows of ten words");

	/* 0 leaves with window 1, and word 0 is taken to be gone */
	start_pair_case(VS_LDA_C_NPMI);
	add_blank_text(12);
	the_case.text[0][0] = 0;
	the_case.text[0][5] = 0;
	the_case.text[0][6] = 1;
	compute();
	expect_topic(0, npmi_of(3, 1, 3, 1));
	/* until it enters again, with window 2 */
	the_case.text[0][11] = 0;
	compute();
	expect_topic(0, npmi_of(3, 2, 3, 2));
	end_test("a word that occurs twice in a window");

	/* it leaves and enters at once */
	start_pair_case(VS_LDA_C_NPMI);
	add_blank_text(12);
	the_case.text[0][0] = 0;
	the_case.text[0][10] = 0;
	the_case.text[0][9] = 1;
	compute();
	expect_topic(0, npmi_of(3, 3, 3, 3));
	end_test("a word that leaves as it enters");
}

static void
test_edges(void)
{
	start_pair_case(VS_LDA_C_NPMI);
	compute();
	expect_topic(0, NAN);
	end_test("no texts");

	for (int i = 0; i < 3; i++)
	{
		start_pair_case(measures[i]);
		the_case.top_words[0] = the_case.top_words[1] = -1;
		add_text(2, 0, 1);
		compute();
		expect_topic(0, NAN);
		end_test("%s: a topic without words", measure_names[i]);

		start_pair_case(measures[i]);
		the_case.top_n = 4;
		the_case.top_words[0] = the_case.top_words[2] = -1;
		the_case.top_words[1] = 1;
		the_case.top_words[3] = 0;
		add_text(2, 0, 1);
		add_text(1, 0);
		compute();
		the_case.per_topic[1] = the_case.per_topic[0];
		the_case.top_n = 2;
		the_case.top_words[0] = 1;
		the_case.top_words[1] = 0;
		compute();
		expect_topic(0, the_case.per_topic[1]);
		end_test("%s: holes in the list of words", measure_names[i]);
	}
}

static void
test_cancel(void)
{
	start_pair_case(VS_LDA_C_V);
	add_text(2, 0, 1);
	stub_interrupt();
	if (!stub_expect(ERRCODE_QUERY_CANCELED, "", run_case, &the_case))
		fail("not cancelled");
	stub_reset();
	end_test("it can be cancelled");
}

/* The next line's numbers; how many there are, or -1 at the end. */
static int
read_line(FILE *file, double *numbers, int most)
{
	char		line[4096];
	char	   *at = line;
	int			n = 0;

	if (fgets(line, sizeof(line), file) == NULL)
		return -1;
	while (n < most)
	{
		char	   *end;

		numbers[n] = strtod(at, &end);
		if (end == at)
			break;
		n++;
		at = end;
	}
	return n;
}

static FILE *
open_data(const char *path)
{
	FILE	   *file = fopen(path, "r");

	if (file == NULL)
	{
		printf("Bail out! cannot open %s\n", path);
		exit(1);
	}
	return file;
}

static void
load_golden_case(void)
{
	FILE	   *texts = open_data(FOLDER "texts");
	FILE	   *topics = open_data(FOLDER "topics");
	double		numbers[MAX_LENGTH];
	int			n;

	memset(&the_case, 0, sizeof(the_case));
	the_case.vocabulary = 48;
	the_case.top_n = MAX_WORDS;
	while (the_case.texts < MAX_TEXTS &&
		   (n = read_line(texts, numbers, MAX_LENGTH)) >= 0)
	{
		for (int i = 0; i < n; i++)
			the_case.text[the_case.texts][i] = numbers[i];
		the_case.length[the_case.texts++] = n;
	}
	while (the_case.topics < MAX_TOPICS &&
		   (n = read_line(topics, numbers, MAX_WORDS)) >= 0)
	{
		int		   *words = the_case.top_words + MAX_WORDS * the_case.topics++;

		for (int i = 0; i < MAX_WORDS; i++)
			words[i] = i < n ? numbers[i] : -1;
	}
	fclose(texts);
	fclose(topics);
}

static void
test_golden(void)
{
	for (int i = 0; i < 3; i++)
	{
		FILE	   *wanted = open_data(FOLDER "coherence.tsv");
		double		numbers[3];
		int			topic = 0;

		load_golden_case();
		the_case.measure = measures[i];
		compute();
		while (read_line(wanted, numbers, 3) == 3)
			expect_topic(topic++, numbers[i]);
		fclose(wanted);
		if (topic != the_case.topics || topic != 15 || the_case.texts != 64)
			fail("%d topics, %d values, %d texts",
				 the_case.topics, topic, the_case.texts);
		end_test("%s as gensim has it", measure_names[i]);
	}
}

/* As gensim does it: every window, a flag for each of the two words. */
static double
npmi_window_by_window(void)
{
	double		count[2] = {0, 0};
	double		both = 0;
	double		windows = 0;

	for (int i = 0; i < the_case.texts; i++)
	{
		const int  *text = the_case.text[i];
		int			n = the_case.length[i];
		bool		has[3] = {false, false, false};

		for (int p = 0; p < Min(n, 10); p++)
			has[text[p]] = true;
		for (int w = 0; w < Max(n - 9, 1); w++)
		{
			if (w > 0)
			{
				has[text[w - 1]] = false;
				has[text[w + 9]] = true;
			}
			count[0] += has[0];
			count[1] += has[1];
			both += has[0] && has[1];
			windows++;
		}
	}
	return npmi_of(windows, count[0], count[1], both);
}

static void
test_random(void)
{
	for (int round = 0; round < 300; round++)
	{
		start_pair_case(VS_LDA_C_NPMI);
		the_case.texts = 5;
		for (int i = 0; i < the_case.texts; i++)
		{
			the_case.length[i] = 1 + (random_bits() >> 32) % 60;
			for (int p = 0; p < the_case.length[i]; p++)
			{
				int			word = (random_bits() >> 32) % (3 + round % 20);

				the_case.text[i][p] = Min(word, 2);
			}
		}
		compute();
		expect_topic(0, npmi_window_by_window());
	}
	end_test("random texts, window by window");
}

int
main(void)
{
	test_u_mass();
	test_windows();
	test_edges();
	test_cancel();
	test_golden();
	test_random();
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}

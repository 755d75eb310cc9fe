/*
 * lda_report.c
 *		A topic model as a page to look at, after LDAvis (Sievert and Shirley
 *		2014): a map of the topics, the words of each, and a table.
 *
 * The map and the table are written here; bars are drawn by the page's script
 * from a block of JSON,
 *
 *		{"tokens": of all topics, "radius": of a circle of share 1,
 *		 "topics": [{"share", "tokens", "words": [word, phi, ...]}, ...],
 *		 "words": [{"text", "n": tokens, "topics": [topic, per mille, ...]}],
 *		 "salient": [word, ...]}
 *
 * where a word is an index into "words", and topics are counted from 1.  Only
 * words that can come to be shown are in it: for each topic, the first 30 at
 * each of 11 values of lambda.
 *
 * Words and names are whatever a user has put into a table: only the functions
 * of lda_report_text.c write them.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "lda/lda_map.h"
#include "lda/lda_report.h"
#include "lda/lda_report_page.h"
#include "lda/lda_report_text.h"
#include "lda/lda_topics.h"

#define BARS			30
#define NAMED			5		/* words of a topic that is pointed at */
#define LAMBDAS			11		/* 0, 0.1, ..., 1 */
#define LEAST_MILLE		5		/* less of a word in a topic is left out */

/* The map, in units of its own; circles cover a part of it, in sum. */
#define MAP_WIDTH		600.0
#define MAP_HEIGHT		540.0
#define MAP_COVERED		0.2
#define MAP_MARGIN		14.0
#define DIGIT_WIDTH		8.0		/* of the numbers in circles */

/* The most probable words of a topic. */
typedef struct TopWords
{
	int			count;
	int			word[VS_LDA_TOP_WORDS];
} TopWords;

typedef struct Report
{
	StringInfo	out;
	const VsLdaModel *model;
	double		radius;			/* of a circle of share 1 */
	TopWords   *top;			/* [K] */
	int		   *place;			/* [V]: among the words shown, or -1 */
	int		   *shown;			/* words, by place */
	int			shown_count;
	int			shown_room;
} Report;

/* ------------------------------------------------------------------------
 * Map
 * ------------------------------------------------------------------------ */

static double
radius_of(const Report *report, double share)
{
	return report->radius * sqrt(Max(share, 0));
}

/* Lines through the origin, and what part of the distances each shows. */
static void
write_axes(const Report *report, const VsLdaMap *map, double x, double y)
{
	StringInfo	out = report->out;

	appendStringInfo(out,
					 "<line class='axis' x1='0' x2='%.0f' y1='%.1f' y2='%.1f'/>\n"
					 "<line class='axis' y1='0' y2='%.0f' x1='%.1f' x2='%.1f'/>\n",
					 MAP_WIDTH, y, y, MAP_HEIGHT, x, x);
	appendStringInfo(out,
					 "<text x='%.0f' y='%.1f' text-anchor='end'>axis 1: %.*f %%"
					 "</text>\n"
					 "<text x='%.1f' y='0' dy='.9em'>axis 2: %.*f %%</text>\n",
					 MAP_WIDTH, y - 6, map->explained[0] < 0.02,
					 100 * map->explained[0],
					 x + 6, map->explained[1] < 0.02, 100 * map->explained[1]);
}

static void
write_circle(const Report *report, int topic, double x, double y)
{
	StringInfo	out = report->out;
	double		share = vs_lda_topic_share(report->model, topic);
	const TopWords *top = &report->top[topic];
	int			n = Min(top->count, NAMED);

	appendStringInfo(out, "<circle class='topic' data-topic='%d' cx='%.1f'"
					 " cy='%.1f' r='%.2f'><title>Topic %d, ",
					 topic + 1, x, y, radius_of(report, share), topic + 1);
	vs_lda_text_percent(out, share);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(out, i == 0 ? ": &#8296;" : "&#8297;, &#8296;");
		vs_lda_text_html(out, report->model->word[top->word[i]].text,
						 report->model->word[top->word[i]].len);
	}
	appendStringInfo(out, "%s</title></circle>\n", n > 0 ? "&#8297;" : "");
}

static void
write_number(const Report *report, int topic, double x, double y)
{
	double		share = vs_lda_topic_share(report->model, topic);
	int			digits = 1 + (topic + 1 > 9) + (topic + 1 > 99) + (topic + 1 > 999);
	bool		is_small = 2 * radius_of(report, share) < digits * DIGIT_WIDTH;

	appendStringInfo(report->out, "<text class='number%s' data-topic='%d'"
					 " x='%.1f' y='%.1f' dy='.35em'>%d</text>\n",
					 is_small ? " small" : "", topic + 1, x, y, topic + 1);
}

/* Large circles first, so that none is hidden. */
static int
compare_tokens(const void *a, const void *b, void *arg)
{
	const VsLdaTopic *topic = arg;
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	if (topic[x].tokens != topic[y].tokens)
		return topic[x].tokens > topic[y].tokens ? -1 : 1;
	return x - y;
}

/* The three sizes of the legend, none larger than the largest circle. */
static const double *
legend_shares(double largest)
{
	static const double shares[] = {
		0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001
	};
	int			first = 0;

	while (first < (int) lengthof(shares) - 3 && shares[first] > largest)
		first++;
	return shares + first;
}

static double
legend_height(const Report *report, const double *shares)
{
	return Max(2 * radius_of(report, shares[0]), 56) + 20;
}

/* Circles of three shares, the largest first, beneath the map. */
static void
write_legend(const Report *report, const double *shares)
{
	StringInfo	out = report->out;
	double		height = legend_height(report, shares) - 20;
	double		width = 2 * radius_of(report, shares[0]);
	double		bottom = MAP_HEIGHT + height + 10;
	double		x = MAP_MARGIN + width / 2;

	appendStringInfoString(out, "<g class='legend'>\n");
	for (int i = 0; i < 3; i++)
	{
		double		radius = radius_of(report, shares[i]);
		double		label = bottom - height * (0.85 - 0.35 * i);

		appendStringInfo(out, "<circle cx='%.1f' cy='%.1f' r='%.2f'/>"
						 "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f'/>"
						 "<text x='%.1f' y='%.1f' dy='.35em'>%g %%</text>\n",
						 x, bottom - radius, radius,
						 x, bottom - 2 * radius, x + width / 2 + 24, label,
						 x + width / 2 + 30, label, 100 * shares[i]);
	}
	appendStringInfo(out, "<text x='%.0f' y='%.1f' text-anchor='end'>"
					 "area: share of tokens</text>\n</g>\n",
					 MAP_WIDTH, bottom - 4);
}

static void
find_range(const double *x, int n, double *least, double *most)
{
	*least = *most = x[0];
	for (int i = 1; i < n; i++)
	{
		*least = Min(*least, x[i]);
		*most = Max(*most, x[i]);
	}
}

static void
write_map(const Report *report)
{
	const VsLdaModel *model = report->model;
	StringInfo	out = report->out;
	VsLdaMap	map;
	int		   *order = palloc(model->topics * sizeof(int));
	double		largest = 0;
	const double *legend;
	double		margin;
	double		left;
	double		right;
	double		low;
	double		high;
	double		scale;
	double		x;
	double		y;

	vs_lda_map(model, &map);
	for (int k = 0; k < model->topics; k++)
		largest = Max(largest, vs_lda_topic_share(model, k));
	legend = legend_shares(largest);
	margin = radius_of(report, largest) + MAP_MARGIN;

	/* one scale for both axes, as distances are what is shown */
	find_range(map.x, model->topics, &left, &right);
	find_range(map.y, model->topics, &low, &high);
	scale = Min((MAP_WIDTH - 2 * margin) / Max(right - left, 1e-9),
				(MAP_HEIGHT - 2 * margin) / Max(high - low, 1e-9));
	x = MAP_WIDTH / 2 - scale * (left + right) / 2;
	y = MAP_HEIGHT / 2 + scale * (low + high) / 2;

	appendStringInfo(out, "<section class='card' aria-labelledby='map-title'>\n"
					 "<h2 id='map-title'>Topics</h2>\n"
					 "<svg class='map' id='map' viewBox='0 0 %.0f %.0f' role='img'"
					 " aria-labelledby='map-name map-text'>\n"
					 "<title id='map-name'>Map of topics</title>\n"
					 "<desc id='map-text'>Each of %d topics is a circle; those"
					 " with similar words are near each other. The table below"
					 " has the same topics.</desc>\n",
					 MAP_WIDTH, MAP_HEIGHT + legend_height(report, legend),
					 model->topics);
	write_axes(report, &map, x, y);
	for (int k = 0; k < model->topics; k++)
	{
		order[k] = k;
		map.x[k] = x + scale * map.x[k];
		map.y[k] = y - scale * map.y[k];
	}
	qsort_arg(order, model->topics, sizeof(int), compare_tokens, model->topic);
	for (int i = 0; i < model->topics; i++)
		write_circle(report, order[i], map.x[order[i]], map.y[order[i]]);
	appendStringInfoString(out, "<circle class='ring' id='ring'/>\n<g>\n");
	for (int k = 0; k < model->topics; k++)
		write_number(report, k, map.x[k], map.y[k]);
	appendStringInfoString(out, "</g>\n");
	write_legend(report, legend);
	appendStringInfoString(out, "</svg>\n</section>\n");
}

/* ------------------------------------------------------------------------
 * Table
 * ------------------------------------------------------------------------ */

static void
write_table_head(StringInfo out)
{
	static const char *const columns[] = {
		"Topic", "Share", "Tokens", "Coherence", "Exclusivity"
	};

	appendStringInfoString(out, "<section class='card scroll' tabindex='0'"
						   " aria-labelledby='topics-title'>\n"
						   "<h2 id='topics-title'>All topics</h2>\n"
						   "<table id='topics'>\n<thead><tr>\n");
	for (int i = 0; i < (int) lengthof(columns); i++)
		appendStringInfo(out, "<th scope='col'><button type='button'>%s</button>"
						 "</th>\n", columns[i]);
	appendStringInfoString(out, "<th scope='col'>Most probable words</th>\n"
						   "</tr></thead>\n<tbody>\n");
}

static void
append_word(StringInfo out, const VsLdaModel *model, int word)
{
	appendStringInfoString(out, "<bdi>");
	vs_lda_text_html(out, model->word[word].text, model->word[word].len);
	appendStringInfoString(out, "</bdi>");
}

/* A cell for a number that may be unknown. */
static void
write_measure(StringInfo out, double value)
{
	if (fabs(value) < 0.0005)
		value = 0;				/* without a sign */
	if (isfinite(value))
		appendStringInfo(out, "<td data-value='%.6f'>%.3f</td>", value, value);
	else
		appendStringInfoString(out, "<td data-value=''>&#8211;</td>");
}

static void
write_table(const Report *report)
{
	const VsLdaModel *model = report->model;
	StringInfo	out = report->out;

	write_table_head(out);
	for (int k = 0; k < model->topics; k++)
	{
		double		share = vs_lda_topic_share(model, k);
		const TopWords *top = &report->top[k];

		CHECK_FOR_INTERRUPTS();
		appendStringInfo(out, "<tr data-topic='%d'><td data-value='%d'>"
						 "<a href='#topic=%d'>%d</a></td><td data-value='%.9f'>",
						 k + 1, k + 1, k + 1, k + 1, share);
		vs_lda_text_percent(out, share);
		appendStringInfo(out, "</td><td data-value='%.0f'>",
						 model->topic[k].tokens);
		vs_lda_text_count(out, model->topic[k].tokens);
		appendStringInfoString(out, "</td>");
		write_measure(out, model->topic[k].coherence);
		write_measure(out, vs_lda_exclusivity(model, k, top->word,
											  top->count));
		appendStringInfoString(out, "<td>");
		for (int i = 0; i < top->count; i++)
		{
			appendStringInfoString(out, i > 0 ? ", " : "");
			append_word(out, model, top->word[i]);
		}
		appendStringInfoString(out, "</td></tr>\n");
	}
	appendStringInfoString(out, "</tbody>\n</table>\n</section>\n");
}

/* ------------------------------------------------------------------------
 * Data of the bars
 * ------------------------------------------------------------------------ */

/* The number by which the page knows a word. */
static int
place_of(Report *report, int word)
{
	if (report->place[word] < 0)
	{
		if (report->shown_count == report->shown_room)
		{
			report->shown_room *= 2;
			report->shown = repalloc(report->shown,
									 report->shown_room * sizeof(int));
		}
		report->place[word] = report->shown_count;
		report->shown[report->shown_count++] = word;
	}
	return report->place[word];
}

static int
compare_ints(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/* The words that a topic shows at some lambda; at most LAMBDAS * BARS. */
static int
find_candidates(const Report *report, int topic, VsLdaTop *tops,
				const double *log_share, int *words)
{
	const VsLdaModel *model = report->model;
	int			n = 0;
	int			distinct = 0;

	for (int w = 0; w < model->words; w++)
	{
		double		phi = model->phi[(Size) w * model->stride + topic];
		double		log_phi;

		if (!(phi > 0 && isfinite(log_share[w])))
			continue;
		log_phi = log(phi);
		for (int i = 0; i < LAMBDAS; i++)
			vs_lda_top_offer(&tops[i], w, log_phi -
							 (1 - (double) i / (LAMBDAS - 1)) * log_share[w]);
	}
	for (int i = 0; i < LAMBDAS; i++)
		n += vs_lda_top_take(&tops[i], words + n);

	qsort(words, n, sizeof(int), compare_ints);
	for (int i = 0; i < n; i++)
		if (i == 0 || words[i] != words[i - 1])
			words[distinct++] = words[i];
	return distinct;
}

static void
write_topic_words(Report *report)
{
	const VsLdaModel *model = report->model;
	StringInfo	out = report->out;
	double	   *log_share = palloc(model->words * sizeof(double));
	VsLdaTop	tops[LAMBDAS];
	int			words[LAMBDAS * BARS];

	for (int w = 0; w < model->words; w++)
		log_share[w] = log(vs_lda_word_share(model, w));
	for (int i = 0; i < LAMBDAS; i++)
		vs_lda_top_init(&tops[i], BARS);

	appendStringInfoString(out, "\"topics\":[");
	for (int k = 0; k < model->topics; k++)
	{
		int			n = find_candidates(report, k, tops, log_share, words);

		CHECK_FOR_INTERRUPTS();
		appendStringInfo(out, "%s\n{\"share\":", k > 0 ? "," : "");
		vs_lda_text_number(out, vs_lda_topic_share(model, k));
		appendStringInfoString(out, ",\"tokens\":");
		vs_lda_text_number(out, model->topic[k].tokens);
		appendStringInfoString(out, ",\"words\":[");
		for (int i = 0; i < n; i++)
		{
			appendStringInfo(out, "%s%d,", i > 0 ? "," : "",
							 place_of(report, words[i]));
			vs_lda_text_number(out,
							   model->phi[(Size) words[i] * model->stride + k]);
		}
		appendStringInfoString(out, "]}");
	}
	appendStringInfoString(out, "],\n");
}

static void
write_salient(Report *report)
{
	const VsLdaModel *model = report->model;
	VsLdaTop	top;
	int			words[BARS];
	int			n;

	vs_lda_top_init(&top, BARS);
	for (int w = 0; w < model->words; w++)
	{
		CHECK_FOR_INTERRUPTS();
		vs_lda_top_offer(&top, w, vs_lda_saliency(model, w));
	}
	n = vs_lda_top_take(&top, words);

	appendStringInfoString(report->out, "\"salient\":[");
	for (int i = 0; i < n; i++)
		appendStringInfo(report->out, "%s%d", i > 0 ? "," : "",
						 place_of(report, words[i]));
	appendStringInfoString(report->out, "],\n");
}

static void
write_words(const Report *report)
{
	const VsLdaModel *model = report->model;
	StringInfo	out = report->out;
	double	   *p = palloc(model->topics * sizeof(double));

	appendStringInfoString(out, "\"words\":[");
	for (int i = 0; i < report->shown_count; i++)
	{
		const VsLdaWord *word = &model->word[report->shown[i]];
		const char *comma = "";

		CHECK_FOR_INTERRUPTS();
		appendStringInfo(out, "%s\n{\"text\":", i > 0 ? "," : "");
		vs_lda_text_json(out, word->text, word->len);
		appendStringInfo(out, ",\"n\":" INT64_FORMAT ",\"topics\":[",
						 word->tokens);
		vs_lda_word_topics(model, report->shown[i], p);
		for (int k = 0; k < model->topics; k++)
		{
			int			mille = (int) (1000 * p[k] + 0.5);

			if (mille < LEAST_MILLE)
				continue;
			appendStringInfo(out, "%s%d,%d", comma, k + 1, mille);
			comma = ",";
		}
		appendStringInfoString(out, "]}");
	}
	appendStringInfoString(out, "]");
}

static void
write_data(Report *report)
{
	const VsLdaModel *model = report->model;
	StringInfo	out = report->out;

	report->place = palloc(model->words * sizeof(int));
	for (int w = 0; w < model->words; w++)
		report->place[w] = -1;
	report->shown_count = 0;
	report->shown_room = 1024;
	report->shown = palloc(report->shown_room * sizeof(int));

	appendStringInfoString(out, "<script type='application/json' id='data'>\n"
						   "{\"tokens\":");
	vs_lda_text_number(out, model->tokens);
	appendStringInfoString(out, ",\"radius\":");
	vs_lda_text_number(out, report->radius);
	appendStringInfoString(out, ",\n");
	write_topic_words(report);
	write_salient(report);
	write_words(report);
	appendStringInfoString(out, "}\n</script>\n");
}

/* ------------------------------------------------------------------------
 * Page
 * ------------------------------------------------------------------------ */

static void
write_head(const Report *report)
{
	const VsLdaModel *model = report->model;
	StringInfo	out = report->out;
	int			len = strlen(model->name);

	appendStringInfoString(out,
						   "<!DOCTYPE html>\n<html lang='en'>\n<head>\n"
						   "<meta charset='utf-8'>\n"
						   "<meta http-equiv='Content-Security-Policy'"
						   " content=\"default-src 'none'; img-src data:;"
						   " style-src 'unsafe-inline';"
						   " script-src 'unsafe-inline'; base-uri 'none';"
						   " form-action 'none'\">\n"
						   "<meta name='viewport'"
						   " content='width=device-width, initial-scale=1'>\n"
						   "<link rel='icon' href='data:,'>\n"
						   "<title>Topics of &#8296;");
	vs_lda_text_html(out, model->name, len);
	appendStringInfo(out, "&#8297;</title>\n<style>\n%s</style>\n</head>\n"
					 "<body>\n<header>\n<h1>Topics of <bdi>",
					 vs_lda_page_style);
	vs_lda_text_html(out, model->name, len);
	appendStringInfoString(out, "</bdi></h1>\n<p>");
	vs_lda_text_count(out, model->topics);
	appendStringInfoString(out, " topics, ");
	vs_lda_text_count(out, model->words);
	appendStringInfoString(out, " words, ");
	vs_lda_text_count(out, model->tokens);
	appendStringInfoString(out, " tokens</p>\n</header>\n");
}

void
vs_lda_report(StringInfo out, const VsLdaModel *model)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "lda report",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	Report		report = {
		.out = out,
		.model = model,
		.radius = sqrt(MAP_COVERED * MAP_WIDTH * MAP_HEIGHT / M_PI)
	};

	Assert(model->topics > 0);
	report.top = palloc(model->topics * sizeof(TopWords));
	for (int k = 0; k < model->topics; k++)
	{
		CHECK_FOR_INTERRUPTS();
		report.top[k].count = vs_lda_top_words(model, k, 1, VS_LDA_TOP_WORDS,
											   report.top[k].word);
	}
	write_head(&report);
	appendStringInfo(out, "<main>\n%s<div class='views'>\n",
					 vs_lda_page_controls);
	write_map(&report);
	appendStringInfo(out, "%s</div>\n", vs_lda_page_bars);
	write_table(&report);
	appendStringInfo(out, "</main>\n%s", vs_lda_page_about);
	write_data(&report);
	appendStringInfo(out, "<script>\n%s</script>\n</body>\n</html>\n",
					 vs_lda_page_script);

	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

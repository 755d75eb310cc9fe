/*
 * layout_test.c
 *		Tests of the layout planner, printed as TAP.
 *
 * First the worked cases that the format was designed for, then what must hold
 * for every layout: nothing overlaps, everything is aligned, and the page
 * holds it.
 */
#include <stdio.h>
#include <string.h>

#include "hnsw/hnsw_layout.h"
#include "tap.h"

/* A page of 8 kB without its header and without our own head. */
#define PAGE_SPACE	(8192 - 24 - 8)

#define MAX_DIMS	2000

static const int m_list[] = {2, 5, 16, 50, 100};
static const VsMetricKind metric_list[] = {
	VS_METRIC_L2, VS_METRIC_IP, VS_METRIC_COSINE, VS_METRIC_L1,
	VS_METRIC_JENSEN_SHANNON
};

#define LENGTH(a)	((int) (sizeof(a) / sizeof((a)[0])))

#define CHECK(condition) \
	do { if (!(condition)) fail("not so: %s", #condition); } while (0)
#define CHECK_INT(got, want) \
	do { \
		if ((got) != (want)) \
			fail("%s is %d, not %d", #got, (int) (got), (int) (want)); \
	} while (0)

/* The worked cases: L2, m = 16, an 8 kB page. */

static void
test_worked_cases(void)
{
	static const struct
	{
		int			dims;
		int			bits;
		VsCodec		codec;
		int			degree_min;
		int			degree_max;
		int			per_page;
	}			cases[] = {
		{100, 2, VS_CODEC_FLOAT16, 32, 32, 6},
		{384, 1, VS_CODEC_INT8, 28, 29, 4},
		{768, 1, VS_CODEC_INT8, 30, 32, 2},
		{1024, 1, VS_CODEC_FLOAT16, 32, 32, 1},
		{1536, 1, VS_CODEC_INT8, 32, 32, 1},
	};

	for (int i = 0; i < LENGTH(cases); i++)
	{
		VsHnswLayout layout;
		static char name[32];

		snprintf(name, sizeof(name), "%d dimensions", cases[i].dims);
		subject = name;
		CHECK(vs_hnsw_plan_layout(cases[i].dims, VS_METRIC_L2, 16, 0,
								  PAGE_SPACE, &layout));
		CHECK_INT(layout.dims, cases[i].dims);
		CHECK_INT(layout.code_dims, cases[i].dims);
		CHECK_INT(layout.bits, cases[i].bits);
		CHECK_INT(layout.codec, cases[i].codec);
		CHECK_INT(layout.per_page, cases[i].per_page);
		CHECK(layout.degree >= cases[i].degree_min);
		CHECK(layout.degree <= cases[i].degree_max);
		CHECK_INT(layout.rotated, VS_ROTATED_ALL);
		end_test("worked case: %d dimensions", cases[i].dims);
	}
}

/* Properties */

/* The parts follow one another in the slot, each where its type may stand. */
static void
check_offsets(const VsHnswLayout *layout)
{
	int			codes_end = layout->codes_at +
	layout->degree * layout->code_size;

	CHECK(layout->self_at >= VS_HNSW_SLOT_HEADER + layout->column_bytes);
	CHECK_INT(layout->row_size,
			  layout->dims * VS_CODEC_WIDTH(layout->codec));
	CHECK(layout->codes_at >= layout->self_at + layout->row_size);
	CHECK_INT(layout->code_size,
			  VS_CODE_STRIDE(layout->code_dims, layout->bits));
	CHECK(layout->ids_at >= codes_end);
	CHECK(layout->base_at >= layout->ids_at + 4 * layout->degree);
	CHECK(layout->factor_at >= layout->base_at + 2 * layout->degree);
	CHECK(layout->slot_size >= layout->factor_at + 2 * layout->degree);

	CHECK_INT(layout->self_at % VS_CODEC_WIDTH(layout->codec), 0);
	CHECK_INT(layout->ids_at % 4, 0);
	CHECK_INT(layout->base_at % 2, 0);
	CHECK_INT(layout->factor_at % 2, 0);
	CHECK_INT(layout->slot_size % 8, 0);

	/* code kernels may read this far behind the last code */
	CHECK(codes_end + VS_CODE_PAD <= layout->slot_size);
}

/* For a node of each level: its levels' places do not meet, and fill the slot. */
static void
check_levels(const VsHnswLayout *layout)
{
	CHECK(layout->max_level < VS_HNSW_LEVELS);
	CHECK(layout->upper_degree > 0);
	for (int node_level = 0; node_level <= layout->max_level; node_level++)
	{
		char		taken[256] = {0};
		int			total = 0;

		for (int level = 0; level <= node_level; level++)
		{
			int			start = vs_hnsw_links_start(layout, level);
			int			room = vs_hnsw_links_room(layout, node_level, level);

			CHECK(room > 0);
			CHECK(start >= 0 && start + room <= layout->degree);
			for (int place = start; place < start + room; place++)
			{
				if (place < 0 || place >= layout->degree || taken[place])
					fail("place %d is shared or outside", place);
				else
					taken[place] = 1;
			}
			total += room;
		}
		CHECK_INT(total, layout->degree);
	}
}

static void
check_layout(const VsHnswLayout *layout, int dims, VsMetricKind metric, int m,
			 int column_bytes, int page_space)
{
	CHECK_INT(layout->dims, dims);
	CHECK_INT(layout->metric, metric);
	CHECK_INT(layout->column_bytes, column_bytes);
	CHECK(layout->code_dims >= 1 && layout->code_dims <= dims);
	CHECK(layout->codec < VS_CODEC_COUNT);
	CHECK(layout->bits == 1 || layout->bits == 2 || layout->bits == 4);
	CHECK_INT(layout->rotated,
			  metric == VS_METRIC_L1 || dims < VS_ROTATE_MIN ?
			  VS_ROTATED_NOTHING : metric == VS_METRIC_JENSEN_SHANNON ?
			  VS_ROTATED_CODES : VS_ROTATED_ALL);
	CHECK(layout->degree >= 2 && layout->degree <= 2 * m);

	CHECK(layout->per_page >= 1);
	CHECK(layout->slot_size * layout->per_page <= page_space);

	/* no place for a slot is left unused */
	CHECK(layout->slot_size * (layout->per_page + 1) > page_space);

	/* without a rotation a part of the coordinates does not stand for all */
	if (!layout->rotated)
		CHECK_INT(layout->code_dims, dims);
	check_offsets(layout);
	check_levels(layout);
}

/* Plan and check; returns whether there is a layout. */
static bool
plan_and_check(int dims, VsMetricKind metric, int m, int column_bytes,
			   int page_space, VsHnswLayout *layout)
{
	static char name[80];

	snprintf(name, sizeof(name),
			 "%d dimensions, metric %d, m %d, columns %d, page %d",
			 dims, metric, m, column_bytes, page_space);
	subject = name;
	memset(layout, 0xA5, sizeof(*layout));
	if (!vs_hnsw_plan_layout(dims, metric, m, column_bytes, page_space, layout))
		return false;
	check_layout(layout, dims, metric, m, column_bytes, page_space);
	return true;
}

static void
test_all_dims(int m)
{
	for (int i = 0; i < LENGTH(metric_list); i++)
		for (int dims = 1; dims <= MAX_DIMS; dims++)
		{
			VsHnswLayout layout;

			if (!plan_and_check(dims, metric_list[i], m, 0, PAGE_SPACE, &layout))
				fail("no layout");
		}
	end_test("a layout for all of 1 to %d dimensions, m %d", MAX_DIMS, m);
}

/*
 * At the default m no dimension that can be indexed is short of links, but an
 * eighth where int8 rows and that make room for one more slot; and only
 * L1, which has no rotation and so codes all coordinates, may lose some.
 */
static void
test_default_degree(void)
{
	for (int i = 0; i < LENGTH(metric_list); i++)
		for (int dims = 1; dims <= MAX_DIMS; dims++)
		{
			VsHnswLayout layout;

			if (plan_and_check(dims, metric_list[i], 16, 0, PAGE_SPACE, &layout))
			{
				bool		lean = dims >= 256 && layout.codec == VS_CODEC_INT8 &&
				layout.per_page > 1;

				CHECK(layout.degree >= (lean ? 28 : layout.rotated || dims <= 1600 ? 30 : 23));
			}
			else
				fail("no layout");
		}
	end_test("m 16 gives enough links at every dimension");
}

/* More dimensions never make room for more slots. */
static void
test_density(void)
{
	for (int i = 0; i < LENGTH(metric_list); i++)
	{
		int			before = 65535;

		for (int dims = 1; dims <= MAX_DIMS; dims++)
		{
			VsHnswLayout layout;

			if (!plan_and_check(dims, metric_list[i], 16, 0, PAGE_SPACE, &layout))
				continue;
			/* where the floor of the precision falls, a slot may shrink */
			if (dims != 17 && dims != 65 && dims != 256 && dims != 512)
				CHECK(layout.per_page <= before);
			before = layout.per_page;
		}
	}
	end_test("slots in a page do not grow with the dimensions");
}

/* Filter columns: room is taken for them, or the answer is no. */
static void
test_columns(void)
{
	static const int dims_list[] = {1, 3, 16, 17, 100, 384, 768, 1536, 2000};
	static const int m_short_list[] = {2, 16, 100};

	for (int i = 0; i < LENGTH(dims_list); i++)
		for (int j = 0; j < LENGTH(m_short_list); j++)
			for (int k = 0; k < LENGTH(metric_list); k++)
			{
				int			per_page = 65535;
				bool		fits = true;

				for (int bytes = 0; bytes <= 8192; bytes += 4)
				{
					VsHnswLayout layout;
					bool		is_planned =
					plan_and_check(dims_list[i], metric_list[k],
								   m_short_list[j], bytes, PAGE_SPACE, &layout);

					if (is_planned && !fits)
						fail("fits although fewer columns did not");
					fits = is_planned;
					if (!is_planned)
						continue;
					CHECK(layout.per_page <= per_page);
					per_page = layout.per_page;
				}
				if (fits)
					fail("8192 bytes of columns cannot fit the page");
			}
	end_test("filter columns of 0 to 8192 bytes");
}

static void
test_page_sizes(void)
{
	for (int size = 4096; size <= 32768; size *= 2)
		for (int space = size - 32; space >= size - 256; space -= 56)
			for (int i = 0; i < LENGTH(metric_list); i++)
				for (int j = 0; j < LENGTH(m_list); j++)
					for (int dims = 1; dims <= MAX_DIMS; dims += 7)
					{
						VsHnswLayout layout;

						if (!plan_and_check(dims, metric_list[i], m_list[j], 0,
											space, &layout))
							fail("no layout");
					}
	end_test("pages of 4 to 32 kB");
}

static void
test_refusals(void)
{
	VsHnswLayout layout;

	subject = "16000 dimensions in 8 kB";
	CHECK(!vs_hnsw_plan_layout(16000, VS_METRIC_L2, 16, 0, PAGE_SPACE, &layout));
	subject = "a page smaller than a slot's header";
	CHECK(!vs_hnsw_plan_layout(3, VS_METRIC_L2, 16, 0, 24, &layout));
	subject = "columns that fill the page";
	CHECK(!vs_hnsw_plan_layout(3, VS_METRIC_L2, 16, PAGE_SPACE, PAGE_SPACE,
							   &layout));
	end_test("what cannot fit is refused");
}

static void
test_repeatable(void)
{
	for (int dims = 1; dims <= MAX_DIMS; dims++)
	{
		VsHnswLayout a;
		VsHnswLayout b;

		memset(&b, 0x5A, sizeof(b));
		if (plan_and_check(dims, VS_METRIC_L2, 16, 0, PAGE_SPACE, &a) &&
			vs_hnsw_plan_layout(dims, VS_METRIC_L2, 16, 0, PAGE_SPACE, &b))
			CHECK(memcmp(&a, &b, sizeof(a)) == 0);
		else
			fail("no layout");
	}
	end_test("the same question has the same answer to the last byte");
}

int
main(void)
{
	test_worked_cases();
	for (int i = 0; i < LENGTH(m_list); i++)
		test_all_dims(m_list[i]);
	test_default_degree();
	test_density();
	test_columns();
	test_page_sizes();
	test_refusals();
	test_repeatable();
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}

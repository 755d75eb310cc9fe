/*
 * yardstick.cpp
 *		hnswlib in process on the data of a benchmark: what the algorithm can
 *		do without a database around it.
 *
 * usage: yardstick METRIC BASE.fvecs QUERY.fvecs TRUTH.ivecs EF...
 *
 * Prints a line "build SECONDS BYTES", then lines as ann.c does.
 */
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <vector>

#include <hnswlib/hnswlib.h>

#include "vecs.h"

static const size_t K = 10;
static const int PASSES = 3;	// timed ones; the fastest counts

static double
now()
{
	using namespace std::chrono;
	return duration<double>(steady_clock::now().time_since_epoch()).count();
}

static void
normalize(VsRows &rows)
{
	for (size_t r = 0; r < rows.n; r++)
	{
		float	   *v = rows.f + r * rows.dim;
		double		sum = 0;

		for (size_t i = 0; i < rows.dim; i++)
			sum += double(v[i]) * v[i];
		for (size_t i = 0; i < rows.dim && sum > 0; i++)
			v[i] = float(v[i] / std::sqrt(sum));
	}
}

static void
measure(hnswlib::HierarchicalNSW<float> &index, const VsRows &query,
		const VsRows &truth, const char *ef)
{
	std::vector<double> ms(query.n);
	std::vector<double> best_ms;
	double		best = INFINITY;
	long		right = 0;

	index.setEf(size_t(atol(ef)));
	// The first pass only warms up.
	for (int pass = 0; pass <= PASSES; pass++)
	{
		double		start = now();

		right = 0;
		for (size_t q = 0; q < query.n; q++)
		{
			double		before = now();
			auto		found = index.searchKnn(query.f + q * query.dim, K);

			for (; !found.empty(); found.pop())
			{
				const int32_t *t = truth.i + q * truth.dim;

				right += std::count(t, t + K, int32_t(found.top().second));
			}
			ms[q] = (now() - before) * 1e3;
		}

		double		total = now() - start;

		if (pass > 0 && total < best)
		{
			best = total;
			best_ms = ms;
		}
	}

	std::sort(best_ms.begin(), best_ms.end());
	printf("hnswlib\t%s\t%.4f\t%.1f\t%.3f\t%.3f\t%.3f\n", ef,
		   double(right) / double(query.n * K), double(query.n) / best,
		   best_ms[query.n / 2], best_ms[query.n * 95 / 100],
		   best_ms[query.n * 99 / 100]);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	if (argc < 6)
	{
		fprintf(stderr, "usage: yardstick cosine|l2|ip BASE QUERY TRUTH EF...\n");
		return 2;
	}

	VsRows		base = read_rows(argv[2]);
	VsRows		query = read_rows(argv[3]);
	VsRows		truth = read_rows(argv[4]);
	hnswlib::L2Space l2(base.dim);
	hnswlib::InnerProductSpace ip(base.dim);
	hnswlib::SpaceInterface<float> *space = &ip;

	if (strcmp(argv[1], "l2") == 0)
		space = &l2;
	if (strcmp(argv[1], "cosine") == 0)
	{
		normalize(base);
		normalize(query);
	}

	double		start = now();
	hnswlib::HierarchicalNSW<float> index(space, base.n, 16, 64);

	for (size_t r = 0; r < base.n; r++)
		index.addPoint(base.f + r * base.dim, r);

	double		seconds = now() - start;
	size_t		bytes = base.n * index.size_data_per_element_;

	for (size_t r = 0; r < base.n; r++)
		bytes += index.size_links_per_element_ * size_t(index.element_levels_[r]);
	printf("build\t%.1f\t%zu\n", seconds, bytes);
	for (char **ef = argv + 5; *ef != nullptr; ef++)
		measure(index, query, truth, *ef);
	return 0;
}

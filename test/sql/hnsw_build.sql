-- What a build is said to take, and what it takes.
\pset tuples_only on

CREATE TABLE built (opclass text, dims int, rows int, size bigint);
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM (VALUES ('vector_l2_ops', 3, 3000),
		('vector_cosine_ops', 100, 1000), ('vector_ip_ops', 384, 600),
		('vector_l1_ops', 32, 900), ('vector_l2_ops', 768, 300)) v(opclass, dims, rows)
	LOOP
		EXECUTE format('CREATE TABLE build_item (v vector(%s))', c.dims);
		EXECUTE format('INSERT INTO build_item
			SELECT (SELECT array_agg(sin(i * 3.1 + d * d * 0.7 + i * d)::real)
				FROM generate_series(1, %s) d) FROM generate_series(1, %s) i',
			c.dims, c.rows);
		EXECUTE format('CREATE INDEX build_item_v ON build_item USING hnsw (v %s)', c.opclass);
		INSERT INTO built VALUES (c.opclass, c.dims, c.rows, pg_relation_size('build_item_v'));
		DROP TABLE build_item;
	END LOOP;
END $$;

-- the pages of nodes are known exactly, those of the revmap nearly
SELECT opclass, dims, abs(index_bytes - size) <= 8192 * (1 + rows / 700) AS size_is_right,
	seconds BETWEEN 0.0001 AND 60 AS seconds_are_sane, fits
FROM built, hnsw_build_estimate(rows, dims, opclass => opclass)
ORDER BY opclass, dims;

-- more rows take more of everything, and in the end do not fit
SELECT b.memory_bytes > a.memory_bytes, b.index_bytes > a.index_bytes,
	b.seconds > a.seconds, a.fits, b.fits
FROM hnsw_build_estimate(1000, 128) a, hnsw_build_estimate(100000000, 128) b;

SELECT hnsw_build_estimate(0, 100);
SELECT hnsw_build_estimate(100, 2001);
SELECT hnsw_build_estimate(100, 100, 16, 31);
SELECT hnsw_build_estimate(100, 100, opclass => 'int4_ops');

DROP TABLE built;

-- Builds the index item_v and prints the seconds.  Variables: workers, opclass.
SET max_parallel_maintenance_workers = :workers;
SELECT clock_timestamp() AS start \gset
CREATE INDEX item_v ON item USING hnsw (v :opclass)
	WITH (m = 16, ef_construction = 64);
SELECT round(extract(epoch FROM clock_timestamp() - :'start'), 2);

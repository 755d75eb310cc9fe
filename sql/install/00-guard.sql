\echo Use "CREATE EXTENSION vecsearch" to load this file. \quit

-- vecsearch and pgvector define the same types, access methods and functions.
-- (Our own marker extension of the name vector is created after vecsearch.)
DO LANGUAGE plpgsql $$
BEGIN
	IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'vector') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = 'vecsearch cannot be created beside the extension vector',
			DETAIL = 'Both define the type vector and the access method hnsw.',
			HINT = 'Dump the database, drop the extension vector, create the extension vecsearch, then restore.';
	END IF;
END
$$;

-- The access method hnsw and its operator classes for vector.

CREATE FUNCTION hnswhandler(internal) RETURNS index_am_handler
	AS 'MODULE_PATHNAME', 'vs_hnswhandler' LANGUAGE C;
COMMENT ON FUNCTION hnswhandler(internal) IS
	'handler of the hnsw index access method';

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER hnswhandler;
COMMENT ON ACCESS METHOD hnsw IS
	'approximate nearest neighbors by a hierarchical navigable small world graph (arXiv 1603.09320) whose links carry codes of the neighbors (arXiv 2405.12497); serves ORDER BY column <operator> constant, and column <operator> constant < radius; further columns of the index are filter columns, whose conditions a search tests without reading the table; options m (links of a node, 2 to 100) and ef_construction (width of the search while building, 4 to 1000, at least 2 m)';

CREATE FUNCTION hnsw_vector_l2_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_vector_l2_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_vector_l2_support(internal) IS
	'tells the hnsw access method of Euclidean distance over vector';

CREATE FUNCTION hnsw_vector_ip_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_vector_ip_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_vector_ip_support(internal) IS
	'tells the hnsw access method of the negative inner product over vector';

CREATE FUNCTION hnsw_vector_cosine_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_vector_cosine_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_vector_cosine_support(internal) IS
	'tells the hnsw access method of cosine distance over vector';

CREATE FUNCTION hnsw_vector_l1_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_vector_l1_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_vector_l1_support(internal) IS
	'tells the hnsw access method of taxicab distance over vector';

CREATE FUNCTION hnsw_vector_hellinger_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_vector_hellinger_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_vector_hellinger_support(internal) IS
	'tells the hnsw access method of the Hellinger distance over vector';

CREATE FUNCTION hnsw_vector_jensen_shannon_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_hnsw_vector_jensen_shannon_support' LANGUAGE C
	IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION hnsw_vector_jensen_shannon_support(internal) IS
	'tells the hnsw access method of the Jensen-Shannon distance over vector';

CREATE OPERATOR CLASS vector_l2_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 hnsw_vector_l2_support(internal);
COMMENT ON OPERATOR CLASS vector_l2_ops USING hnsw IS
	'orders by Euclidean distance, up to 2,000 dimensions';

CREATE OPERATOR CLASS vector_ip_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 hnsw_vector_ip_support(internal);
COMMENT ON OPERATOR CLASS vector_ip_ops USING hnsw IS
	'orders by negative inner product, up to 2,000 dimensions';

CREATE OPERATOR CLASS vector_cosine_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 hnsw_vector_cosine_support(internal);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING hnsw IS
	'orders by cosine distance, up to 2,000 dimensions; zero vectors are not indexed';

CREATE OPERATOR CLASS vector_l1_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <+> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 hnsw_vector_l1_support(internal);
COMMENT ON OPERATOR CLASS vector_l1_ops USING hnsw IS
	'orders by taxicab distance, up to 2,000 dimensions';

CREATE OPERATOR CLASS vector_hellinger_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <^> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 hnsw_vector_hellinger_support(internal);
COMMENT ON OPERATOR CLASS vector_hellinger_ops USING hnsw IS
	'orders by the Hellinger distance of distributions, up to 2,000 dimensions; zero vectors are not indexed, and a negative element is the error 22023';

CREATE OPERATOR CLASS vector_jensen_shannon_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <|> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 hnsw_vector_jensen_shannon_support(internal);
COMMENT ON OPERATOR CLASS vector_jensen_shannon_ops USING hnsw IS
	'orders by the Jensen-Shannon distance of distributions, up to 2,000 dimensions; zero vectors are not indexed, and a negative element is the error 22023';

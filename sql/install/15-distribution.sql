-- Distances of discrete probability distributions, which are vectors without a
-- negative element; each is divided by its sum first.

CREATE FUNCTION distribution_distance_support(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'vs_distribution_distance_support'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION distribution_distance_support(internal) IS
	'planner support: as vector_distance_support, for distances that cost more a dimension';

CREATE FUNCTION hellinger_distance(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_hellinger_distance'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT distribution_distance_support;
COMMENT ON FUNCTION hellinger_distance(vector, vector) IS
	'Hellinger distance of two distributions, sqrt(sum (sqrt(p)-sqrt(q))^2 / 2), 0 to 1, where p and q are the elements divided by their sum (Hellinger, J. reine angew. Math. 136, 1909; Le Cam and Yang, Asymptotics in Statistics, 2000); NaN if a vector is all zeros; 22023 if an element is negative, 22000 if the dimensions differ';

CREATE FUNCTION jensen_shannon_distance(vector, vector) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_jensen_shannon_distance'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	COST 100 SUPPORT distribution_distance_support;
COMMENT ON FUNCTION jensen_shannon_distance(vector, vector) IS
	'Jensen-Shannon distance of two distributions, sqrt(sum (p log2(p/m) + q log2(q/m)) / 2), 0 to 1, where p and q are the elements divided by their sum and m = (p+q)/2: the root of the divergence (Lin, IEEE Trans. Inf. Theory 37, 1991), which is a metric (Endres and Schindelin, ibid. 49, 2003); NaN if a vector is all zeros; 22023 if an element is negative, 22000 if the dimensions differ';

CREATE FUNCTION topic_share(theta vector, topic integer) RETURNS double precision
	AS 'MODULE_PATHNAME', 'vs_topic_share'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION topic_share(vector, integer) IS
	'share of a topic, counted from 1, in a distribution: its element divided by the sum of all; NaN if all are zero; 22023 if there is no such topic or an element is negative';

CREATE OPERATOR <^> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = hellinger_distance,
	COMMUTATOR = <^>
);
COMMENT ON OPERATOR <^> (vector, vector) IS
	'hellinger_distance: sqrt(sum (sqrt(p)-sqrt(q))^2 / 2) of distributions';

CREATE OPERATOR <|> (
	LEFTARG = vector, RIGHTARG = vector, FUNCTION = jensen_shannon_distance,
	COMMUTATOR = <|>
);
COMMENT ON OPERATOR <|> (vector, vector) IS
	'jensen_shannon_distance: root of the Jensen-Shannon divergence of distributions, in bits';

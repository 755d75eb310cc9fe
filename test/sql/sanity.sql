-- Rules that everything the extension makes must follow.  Each query lists
-- what breaks a rule: it should return no rows.

CREATE VIEW member AS
	SELECT classid, objid FROM pg_depend
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'vecsearch');
-- there are members at all, of every kind that the rules are about
SELECT count(*) FILTER (WHERE classid = 'pg_proc'::regclass) > 30 AS functions,
	count(*) FILTER (WHERE classid = 'pg_operator'::regclass) > 10 AS operators,
	count(*) FILTER (WHERE classid = 'pg_opclass'::regclass) > 4 AS classes
	FROM member;

-- Every object has a comment; what the server makes along with another one is
-- left out: array types, row types, casts, families of operator classes.
SELECT pg_describe_object(classid, objid, 0) FROM member
	WHERE obj_description(objid, classid::regclass::text) IS NULL
		AND NOT (classid = 'pg_type'::regclass AND EXISTS (SELECT FROM pg_type e WHERE e.typarray = objid OR e.oid = objid AND e.typrelid <> 0))
		AND NOT (classid = 'pg_opfamily'::regclass AND EXISTS (SELECT FROM pg_opclass c WHERE c.opcfamily = objid))
	ORDER BY 1;

-- No comment ends in a period.
SELECT pg_describe_object(classid, objid, 0) FROM member
	WHERE obj_description(objid, classid::regclass::text) LIKE '%.' ORDER BY 1;

-- Every operator over one type has a commutator, but those whose result
-- depends on the order of the operands.
SELECT o.oid::regoperator FROM member m JOIN pg_operator o ON o.oid = m.objid
	WHERE m.classid = 'pg_operator'::regclass AND o.oprcom = 0 AND o.oprleft <> 0
		AND o.oprname NOT IN ('-', '||')
	ORDER BY 1;

-- A commutator of a commutator is the operator itself, and so with negators.
SELECT o.oid::regoperator FROM member m JOIN pg_operator o ON o.oid = m.objid
	WHERE m.classid = 'pg_operator'::regclass
		AND (EXISTS (SELECT FROM pg_operator c WHERE c.oid = o.oprcom AND c.oprcom <> o.oid)
			OR EXISTS (SELECT FROM pg_operator n WHERE n.oid = o.oprnegate AND n.oprnegate <> o.oid));

-- Every boolean operator has a negator and both estimators.
SELECT o.oid::regoperator FROM member m JOIN pg_operator o ON o.oid = m.objid
	WHERE m.classid = 'pg_operator'::regclass AND o.oprresult = 'bool'::regtype
		AND (o.oprnegate = 0 OR o.oprrest = 0 OR o.oprjoin = 0)
	ORDER BY 1;

-- A function of an operator is immutable, strict and parallel safe.
SELECT o.oid::regoperator FROM member m JOIN pg_operator o ON o.oid = m.objid
	JOIN pg_proc p ON p.oid = o.oprcode
	WHERE m.classid = 'pg_operator'::regclass
		AND (p.provolatile <> 'i' OR NOT p.proisstrict OR p.proparallel <> 's');

-- Every operator class is valid.
SELECT pg_describe_object(m.classid, m.objid, 0) FROM member m
	WHERE CASE WHEN m.classid = 'pg_opclass'::regclass THEN amvalidate(m.objid) IS NOT TRUE END;

-- Every function in C has a symbol of ours, which starts with vs_.
SELECT p.oid::regprocedure, p.prosrc FROM member m JOIN pg_proc p ON p.oid = m.objid
	JOIN pg_language l ON l.oid = p.prolang
	WHERE m.classid = 'pg_proc'::regclass AND l.lanname = 'c'
		AND (p.prosrc NOT LIKE 'vs\_%' OR p.probin <> '$libdir/vecsearch')
	ORDER BY 1;

-- And is immutable, strict and parallel safe.  These may differ: handlers and
-- functions that the planner or an access method calls with internal data, and
-- functions with a reason of their own.
SELECT p.oid::regprocedure, p.provolatile, p.proisstrict, p.proparallel
	FROM member m JOIN pg_proc p ON p.oid = m.objid
	JOIN pg_language l ON l.oid = p.prolang
	WHERE m.classid = 'pg_proc'::regclass AND l.lanname = 'c'
		AND (p.provolatile <> 'i' OR NOT p.proisstrict OR p.proparallel <> 's')
		AND NOT p.proargtypes::oid[] @> ARRAY['internal'::regtype::oid]
	ORDER BY 1;
-- No function is in another language, and none runs with rights of its owner.
SELECT p.oid::regprocedure, l.lanname FROM member m JOIN pg_proc p ON p.oid = m.objid
	JOIN pg_language l ON l.oid = p.prolang
	WHERE m.classid = 'pg_proc'::regclass AND p.prokind = 'f' AND l.lanname <> 'c' OR p.prosecdef AND m.classid = 'pg_proc'::regclass
	ORDER BY 1;

-- Aggregates can be combined, and so run in parallel.
SELECT a.aggfnoid::regprocedure FROM member m JOIN pg_aggregate a ON a.aggfnoid = m.objid
	JOIN pg_proc p ON p.oid = m.objid
	WHERE m.classid = 'pg_proc'::regclass
		AND (a.aggcombinefn = 0 OR p.proparallel <> 's');

-- Distances have the planner's support.
SELECT o.oid::regoperator FROM member m JOIN pg_operator o ON o.oid = m.objid
	JOIN pg_proc p ON p.oid = o.oprcode
	WHERE m.classid = 'pg_operator'::regclass AND o.oprresult = 'float8'::regtype AND p.prosupport = 0;

-- Every type has a default operator class for btree.
SELECT t.objid::regtype FROM member t JOIN pg_type y ON y.oid = t.objid
	WHERE t.classid = 'pg_type'::regclass AND y.typelem = 0 AND y.typrelid = 0 AND NOT EXISTS
		(SELECT FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod
			WHERE c.opcintype = t.objid AND c.opcdefault AND a.amname = 'btree');

-- Input, output, receive and send of a type exist.
SELECT y.oid::regtype FROM member t JOIN pg_type y ON y.oid = t.objid
	WHERE t.classid = 'pg_type'::regclass AND (y.typreceive = 0 OR y.typsend = 0);

-- The version is that of the control file.
SELECT extversion FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname
	WHERE extname = 'vecsearch' AND extversion <> default_version;

DROP VIEW member;

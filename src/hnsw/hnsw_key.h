/*
 * hnsw_key.h
 *		A distance and an id as one number.
 *
 * The order of keys is that of the distances, ties by id, so that answers are
 * repeatable; and one comparison mispredicts half as often as two.
 */
#ifndef VS_HNSW_HNSW_KEY_H
#define VS_HNSW_HNSW_KEY_H

typedef int64 VsHnswKey;

#define VS_HNSW_LAST_KEY	PG_INT64_MAX

/* The distance is not NaN. */
static inline VsHnswKey
vs_hnsw_key(float distance, uint32 id)
{
	union
	{
		float		f;
		int32		i;
	}			bits = {distance};
	int32		ordered = bits.i ^ ((bits.i >> 31) & PG_INT32_MAX);

	return ((int64) ordered << 32) | id;
}

static inline uint32
vs_hnsw_key_id(VsHnswKey key)
{
	return (uint32) key;
}

static inline float
vs_hnsw_key_distance(VsHnswKey key)
{
	int32		ordered = (int32) (key >> 32);
	union
	{
		int32		i;
		float		f;
	}			bits = {ordered ^ ((ordered >> 31) & PG_INT32_MAX)};

	return bits.f;
}

#endif							/* VS_HNSW_HNSW_KEY_H */

/*
 * vecsearch.h
 *		The modules' init functions; the only header that names all modules.
 */
#ifndef VS_VECSEARCH_H
#define VS_VECSEARCH_H

/* Each is called once by _PG_init. */
extern void vs_simd_init(void);
extern void vs_hnsw_init(void);
extern void vs_filter_init(void);
extern void vs_embed_init(void);
extern void vs_lda_init(void);

#endif							/* VS_VECSEARCH_H */

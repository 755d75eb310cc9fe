/*
 * tokenizer_unigram.c
 *		Unigram: the pieces whose scores have the largest sum.
 *
 * Viterbi's algorithm over all places of the text.  A place that no piece
 * reaches across is on every way, so the best one up to there is final: its
 * tokens are emitted and the table begins anew.  In ordinary text that is so
 * every few letters.  It keeps the table small and lets us stop early.
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "embed/tokenizer_block.h"
#include "embed/unicode_tables.h"

#define INTERRUPT_STRIDE	16384

/* A word being tokenized. */
typedef struct Unigram
{
	VsTokenRun *run;
	const VsTokenizerHeader *header;
	const double *scores;
	const char *word;
	Size		len;
	Size		base;			/* place of lattice[0] */
	Size		reach;			/* the furthest place that a piece ends at */

	/* unknown characters in a row, which make one token; none: start is end */
	Size		unknown_start;
	Size		unknown_end;
} Unigram;

/* Make nodes up to place exist. */
static VsLatticeNode *
node_at(Unigram *u, Size place)
{
	VsTokenRun *run = u->run;
	Size		wanted = place - u->base + 1;

	while (u->reach < place)
	{
		if (run->lattice_room < wanted)
		{
			Size		room = Max(256, run->lattice_room * 2);

			room = Max(room, wanted);
			if (room > MaxAllocHugeSize / sizeof(VsLatticeNode))
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("text too long to tokenize")));
			if (run->lattice == NULL)
				run->lattice = MemoryContextAllocHuge(CurrentMemoryContext,
													  room * sizeof(VsLatticeNode));
			else
				run->lattice = repalloc_huge(run->lattice,
											 room * sizeof(VsLatticeNode));
			run->lattice_room = room;
		}
		u->reach++;
		run->lattice[u->reach - u->base].id = -1;
		run->lattice[u->reach - u->base].score = 0;
	}
	return &run->lattice[place - u->base];
}

/* Offer a piece from place from, whose best score is given, to place to. */
static void
offer(Unigram *u, Size from, Size to, double from_score, double score, int32 id)
{
	VsLatticeNode *node = node_at(u, to);
	double		candidate = from_score + score;
	bool		better;

	if (u->header->flags & VS_TOKEN_TFJS)
		better = node->score == 0 || candidate >= node->score;
	else
		better = node->id < 0 || candidate > node->score;
	if (better)
	{
		node->score = candidate;
		node->id = id;
		node->length = (uint32) (to - from);
	}
}

/* All pieces that begin at place from. */
static void
offer_pieces(Unigram *u, Size from)
{
	const VsTokenizer *tokenizer = u->run->tokenizer;
	double		from_score = u->run->lattice[from - u->base].score;
	Size		stop = from + Min(u->len - from, u->header->longest);
	uint32		c;
	Size		single = from + vs_utf8_get(u->word + from, u->word + u->len, &c);
	bool		has_single = false;
	uint32		node = 0;

	for (Size i = from; i < stop && u->word[i] != 0; i++)
	{
		int32		id;

		node = vs_trie_step(&tokenizer->trie, node, (unsigned char) u->word[i]);
		if (node == VS_TRIE_NONE)
			break;
		id = vs_trie_number(&tokenizer->trie, node);
		if (id < 0)
			continue;
		if ((uint32) id >= u->header->scores.count || i + 1 < single)
			vs_tokenizer_damaged(tokenizer, "A piece has no score.");
		offer(u, from, i + 1, from_score, u->scores[id], id);
		if (i + 1 == single || u->header->flags & VS_TOKEN_TFJS)
			has_single = true;
	}
	if (!has_single)
		offer(u, from, single, from_score, u->header->unknown_score,
			  u->header->unknown);
}

/* Emit the token, or the bytes, of the unknown characters in a row. */
static void
flush_unknown(Unigram *u)
{
	const VsTokenizer *tokenizer = u->run->tokenizer;
	const int32 *byte_ids = VS_BLOCK_AT(u->header, u->header->byte_ids);
	const char *text = u->word + u->unknown_start;
	Size		len = u->unknown_end - u->unknown_start;
	bool		by_bytes = u->header->byte_ids.count == 256;

	if (len == 0)
		return;
	u->unknown_start = u->unknown_end;

	/* together they may be a piece, the unknown one by its own name */
	if (!(u->header->flags & VS_TOKEN_TFJS) && len <= u->header->longest)
	{
		int32		id = vs_trie_find(&tokenizer->trie, text, len);

		if (id >= 0)
		{
			vs_token_emit(u->run, id);
			return;
		}
	}
	for (Size i = 0; i < len && by_bytes; i++)
		by_bytes = byte_ids[(unsigned char) text[i]] >= 0;
	if (!by_bytes)
		vs_token_emit(u->run, u->header->unknown);
	for (Size i = 0; i < len && by_bytes && !u->run->full; i++)
		vs_token_emit(u->run, byte_ids[(unsigned char) text[i]]);
}

/* Emit the best way to place end and begin the table anew there. */
static void
commit(Unigram *u, Size end)
{
	VsTokenRun *run = u->run;
	Size		place = end;
	Size		steps = 0;
	Size		at = u->base;
	double		score = run->lattice[end - u->base].score;

	/* pieces backwards; their lengths lead on */
	while (place > u->base)
	{
		const VsLatticeNode *node = &run->lattice[place - u->base];

		if (steps == run->path_room)
		{
			Size		room = Max(256, run->path_room * 2);

			run->path = run->path == NULL ?
				MemoryContextAllocHuge(CurrentMemoryContext, room * sizeof(int32)) :
				repalloc_huge(run->path, room * sizeof(int32));
			run->path_room = room;
		}
		if (node->id < 0 || node->length == 0 || node->length > place - u->base)
			elog(ERROR, "broken lattice");
		run->path[steps++] = (int32) node->length;
		place -= node->length;
	}
	while (steps > 0 && !run->full)
	{
		int32		length = run->path[--steps];
		int32		id = run->lattice[at + length - u->base].id;

		if (id == u->header->unknown)
		{
			if (u->unknown_end == u->unknown_start)
				u->unknown_start = at;
			u->unknown_end = at + length;
		}
		else
		{
			flush_unknown(u);
			vs_token_emit(run, id);
			u->unknown_start = u->unknown_end = at + length;
		}
		at += length;
	}
	u->base = end;
	u->reach = end;
	run->lattice[0].score = score;
	run->lattice[0].id = -1;
}

void
vs_unigram_word(VsTokenRun *run, const char *word, Size len)
{
	Unigram		u = {.run = run,.header = run->tokenizer->header};
	Size		place = 0;
	Size		pause = INTERRUPT_STRIDE;
	uint32		c;

	u.scores = VS_BLOCK_AT(u.header, u.header->scores);
	u.word = word;
	u.len = len;
	node_at(&u, 1);
	u.reach = 0;
	run->lattice[0].score = 0;
	while (place < len && !run->full)
	{
		offer_pieces(&u, place);
		place += vs_utf8_get(word + place, word + len, &c);
		if (u.reach == place)
			commit(&u, place);
		if (place > pause)
		{
			CHECK_FOR_INTERRUPTS();
			pause = place + INTERRUPT_STRIDE;
		}
	}
	if (!run->full)
		flush_unknown(&u);
}

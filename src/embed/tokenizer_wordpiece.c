/*
 * tokenizer_wordpiece.c
 *		WordPiece: the longest piece at each place of a word.
 */
#include "postgres.h"

#include "embed/tokenizer_block.h"
#include "embed/unicode_tables.h"

/* Has the word more characters than the model takes? */
static bool
is_too_long(const char *word, Size len, uint32 limit)
{
	uint32		count = 0;

	if (len <= limit)
		return false;
	for (Size i = 0; i < len && count <= limit; i++)
		count += ((unsigned char) word[i] & 0xC0) != 0x80;
	return count > limit;
}

/*
 * A word that cannot be cut into pieces to its end is unknown as a whole; so
 * what was emitted for it is taken back.
 */
void
vs_wordpiece_word(VsTokenRun *run, const char *word, Size len)
{
	const VsTokenizer *tokenizer = run->tokenizer;
	int			count = run->count;
	bool		full = run->full;
	uint32		node = 0;
	Size		done = 0;

	if (!is_too_long(word, len, tokenizer->header->max_word_chars))
	{
		while (done < len)
		{
			Size		length = 0;
			int32		id = vs_trie_longest(&tokenizer->trie, node, word + done,
											 Min(len - done, tokenizer->header->longest),
											 &length);

			if (id < 0)
				break;
			vs_token_emit(run, id);
			done += length;
			node = tokenizer->prefix_node;
		}
	}
	if (done < len)
	{
		run->count = count;
		run->full = full;
		vs_token_emit(run, tokenizer->header->unknown);
	}
}

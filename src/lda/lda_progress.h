/*
 * lda_progress.h
 *		How far this session's training is: for other sessions to see, and as
 *		notices.
 */
#ifndef VS_LDA_LDA_PROGRESS_H
#define VS_LDA_LDA_PROGRESS_H

/*
 * Begin to tell of a training, until vs_lda_progress_end.  If all places in
 * shared memory are taken, others see nothing.
 */
extern void vs_lda_progress_begin(const char *model);

/*
 * A phase (a constant string), and how much of total was done in it; total is
 * 0 if not known.  Cheap enough for every document.
 */
extern void vs_lda_progress_update(const char *phase, int64 done,
								   int64 total);
extern void vs_lda_progress_end(void);

#endif							/* VS_LDA_LDA_PROGRESS_H */

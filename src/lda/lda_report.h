/*
 * lda_report.h
 *		A topic model as a page to look at.
 */
#ifndef VS_LDA_LDA_REPORT_H
#define VS_LDA_LDA_REPORT_H

#include "lib/stringinfo.h"

#include "lda/lda_model.h"

/*
 * Append a page of HTML about a model.  It is ASCII, so it is the same in any
 * encoding, and needs no other file.
 */
extern void vs_lda_report(StringInfo out, const VsLdaModel *model);

#endif							/* VS_LDA_LDA_REPORT_H */

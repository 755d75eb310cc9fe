/*
 * lda_report_text.h
 *		Texts and numbers as they are written into a page: as ASCII.
 */
#ifndef VS_LDA_LDA_REPORT_TEXT_H
#define VS_LDA_LDA_REPORT_TEXT_H

#include "lib/stringinfo.h"

/*
 * len bytes in the database's encoding, as text of an element or value of an
 * attribute.  Control characters, which HTML has no way to write, become their
 * pictures, and what is no character becomes U+FFFD.
 */
extern void vs_lda_text_html(StringInfo out, const char *text, int len);

/* The same as a string of JSON, which cannot end the script that it is in. */
extern void vs_lda_text_json(StringInfo out, const char *text, int len);

/* A number of JSON, of six digits; 0 for what is infinite or not a number. */
extern void vs_lda_text_number(StringInfo out, double number);

/* For HTML: a whole number with commas, and a part of 1 as a percentage. */
extern void vs_lda_text_count(StringInfo out, double number);
extern void vs_lda_text_percent(StringInfo out, double share);

#endif							/* VS_LDA_LDA_REPORT_TEXT_H */

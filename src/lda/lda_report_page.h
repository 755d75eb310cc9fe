/*
 * lda_report_page.h
 *		The parts of a report that are the same for all models: ASCII, markup
 *		but for the style and the script, which go into elements of the name.
 */
#ifndef VS_LDA_LDA_REPORT_PAGE_H
#define VS_LDA_LDA_REPORT_PAGE_H

extern const char vs_lda_page_style[];
extern const char vs_lda_page_controls[];
extern const char vs_lda_page_bars[];
extern const char vs_lda_page_about[];
extern const char vs_lda_page_script[];

#endif							/* VS_LDA_LDA_REPORT_PAGE_H */

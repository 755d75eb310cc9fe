/*
 * Writes src/embed/unicode_tables.c: the properties of characters that
 * tokenizers look at.
 *
 * usage: node unicode_tables.js >src/embed/unicode_tables.c
 *
 * What the official library says is asked of it, character by character, for
 * its parts follow different versions of Unicode: one should be as old as the
 * models that were trained with it.  The rest is asked of node.  Needs npm
 * @anush008/tokenizers 0.6.0.
 */
'use strict';

const hf = require('@anush008/tokenizers');

/* The names are those of unicode_tables.h, in the order of the bits. */
const flags = ['SPACE', 'CONTROL', 'NONSPACING', 'MARK', 'PUNCTUATION',
	'LETTER', 'NUMBER', 'PATTERN_SPACE', 'WORD', 'NUMERIC', 'CASED',
	'CASE_IGNORABLE', 'INDIC_CONSONANT', 'INDIC_LINKER'];
const bit = Object.fromEntries(flags.map((name, i) => [name, 1 << i]));
const clusters = ['OTHER', 'CONTROL', 'EXTEND', 'SPACING', 'PREPEND', 'L',
	'V', 'T', 'LV', 'LVT', 'PICTOGRAPHIC', 'ZWJ'];
const cluster = Object.fromEntries(clusters.map((name, i) => [name, i]));

const bert = (clean, strip) => hf.bertNormalizer({
	cleanText: clean, handleChineseChars: false, stripAccents: strip,
	lowercase: false
});
const clean = bert(true, false);
const strip = bert(false, true);
const stripMarks = hf.stripAccentsNormalizer();
const lower = hf.lowercase();
const bertSplit = hf.bertPreTokenizer();
const byteLevel = hf.byteLevelPreTokenizer(false, true);
const digits = hf.digitsPreTokenizer(true);
const whitespace = hf.whitespacePreTokenizer();
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

const pieces = (splitter, text) =>
	splitter.preTokenizeString(text).map(p => p[0]);
const isOne = text => [...segmenter.segment(text)].length === 1;

/* x + anything that extends a cluster of at most 5 bytes becomes y */
function xToY()
{
	const units = new Uint32Array(256);
	const x = 'x'.charCodeAt(0);
	/* root at 0 with children from 0 on; x has a leaf 1 away */
	units[0] = 0;
	units[x] = (x | 1 << 8 | (x ^ 1) << 10) >>> 0;
	units[1] = 0x80000000;
	return [...new Uint8Array(new Uint32Array([1024]).buffer),
		...new Uint8Array(units.buffer), 'y'.charCodeAt(0), 0];
}
const joiner = hf.precompiled(xToY());
if (joiner.normalizeString('xa\u0301x\u0301') !== 'ya\u0301y')
	throw new Error('the probe of clusters does not work');

function clusterOf(c, text)
{
	const joins = joiner.normalizeString('x' + text) === 'y';

	if (c === 0x200D)
		return cluster.ZWJ;
	if (c >= 0x1100 && c <= 0x11FF || c >= 0xA960 && c <= 0xA97C ||
		c >= 0xD7B0 && c <= 0xD7FB || c >= 0xAC00 && c <= 0xD7A3)
	{
		if (isOne('\u1100' + text) && isOne(text + '\uAC00'))
			return cluster.L;
		if (c >= 0xAC00 && c <= 0xD7A3)
			return (c - 0xAC00) % 28 ? cluster.LVT : cluster.LV;
		if (isOne('\uAC00' + text))
			return isOne(text + '\u1161') ? cluster.V : cluster.T;
	}
	if (joins)
		return /\p{Mc}/u.test(text) && !/\p{Grapheme_Extend}/u.test(text)
			? cluster.SPACING : cluster.EXTEND;
	if (!isOne(text + '\u0301'))
		return cluster.CONTROL;
	if (isOne(text + 'x'))
		return cluster.PREPEND;
	if (/\p{Extended_Pictographic}/u.test(text))
		return cluster.PICTOGRAPHIC;
	return cluster.OTHER;
}

function flagsOf(c, text)
{
	const isSpace = clean.normalizeString('a' + text + 'b') === 'a b';
	const own = (splitter, mate) =>
		pieces(splitter, mate + text).length === 1;
	let set = 0;

	if (/\p{White_Space}/u.test(text))
		set |= bit.SPACE;
	if (!isSpace && clean.normalizeString('a' + text + 'b') === 'ab')
		set |= bit.CONTROL;
	if (strip.normalizeString('a' + text) === 'a')
		set |= bit.NONSPACING;
	if (stripMarks.normalizeString('a' + text) === 'a')
		set |= bit.MARK;
	if (pieces(bertSplit, 'a' + text + 'b').length === 3)
		set |= bit.PUNCTUATION;
	if (own(byteLevel, 'a'))
		set |= bit.LETTER;
	else if (own(byteLevel, '1'))
		set |= bit.NUMBER;
	else if (!own(byteLevel, '!'))
		set |= bit.PATTERN_SPACE;
	if (pieces(whitespace, 'a' + text).join() === 'a' + text)
		set |= bit.WORD;
	if (pieces(digits, 'a' + text).length === 2)
		set |= bit.NUMERIC;
	if (/\p{Cased}/u.test(text))
		set |= bit.CASED;
	if (/\p{Case_Ignorable}/u.test(text))
		set |= bit.CASE_IGNORABLE;
	if (c >= 0x900 && isOne('\u0915\u094D' + text) && !isOne('x' + text))
		set |= bit.INDIC_CONSONANT;
	if (c >= 0x900 && isOne('\u0915' + text + '\u0915') &&
		isOne('x' + text))
		set |= bit.INDIC_LINKER;
	return set;
}

const combinations = [0];
const ranges = [];
const cases = [];
const longCases = [];
let last = -1;

for (let c = 0; c < 0x110000; c++)
{
	const text = c >= 0xD800 && c < 0xE000 ? '\uFFFD' :
		String.fromCodePoint(c);
	const value = flagsOf(c, text) | clusterOf(c, text) << 16;

	if (value !== last)
	{
		if (!combinations.includes(value))
			combinations.push(value);
		ranges.push([c, combinations.indexOf(value)]);
		last = value;
	}

	if (text === '\uFFFD')
		continue;
	const to = [...lower.normalizeString(text)].map(x => x.codePointAt(0));
	if (to.length > 1)
		longCases.push([c, to]);
	else if (to[0] !== c)
	{
		const run = cases[cases.length - 1];
		const delta = to[0] - c;

		/* a run goes by steps of 1 or of 2 */
		if (run && run.delta === delta && (c - run.last === run.step ||
			run.first === run.last && c - run.last <= 2))
		{
			run.step = c - run.last;
			run.last = c;
		}
		else
			cases.push({ first: c, last: c, step: 1, delta });
	}
}
if (combinations.length > 256)
	throw new Error('too many combinations');
if (longCases.length !== 1 || longCases[0][0] !== 0x130)
	throw new Error('unexpected long lower case');

/* for each 256 characters, the range that the first of them is in */
const pages = [];
for (let c = 0, i = 0; c <= 0x20000; c += 256)
{
	while (i + 1 < ranges.length && ranges[i + 1][0] <= c)
		i++;
	pages.push(i);
}
const ascii = [];
for (let c = 0, i = 0; c < 128; c++)
{
	while (ranges[i + 1][0] <= c)
		i++;
	ascii.push(combinations[ranges[i][1]]);
}

const hex = (x, n) => '0x' + x.toString(16).toUpperCase().padStart(n, '0');

function rows(items, perRow)
{
	const out = [];

	for (let i = 0; i < items.length; i += perRow)
		out.push('\t' + items.slice(i, i + perRow).join(', ') + ',');
	return out.join('\n');
}

process.stdout.write(`/*
 * unicode_tables.c
 *		Properties of characters, as unicode_tables.h explains them.
 *
 * Written by test/data/tokenizer/unicode_tables.js; not to be edited.
 */
#include "postgres.h"

#include "embed/unicode_tables.h"

/* Cluster class in the upper half, flags in the lower. */
const uint32 vs_unicode_combinations[${combinations.length}] = {
${rows(combinations.map(x => hex(x, 8)), 6)}
};

/* The combinations of ASCII characters. */
const uint32 vs_unicode_ascii[128] = {
${rows(ascii.map(x => hex(x, 8)), 6)}
};

/* The range that character 256 times the index is in. */
const uint16 vs_unicode_pages[VS_UNICODE_PAGES + 1] = {
${rows(pages, 12)}
};

/* First character of a range, times 256, and index into the combinations. */
const uint32 vs_unicode_ranges[${ranges.length}] = {
${rows(ranges.map(([c, i]) => hex(c * 256 + i, 8)), 6)}
};
const int	vs_unicode_range_count = ${ranges.length};

const VsUnicodeCase vs_unicode_cases[${cases.length}] = {
${rows(cases.map(r => `{${hex(r.first, 4)}, ${hex(r.last, 4)}, ${r.step}, ${r.delta}}`), 2)}
};
const int	vs_unicode_case_count = ${cases.length};
`);

/*
 * Makes the files of this folder: three small tokenizers, strings, and the ids
 * that the official library gives to them.
 *
 * usage: apt-cache dumpavail >LIST; node make.js LIST
 *
 * Needs npm @anush008/tokenizers 0.6.0 and spm_train of Debian's package
 * sentencepiece.
 */
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const { execFileSync } = require('child_process');
const hf = require('@anush008/tokenizers');

const PIECES = 4000;		/* ids have two digits in base 64 */
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tokenizers-'));
const here = name => path.join(__dirname, name);

/* ---------------------------------------------------------------- numbers */

let seed = 20240607;
function random(n)
{
	seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
	return Math.floor(seed / 4294967296 * n);
}
const pick = list => list[random(list.length)];

/* ----------------------------------------------------------------- corpus */

const sentences = [...new Set(fs.readFileSync(process.argv[2], 'utf8')
	.split('\n').filter(line => line.startsWith('Description: '))
	.map(line => line.slice(13)))].sort();
const corpus = [];
for (let i = 0; i < sentences.length; i += 2)
	corpus.push(sentences[i]);
/* what is not trained on */
const unseen = sentences.filter((_, i) => i % 2 === 1);
fs.writeFileSync(path.join(scratch, 'corpus.txt'), corpus.join('\n') + '\n');

/* ------------------------------------------------------------- tokenizers */

const added = (id, content, options = {}) => ({
	id, content, single_word: false, lstrip: false, rstrip: false,
	normalized: false, special: true, ...options
});

function train(json)
{
	const tokenizer = hf.Tokenizer.fromString(JSON.stringify(json));

	tokenizer.train([path.join(scratch, 'corpus.txt')]);
	tokenizer.save(path.join(scratch, 'trained.json'));
	return JSON.parse(fs.readFileSync(path.join(scratch, 'trained.json'))).model;
}

/* The first pieces of what was trained, after some of our own. */
function firstPieces(own, vocab)
{
	const order = Object.keys(vocab).sort((a, b) => vocab[a] - vocab[b]);
	const pieces = [...new Set([...own, ...order])].slice(0, PIECES);

	return Object.fromEntries(pieces.map((piece, id) => [piece, id]));
}

const template = (before, after, ids) => ({
	type: 'TemplateProcessing',
	single: [{ SpecialToken: { id: before, type_id: 0 } },
		{ Sequence: { id: 'A', type_id: 0 } },
		{ SpecialToken: { id: after, type_id: 0 } }],
	pair: [{ Sequence: { id: 'A', type_id: 0 } },
		{ Sequence: { id: 'B', type_id: 1 } }],
	special_tokens: Object.fromEntries([before, after].map(t =>
		[t, { id: t, ids: [ids[t]], tokens: [t] }]))
});

const file = parts => ({
	version: '1.0', truncation: null, padding: null, added_tokens: [],
	normalizer: null, pre_tokenizer: null, post_processor: null,
	decoder: null, ...parts
});

function makeWordPiece()
{
	const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
	const parts = {
		normalizer: { type: 'BertNormalizer', clean_text: true,
			handle_chinese_chars: true, strip_accents: null, lowercase: true },
		pre_tokenizer: { type: 'BertPreTokenizer' }
	};
	const model = { type: 'WordPiece', unk_token: '[UNK]',
		continuing_subword_prefix: '##', max_input_chars_per_word: 100,
		vocab: { '[UNK]': 0 } };

	model.vocab = firstPieces(specials, train(file({ ...parts, model })).vocab);
	return file({ ...parts, model,
		added_tokens: specials.map((t, i) =>
			added(i, t, { lstrip: t === '[MASK]' })),
		post_processor: template('[CLS]', '[SEP]', model.vocab) });
}

function makeBpe()
{
	const specials = ['<s>', '<pad>', '</s>', '<unk>', '<mask>'];
	const pre_tokenizer = { type: 'ByteLevel', add_prefix_space: false,
		trim_offsets: true, use_regex: true };
	const empty = { type: 'BPE', dropout: null, unk_token: null,
		continuing_subword_prefix: '', end_of_word_suffix: '',
		fuse_unk: false, vocab: {}, merges: [] };
	const trained = train(file({ pre_tokenizer, model: empty }));
	const vocab = firstPieces(
		[...specials, ...hf.byteLevelAlphabet().sort()], trained.vocab);
	const merges = trained.merges.filter(([a, b]) =>
		[a, b, a + b].every(piece => Object.hasOwn(vocab, piece)));

	return file({ pre_tokenizer, model: { ...empty, vocab, merges },
		added_tokens: specials.map((t, i) => added(i, t,
			{ lstrip: t === '<mask>', normalized: t !== '<mask>' })),
		post_processor: { type: 'RobertaProcessing', sep: ['</s>', 2],
			cls: ['<s>', 0], trim_offsets: true, add_prefix_space: false } });
}

/* Fields of a protocol buffer message, by number. */
function message(bytes)
{
	const fields = [];
	let at = 0;
	const number = () => {
		let value = 0;

		for (let shift = 1; ; shift *= 128)
		{
			const byte = bytes[at++];

			value += (byte & 127) * shift;
			if (byte < 128)
				return value;
		}
	};

	while (at < bytes.length)
	{
		const key = number();
		const width = { 0: 0, 1: 8, 2: -1, 5: 4 }[key & 7];
		let value;

		if (width === 0)
			value = number();
		else
		{
			const length = width < 0 ? number() : width;

			value = bytes.subarray(at, at + length);
			at += length;
		}
		(fields[key >> 3] ??= []).push(value);
	}
	return fields;
}

/* Own rules for the normalizer, as spm_train takes them. */
function rules()
{
	const hex = text => [...text].map(c => c.codePointAt(0).toString(16)).join(' ');
	const all = {
		'\t': ' ', '\n': ' ', '\r': ' ', '\u00A0': ' ', '\u3000': ' ',
		'\u00AD': '', '\u200B': '', '\u0007': '', '\uFB01': 'fi',
		'\uFB02': 'fl', '\u00BD': '1\u20442', '\u2122': 'TM',
		'\u2026': '...', '\u2460': '1', '\u32C0': '1\u6708',
		'e\u0301': '\u00E9', 'u\u0308': '\u00FC', 'a\u0300': '\u00E0',
		'\u1100\u1161': '\uAC00', '\u0958': '\u0915\u093C',
		'\uFF76\uFF9E': '\u30AC', '\uFF76': '\u30AB', '\u00C5': 'A\u030A'
	};

	for (let c = 0xFF01; c <= 0xFF5E; c++)
		all[String.fromCharCode(c)] = String.fromCharCode(c - 0xFEE0);
	return Object.entries(all).map(([a, b]) => `${hex(a)}\t${hex(b)}\n`).join('');
}

function makeUnigram()
{
	const prefix = path.join(scratch, 'unigram');

	fs.writeFileSync(path.join(scratch, 'rules.tsv'), rules());
	execFileSync('spm_train', [`--input=${scratch}/corpus.txt`,
		`--model_prefix=${prefix}`, '--model_type=unigram',
		`--vocab_size=${PIECES - 1}`, '--character_coverage=0.9995',
		`--normalization_rule_tsv=${scratch}/rules.tsv`, '--num_threads=1',
		'--bos_id=0', '--pad_id=1', '--eos_id=2', '--unk_id=3'],
	{ stdio: 'ignore' });

	const model = message(fs.readFileSync(`${prefix}.model`));
	const charsmap = Buffer.from(message(model[3][0])[2][0]).toString('base64');
	const vocab = model[1].map(piece => {
		const fields = message(piece);
		const score = fields[2] ? new DataView(fields[2][0].buffer,
			fields[2][0].byteOffset, 4).getFloat32(0, true) : 0;

		return [Buffer.from(fields[1][0]).toString(),
			Math.round(score * 1e6) / 1e6];
	});
	vocab.push(['<mask>', 0]);
	const ids = Object.fromEntries(vocab.map((v, i) => [v[0], i]));

	return file({
		added_tokens: ['<s>', '<pad>', '</s>', '<unk>', '<mask>'].map(t =>
			added(ids[t], t, { lstrip: t === '<mask>' })),
		normalizer: { type: 'Sequence', normalizers: [
			{ type: 'Precompiled', precompiled_charsmap: charsmap },
			{ type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' }] },
		pre_tokenizer: { type: 'Sequence', pretokenizers: [
			{ type: 'WhitespaceSplit' },
			{ type: 'Metaspace', replacement: '\u2581',
				prepend_scheme: 'always', split: true }] },
		post_processor: template('<s>', '</s>', ids),
		model: { type: 'Unigram', unk_id: 3, vocab, byte_fallback: false }
	});
}

/* ---------------------------------------------------------------- strings */

const code = `int main(void) { return printf("%d\\n", x->y[3] << 2); }
SELECT a.id, count(*) FROM t AS a WHERE b <=> $1 ORDER BY 2 DESC LIMIT 10;
def f(x, *args, **kw): return {k: v for k, v in kw.items() if v != None}
const g = async (a) => await fetch(\`\${url}/x?q=\${a}\`).then(r => r.json());
for i in "$@"; do sed -i 's/^#//' "$i" || exit 1; done
#[derive(Debug)] struct P<'a> { x: &'a str } impl<'a> P<'a> { fn f(&self) {} }
template <typename T> auto max(T&& a, T&& b) -> decltype(a < b ? b : a);
x = A \\ b; plot(x', 'r--'); % it's an octave line
<a href="/x?a=1&amp;b=2" class='c'>it's they'll we've I'd you're 'tis</a>
main = mapM_ print . takeWhile (<100) $ iterate (*2) 1 -- haskell`.split('\n');

const phrases = ['日本語のテキスト', '中文分词测试', '한국어 문장입니다',
	'привет, мир', 'Ελληνικά ΣΑΣ', 'مرحبا بالعالم', 'שלום עולם',
	'नमस्ते दुनिया', 'क्षत्रिय', 'สวัสดีชาวโลก', 'ไทย', 'ქართული',
	'አማርኛ', 'Tiếng Việt có dấu', 'naïve café Ångström', 'İstanbul ığüşöç',
	'e\u0301 u\u0308 a\u0300', 'Å\u030A q\u0323\u0307 q\u0307\u0323',
	'ﬁne ﬂow ﬀ ﬃ', 'ＦＵＬＬ　ｗｉｄｔｈ', 'ｶﾞｶﾞ ﾊﾟ', '½ ¼ ² ³ № ℃ ™',
	'①②③', '㋀ ㍿', '\u1100\u1161\u11A8 \u1112\u1161\u11AB', '각 가\u11A8',
	'😀😃', '👩‍👩‍👧‍👦', '👍🏽👋🏿', '🇩🇪🇫🇷🇯', '🏴󠁧󠁢󠁥󠁮󠁧󠁿', '❤️ ☺︎ ©️',
	'[CLS]', '[SEP] [MASK]', ' [MASK]', '[UNK]', '<s>', '</s>', '<mask>',
	' <mask> ', '<unk>', '<pad>', '<0x41>', '##ing', '▁', '▁the ▁', 'Ġhello',
	'1234567890', '3.14159', '1,000,000', '٣٤٥', '१२३', 'Ⅷ', '0x7fff', '1e-9',
	'https://example.org/a/b.html?x=y#z', 'user@example.com', 'C++', 'a_b-c',
	'...', '---', '!?!?', '“quoted”', '«»', '—', '’s', "'s", "don't", '$€£¥',
	'\u0301', '\u0300\u0316\u0301\u0327', '\u200B', '\u200D', '\uFEFF',
	'\u00AD', '\u0007', '\u001B[0m', '\u0085', '\u2028', '\u2029', '\uE000',
	'\u{F0000}', '\u{10FFFF}', '\u0378', '\u{1FFFE}', '\uFFFD', '\u0600x',
	'\u0D4E\u0D15', '\u0915\u094D\u0937\u0301', '\u0F77', '\u0958',
	'\u1F88', '\u01C5', '\u03A3', '\u0130', '\u212A', '\u1E9E', 'ẞß'];
const blanks = [' ', '  ', '   ', '\t', '\n', '\r\n', '\n\n', '\u00A0',
	'\u3000', '\u2003', ' \n ', '\v', '\f'];
const blocks = [[0x20, 0x7F], [0x20, 0x7F], [0x80, 0x180], [0x250, 0x400],
	[0x300, 0x370], [0x400, 0x500], [0x590, 0x700], [0x900, 0xE00],
	[0xE00, 0x1200], [0x1E00, 0x2000], [0x2000, 0x2700], [0x3000, 0x3200],
	[0x4E00, 0x9FA0], [0xAC00, 0xD7A4], [0xF900, 0xFB50], [0xFB50, 0xFF00],
	[0xFF00, 0xFFF0], [0x1D400, 0x1D800], [0x1F300, 0x1FA00],
	[0xA000, 0xABFF], [0x10000, 0x10A00], [0x20000, 0x2A6D0]];

function fuzz()
{
	let text = '';

	for (let n = 1 + random(5); n > 0; n--)
	{
		switch (random(6))
		{
			case 0: text += pick(phrases); break;
			case 1: text += pick(blanks); break;
			case 2: text += pick(unseen).split(' ').slice(0, 2).join(' '); break;
			case 3: text += pick(code).slice(0, 1 + random(20)); break;
			case 4: text += pick(phrases) + ' '; break;
			default:
			{
				const [from, to] = pick(blocks);

				for (let k = 1 + random(4); k > 0; k--)
					text += String.fromCodePoint(from + random(to - from));
			}
		}
	}
	return text;
}

function makeStrings()
{
	const set = new Set(['', ' ', '  ', '\t', '\n', ' \n\t ', 'a', ' a', 'a ',
		...phrases, ...blanks, ...code, 'x'.repeat(100), 'x'.repeat(101),
		'-'.repeat(300), ' '.repeat(200) + 'x', 'e\u0301'.repeat(120)]);

	let word = '';
	while (word.length < 10240)
		word += pick(unseen).replace(/[^a-z]/g, '');
	set.add(word.slice(0, 10240));
	while (set.size < 1800)
		set.add(pick(unseen));
	while (set.size < 5200)
		set.add(fuzz());
	return [...set];
}

/* ------------------------------------------------------------------ files */

const escape = text => text.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')
	.replace(/\r/g, '\\r');
const digits =
	'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const digitsOf = id => digits[id >> 6] + digits[id & 63];

async function main()
{
	const strings = makeStrings();
	const tokenizers = { wordpiece: makeWordPiece(), bpe: makeBpe(),
		unigram: makeUnigram() };

	fs.writeFileSync(here('strings.txt'), strings.map(escape).join('\n') + '\n');
	for (const [name, json] of Object.entries(tokenizers))
	{
		const text = JSON.stringify(json).replace(/(\],|,)(?=\["|"[^"]*":\d)/g, '$1\n');
		const tokenizer = hf.Tokenizer.fromString(text);
		const lines = [];

		fs.writeFileSync(here(`${name}.json`), text + '\n');
		for (const string of strings)
			lines.push((await tokenizer.encode(string)).getIds()
				.map(digitsOf).join(''));
		fs.writeFileSync(here(`${name}.ids`), lines.join('\n') + '\n');
	}
	fs.rmSync(scratch, { recursive: true });
}

main();

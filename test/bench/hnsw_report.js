// Sums up what hnsw.sh measured: a table for each part, with ratios, and a
// picture of the growth.
//
//   node hnsw_report.js FOLDER SVG
//
// FOLDER has files PART-DATA-ENGINE.tsv; hnsw.sh tells of their lines.
'use strict';

const fs = require('fs');
const path = require('path');
const { lines, point, at, table, show, ratio, chart, powersOfTen } = require('./figures.js');

const RECALL = 0.95;

// Part -> title and the function that makes [heading, value, digits] cells of
// the lines of one engine.  A ratio is given for all that has digits.
const PARTS = {
  build: ['serial, and with one worker beside the leader', buildCells],
  clients: ['at recall .95', clientCells],
  memory: ['at recall .95, buffers of a quarter of the index; pages of a query', memoryCells],
  growth: ['queries/s at recall .95 by rows, and the exponent e of rows^-e', growthCells],
  sizes: ['MB of 20,000 rows by dimensions', sizeCells],
  writes: ['rows/s', writeCells],
  churn: ['half of 50,000 rows deleted, VACUUM, inserted again; round 0 is a build', churnCells],
};

function buildCells(rows) {
  return rows.flatMap(([workers, seconds, bytes, ...recalls]) => [
    [`${workers} worker${workers === '1' ? '' : 's'}: s`, +seconds, 1],
    ['MB', bytes / 1e6, 1],
    ...pairs(recalls).map(([ef, recall]) => [`recall, ef ${ef}`, +recall, 4]),
  ]);
}

function pairs(list) {
  return list.flatMap((x, i) => (i % 2 ? [] : [[x, list[i + 1]]]));
}

function clientCells(rows) {
  const curve = rows.filter((r) => r[0] === 'curve').map((r) => point(r.slice(1)));
  const qps = rows.filter((r) => r[0] === 'clients').map((r) => +r[3]);
  const [median, p99] = [at(curve, RECALL, 'median'), at(curve, RECALL, 'p99')];

  return [['ef', at(curve, RECALL, 'ef')], ['median ms', median, 3], ['p99 ms', p99, 3],
    ['p99/median', p99 / median, 2], ['q/s, 1 client', qps[0], 0],
    ['2 clients', qps[1], 0], ['2/1', qps[1] / qps[0], 2]];
}

function memoryCells(rows) {
  const curve = rows.map((r) => ({
    ...point(r), indexRead: +r[6], tableRead: +r[7], found: +r[8],
  }));
  const [index, buffers] = rows[0].slice(9).map(Number);
  const value = (field) => at(curve, RECALL, field);

  return [['index MB', index], ['buffers MB', buffers], ['ef', value('ef')],
    ['read of the index', value('indexRead'), 1],
    ['read of the table', value('tableRead'), 1], ['found', value('found'), 1],
    ['median ms', value('median'), 2], ['p99 ms', value('p99'), 2]];
}

function growthCurve(rows) {
  const sizes = [...new Set(rows.map((r) => +r[0]))];

  return sizes.map((n) => [n, at(rows.filter((r) => +r[0] === n)
    .map((r) => point(r.slice(1))), RECALL, 'qps')]);
}

// The slope of the line through the points on log scales, by least squares.
function exponent(points) {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)]);
  const mean = (i) => logs.reduce((sum, p) => sum + p[i], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];

  return logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0) /
    logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

function growthCells(rows) {
  const points = growthCurve(rows);

  return [...points.map(([n, qps]) => [n.toLocaleString('en'), qps, 0]),
    ['e', -exponent(points), 2]];
}

function sizeCells(rows) {
  return rows.map(([dim, , bytes]) => [dim, bytes / 1e6, 1]);
}

function writeCells(rows) {
  return rows.map(([kind, clients, batch, rate]) =>
    [`${kind}, ${clients} client${clients > 1 ? 's' : ''}${batch > 1 ? `, ${batch} a transaction` : ''}`, +rate, 0]);
}

function churnCells(rows) {
  return rows.flatMap(([round, bytes, gone, vacuum, insert, ...recalls]) => [
    [`round ${round}: MB`, bytes / 1e6, 1],
    ...(round === '0' ? [] : [['DELETE s', +gone, 1], ['VACUUM s', +vacuum, 1],
      ['INSERT s', +insert, 1]]),
    ...pairs(recalls).map(([ef, recall]) => [`recall, ef ${ef}`, +recall, 4]),
  ]);
}

// [part, data] -> Map of engine -> lines
function readFigures(folder) {
  const found = new Map();

  for (const file of fs.readdirSync(folder).filter((f) => f.endsWith('.tsv')).sort()) {
    const [part, data, engine] = file.slice(0, -4).split('-');
    const key = `${part}-${data}`;

    if (!found.has(key)) {
      found.set(key, new Map());
    }
    found.get(key).set(engine, lines(path.join(folder, file)));
  }
  return found;
}

// A row for each thing measured, a column for each engine and ratio.
function report(engines, cellsOf) {
  const cells = new Map([...engines].map(([name, rows]) => [name, cellsOf(rows)]));
  const ours = cells.get('vecsearch');
  const others = [...cells.keys()].filter((name) => name !== 'vecsearch');
  const first = [...cells.values()][0];
  const rows = [['', ...cells.keys(), ...(ours ? others.map((o) => `vecsearch / ${o}`) : [])]];

  first.forEach(([heading], i) => {
    const [, value, digits] = ours ? ours[i] : [];
    rows.push([heading,
      ...[...cells.values()].map((c) => show(c[i][1], c[i][2] || 0)),
      ...(ours ? others.map((o) => (digits === undefined ? '' :
        ratio(value, cells.get(o)[i][1]))) : [])]);
  });
  return table(rows);
}

// A logarithmic axis whose marks are the numbers of rows.
function rowsAxis(counts) {
  const [low, high] = [Math.log(Math.min(...counts)), Math.log(Math.max(...counts))];

  return {
    title: 'rows',
    marks: counts,
    text: (v) => v.toLocaleString('en'),
    scale: (v) => 0.05 + 0.9 * ((Math.log(v) - low) / (high - low)),
  };
}

function growthChart(engines) {
  const series = [...engines].map(([name, rows]) => [name, growthCurve(rows)]);
  const points = series.flatMap(([, list]) => list);

  return chart(rowsAxis(series[0][1].map(([n]) => n)),
    powersOfTen('queries per second at recall .95', points.map(([, qps]) => qps)), series);
}

const [folder, svgPath] = process.argv.slice(2);

for (const [key, engines] of readFigures(folder)) {
  const [part, data] = key.split('-');
  const [title, cellsOf] = PARTS[part];

  process.stdout.write(`\n${part} (${data}): ${title}\n${report(engines, cellsOf)}\n`);
  if (key === 'growth-glove' && engines.has('vecsearch')) {
    fs.writeFileSync(svgPath, growthChart(engines));
  }
}

// Sums a benchmark up: a table, ratios, and a picture of the curves.
//
//   node report.js BUILD CURVES SVG
//
// BUILD has lines NAME SECONDS BYTES, CURVES the lines that ann.c prints.
'use strict';

const fs = require('fs');
const { lines, point, at, table, show, ratio, chart, powersOfTen } = require('./figures.js');

const MARKS = [0.80, 0.90, 0.95, 0.99];

function readCurves(path) {
  const curves = new Map();
  for (const [name, ...fields] of lines(path)) {
    if (!curves.has(name)) {
      curves.set(name, []);
    }
    curves.get(name).push(point(fields));
  }
  return curves;
}

function summary(builds, curves) {
  const head = ['', 'build s', 'size MB',
    ...MARKS.map((m) => `q/s at ${m.toFixed(2)}`), 'median ms', 'p99 ms', 'p99/median'];
  const rows = [head];

  for (const [name, seconds, bytes] of builds) {
    const c = curves.get(name);
    const [median, p99] = [at(c, 0.95, 'median'), at(c, 0.95, 'p99')];
    rows.push([name, (+seconds).toFixed(1), (bytes / 1e6).toFixed(1),
      ...MARKS.map((m) => show(at(c, m, 'qps'), 0)),
      show(median, 3), show(p99, 3), ratio(p99, median)]);
  }
  const ours = builds.find((b) => b[0] === 'vecsearch');
  for (const other of ours ? builds : []) {
    if (other === ours) {
      continue;
    }
    rows.push([`vecsearch / ${other[0]}`, ratio(ours[1], other[1]),
      ratio(ours[2], other[2]),
      ...MARKS.map((m) => ratio(at(curves.get('vecsearch'), m, 'qps'),
        at(curves.get(other[0]), m, 'qps'))), '', '', '']);
  }
  return `${table(rows)}\n(latencies are those at recall .95)`;
}

function svg(curves) {
  const series = [...curves].map(([name, curve]) => [name,
    curve.filter((p) => p.recall >= 0.7).map((p) => [p.recall, p.qps])]);
  const recall = {
    title: 'recall@10',
    marks: [0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1],
    text: (v) => v.toFixed(2),
    scale: (v) => (v - 0.7) / 0.3,
  };

  return chart(recall, powersOfTen('queries per second',
    series.flatMap(([, points]) => points.map(([, qps]) => qps))), series);
}

const [buildPath, curvesPath, svgPath] = process.argv.slice(2);
const curves = readCurves(curvesPath);

process.stdout.write(`${summary(lines(buildPath), curves)}\n`);
fs.writeFileSync(svgPath, svg(curves));

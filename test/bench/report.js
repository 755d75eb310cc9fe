// Sums a benchmark up: a table, ratios, and a picture of the curves.
//
//   node report.js BUILD CURVES SVG
//
// BUILD has lines NAME SECONDS BYTES, CURVES the lines that ann.c prints.
'use strict';

const fs = require('fs');

const MARKS = [0.80, 0.90, 0.95, 0.99];
const COLORS = { vecsearch: '#c2410c', pgvector: '#1d4ed8', hnswlib: '#15803d' };

function lines(path) {
  return fs.readFileSync(path, 'utf8').trim().split('\n').map((l) => l.split('\t'));
}

function readCurves(path) {
  const curves = new Map();
  for (const [name, ef, recall, qps, median, p95, p99] of lines(path)) {
    if (!curves.has(name)) {
      curves.set(name, []);
    }
    curves.get(name).push({
      ef: +ef, recall: +recall, qps: +qps, median: +median, p95: +p95, p99: +p99,
    });
  }
  return curves;
}

// The value of a field where the curve reaches a recall, between two measured
// points by recall, on a log scale; null beyond the last point.  At a recall
// below the first point that point's own value is the fair one to give.
function at(curve, recall, field) {
  if (curve[0].recall >= recall) {
    return curve[0][field];
  }
  for (let i = 1; i < curve.length; i++) {
    const [a, b] = [curve[i - 1], curve[i]];
    if (b.recall >= recall && b.recall > a.recall) {
      const t = (recall - a.recall) / (b.recall - a.recall);
      return Math.exp((1 - t) * Math.log(a[field]) + t * Math.log(b[field]));
    }
  }
  return null;
}

function table(rows) {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((r) => r[c].length)));
  return rows.map((r) =>
    r.map((cell, c) => (c ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join('  ')).join('\n');
}

function show(x, digits) {
  return x === null ? '-' : x.toFixed(digits);
}

function ratio(a, b, digits = 2) {
  return a === null || b === null ? '-' : (a / b).toFixed(digits);
}

function summary(builds, curves) {
  const head = ['', 'build s', 'size MB',
    ...MARKS.map((m) => `q/s at ${m.toFixed(2)}`), 'median ms', 'p99 ms'];
  const rows = [head];

  for (const [name, seconds, bytes] of builds) {
    const c = curves.get(name);
    rows.push([name, (+seconds).toFixed(1), (bytes / 1e6).toFixed(1),
      ...MARKS.map((m) => show(at(c, m, 'qps'), 0)),
      show(at(c, 0.95, 'median'), 3), show(at(c, 0.95, 'p99'), 3)]);
  }
  const ours = builds.find((b) => b[0] === 'vecsearch');
  for (const other of ours ? builds : []) {
    if (other === ours) {
      continue;
    }
    rows.push([`vecsearch / ${other[0]}`, ratio(ours[1], other[1]),
      ratio(ours[2], other[2]),
      ...MARKS.map((m) => ratio(at(curves.get('vecsearch'), m, 'qps'),
        at(curves.get(other[0]), m, 'qps'))), '', '']);
  }
  return `${table(rows)}\n(latencies are those at recall .95)`;
}

function svg(curves) {
  const [width, height, left, top, right, bottom] = [640, 420, 70, 20, 20, 50];
  const points = [...curves.values()].flat().filter((p) => p.recall >= 0.7);
  const low = Math.floor(Math.log10(Math.min(...points.map((p) => p.qps))));
  const high = Math.ceil(Math.log10(Math.max(...points.map((p) => p.qps))));
  const x = (r) => left + ((r - 0.7) / 0.3) * (width - left - right);
  const y = (q) => height - bottom -
    ((Math.log10(q) - low) / (high - low)) * (height - top - bottom);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
      'font-family="sans-serif" font-size="13">',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
  ];

  for (let r = 70; r <= 100; r += 5) {
    parts.push(`<path d="M${x(r / 100)} ${top}V${height - bottom}" stroke="#ddd"/>`,
      `<text x="${x(r / 100)}" y="${height - bottom + 18}" text-anchor="middle">` +
      `${(r / 100).toFixed(2)}</text>`);
  }
  for (let e = low; e <= high; e++) {
    parts.push(`<path d="M${left} ${y(10 ** e)}H${width - right}" stroke="#ddd"/>`,
      `<text x="${left - 8}" y="${y(10 ** e) + 4}" text-anchor="end">` +
      `${(10 ** e).toLocaleString('en')}</text>`);
  }
  parts.push(
    `<text x="${(left + width - right) / 2}" y="${height - 10}" ` +
      'text-anchor="middle">recall@10</text>',
    `<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" ` +
      'text-anchor="middle">queries per second</text>');
  let row = 0;
  for (const [name, curve] of curves) {
    const seen = curve.filter((p) => p.recall >= 0.7);
    const color = COLORS[name] || '#555';
    parts.push(
      `<polyline fill="none" stroke="${color}" stroke-width="2" points="` +
        `${seen.map((p) => `${x(p.recall).toFixed(1)},${y(p.qps).toFixed(1)}`).join(' ')}"/>`,
      ...seen.map((p) => `<circle cx="${x(p.recall).toFixed(1)}" ` +
        `cy="${y(p.qps).toFixed(1)}" r="3" fill="${color}"/>`),
      `<text x="${left + 12}" y="${height - bottom - 12 - 18 * row}" ` +
        `fill="${color}">${name}</text>`);
    row++;
  }
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}

const [buildPath, curvesPath, svgPath] = process.argv.slice(2);
const curves = readCurves(curvesPath);

process.stdout.write(`${summary(lines(buildPath), curves)}\n`);
fs.writeFileSync(svgPath, svg(curves));

// What the reports of the index share: reading, interpolating, tables, charts.
'use strict';

const fs = require('fs');

const COLORS = { vecsearch: '#c2410c', pgvector: '#1d4ed8', hnswlib: '#15803d' };

function lines(path) {
  return fs.readFileSync(path, 'utf8').trim().split('\n').map((l) => l.split('\t'));
}

// A line of ann.c without the name.
function point([ef, recall, qps, median, p95, p99]) {
  return { ef: +ef, recall: +recall, qps: +qps, median: +median, p95: +p95, p99: +p99 };
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
      .join('  ').trimEnd()).join('\n');
}

function show(x, digits) {
  return x === null || x === undefined || Number.isNaN(x) ? '-' : x.toFixed(digits);
}

function ratio(a, b, digits = 2) {
  return a === null || b === null ? '-' : (a / b).toFixed(digits);
}

// An SVG with several curves.  Each axis has a title, marks (values), a text
// for each mark, and a scale, which maps a value to 0..1.  Series: [name,
// [[x, y], ...]].
function chart(xAxis, yAxis, series) {
  const [width, height, left, top, right, bottom] = [640, 420, 70, 20, 20, 50];
  const x = (v) => (left + xAxis.scale(v) * (width - left - right)).toFixed(1);
  const y = (v) => (height - bottom - yAxis.scale(v) * (height - top - bottom)).toFixed(1);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
      'font-family="sans-serif" font-size="13">',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
  ];

  for (const mark of xAxis.marks) {
    parts.push(`<path d="M${x(mark)} ${top}V${height - bottom}" stroke="#ddd"/>`,
      `<text x="${x(mark)}" y="${height - bottom + 18}" text-anchor="middle">` +
      `${xAxis.text(mark)}</text>`);
  }
  for (const mark of yAxis.marks) {
    parts.push(`<path d="M${left} ${y(mark)}H${width - right}" stroke="#ddd"/>`,
      `<text x="${left - 8}" y="${+y(mark) + 4}" text-anchor="end">` +
      `${yAxis.text(mark)}</text>`);
  }
  parts.push(
    `<text x="${(left + width - right) / 2}" y="${height - 10}" ` +
      `text-anchor="middle">${xAxis.title}</text>`,
    `<text transform="translate(16 ${(top + height - bottom) / 2}) rotate(-90)" ` +
      `text-anchor="middle">${yAxis.title}</text>`);
  series.forEach(([name, points], row) => {
    const color = COLORS[name] || '#555';
    parts.push(
      `<polyline fill="none" stroke="${color}" stroke-width="2" points="` +
        `${points.map(([a, b]) => `${x(a)},${y(b)}`).join(' ')}"/>`,
      ...points.map(([a, b]) => `<circle cx="${x(a)}" cy="${y(b)}" r="3" fill="${color}"/>`),
      `<text x="${left + 12}" y="${height - bottom - 12 - 18 * row}" ` +
        `fill="${color}">${name}</text>`);
  });
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}

// A logarithmic axis from power of ten to power of ten around the values.
function powersOfTen(title, values) {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.ceil(Math.log10(Math.max(...values)));

  return {
    title,
    marks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    text: (v) => v.toLocaleString('en'),
    scale: (v) => (Math.log10(v) - low) / (high - low),
  };
}

module.exports = { lines, point, at, table, show, ratio, chart, powersOfTen };

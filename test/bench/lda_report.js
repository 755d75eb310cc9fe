// Sums up what lda.sh measured: tables, ratios, and a picture.
//
//   node lda_report.js FOLDER SVG
//
// FOLDER has files NAME.json with lines of JSON, as lda_rivals.py and
// lda_sql.py print them.
'use strict';

const fs = require('fs');
const path = require('path');

const COLORS = {
  vecsearch: '#c2410c', 'vecsearch-beta': '#ea580c', gensim: '#1d4ed8', 'gensim-tuned': '#0e7490',
  'sklearn-online': '#15803d', 'sklearn-batch': '#4d7c0f', Mallet: '#7e22ce',
};

// Mallet is not in Debian.  These figures were taken once, of its main branch
// of August 2026 (alpha and beta optimised every 10 iterations, one thread),
// with the same judge on the same files: Debian 12, 57,240 documents for
// training, 15,133 words.  [topics, iterations, CPU seconds, perplexity, with
// the best symmetric alpha, NPMI, unique share]
const MALLET = [
  [50, 100, 19.9, 728.2, 718.2, 0.143, 0.56],
  [50, 500, 90.1, 661.5, 668.1, 0.144, 0.55],
  [50, 1000, 177.6, 657.0, 663.0, 0.141, 0.56],
  [200, 100, 30.1, 563.6, 561.6, 0.140, 0.39],
  [200, 500, 134.3, 525.1, 528.6, 0.146, 0.42],
  [200, 1000, 290.6, 522.9, 526.6, 0.148, 0.42],
];

function readFigures(folder) {
  return fs.readdirSync(folder).filter((f) => f.endsWith('.json')).sort()
    .flatMap((f) => fs.readFileSync(path.join(folder, f), 'utf8').trim().split('\n'))
    .filter((line) => line).map((line) => JSON.parse(line));
}

function quotedMallet() {
  return MALLET.map(([topics, passes, cpu, perplexity, symmetric, npmi, unique]) => ({
    corpus: 'debian', topics, system: 'Mallet', passes, cpu, perplexity, symmetric,
    npmi, unique, memory: null,
  }));
}

function print(title, rows) {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((r) => r[c].length)));
  const text = rows.map((r) =>
    r.map((cell, c) => (c ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join('  ').trimEnd()).join('\n');
  process.stdout.write(`\n${title}\n${text}\n`);
}

function show(x, digits) {
  return x === null || x === undefined || Number.isNaN(x) ? '-' : x.toFixed(digits);
}

// Models of one corpus and number of topics: a curve for each system.
function curvesOf(models, corpus, topics) {
  const curves = new Map();

  for (const m of models) {
    if (m.corpus === corpus && m.topics === topics) {
      curves.set(m.system, [...(curves.get(m.system) || []), m]);
    }
  }
  for (const curve of curves.values()) {
    curve.sort((a, b) => a.cpu - b.cpu);
  }
  return curves;
}

// CPU seconds at which a curve comes down to a perplexity, between two points
// on log scales; null if it never does.
function secondsTo(curve, wanted) {
  for (let i = 0; i < curve.length; i++) {
    if (curve[i].perplexity <= wanted) {
      if (i === 0) {
        return curve[0].cpu;
      }
      const [a, b] = [curve[i - 1], curve[i]];
      const t = Math.log(a.perplexity / wanted) / Math.log(a.perplexity / b.perplexity);
      return Math.exp((1 - t) * Math.log(a.cpu) + t * Math.log(b.cpu));
    }
  }
  return null;
}

function reportModels(models) {
  const groups = new Set(models.map((m) => `${m.corpus} ${m.topics}`));

  for (const group of groups) {
    const [corpus, topics] = group.split(' ');
    const curves = curvesOf(models, corpus, +topics);
    const rows = [['system', 'passes', 'CPU s', 'MB', 'perplexity', 'best symmetric',
      'NPMI', 'unique', 'by SQL']];
    for (const [system, curve] of curves) {
      for (const m of curve) {
        rows.push([system, `${m.passes}`, show(m.cpu, 1), show(m.memory, 0),
          show(m.perplexity, 0), show(m.symmetric, 0), show(m.npmi, 3),
          show(m.unique, 2), show(m.by_sql, 0)]);
      }
    }
    print(`${corpus}, ${topics} topics`, rows);
    reportRatios(curves);
  }
}

// How long vecsearch takes to be as good as the other systems are.  Where its
// first point is better already, that point's time counts.
function reportRatios(curves) {
  const ours = curves.get('vecsearch');
  const rows = [['as good as', 'perplexity', 'CPU s', 'vecsearch, CPU s', 'times faster']];

  for (const [system, curve] of ours ? curves : []) {
    if (system === 'vecsearch') {
      continue;
    }
    for (const { passes, perplexity, cpu } of curve) {
      const seconds = secondsTo(ours, perplexity);
      rows.push([`${system}, ${passes}`, show(perplexity, 0), show(cpu, 1),
        show(seconds, 2), show(seconds === null ? null : cpu / seconds, 1)]);
    }
  }
  if (rows.length > 1) {
    print('time to the same perplexity', rows);
  }
}

function reportParts(figures) {
  const of = (part) => figures.filter((f) => f.part === part);

  if (of('infer').length) {
    print('topics of documents, one core', [['', 'from', 'documents', 'CPU s', 'documents/s'],
      ...of('infer').map((f) => [f.system, f.what, `${f.documents}`, show(f.cpu, 2),
        show(f.speed, 0)])]);
  }
  if (of('coherence').length) {
    print('lda_coherence and gensim\'s CoherenceModel', [
      ['', 'mean', 'largest difference', 'equal', 'CPU s', 'gensim, CPU s', 'times faster'],
      ...of('coherence').map((f) => [f.measure, show(f.mean, 4), f.difference.toExponential(1),
        f.difference < 1e-6 ? 'yes' : 'NO', show(f.cpu, 2), show(f.gensim_cpu, 1),
        show(f.gensim_cpu / Math.max(f.cpu, 0.01), 0)])]);
  }
  if (of('workers').length) {
    reportWorkers(of('workers'));
  }
  if (of('bars').length) {
    print('bars: corpora of which all topics are found', [['', 'all found', 'of', 'bars found'],
      ...of('bars').map((f) => [f.system, `${f.complete}`, `${f.seeds}`,
        `${f.found.reduce((a, b) => a + b, 0)} of ${f.seeds * f.bars}`])]);
  }
}

function reportWorkers(figures) {
  const fastest = (n) => figures.filter((f) => f.workers === n)
    .reduce((a, b) => (b.wall < a.wall ? b : a));
  const rows = [['workers', 'wall s', 'perplexity']];

  for (const n of [1, 2]) {
    rows.push([`${n}`, show(fastest(n).wall, 2), show(fastest(n).perplexity, 0)]);
  }
  rows.push(['one / two', show(fastest(1).wall / fastest(2).wall, 2), '']);
  print(`workers, ${figures[0].topics} topics`, rows);
}

// A panel: perplexity against CPU seconds, both on log scales.
function panel(curves, title, left, width, height) {
  const [top, bottom, margin] = [34, 50, 56];
  const all = [...curves.values()].flat();
  const range = (field, grain) => {
    const values = all.map((m) => Math.log10(m[field]));
    return [Math.floor(Math.min(...values) / grain) * grain,
      Math.ceil(Math.max(...values) / grain) * grain];
  };
  const [x0, x1] = range('cpu', 1);
  const [y0, y1] = range('perplexity', 0.1);
  const x = (s) => left + margin + ((Math.log10(s) - x0) / (x1 - x0)) * (width - margin - 16);
  const y = (p) => height - bottom -
    ((Math.log10(p) - y0) / (y1 - y0)) * (height - top - bottom);
  const right = left + width - 16;
  const parts = [`<text x="${(left + margin + right) / 2}" y="20" text-anchor="middle" ` +
    `font-weight="bold">${title}</text>`];

  for (let e = x0; e <= x1; e++) {
    parts.push(`<path d="M${x(10 ** e)} ${top}V${height - bottom}" stroke="#ddd"/>`,
      `<text x="${x(10 ** e)}" y="${height - bottom + 18}" text-anchor="middle">` +
      `${10 ** e}</text>`);
  }
  for (const p of [300, 400, 500, 600, 700, 800, 1000, 1200, 1500, 2000, 2500, 3000]) {
    if (Math.log10(p) >= y0 && Math.log10(p) <= y1) {
      parts.push(`<path d="M${left + margin} ${y(p).toFixed(1)}H${right}" stroke="#ddd"/>`,
        `<text x="${left + margin - 8}" y="${(y(p) + 4).toFixed(1)}" ` +
        `text-anchor="end">${p}</text>`);
    }
  }
  parts.push(`<text x="${(left + margin + right) / 2}" y="${height - 10}" ` +
    'text-anchor="middle">CPU seconds</text>');
  for (const [system, curve] of curves) {
    const color = COLORS[system] || '#555';
    const points = curve.map((m) => `${x(m.cpu).toFixed(1)},${y(m.perplexity).toFixed(1)}`);
    parts.push(
      `<polyline fill="none" stroke="${color}" stroke-width="2" points="${points.join(' ')}"/>`,
      ...points.map((point) => {
        const [cx, cy] = point.split(',');
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${color}"/>`;
      }));
  }
  return parts;
}

function svg(models) {
  const [width, height] = [880, 440];
  const systems = [...new Set(models.map((m) => m.system))];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height + 30}" ` +
      'font-family="sans-serif" font-size="13">',
    `<rect width="${width}" height="${height + 30}" fill="#fff"/>`,
    `<text transform="translate(16 ${height / 2}) rotate(-90)" text-anchor="middle">` +
      'perplexity of held-out text</text>',
    ...[50, 200].flatMap((topics, i) =>
      panel(curvesOf(models, 'debian', topics), `${topics} topics`, 16 + i * 432, 432, height)),
    ...systems.map((system, i) => `<text x="${40 + i * 140}" y="${height + 18}" ` +
      `fill="${COLORS[system] || '#555'}">&#9679; ${system}</text>`),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

const [folder, svgPath] = process.argv.slice(2);
const figures = readFigures(folder);
const models = [...figures.filter((f) => f.perplexity !== undefined && !f.part),
  ...quotedMallet()];
const pictured = models.filter((m) => m.corpus === 'debian');

reportModels(models);
reportParts(figures);
if ([50, 200].every((topics) => pictured.some((m) => m.topics === topics))) {
  fs.writeFileSync(svgPath, svg(pictured));
}

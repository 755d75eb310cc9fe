// Sums up what the parts of embed.sh measured.
//
//   node embed_report.js kernel KERNEL          speed of encoders, share of the peak
//   node embed_report.js torch KERNEL TORCH     ratios to the fastest way of PyTorch
//   node embed_report.js memory                 what embed_first.sql said, from
//                                               standard input
//
// KERNEL has the lines of embed_kernel.c, TORCH those of embed_torch.py.
'use strict';

const fs = require('fs');

// Multiplications and additions for a token, in the linear layers and, by the
// length of the text, in the attention.
const SIZES = { 'bert-base': [12, 768, 3072], minilm: [6, 384, 1536] };

function operations(model, tokens) {
  const [layers, width, ffn] = SIZES[model];
  return 2 * layers * (4 * width * width + 2 * width * ffn + 2 * tokens * width);
}

function lines(path) {
  return fs.readFileSync(path, 'utf8').trim().split('\n').map((l) => l.split('\t'));
}

function table(rows) {
  const widths = rows[0].map((_, c) => Math.max(...rows.map((r) => r[c].length)));
  const text = rows.map((r) =>
    r.map((cell, c) => (c ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join('  ')).join('\n');
  process.stdout.write(`${text}\n`);
}

// The encoders, each with the best peak that its level ever showed.
function encoders(path) {
  const all = lines(path);
  const peaks = new Map();

  for (const [what, level, flops] of all) {
    if (what === 'peak') {
      peaks.set(level, Math.max(peaks.get(level) || 0, Number(flops)));
    }
  }
  return all.filter(([what]) => what === 'encoder')
    .map(([, level, format, model, batch, ms, tokens]) => {
      const length = Number(batch.split('x')[1]);
      const flops = (Number(tokens) * operations(model, length)) / 1e9;
      return { level, format, model, batch, ms, tokens: Number(tokens), flops,
        share: flops / peaks.get(level), peak: peaks.get(level) };
    });
}

function reportKernel(path) {
  const rows = [['level', 'weights', 'model', 'texts x tokens', 'ms', 'tokens/s',
    'GFLOP/s', 'peak', 'share']];

  for (const e of encoders(path)) {
    rows.push([e.level, e.format, e.model, e.batch, e.ms, e.tokens.toFixed(0),
      e.flops.toFixed(1), e.peak.toFixed(1), e.share.toFixed(2)]);
  }
  table(rows);
}

function reportTorch(kernelPath, torchPath) {
  const own = encoders(kernelPath).filter((e) => e.format === 'float32');
  const best = new Map();
  const rows = [['model', 'texts x tokens', 'PyTorch, tokens/s', 'fastest way',
    'vecsearch, tokens/s', 'level', 'ratio']];

  for (const [model, shape, way, tokens] of lines(torchPath)) {
    const batch = shape.includes('x') ? shape : `1x${shape}`;
    const key = `${model} ${batch}`;
    if (!best.has(key) || best.get(key).tokens < Number(tokens)) {
      best.set(key, { model, batch, way, tokens: Number(tokens) });
    }
  }
  for (const t of best.values()) {
    for (const e of own.filter((o) => o.model === t.model && o.batch === t.batch)) {
      rows.push([t.model, t.batch, t.tokens.toFixed(0), t.way, e.tokens.toFixed(0),
        e.level, (e.tokens / t.tokens).toFixed(2)]);
    }
  }
  table(rows);
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

function reportMemory() {
  const said = new Map();

  for (const line of fs.readFileSync(0, 'utf8').trim().split('\n')) {
    const [what, ...numbers] = line.split(/[ |]+/);
    said.set(what, [...(said.get(what) || []), numbers.map(Number)]);
  }
  const middle = (what, i) => median(said.get(what).map((n) => n[i]));
  const rows = [['of a backend, kB', 'before', 'after', 'more']];

  ['resident', 'proportional', 'private', 'anonymous'].forEach((name, i) => {
    const [before, after] = [middle('before', i), middle('after', i)];
    rows.push([name, `${before}`, `${after}`, `${after - before}`]);
  });
  table(rows);
  process.stdout.write(`first call ${middle('first', 0).toFixed(1)} ms, ` +
    `second ${middle('second', 0).toFixed(1)} ms (median of ${said.get('first').length})\n`);
}

const [what, ...files] = process.argv.slice(2);

({ kernel: reportKernel, torch: reportTorch, memory: reportMemory })[what](...files);

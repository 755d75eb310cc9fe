// Token ids by the tokenizers library of Hugging Face (npm @anush008/tokenizers,
// its Rust code as a module for Node.js).
//
//   node encode.js TOKENIZER MAX_TOKENS
//
// Standard input is a JSON array of texts; the output is an array of
// { ids, special }, special being 1 for the tokens that the model adds.
'use strict';

const fs = require('fs');
const { Tokenizer } = require('@anush008/tokenizers');

async function main(file, maxTokens) {
  const tokenizer = Tokenizer.fromFile(file);
  const results = [];

  tokenizer.setTruncation(maxTokens);
  for (const text of JSON.parse(fs.readFileSync(0, 'utf8'))) {
    const encoding = await tokenizer.encode(text, null, { addSpecialTokens: true });
    results.push({ ids: encoding.getIds(), special: encoding.getSpecialTokensMask() });
  }
  process.stdout.write(JSON.stringify(results));
}

main(process.argv[2], Number(process.argv[3]));

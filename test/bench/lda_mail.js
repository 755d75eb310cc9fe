// The bodies of mails as COPY wants them: name, source, text.
//
//   node lda_mail.js FOLDER
//
// FOLDER has a folder for each group, and those files of JSON with the text of
// a mail; its head ends with an empty line.  Very long ones are cut.
'use strict';

const fs = require('fs');
const path = require('path');

const LONGEST = 100000;

function quote(text) {
  return text.toWellFormed().replace(/\0/g, ' ').replace(/\\/g, '\\\\')
    .replace(/\t/g, ' ').replace(/\r\n?|\n/g, '\\n');
}

for (const group of fs.readdirSync(process.argv[2]).sort()) {
  const folder = path.join(process.argv[2], group);

  for (const file of fs.readdirSync(folder).filter((f) => f.endsWith('.json')).sort()) {
    const { id, text } = JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'));
    const end = /\r?\n\r?\n/.exec(text);
    const body = end ? text.slice(end.index, end.index + LONGEST) : '';
    const name = `${group}/${id}`;
    process.stdout.write(`${name}\t${name}\t${quote(body)}\n`);
  }
}

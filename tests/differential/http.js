// The request parser beside llhttp, by Node's http module:  node http.js PARSE_REQUESTS [SEED]
//
// Requests made from a seed, the same with a few bytes changed, and the cases of http_cases.h go to both. What both
// accept they must understand alike: method, target, version, fields and body. What ewcd accepts Node must accept too,
// but for the exceptions named below; the other way round ewcd is stricter on purpose.
'use strict';
const {spawnSync} = require('child_process');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');

const parser = process.argv[2];
let state = Number(process.argv[3] || 1);
function draw(n) { // xorshift32
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
}
const pick = (list) => list[draw(list.length)];
const times = (n, make) => Array.from({length: n}, make);

// --- requests ---

const TOKEN = 'abcdefghijklmnopqrstuvwxyzABCXYZ0189!#$%&\'*+-.^_`|~';
const TARGET = 'abcdefxyzABC0189-._~!$&\'()*+,;=:@';
const FIELD = TARGET + ' \t"<>[]{}\\|^`\xe4\xf6\xff/?#%';
const text = (from, most, least = 0) => times(least + draw(most - least + 1), () => pick(from)).join('');
const cased = (name) => [...name].map((c) => (draw(2) ? c.toUpperCase() : c.toLowerCase())).join('');
const spaced = (value) => text(' ', 2) + value + text(' ', 2);
const padded = (value) => text(' \t', 2) + value + text(' \t', 2);

function target() {
  const segment = () => (draw(4) ? text(TARGET, 8, 1) : '%' + pick(['20', '2F', 'c3%A4', '41'])) + 'x';
  const query = draw(2) ? '?' + text(TARGET + '/?', 20) : '';
  return pick(['', '', '', 'http://a.example:80']) + '/' + times(draw(4), segment).join('/') + query;
}

function chunked(body) {
  let out = '';
  for (let at = 0; at < body.length;) {
    const n = 1 + draw(Math.min(body.length - at, 40));
    out += text('0', 2) + n.toString(16) + pick(['', '', ';a', ';a=b', ';a="b c"']) + '\r\n' + body.substr(at, n) + '\r\n';
    at += n;
  }
  return out + '0\r\n' + pick(['', '', 'X-Trailer: t\r\n']) + '\r\n';
}

function request() {
  const minor = draw(8) ? 1 : 0;
  const fields = times(draw(6), () => 'x-' + text(TOKEN, 10) + ':' + padded(text(FIELD, 30).trim()));
  let body = '';
  if (minor || draw(2)) fields.push(cased('host') + ':' + padded(pick(['a', 'a.example:8080', '[::1]:80', ''])));
  if (!draw(4)) fields.push(cased('connection') + ':' + padded(pick(['close', 'Keep-Alive', 'x-y, close', 'keep-alive, x-y'])));
  const method = pick(['GET', 'POST', 'PUT', 'DELETE', 'HEAD']);
  if (method === 'POST' || method === 'PUT' || !draw(8)) {
    body = text(TOKEN + '\r\n\0 \xff{}[]:,', 200);
    if (minor && draw(2)) {
      fields.push(cased('transfer-encoding') + ':' + spaced(cased('chunked')));
      body = chunked(body);
    } else {
      fields.push(cased('content-length') + ':' + spaced(text('0', 2) + body.length));
    }
  }
  for (let i = fields.length - 1; i > 0; i--) {
    const k = draw(i + 1);
    [fields[i], fields[k]] = [fields[k], fields[i]];
  }
  const line = method + ' ' + target() + ' HTTP/1.' + minor;
  return Buffer.from((draw(9) ? '' : '\r\n') + [line, ...fields].join('\r\n') + '\r\n\r\n' + body, 'latin1');
}

const EDITS = ['\r', '\n', '\r\n', ' ', '\t', '\0', ':', ',', ';', '0', '9', 'f', '-', '+', '"', '%', '/', '.', '\x0b',
  '\x7f', '\xff', '\r\n ', 'chunked', 'Host: b\r\n', 'Content-Length: 1\r\n', 'Transfer-Encoding: chunked\r\n'];
function edited(bytes) {
  let s = bytes.toString('latin1');
  for (let i = 1 + draw(2); i > 0; i--) {
    const head = s.indexOf('\r\n\r\n') + 20;
    const at = draw(Math.min(s.length, head) + 1);
    s = s.slice(0, at) + (draw(4) ? pick(EDITS) : '') + s.slice(at + draw(2));
  }
  return Buffer.from(s, 'latin1');
}

// --- the two readings ---

function ours(requests) {
  const input = requests.map((r) => r.toString('hex')).join('\n') + '\n';
  const ran = spawnSync(parser, {input, maxBuffer: 1 << 28});
  if (ran.status !== 0) throw new Error('parse_requests ended with ' + ran.status);
  return ran.stdout.toString().trim().split('\n').map((line) => JSON.parse(line));
}

const hex = (s) => Buffer.from(s, 'latin1').toString('hex');
let seen = null; // of the connection that is open: its first request, once its body has ended

function take(message) {
  const parts = [];
  const mine = seen;
  message.on('data', (part) => parts.push(part));
  message.on('error', () => {});
  message.on('end', () => {
    if (mine.request) return;
    const raw = message.rawHeaders;
    mine.request = {method: message.method, minor: message.httpVersionMinor, target: message.url,
      headers: times(raw.length / 2, (_, i) => [hex(raw[2 * i]), hex(raw[2 * i + 1])]),
      body: Buffer.concat(parts).toString('hex')};
  });
}

function theirs(where, bytes) {
  return new Promise((resolve) => {
    seen = {request: null};
    const mine = seen;
    const socket = net.connect(where, () => socket.end(bytes));
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.on('close', () => resolve(mine.request));
  });
}

// --- what may differ ---

// An authority in the target is checked and dropped by ewcd; Node leaves it to the program.
const without = (url) => url.replace(/^https?:\/\/[^/?]*/i, (all, at, whole) => (whole[all.length] === '/' ? '' : '/'));

function difference(a, b) {
  const url = Buffer.from(a.path, 'hex').toString('latin1');
  const query = a.query === null ? '' : '?' + Buffer.from(a.query, 'hex').toString('latin1');
  if (a.method !== b.method || a.minor !== b.minor) return 'method or version';
  if (url + query !== without(b.target)) return 'target';
  if (JSON.stringify(a.headers) !== JSON.stringify(b.headers)) return 'fields';
  return a.body === b.body ? '' : 'body';
}

// Accepted by ewcd and refused by Node, knowingly.
const EXCEPTIONS = [
];

async function main() {
  const good = times(400, request);
  const cases = spawnSync(parser, ['--cases']).stdout.toString().trim().split('\n')
    .map((line) => Buffer.from(JSON.parse(line), 'hex'));
  const all = [...good, ...times(1600, () => edited(pick(good))), ...cases];
  const where = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'ewcd-diff-')), 's');
  const answer = (message, response) => {
    take(message);
    message.on('end', () => response.end());
  };
  const server = http.createServer({maxHeaderSize: 65536, keepAlive: false}, answer);
  server.on('checkContinue', answer);
  server.on('checkExpectation', answer);
  server.on('clientError', (error, socket) => socket.destroy());
  await new Promise((resolve) => server.listen(where, resolve));
  const mine = ours(all);
  const count = {both: 0, stricter: 0, neither: 0, excepted: 0};
  let bad = 0;
  for (let i = 0; i < all.length; i++) {
    const a = mine[i];
    const b = await theirs(where, all[i]);
    let wrong = '';
    if (a && b) wrong = difference(a, b);
    else if (a && !EXCEPTIONS.some((e) => e.test(all[i].toString('latin1')))) wrong = 'Node refuses it';
    if (i < good.length && !a) wrong = 'ewcd refuses a good one';
    count[a ? (b ? 'both' : 'excepted') : (b ? 'stricter' : 'neither')]++;
    if (wrong && bad++ < 10) console.log(wrong + ':\n  ' + JSON.stringify(all[i].toString('latin1')) + '\n  ' +
      JSON.stringify(a) + '\n  ' + JSON.stringify(b));
  }
  server.close();
  fs.rmSync(path.dirname(where), {recursive: true});
  console.log(JSON.stringify(count));
  if (count.both < good.length) bad++;
  process.exit(bad ? 1 : 0);
}

main();

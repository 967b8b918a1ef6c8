'use strict';
// Everything that is shown is set as text: names and reasons are not ours.
const POLL = 2000, SLOWEST = 30000, PATIENCE = 6000, STALE = 15;
const STATES = ['down', 'maint', 'drain', 'ready'];
const COLUMNS = [
  ['name', 'Backend', 1], ['state', 'State', 1], ['weight', 'Weight', -1], ['slots', 'Share', -1],
  ['flows', 'Live flows', -1], ['packets', 'Packets/s', -1], ['bytes', 'Bytes/s', -1], ['check', 'Check', -1],
];
const $ = (id) => document.getElementById(id);
const services = new Map();
let order = { key: 'state', sign: 1 };
let state = null, before = null, rates = new Map(), newest = null;
let clock = { server: 0, here: 0 }, heard = 0, failures = 0, timer = 0, asking = null, isGone = false;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function drawn(tag, attributes) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

// What is the same is left alone: a thousand rows are looked at every two seconds.
function put(node, text) { if (node.textContent !== text) node.textContent = text; }
function set(node, name, value) { if (node.getAttribute(name) !== value) node.setAttribute(name, value); }

function whole(number) { return Math.round(number).toLocaleString('en'); }

function short(number) {
  if (!(number >= 0)) return '–';
  if (number < 1000) return number < 10 && number % 1 ? number.toFixed(1) : String(Math.round(number));
  let unit = -1;
  do { number /= 1000; unit += 1; } while (number >= 999.5 && unit < 4);
  return (number < 9.95 ? number.toFixed(1) : Math.round(number)) + ' ' + 'kMGTP'[unit];
}

function span(seconds) {
  if (seconds < 60) return Math.max(0, Math.round(seconds)) + ' s';
  if (seconds < 5400) return Math.round(seconds / 60) + ' min';
  if (seconds < 129600) return Math.round(seconds / 3600) + ' h';
  return Math.round(seconds / 86400) + ' days';
}

function moment(seconds) {
  const two = (n) => String(n).padStart(2, '0');
  const at = new Date(seconds * 1000);
  const day = at.getFullYear() + '-' + two(at.getMonth() + 1) + '-' + two(at.getDate());
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
  return at.toDateString() === new Date().toDateString() ? time : day + ' ' + time;
}

function took(seconds) { return seconds < 1 ? (seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0) + ' ms' : seconds.toFixed(1) + ' s'; }
function last(list) { return list.length ? list[list.length - 1] : NaN; }
function now() { return clock.server + (performance.now() - clock.here) / 1000; }
function rank(word) { const at = STATES.indexOf(word); return at < 0 ? STATES.length : at; }

function line(values) {
  const top = Math.max(...values, 0);
  if (values.length < 2) return '';
  const points = values.map((v, i) =>
    (60 * i / (values.length - 1)).toFixed(1) + ' ' + (top > 0 ? 17 - 16 * Math.max(0, v) / top : 17).toFixed(1));
  return 'M' + points.join('L');
}

function spark() {
  const svg = drawn('svg', { class: 'spark', viewBox: '0 0 60 18', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  svg.append(drawn('path', { d: '' }));
  return svg;
}

function badge() {
  const word = make('span');
  const node = make('span', { class: 'state' }, make('span', { class: 'mark', 'aria-hidden': 'true' }), ' ', word);
  return { node, show(kind, text) { set(node, 'class', 'state ' + kind); put(word, text); } };
}

// Roles are spelled out because narrow screens show tables as cards, and a browser
// takes what is not displayed as a table for none.
function newRow() {
  const cell = (label, kind, ...children) => make('td', { role: 'cell', class: kind, 'data-label': label }, ...children);
  const r = {
    name: make('span'), tag: make('span', { class: 'tag' }, 'sorry'), address: make('span', { class: 'addr mono' }), way: make('span', { class: 'addr mono' }),
    badge: badge(), why: make('div', { class: 'why' }), weight: make('span'), share: make('span'),
    bar: drawn('rect', { width: '0%', height: '100%' }), flows: make('span'), packets: make('span'), bytes: make('span'),
    sparks: [spark(), spark()], check: badge(), checkWhy: make('div', { class: 'why' }),
  };
  const bar = drawn('svg', { class: 'share', 'aria-hidden': 'true' });
  bar.append(r.bar);
  r.node = make('tr', { role: 'row' },
    make('th', { scope: 'row', role: 'rowheader' }, r.name, ' ', r.tag, r.address, r.way),
    make('td', { role: 'cell', class: 'wide' }, r.badge.node, r.why),
    cell('Weight', 'num', r.weight), cell('Share', 'num', bar, ' ', r.share), cell('Live flows', 'num', r.flows),
    cell('Packets/s', 'num', r.sparks[0], r.packets), cell('Bytes/s', 'num', r.sparks[1], r.bytes),
    cell('Check', '', r.check.node, r.checkWhy));
  return r;
}

function showRow(r, b, slots) {
  set(r.node, 'class', 'is-' + b.state);
  put(r.name, b.name);
  r.tag.hidden = !b.is_sorry;
  put(r.address, b.address);
  put(r.way, [b.forward, b.mac].filter(Boolean).join(' · '));
  r.badge.show(b.state, b.state + (b.wanted === b.state || b.wanted === 'ready' ? '' : ', wanted: ' + b.wanted));
  put(r.why, [b.reason, b.since ? 'for ' + span(now() - b.since) : ''].filter(Boolean).join(' · '));
  put(r.weight, whole(b.weight));
  const share = slots ? 100 * b.slots / slots : 0;
  put(r.share, (share > 0 && share < 9.95 ? share.toFixed(1) : Math.round(share)) + ' %');
  set(r.bar, 'width', share.toFixed(1) + '%');
  put(r.flows, whole(b.live_flows));
  put(r.packets, short(last(b.packet_rates)));
  put(r.bytes, short(last(b.byte_rates)).replace(/(\d)$/, '$1 ') + (b.byte_rates.length ? 'B' : ''));
  set(r.sparks[0].firstChild, 'd', line(b.packet_rates));
  set(r.sparks[1].firstChild, 'd', line(b.byte_rates));
  const c = b.check;
  const known = c && c.last !== null;
  r.check.node.hidden = !known;
  if (known) r.check.show(c.last ? 'ready' : 'down', (c.last ? 'passed' : 'failed') + ', ' + took(c.seconds));
  put(r.checkWhy, !c ? 'none' : !known ? 'not yet' : c.last || c.reason === b.reason ? '' : c.reason);
}

function newService(name) {
  const id = 'service-' + name;
  const s = {
    rows: new Map(), badge: badge(), addresses: make('span', { class: 'mono' }), facts: make('span', { class: 'soft last' }),
    body: make('tbody', { role: 'rowgroup' }), heads: new Map(),
  };
  const heads = COLUMNS.map(([key, title, sign]) => {
    const button = make('button', { type: 'button' }, title);
    button.addEventListener('click', () => {
      order = { key, sign: order.key === key ? -order.sign : sign };
      if (state) showServices(state);
    });
    const head = make('th', { scope: 'col', role: 'columnheader', class: 'of-' + key + (sign < 0 && key !== 'check' ? ' num' : '') }, button);
    s.heads.set(key, head);
    return head;
  });
  const table = make('table', { role: 'table', class: 'cards' },
    make('caption', { class: 'hide' }, 'Backends of ' + name),
    make('thead', { role: 'rowgroup' }, make('tr', { role: 'row' }, ...heads)), s.body);
  s.wrap = make('div', { class: 'wrap', role: 'region', tabindex: '0', 'aria-label': 'Backends of ' + name }, table);
  s.node = make('article', { id, 'aria-labelledby': id + '-name' },
    make('div', { class: 'head' }, make('h3', { id: id + '-name' }, name), s.badge.node, s.addresses, s.facts), s.wrap);
  return s;
}

const VALUES = {
  name: (b) => b.name, state: (b) => rank(b.state), weight: (b) => b.weight, slots: (b) => b.slots,
  flows: (b) => b.live_flows, packets: (b) => last(b.packet_rates) || 0, bytes: (b) => last(b.byte_rates) || 0,
  check: (b) => (b.check && b.check.last !== null ? b.check.seconds : -1),
};

function sorted(backends) {
  const value = VALUES[order.key];
  const by = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return [...backends].sort((a, b) => a.is_sorry - b.is_sorry || order.sign * by(value(a), value(b))
    || a.name.localeCompare(b.name, 'en', { numeric: true }));
}

// Children in this order; those that stand right are not moved.
function arrange(parent, nodes) {
  let at = parent.firstChild;
  for (const node of nodes) {
    if (node === at) at = at.nextSibling; else parent.insertBefore(node, at);
  }
  while (at) { const next = at.nextSibling; at.remove(); at = next; }
}

// The parts that belong to `items`, made or forgotten as these come and go.
function parts(kept, items, create) {
  const names = new Set(items.map((item) => item.name));
  for (const name of kept.keys()) if (!names.has(name)) kept.delete(name);
  return items.map((item) => {
    if (!kept.has(item.name)) kept.set(item.name, create(item.name));
    return kept.get(item.name);
  });
}

function showServices(s) {
  const wanted = $('find').value.trim().toLowerCase(), onlyBad = $('bad').checked;
  const sick = [...s.services].sort((a, b) => a.is_up - b.is_up);
  const shown = parts(services, sick, newService);
  sick.forEach((service, i) => {
    const p = shown[i];
    p.badge.show(service.is_up ? 'ready' : 'down', service.is_up ? 'up' : 'down');
    put(p.addresses, service.addresses.join('  '));
    put(p.facts, [service.in_rotation + ' in rotation, quorum ' + service.quorum,
      service.announced === null ? '' : service.announced ? 'announced' : 'not announced',
      service.check ? 'check: ' + service.check : 'no check',
      service.unsettled ? whole(service.unsettled) + ' of ' + whole(service.slots) + ' slots unsettled' : ''].filter(Boolean).join(' · '));
    for (const [key, head] of p.heads) set(head, 'aria-sort', key !== order.key ? 'none' : order.sign > 0 ? 'ascending' : 'descending');
    const backends = sorted(service.backends);
    const rows = parts(p.rows, backends, newRow);
    backends.forEach((b, j) => {
      const text = (b.name + ' ' + b.address).toLowerCase();
      rows[j].node.hidden = !text.includes(wanted) || (onlyBad && b.state === 'ready');
      if (!rows[j].node.hidden) showRow(rows[j], b, service.slots);
    });
    arrange(p.body, rows.map((r) => r.node));
    set(p.wrap, 'class', backends.length > 30 ? 'wrap long' : 'wrap');
  });
  arrange($('services'), shown.map((p) => p.node));
}

function showFacts(s) {
  const interfaces = s.interfaces.map((i) => i.name + (i.program ? ' (' + i.mode + ')' : ' (away)')).join(', ');
  const f = s.flows;
  const facts = [
    ['Version', s.version], ['Up for', span(s.time - s.started)], ['Interfaces', interfaces || 'none'],
    ['Config', 'generation ' + s.config.generation + (s.config.reloaded ? ', reloaded ' + moment(s.config.reloaded) : '')],
    ['Table digest', s.config.digest],
    ['Flow table', whole(f.entries) + ' of ' + whole(f.capacity) + (f.capacity ? ' (' + Math.round(100 * f.entries / f.capacity) + ' %)' : '')],
  ];
  const list = $('facts');
  if (!list.firstChild) list.append(...facts.map(([name]) => make('div', {}, make('dt', {}, name), make('dd'))));
  facts.forEach(([, value], i) => put(list.children[i].lastChild, value));
}

function showProblems(s) {
  const all = s.services.flatMap((service) => service.backends.map((b) => [service, b]));
  const up = s.services.filter((service) => service.is_up).length;
  const of = (word) => all.filter(([, b]) => !b.is_sorry && b.state === word).length;
  const words = STATES.slice().reverse().map((word) => [of(word), word]).filter(([n]) => n);
  put($('sum'), whole(up) + ' of ' + whole(s.services.length) + ' services up. Backends: '
    + (words.map(([n, word]) => whole(n) + ' ' + word).join(', ') || 'none') + '.');
  const found = [];
  for (const service of s.services.filter((x) => !x.is_up)) {
    found.push(['bad', 'Service ' + service.name + ' is down: ' + service.in_rotation + ' in rotation, quorum ' + service.quorum + '.']);
  }
  for (const i of s.interfaces.filter((x) => !x.program)) found.push(['bad', 'Interface ' + i.name + ' is away: nothing is forwarded from it.']);
  if (s.config.refused !== null) found.push(['bad', 'The last reload was refused, the config before is in force: ' + s.config.refused]);
  const groups = new Map();
  for (const [service, b] of all.filter(([, x]) => x.state === 'down')) {
    const key = service.name + '\n' + b.reason;
    groups.set(key, [...(groups.get(key) || []), [service, b]]);
  }
  for (const group of [...groups.values()].slice(0, 8)) {
    const [service, b] = group[0];
    const since = Math.min(...group.map(([, x]) => x.since));
    const names = group.slice(0, 3).map(([, x]) => x.name).join(', ') + (group.length > 3 ? ' and ' + (group.length - 3) + ' more' : '');
    found.push(['bad', names + ' of ' + service.name + (group.length > 1 ? ' are' : ' is') + ' down'
      + (since ? ' for ' + span(now() - since) : '') + (b.reason ? ': ' + b.reason : '.')]);
  }
  if (groups.size > 8) found.push(['bad', 'More backends are down, see below.']);
  for (const warning of s.warnings) found.push(['', warning]);
  const list = $('problems');
  while (list.children.length > found.length) list.lastChild.remove();
  while (list.children.length < found.length) list.append(make('li'));
  found.forEach(([kind, text], i) => { set(list.children[i], 'class', kind); put(list.children[i], text); });
  const bad = of('down') + (s.services.length - up);
  document.title = (bad ? bad + ' down, ' : '') + location.hostname + ' dsrload';
}

function cells(body, rows) {
  while (body.children.length > rows.length) body.lastChild.remove();
  while (body.children.length < rows.length) {
    const kinds = rows[body.children.length].cells.map((c) => make('td', { class: c[1] || '' }));
    body.append(make('tr', {}, ...kinds));
  }
  rows.forEach((row, i) => {
    set(body.children[i], 'class', row.kind);
    row.cells.forEach(([text], j) => put(body.children[i].children[j], text));
  });
}

function showEvents(s) {
  cells($('events').tBodies[0], s.events.map((e) => ({
    kind: '', cells: [[moment(e.time), 'when'], [[e.service, e.backend].filter(Boolean).join('/') || 'dsrload'],
      [e.from ? e.from + ' → ' + e.to : e.to], [e.reason, 'why']],
  })));
  const key = (e) => JSON.stringify(e);
  const top = s.events.length ? key(s.events[0]) : '';
  if (newest !== null && top !== newest) {
    const at = s.events.findIndex((e) => key(e) === newest);
    const fresh = s.events.slice(0, at < 0 ? s.events.length : at);
    say(fresh.length > 3 ? fresh.length + ' changes of state'
      : fresh.map((e) => [e.service, e.backend].filter(Boolean).join(' ') + ' is now ' + e.to + (e.reason ? ': ' + e.reason : '')).join('. '));
  }
  newest = top;
}

function showOutcomes(s) {
  if (before && s.time > before.time) {
    const old = new Map(before.outcomes.map((o) => [o.name, o.packets]));
    rates = new Map(s.outcomes.map((o) => [o.name, Math.max(0, o.packets - (old.get(o.name) ?? o.packets)) / (s.time - before.time)]));
  }
  const verdicts = ['pass', 'drop'];
  const list = [...s.outcomes].sort((a, b) => (a.packets === 0) - (b.packets === 0)
    || verdicts.indexOf(b.verdict) - verdicts.indexOf(a.verdict) || b.packets - a.packets);
  cells($('outcomes').tBodies[0], list.map((o) => ({
    kind: o.packets ? '' : 'none', cells: [[o.name, 'mono'], [o.verdict], [short(rates.get(o.name)), 'num'], [whole(o.packets), 'num'], [o.help, 'text']],
  })));
}

function say(text) { put($('say'), text); }

// The server's clock tells how old its figures are; this one need not be right.
function showLink() {
  if (document.hidden) return;
  const silent = (performance.now() - heard) / 1000;
  const age = state ? now() - state.time : 0;
  let kind = 'ready', text = 'Live', alarm = '';
  if (failures > 0 && state) {
    kind = 'down'; text = 'No answer';
    alarm = 'dsrload has not answered for ' + span(silent) + '. What is below is old; packets may be forwarded all the same.';
  } else if (failures > 0) {
    kind = 'down'; text = 'No answer'; alarm = 'dsrload does not answer.';
  } else if (!state) { kind = 'wait'; text = 'Waiting for the first answer'; } else if (age > STALE) {
    kind = 'drain'; text = 'Stale';
    alarm = 'dsrload answers, but its figures are ' + span(age) + ' old: it may be stuck.';
  }
  set($('link'), 'class', kind);
  put($('link-text'), text);
  $('alarm').hidden = !alarm;
  put($('alarm'), alarm);
  document.body.classList.toggle('old', Boolean(alarm));
  if (Boolean(alarm) !== isGone) {
    isGone = Boolean(alarm);
    say(isGone ? text + '. ' + alarm : 'dsrload answers again');
  }
}

function show(s) {
  before = state;
  state = s;
  showFacts(s);
  showProblems(s);
  showServices(s);
  showEvents(s);
  showOutcomes(s);
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = new AbortController();
  const patience = setTimeout(() => asking.abort(), PATIENCE);
  try {
    const answer = await fetch('/api/v1/state', { signal: asking.signal, cache: 'no-store' });
    if (!answer.ok) throw new Error(answer.status);
    const s = await answer.json();
    clock = { server: Date.parse(answer.headers.get('date')) / 1000 || s.time, here: performance.now() };
    heard = performance.now();
    failures = 0;
    if (!state || s.time !== state.time || s.started !== state.started) show(s);
  } catch { failures += 1; }
  clearTimeout(patience);
  asking = null;
  showLink();
  timer = setTimeout(poll, Math.min(SLOWEST, POLL * 2 ** Math.min(failures, 5)));
}

document.addEventListener('visibilitychange', () => { clearTimeout(timer); if (!document.hidden) poll(); });
addEventListener('online', () => poll());
for (const id of ['find', 'bad']) $(id).addEventListener('input', () => { if (state) showServices(state); });
setInterval(showLink, 1000);
put($('host'), location.host);
poll();

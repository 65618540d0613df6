/* Search, order, keys and large charts. The page above is complete without it. */
(() => {
  'use strict';
  const $ = id => document.getElementById(id);
  const data = JSON.parse($('data').textContent);
  const body = $('rows');
  const root = document.documentElement;
  const rows = [...body.children];
  document.querySelectorAll('.jo').forEach(e => { e.hidden = false; });

  const esc = text => String(text).replace(/[&<>"']/g, c => '&#' + c.charCodeAt(0) + ';');
  const numbers = text => text === '' ? [] : text.split(' ').map(v => v === '-' ? null : Number(v));
  const known = v => v !== null && Number.isFinite(v);

  const metrics = data.m.map((a, i) => {
    const o = {
      st: a[0], profile: a[1], test: a[2], kind: a[3], unit: a[6], higher: a[7], primary: a[8], src: a[9],
      dst: a[10], lo: a[11], hi: a[12], raw: a.slice(13, 16), spread: a[16], limit: a[17], parts: a[18],
      clients: a.slice(19),
      i, tr: rows[i], id: rows[i].id,
    };
    o.text = (o.id + ' ' + o.unit).toLowerCase();
    o.tr._o = o;
    return o;
  });
  // Split when needed: most rows are never drawn.
  const history = o => o.h || (o.h = numbers(o.raw[0]));
  const samples = (o, side) => numbers(o.raw[1 + side]);

  const group = text => text.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
  const value = x => {
    const a = Math.abs(x);
    if (a !== 0 && (a < 0.001 || a >= 1e15)) return x.toExponential(3);
    const digits = a >= 999.95 || a === 0 ? 0 : a >= 99.995 ? 1 : a >= 9.9995 ? 2 : a >= 0.99995 ? 3 : 4;
    const [whole, rest] = a.toFixed(digits).split('.');
    return (x < 0 ? '\u2212' : '') + group(whole) + (rest ? '.' + rest : '');
  };
  const absolute = (o, v) => o.src === null ? v : o.spread ? o.src + v / 10 : o.src + Math.abs(o.src) * v / 1000;
  const shown = (o, v) => value(absolute(o, v));
  const unit = o => o.spread ? '%' : o.unit;
  const signed = v => {
    const text = group(Math.abs(v / 10).toFixed(1));
    return text === '0.0' ? text : (v < 0 ? '\u2212' : '+') + text;
  };
  const change = (o, v) => o.src === null ? value(v) : signed(v) + (o.spread ? ' points' : '\u202f%');

  /* Sparklines of rows that come into view. */
  const path = (points, x, y) => {
    let d = '', pen = 'M';
    points.forEach((v, i) => {
      if (known(v)) { d += pen + x(i) + ' ' + y(v); pen = 'L'; } else pen = 'M';
    });
    return d;
  };
  const spark = o => {
    const w = 124, h = 26, points = [...history(o), o.dst], all = points.filter(known);
    if (all.length < 2) return '';
    if (known(o.lo)) all.push(o.lo, o.hi);
    const lo = Math.min(...all), hi = Math.max(...all), n = points.length - 1;
    const y = v => (h - 2 - (v - lo) / (hi - lo || 1) * (h - 4)).toFixed(1), x = i => Math.round(3 + i * (w - 8) / n);
    return `<svg class="sp ${o.st}" viewBox="0 0 ${w} ${h}" aria-hidden="true">`
      + (known(o.lo) ? `<rect class="b" width="${w}" y="${y(o.hi)}" height="${(y(o.lo) - y(o.hi)).toFixed(1)}"/>` : '')
      + `<path class="l" d="${path(points, x, y)}"/>`
      + (known(o.dst) ? `<path class="d" d="M${x(n)} ${(y(o.dst) - 4).toFixed(1)}l4 4-4 4-4-4z"/>` : '') + '</svg>';
  };
  const watcher = new IntersectionObserver(entries => entries.forEach(e => {
    if (!e.isIntersecting) return;
    watcher.unobserve(e.target);
    e.target.lastElementChild.innerHTML = spark(e.target._o);
  }), { rootMargin: '400px' });
  if (data.builds.length > 1) rows.forEach(r => watcher.observe(r));

  /* The large chart. */
  const steps = span => {
    let step = Math.pow(10, Math.floor(Math.log10(span || 1)));
    while (span / step < 4) step /= 2;
    while (span / step > 8) step *= 2;
    return step;
  };
  const mark = o => o.st === 'g' ? 'dstg' : o.st === 'r' ? 'dstm' : o.st === 'f' || o.st === 's' ? 'dstf' : 'dsto';
  const chart = o => {
    const w = 760, h = 230, l = 66, r = 14, t = 14, b = 30, past = history(o), points = [...past, o.dst], n = past.length;
    const offset = data.builds.length - points.length, at = i => data.builds[i + offset] || ['', '', ''];
    const all = points.filter(known), limit = known(o.limit) ? [-o.limit, o.limit] : [];
    if (o.src !== null) all.push(0);
    if (known(o.lo)) all.push(o.lo, o.hi);
    all.push(...limit);
    if (!all.length) return '<p class="dim">No values.</p>';
    const pad = (Math.max(...all) - Math.min(...all) || 1) * 0.06;
    const lo = Math.min(...all) - pad, hi = Math.max(...all) + pad;
    const X = i => n ? l + 8 + i * (w - l - r - 16) / n : (l + w - r) / 2, Y = v => +(t + (hi - v) / (hi - lo) * (h - t - b)).toFixed(1);
    const step = steps(hi - lo);
    let grid = '';
    for (let v = Math.ceil(lo / step) * step; v <= hi; v += step) {
      grid += `<line class="ax" x1="${l}" x2="${w - r}" y1="${Y(v)}" y2="${Y(v)}"/><text class="txt" x="${l - 6}" y="${Y(v) + 4}" text-anchor="end">${change(o, v)}</text>`;
    }
    const band = known(o.lo)
      ? `<rect class="bnd" x="${l}" width="${w - l - r}" y="${Y(o.hi)}" height="${Math.max(1, Y(o.lo) - Y(o.hi))}" opacity=".6"/><text class="txt" x="${l + 5}" y="${Y(o.hi) + 13}">normal band</text>` : '';
    const lines = limit.map(v => `<line class="tol" x1="${l}" x2="${w - r}" y1="${Y(v)}" y2="${Y(v)}"/>`).join('')
      + (o.src !== null ? `<line class="zero" x1="${l}" x2="${w - r}" y1="${Y(0)}" y2="${Y(0)}"/><text class="txt" x="${w - r}" y="${Y(0) - 4}" text-anchor="end">SRC</text>` : '');
    const env = data.env.map(i => i - offset).filter(i => i >= 0 && i <= n)
      .map(i => `<path class="envl" d="M${X(i - 0.5)} ${t}V${h - b}"><title>environment changed before ${esc(at(i)[0])}</title></path>`).join('');
    const dots = past.map((v, i) => known(v)
      ? `<circle class="${known(o.lo) && (v < o.lo || v > o.hi) ? 'out' : 'pt'}" cx="${X(i)}" cy="${Y(v)}" r="3.2"><title>${esc(at(i)[0])}, ${esc(at(i)[1])} ${esc(at(i)[2])}: ${shown(o, v)} ${esc(unit(o))} (${change(o, v)})</title></circle>` : '').join('');
    const dst = known(o.dst)
      ? `<path class="${mark(o)}" d="M${X(n)} ${Y(o.dst) - 7}l7 7-7 7-7-7z"><title>DST: ${change(o, o.dst)}</title></path><text class="txt" x="${X(n) - 10}" y="${Y(o.dst) + (o.dst < 0 ? 18 : -10)}" text-anchor="end">DST ${change(o, o.dst)}</text>` : '';
    const names = (n ? [[0, 'start'], [Math.floor(n / 2), 'middle'], [n, 'end']] : [[0, 'middle']])
      .map(([i, anchor]) => `<text class="txt" x="${X(i)}" y="${h - 8}" text-anchor="${anchor}">${esc(String(at(i)[0]).slice(0, 30))}</text>`).join('');
    return `<svg viewBox="0 0 ${w} ${h}" role="img" aria-label="History of ${esc(o.id)}">${grid}${band}${lines}${env}<path class="ln" d="${path(points, X, Y)}"/>${dots}${dst}${names}</svg>`;
  };
  const strip = o => {
    const sides = [samples(o, 0).filter(known), samples(o, 1).filter(known)], all = sides.flat();
    if (!all.length) return '<p class="dim">No single values are stored.</p>';
    const w = 330, h = 110, span = Math.max(...all) - Math.min(...all) || 1;
    const lo = Math.min(...all) - span * 0.05, hi = Math.max(...all) + span * 0.05;
    const x = v => (44 + (v - lo) / (hi - lo) * (w - 60)).toFixed(1);
    const row = (values, y, name, css) => {
      const mean = values.reduce((p, q) => p + q, 0) / values.length;
      return `<text class="txt" x="0" y="${y + 4}">${name}</text><line class="ax" x1="44" x2="${w - 16}" y1="${y}" y2="${y}"/>`
        + values.map(v => `<circle class="${css}" cx="${x(v)}" cy="${y}" r="5" opacity=".65"><title>${shown(o, v)} ${esc(unit(o))}</title></circle>`).join('')
        + (values.length ? `<path class="${css}" d="M${x(mean) - 1} ${y - 12}h2v24h-2z"><title>mean ${shown(o, mean)}</title></path>` : '');
    };
    return `<svg viewBox="0 0 ${w} ${h}" role="img" aria-label="Samples of SRC and DST">${row(sides[0], 30, 'SRC', 'srcm')}${row(sides[1], 72, 'DST', mark(o))}<text class="txt" x="44" y="106">${shown(o, lo)}</text><text class="txt" x="${w - 16}" y="106" text-anchor="end">${shown(o, hi)} ${esc(unit(o))}</text></svg>`;
  };

  /* What each client did: worst first, those that stand apart named so. */
  const clients = o => {
    if (!o.clients.length) return '';
    const [list, mean, srcs, dsts, odd] = o.clients, names = data.clients[list];
    const share = v => known(mean) ? mean + Math.abs(mean) * v / 1000 : v, src = numbers(srcs), apart = new Set(odd ? odd.split(' ').map(Number) : []);
    const all = dsts.split(' ').map((d, i) => {
      const s = known(src[i]) ? share(src[i]) : null;
      const c = d === '-' || d[0] === '=' ? null : Number(d);
      const v = d === '-' ? null : c === null ? share(Number(d.slice(1))) : s + Math.abs(s) * c / 1000;
      return { name: names[i], s, v, c, odd: apart.has(i) };
    });
    const turn = c => c === null ? -Infinity : o.higher === null ? -Math.abs(c) : o.higher ? c : -c;
    all.sort((a, b) => turn(a.c) - turn(b.c));
    const cell = v => known(v) ? value(v) : 'none';
    return `<details${all.length > 40 ? '' : ' open'}><summary>${all.length} clients${apart.size ? `, ${apart.size} apart from the others` : ''}</summary><table><thead><tr><th scope="col">Client</th><th scope="col" class="n">SRC</th><th scope="col" class="n">DST</th><th scope="col" class="n">Change</th><th scope="col">Remark</th></tr></thead><tbody>${
      all.map(a => `<tr><th scope="row">${esc(a.name)}</th><td class="n">${cell(a.s)}</td><td class="n">${cell(a.v)}</td><td class="n">${a.c === null ? (a.s === null ? 'new' : a.v === null ? 'missing' : '') : signed(a.c) + '\u202f%'}</td><td>${a.odd ? '<b>stands apart</b>' : ''}</td></tr>`).join('')}</tbody></table></details>`;
  };

  /* A row that is open. */
  const direction = o => o.higher === null ? 'direction unknown' : o.higher ? 'higher is better' : 'lower is better';
  const details = o => {
    const past = history(o), offset = data.builds.length - 1 - past.length;
    const facts = [];
    if (known(o.lo)) {
      facts.push(['Outside the band before', `${past.filter(v => known(v) && (v < o.lo || v > o.hi)).length} of ${past.filter(known).length}`]);
      facts.push(['Normal band', `${change(o, o.lo)} … ${change(o, o.hi)}`]);
    }
    if (known(o.limit)) facts.push(['Limit (dashed)', '±' + change(o, o.limit).replace(/^\+/, '')]);
    for (const [name, diff, weight] of o.parts) facts.push([`${esc(name)} (weight ${+weight.toFixed(2)})`, diff === null ? '' : signed(diff) + (o.spread ? ' points' : '\u202f%')]);
    const table = past.length ? `<details><summary>History as a table</summary><table><thead><tr><th scope="col">Build</th><th scope="col">Started</th><th scope="col">Distribution</th><th scope="col" class="n">${esc(unit(o)) || 'Value'}</th><th scope="col" class="n">Against SRC</th></tr></thead><tbody>${
      [...past, o.dst].map((v, i) => {
        const b = data.builds[i + offset] || ['', '', ''];
        return `<tr><th scope="row">${esc(b[0])}</th><td>${esc(b[1])}</td><td>${esc(b[2])}</td><td class="n">${known(v) ? shown(o, v) : 'none'}</td><td class="n">${known(v) && o.src !== null ? change(o, v) : ''}</td></tr>`;
      }).join('')}</tbody></table></details>` : '';
    return `<td colspan="7"><div class="dt"><div><h3>${past.length ? 'History' : 'DST'} against SRC (${direction(o)})</h3>${chart(o)}</div>`
      + `<div><h3>Samples</h3>${strip(o)}<table><tbody>${facts.map(f => `<tr><th scope="row">${f[0]}</th><td class="n">${f[1]}</td></tr>`).join('')}</tbody></table></div>`
      + `<div class="wide"><button type="button" data-a="link">Copy link</button> <button type="button" data-a="md">Copy as Markdown</button> ${clients(o)}${table}</div></div></td>`;
  };
  const close = r => {
    const next = r.nextElementSibling;
    if (next && next.classList.contains('x')) next.remove();
    r.classList.remove('open');
    r.querySelector('th').setAttribute('aria-expanded', 'false');
  };
  const open = o => {
    if (o.tr.classList.contains('open')) return close(o.tr);
    const c = document.createElement('tr');
    c.className = 'x';
    c.innerHTML = details(o);
    o.tr.after(c);
    o.tr.classList.add('open');
    o.tr.querySelector('th').setAttribute('aria-expanded', 'true');
    c.onclick = e => {
      const action = e.target.dataset && e.target.dataset.a;
      if (action === 'link') copy(location.href.split('#')[0] + '#' + encodeURI(o.id));
      if (action === 'md') {
        const cells = o.tr.querySelectorAll('td.n');
        copy(`**${o.id.replace(/[*|`\\]/g, '\\$&')}**: ${cells[0].textContent} → ${cells[1].textContent} ${o.unit} (${cells[2].textContent}, band ${cells[3].textContent})`);
      }
    };
  };
  const say = text => { $('live').textContent = text; };
  const copy = text => (navigator.clipboard ? navigator.clipboard.writeText(text) : Promise.reject(new Error('no clipboard')))
    .then(() => say('Copied.'), () => { prompt('Copy:', text); });
  body.addEventListener('click', e => {
    const r = e.target.closest('tr');
    if (r && r._o && !String(getSelection())) open(r._o);
  });

  /* Search and order; the state is in the address. */
  const state = { q: '', s: new Set(), p: '', t: '', w: '', sort: '', prim: false };
  const selects = { fp: 'p', ft: 't', fw: 'w', fs: 'sort' };
  let visible = metrics, current = -1, own = '';
  const options = (id, part) => [...new Set(metrics.map(part))].sort().forEach(v => $(id).add(new Option(v, v)));
  options('fp', o => o.profile);
  options('ft', o => o.test);
  options('fw', o => o.kind);
  const worse = o => !known(o.dst) || o.src === null ? 0 : o.higher === null ? -Math.abs(o.dst) : o.higher ? o.dst : -o.dst;
  const orders = { d: worse, abs: o => known(o.dst) && o.src !== null ? -Math.abs(o.dst) : 1, id: o => o.id };
  const apply = write => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    visible = metrics.filter(o => (!state.s.size || state.s.has(o.st)) && (!state.p || o.profile === state.p)
      && (!state.t || o.test === state.t) && (!state.w || o.kind === state.w) && (!state.prim || o.primary)
      && words.every(w => w[0] === '-' && w[1] ? !o.text.includes(w.slice(1)) : o.text.includes(w)));
    const key = orders[state.sort];
    if (key) visible = visible.map(o => [key(o), o]).sort((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1].i - b[1].i).map(a => a[1]);
    body.querySelectorAll('tr.open').forEach(close);
    body.replaceChildren(...visible.map(o => o.tr));
    current = -1;
    say(`${visible.length} of ${metrics.length} metrics shown`);
    if ($('fq').value !== state.q) $('fq').value = state.q;
    for (const [id, name] of Object.entries(selects)) $(id).value = state[name];
    $('fprim').checked = state.prim;
    document.querySelectorAll('.chip input').forEach(c => { c.checked = state.s.has(c.value); });
    if (write) {
      const u = new URLSearchParams();
      if (state.q) u.set('q', state.q);
      if (state.s.size) u.set('s', [...state.s].join(''));
      for (const name of ['p', 't', 'w', 'sort']) if (state[name]) u.set(name, state[name]);
      if (state.prim) u.set('prim', '1');
      own = '#?' + u;
      location.replace(own);
    }
  };
  const reset = () => { state.q = state.p = state.t = state.w = state.sort = ''; state.prim = false; state.s.clear(); };
  const go = () => {
    if (location.hash === own) return;
    own = '';
    if (location.hash.startsWith('#?')) {
      const u = new URLSearchParams(location.hash.slice(2));
      reset();
      for (const name of ['q', 'p', 't', 'w', 'sort']) state[name] = u.get(name) || '';
      if (!(state.sort in orders)) state.sort = '';
      state.s = new Set(u.get('s') || '');
      state.prim = !!u.get('prim');
      apply();
      $('all').scrollIntoView();
      return;
    }
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { /* as it is */ }
    const o = metrics.find(m => m.id === id);
    if (!o) return;
    if (!o.tr.isConnected) { reset(); apply(); }
    if (!o.tr.classList.contains('open')) open(o);
    o.tr.scrollIntoView();
    o.tr.focus({ preventScroll: true });
    current = visible.indexOf(o);
  };
  addEventListener('hashchange', go);
  $('fq').oninput = e => { state.q = e.target.value; apply(true); };
  for (const [id, name] of Object.entries(selects)) $(id).onchange = e => { state[name] = e.target.value; apply(true); };
  $('fprim').onchange = e => { state.prim = e.target.checked; apply(true); };
  document.querySelectorAll('.chip input').forEach(c => {
    c.onchange = () => { if (c.checked) state.s.add(c.value); else state.s.delete(c.value); apply(true); };
  });
  $('reset').onclick = () => { reset(); apply(true); };

  /* Theme and keys. */
  const theme = v => { if (v === 'dark' || v === 'light') root.dataset.theme = v; };
  try { theme(localStorage.getItem('runperf-theme')); } catch { /* no storage in a sandbox */ }
  $('theme').onclick = () => {
    const now = root.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light');
    const next = now === 'dark' ? 'light' : 'dark';
    theme(next);
    try { localStorage.setItem('runperf-theme', next); } catch { /* as above */ }
  };
  $('help').onclick = () => $('keys').showModal();
  const move = (by, wanted) => {
    let i = current + by;
    while (visible[i] && wanted && !wanted.test(visible[i].st)) i += by;
    if (!visible[i]) return;
    current = i;
    visible[i].tr.focus();
    visible[i].tr.scrollIntoView({ block: 'nearest' });
  };
  addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || $('keys').open) return;
    if (/INPUT|SELECT|TEXTAREA/.test(e.target.tagName)) {
      if (e.key === 'Escape') e.target.blur();
      return;
    }
    switch (e.key) {
      case '/': e.preventDefault(); $('fq').focus(); $('all').scrollIntoView(); break;
      case 'j': move(1); break;
      case 'k': move(-1); break;
      case 'n': move(1, /[re]/); break;
      case 'p': move(-1, /[re]/); break;
      case 'Enter': if (e.target._o) open(e.target._o); break;
      case 't': $('theme').click(); break;
      case '?': $('keys').showModal(); break;
    }
  });
  say(`${metrics.length} of ${metrics.length} metrics shown`);
  if (location.hash) go();
})();

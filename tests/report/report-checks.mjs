// Acceptance checks of an HTML report in headless Chromium.
//   node report-checks.mjs REPORT.html        (needs playwright-core and axe-core; CHROMIUM=/usr/bin/chromium)
// One line per check, exit 1 when one fails. SHOTS=FOLDER also takes screenshots. Time limits are for
// 1000 metrics on an idle machine; SLOW=3 stretches them where other work runs. BENCH=FILE appends a line
// with the size and the times seen. How to run all of it: tests/report/README.md.
import fs from 'fs';
import http from 'http';
import { createRequire } from 'module';
const require = createRequire(import.meta.url);
const { chromium } = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const slow = Number(process.env.SLOW || 1);

const file = fs.realpathSync(process.argv[2]);
const html = fs.readFileSync(file, 'utf8');
const url = 'file://' + file;
let failed = 0;
const check = (n, what, ok, seen = '') => {
  if (!ok) failed++;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${n} ${what}${seen === '' ? '' : ': ' + seen}`);
};
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update'],
});
const page = async (options, address = url, before = () => {}) => {
  const context = await browser.newContext({ viewport: { width: 1600, height: 1200 }, ...options });
  const p = await context.newPage();
  p.seen = { requests: [], errors: [] };
  p.on('request', r => { if (!r.url().startsWith('file:') && !r.url().startsWith('http://127.0.0.1')) p.seen.requests.push(r.url()); });
  p.on('pageerror', e => p.seen.errors.push(e.message));
  p.on('console', m => { if (m.type() === 'error') p.seen.errors.push(m.text()); });
  p.on('dialog', d => { p.seen.errors.push('dialog ' + d.message()); d.dismiss(); });
  await before(p);
  await p.goto(address);
  return p;
};

// Size and loading
const p = await page({});
const count = await p.evaluate(() => document.getElementById('rows').children.length);
// What escaping makes of an id beyond 100 characters is the result's own doing; a row and its data hold it three times.
const long = await p.evaluate(() => [...document.querySelectorAll('#rows > tr')].map(r => r.id.replace(/[&<>"']/g, '&quot;').length).reduce((sum, n) => sum + Math.max(0, n - 100) * 3, 0));
const budget = 150_000 + count * 800 + long;
check(1, `size within 150 kB + 800 B a metric (${count} metrics)`, html.length <= budget, `${html.length} of ${budget}${long ? ', ' + long + ' of it for long names' : ''}`);
let load = Infinity; // the best of five: other work on the machine only ever adds
for (let i = 0; i < 5; i++) {
  const f = await page({});
  load = Math.min(load, await f.evaluate(() => performance.getEntriesByType('navigation')[0].loadEventEnd));
  await f.context().close();
}
check(2, 'load event under 1 s for 1000 metrics', load < slow * Math.max(1000, count), load.toFixed(0) + ' ms');
check(3, 'no request but the file itself', p.seen.requests.length === 0, p.seen.requests.join(' '));
check(4, 'no script error, CSP violation or dialog', p.seen.errors.length === 0, p.seen.errors.join(' | '));
check(5, 'no outside src, href of a style, @import or url()', !/<(script|img|iframe|link|source)[^>]+(src|href)\s*=\s*["']?(?!data:|#)/i.test(html) && !/@import|url\(\s*["']?https?:/i.test(html));
const csp = await p.evaluate(() => document.querySelector('meta[http-equiv="Content-Security-Policy"]')?.content || '');
check(6, "CSP: default-src 'none', hashes, no unsafe-*", /default-src 'none'/.test(csp) && /script-src 'sha256-/.test(csp) && /style-src 'sha256-/.test(csp) && !/unsafe/.test(csp));
check(7, 'no style or on* attributes', await p.evaluate(() => [...document.querySelectorAll('*')].every(e => [...e.attributes].every(a => a.name !== 'style' && !a.name.startsWith('on')))));

// Structure
check(8, 'lang, title with the verdict, one h1, ids unique', await p.evaluate(() => document.documentElement.lang && /^(PASS|FAIL|ERROR)/.test(document.title) && document.querySelectorAll('h1').length === 1 && new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size === document.querySelectorAll('[id]').length));
check(9, 'heading levels never skip', await p.evaluate(() => { let l = 1; return [...document.querySelectorAll('main h1,main h2,main h3,main h4')].every(h => { const n = +h.tagName[1], ok = n <= l + 1; l = n; return ok; }); }));
check(10, 'tables have th with scope', await p.evaluate(() => [...document.querySelectorAll('main table th')].every(t => t.scope)));
check(11, 'every status has a word, not only a colour or shape', await p.evaluate(() => [...document.querySelectorAll('.st')].every(s => s.textContent.trim().length > 2)));
check(12, 'links to fragments lead somewhere', await p.evaluate(() => [...document.querySelectorAll('a[href^="#"]')].every(a => a.hash.startsWith('#?') || document.getElementById(decodeURIComponent(a.hash.slice(1))))));
check(13, 'verdict within the first screen', await p.evaluate(() => document.querySelector('.verdict').getBoundingClientRect().bottom < innerHeight));
check(14, 'tile counts equal the table', await p.evaluate(() => { const m = JSON.parse(document.getElementById('data').textContent).m; return [...document.querySelectorAll('#n-tiles a,.tiles a')].every(a => +a.querySelector('b').textContent === m.filter(x => x[0] === a.hash.slice(4)).length); }));

// Interaction
// the words come from the report: one that some ids have, and one that some of those have
const ids = await p.evaluate(() => [...document.querySelectorAll('#rows > tr')].map(r => r.id));
const tokens = id => id.toLowerCase().match(/[a-z0-9_]{3,}(?:-[a-z0-9_]+)*/g) || [];
const having = (list, t) => list.filter(i => i.toLowerCase().includes(t));
const splits = list => [...new Set(list.flatMap(tokens))].find(t => { const n = having(list, t).length; return n > 1 && n < list.length; })
  || [...new Set(list.flatMap(tokens))].find(t => { const n = having(list, t).length; return n > 0 && n < list.length; });
const word = splits(ids), without = word && splits(having(ids, word));
await p.keyboard.press('/');
await p.keyboard.type(without ? `${word} -${without}` : word || '');
const shown = await p.evaluate(() => [...document.querySelectorAll('#rows > tr:not([hidden]):not(.x)')].map(r => r.id));
check(15, 'search narrows, a minus excludes', !word || (shown.length > 0 && shown.length < count && shown.every(i => i.toLowerCase().includes(word) && !(without && i.toLowerCase().includes(without)))), `${shown.length} with ${word}, without ${without}`);
check(16, 'filter is in the address', !word || (await p.evaluate(() => location.hash)).includes('q=' + encodeURIComponent(word)));
check(17, 'status line says how many are shown', (await p.textContent('#live')).startsWith(`${shown.length} of ${count}`));
const first = shown[0];
if (first === undefined) {
  console.log('skipped 18 to 20: no metrics');
} else {
const q = await page({}, url + '#' + encodeURIComponent(first));
await q.waitForTimeout(300);
check(18, 'permalink opens its metric', await q.evaluate(i => { const r = document.getElementById(i); return r.classList.contains('open') && r.nextElementSibling.querySelector('svg[aria-label]') !== null; }, first));
await q.keyboard.press('j');
check(19, 'j moves the focus to a row', await q.evaluate(() => document.activeElement.tagName === 'TR'));
const sort = await q.evaluate(() => {
  const select = document.getElementById('fs');
  return Math.min(...['d', 'abs', 'id', 'd', 'abs'].map(v => {
    const start = performance.now();
    select.value = v;
    select.dispatchEvent(new Event('change'));
    document.body.offsetHeight;
    return performance.now() - start;
  }));
});
if (process.env.BENCH) {
  fs.appendFileSync(process.env.BENCH, `${file.split('/').pop()}: ${count} metrics, ${html.length} bytes, load ${load.toFixed(0)} ms, sort ${sort.toFixed(0)} ms\n`);
}
check(20, 'sorting everything under 500 ms a 1000 metrics', sort < slow * 500 * Math.max(1, count / 1000), sort.toFixed(0) + ' ms');

}

// More of the script: every kind of row opens, and nothing breaks on the way
const every = await page({});
const opened = await every.evaluate(() => {
  const kinds = new Map([...document.querySelectorAll('#rows > tr')].map(r => [r.firstElementChild.textContent.trim(), r]));
  [...kinds.values()].forEach(r => r.click());
  return [kinds.size, document.querySelectorAll('#rows > tr.x .dt').length];
});
check(26, 'a row of each status opens', opened[0] === opened[1] && every.seen.errors.length === 0, `${opened[1]} of ${opened[0]}; ${every.seen.errors.join(' | ')}`);
const paper = () => every.evaluate(() => getComputedStyle(document.body).backgroundColor);
const before = await paper();
await every.keyboard.press('t');
check(27, 't changes the theme', before !== await paper());
await every.keyboard.press('?');
check(28, '? lists the keys, Escape closes the list', await every.evaluate(() => document.getElementById('keys').open));
await every.keyboard.press('Escape');
check(29, 'injected text never ran', await every.evaluate(() => window.canary === undefined && document.querySelectorAll('main img, main iframe, main textarea').length === 0));

// Figures of single clients: every one of them in the open row, by name.
const many = await every.evaluate(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const at = data.m.findIndex(m => m.length > 19);
  if (at < 0) return null;
  const row = document.getElementById('rows').children.length && [...document.querySelectorAll('#rows > tr:not(.x)')][at];
  if (!row.classList.contains('open')) row.click();
  const names = data.clients[data.m[at][19]];
  const table = [...row.nextElementSibling.querySelectorAll('summary')].find(s => / clients/.test(s.textContent)).parentElement;
  const seen = [...table.querySelectorAll(':scope tbody th')].map(t => t.textContent);
  return { names: names.length, seen: seen.length, all: names.every(n => seen.includes(n)), numbers: [...table.querySelectorAll(':scope tbody td.n')].every(c => c.textContent !== 'NaN' && c.textContent !== '') };
});
if (many) check(30, 'an open row names every client with its figures', many.all && many.names === many.seen && many.numbers, `${many.seen} of ${many.names}`);
check(31, 'a status is never told by colour alone', await every.evaluate(() => [...document.querySelectorAll('#rows > tr:not(.x) > td:first-child, .tiles li, .mx small span')].every(e => /[a-z]{3}/i.test(e.textContent))
  && [...document.querySelectorAll('.inc, .fail tbody tr')].every(e => e.querySelector('.st') !== null)
  && [...document.querySelectorAll('svg.sp')].every(e => e.getAttribute('aria-label') || e.getAttribute('aria-hidden'))));

// Accessibility: what axe-core calls serious or critical, in both themes, one row of each status open.
if (count > 2000) console.log('left out: 32 axe-core, which takes minutes for ' + count + ' rows');
else for (const colorScheme of ['light', 'dark']) {
  const a = await page({ colorScheme });
  await a.evaluate(() => { new Map([...document.querySelectorAll('#rows > tr')].map(r => [r.firstElementChild.textContent.trim(), r])).forEach(r => r.click()); });
  await a.evaluate(axe);
  const found = await a.evaluate(async () => (await window.axe.run(document, { resultTypes: ['violations'] })).violations
    .map(v => ({ impact: v.impact, id: v.id, where: v.nodes.slice(0, 2).map(n => n.target.join(' ')).join(', ') })));
  const bad = found.filter(v => v.impact === 'serious' || v.impact === 'critical');
  check(32, `axe-core finds nothing serious (${colorScheme})`, bad.length === 0, found.map(v => `${v.impact} ${v.id} at ${v.where}`).join('; '));
  await a.context().close();
}

// Tiers below: no scripts, and the default policy of Jenkins (no scripts, no inline style)
const n = await page({ javaScriptEnabled: false });
const text = await n.locator('main').innerText();
check(21, 'without scripts: verdict, all rows, no dead controls', /FAIL|PASS|ERROR/.test(text) && (await n.locator('#rows tr').count()) === count && !(await n.locator('#fq').isVisible()));
const server = http.createServer((_, r) => { r.setHeader('Content-Security-Policy', "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"); r.setHeader('Content-Type', 'text/html; charset=utf-8'); r.end(html); });
await new Promise(r => server.listen(0, '127.0.0.1', r));
const jenkins = `http://127.0.0.1:${server.address().port}/`;
const j = await page({}, jenkins);
check(22, 'under the policy of Jenkins: rows and sparklines shown, controls hidden', (await j.locator('#rows tr').count()) === count && ((await j.locator('svg.sp').count()) === 0 || (await j.locator('svg.sp').first().boundingBox()).width > 60) && !(await j.locator('#fq').isVisible()));
// Looks
for (const width of [360, 768, 1280]) {
  const w = await page({ viewport: { width, height: 900 } });
  check(23, `no sideways scrolling at ${width} px`, await w.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
}
const contrast = () => {
  const lum = c => { const v = c.match(/[\d.]+/g).slice(0, 3).map(x => (x /= 255) <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
  let worst = 99;
  for (const e of document.querySelectorAll('main *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.offsetParent) continue;
    let b = e; while (b && /rgba\(0, 0, 0, 0\)|transparent/.test(getComputedStyle(b).backgroundColor)) b = b.parentElement;
    const [x, y] = [lum(getComputedStyle(e).color), lum(b ? getComputedStyle(b).backgroundColor : 'rgb(255,255,255)')].sort((a, b) => b - a);
    worst = Math.min(worst, (x + .05) / (y + .05));
  }
  return worst;
};
for (const colorScheme of ['light', 'dark']) {
  const c = await (await page({ colorScheme })).evaluate(contrast);
  check(24, `text contrast at least 4.5 (${colorScheme})`, c >= 4.5, c.toFixed(2));
}
await p.emulateMedia({ media: 'print' });
check(25, 'print leaves out controls and the full list', !(await p.locator('#fq').isVisible()) && !(await p.locator('#rows').isVisible()));

if (process.env.SHOTS) {
  const name = file.split('/').pop().replace(/\.html$/, '');
  const shot = async (kind, options, media, fullPage = count < 100) => {
    const s = await page(options, kind === 'jenkins' ? jenkins : url);
    if (media) await s.emulateMedia({ media });
    await s.screenshot({ path: `${process.env.SHOTS}/${name}-${kind}.png`, fullPage });
    await s.context().close();
  };
  await shot('desktop', { viewport: { width: 1440, height: 1200 } });
  await shot('dark', { viewport: { width: 1440, height: 1200 }, colorScheme: 'dark' });
  await shot('400px', { viewport: { width: 400, height: 1200 } });
  await shot('no-script', { viewport: { width: 1440, height: 1200 }, javaScriptEnabled: false });
  await shot('print', { viewport: { width: 1000, height: 1200 } }, 'print');
  await shot('first-screen', { viewport: { width: 1200, height: 1000 } }, undefined, false);
  await shot('jenkins', { viewport: { width: 1440, height: 1200 } });
}
server.close();
await browser.close();
process.exit(failed ? 1 : 0);

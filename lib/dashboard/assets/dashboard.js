// The dashboard. Texts go into the page as text, never as markup: names and tags may hold anything.

const base = document.body.dataset.base;
const main = document.getElementById('main');
const MAX_INVALIDATIONS = 200;

/** The last reports, for rates; the newest last. */
const reports = [];
const invalidations = [];
const sorting = { column: 'calls', descending: true };
let token;

// ---------------------------------------------------------------- elements

function el(name, properties, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'onclick' || key === 'onsubmit') element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null));
  return element;
}

/** A table in a frame that scrolls, which the keyboard reaches. */
function table(label, columns, rows) {
  if (rows.length === 0) return el('p', { class: 'quiet' }, 'None.');
  const head = columns.map((column) =>
    column instanceof Element ? column : el('th', { scope: 'col' }, column),
  );
  return el(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': label, id: `region-${slug(label)}` },
    el('table', {}, el('thead', {}, el('tr', {}, head)), el('tbody', {}, rows)),
  );
}

function row(first, ...cells) {
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, first),
    cells.map((cell) => (cell instanceof Element && cell.tagName === 'TD' ? cell : el('td', {}, cell))),
  );
}

const number = (text) => el('td', { class: 'number' }, text);
const slug = (text) => text.toLowerCase().replaceAll(/[^a-z]+/g, '-');
const tile = (name, value, tone) => el('div', {}, el('dt', {}, name), el('dd', { class: tone }, value));
const link = (page, text) => el('a', { href: `#/${page}` }, text);
const methodLink = (name) => link(`method/${encodeURIComponent(name)}`, name);

// ---------------------------------------------------------------- numbers

const whole = new Intl.NumberFormat('en');
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const count = (value) => whole.format(value);
const percent = (part, all) => (all === 0 ? '–' : `${short.format((100 * part) / all)} %`);
const rate = (value) => (value === undefined ? '–' : `${short.format(value)}/s`);

function seconds(value) {
  if (value === null || value === undefined) return '–';
  if (value < 0.001) return `${short.format(value * 1e6)} µs`;
  return value < 1 ? `${short.format(value * 1000)} ms` : `${short.format(value)} s`;
}

function bytes(value) {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB'];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${short.format(value)} ${units[at]}`;
}

const lifetime = (ttl) =>
  ttl === null ? 'a function decides' : ttl < 0 ? 'no expiry' : `${short.format(ttl)} s`;
const time = (at) => new Date(at).toLocaleTimeString();
const callsOf = ({ hits, misses, stale, bypasses, refreshes }) =>
  hits + misses + stale + bypasses + refreshes;
const sum = (methods, read) => methods.reduce((total, { counts }) => total + read(counts), 0);

/** Growth in a second between the oldest report that is kept and the newest. */
function growth(read) {
  if (reports.length < 2) return undefined;
  const [first, last] = [reports[0], reports.at(-1)];
  const elapsed = (last.at - first.at) / 1000;
  return elapsed <= 0 ? undefined : (read(last) - read(first)) / elapsed;
}

/** The slowest of the methods, weighed by nothing: a bound for all of them. */
const slowest = (methods, of, quantile) => {
  const values = methods.map((method) => method[of][quantile]).filter((value) => value !== null);
  return values.length === 0 ? null : Math.max(...values);
};

// ---------------------------------------------------------------- pages

const pages = {
  overview: { title: 'Overview', render: overview },
  methods: { title: 'Methods', render: methodsPage },
  refusals: { title: 'Refusals', render: refusalsPage },
  graph: { title: 'Rules', render: graphPage },
  invalidations: { title: 'Invalidations', render: invalidationsPage },
  stores: { title: 'Stores', render: storesPage },
  jobs: { title: 'Jobs', render: jobsPage },
  key: { title: 'One key', render: keyPage, isForm: true },
};

function overview(report) {
  const { methods, health, causes, advice, enabled } = report;
  const hits = sum(methods, (one) => one.hits);
  const stale = sum(methods, (one) => one.stale);
  const asked = hits + stale + sum(methods, (one) => one.misses);
  const isWell = health.status === 'up' && enabled;
  return [
    el(
      'dl',
      { class: 'tiles' },
      tile('Health', isWell ? 'Up' : enabled ? 'Degraded' : 'Off', isWell ? 'good' : 'bad'),
      tile('Hit rate', percent(hits + stale, asked)),
      tile('Stale', percent(stale, asked)),
      tile('Calls', rate(growth((one) => sum(one.methods, callsOf)))),
      tile('Loads', rate(growth((one) => sum(one.methods, (counts) => counts.loads)))),
      tile('Slowest hit, p50', seconds(slowest(methods, 'hits', 'p50'))),
      tile('Slowest hit, p99', seconds(slowest(methods, 'hits', 'p99'))),
      tile('Slowest load, p99', seconds(slowest(methods, 'loads', 'p99'))),
    ),
    causes.length > 0 &&
      el(
        'section',
        {},
        el('h2', {}, 'What is not well'),
        el(
          'ul',
          {},
          causes.map((cause) => el('li', { class: 'bad' }, cause)),
        ),
      ),
    el('h2', {}, 'Advice'),
    advice.length === 0
      ? el('p', { class: 'quiet' }, 'None.')
      : el(
          'ul',
          {},
          advice.map((line) => el('li', { class: 'warn' }, line)),
        ),
    el('h2', {}, 'This process'),
    table(
      'This process',
      ['Process', 'Running for', 'Node.js', 'Application', 'Version'],
      [
        row(
          String(report.process.pid),
          seconds(Math.round(report.process.uptime)),
          report.process.node,
          report.application || '–',
          report.version ?? '–',
        ),
      ],
    ),
    el('p', { class: 'quiet' }, 'Counts are those of this process since it started.'),
    report.may.act &&
      dropButton('Drop everything', { kind: 'everything' }, 'Drop everything that is cached?'),
  ];
}

const METHOD_COLUMNS = [
  ['name', 'Method', ({ name }) => name],
  ['calls', 'Calls', ({ counts }) => callsOf(counts)],
  ['hits', 'Hits', ({ counts }) => counts.hits],
  ['misses', 'Misses', ({ counts }) => counts.misses],
  ['stale', 'Stale', ({ counts }) => counts.stale],
  [
    'rate',
    'Hit rate',
    ({ counts }) => (counts.hits + counts.stale) / (counts.hits + counts.stale + counts.misses || 1),
  ],
  ['loading', 'Time loading', ({ counts }) => counts.loadSeconds],
  ['p99', 'Load p99', ({ loads }) => loads.p99 ?? -1],
  ['bytes', 'Bytes stored', ({ counts }) => counts.storedBytes],
  ['refused', 'Refused', ({ refusals }) => refusals.reduce((total, one) => total + one.count, 0)],
];

function methodsPage({ methods }) {
  const [, , read] = METHOD_COLUMNS.find(([column]) => column === sorting.column);
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0) * (sorting.descending ? -1 : 1);
  const sorted = [...methods].sort((a, b) => order(read(a), read(b)));
  const head = METHOD_COLUMNS.map(([column, title]) => {
    const isSorted = column === sorting.column;
    const sort = () => {
      sorting.descending = isSorted ? !sorting.descending : column !== 'name';
      sorting.column = column;
      render();
    };
    return el(
      'th',
      {
        scope: 'col',
        class: column === 'name' ? undefined : 'number',
        'aria-sort': isSorted ? (sorting.descending ? 'descending' : 'ascending') : undefined,
      },
      el('button', { type: 'button', id: `sort-${column}`, onclick: sort }, title),
    );
  });
  const rows = sorted.map((method) => {
    const { name, counts, loads, refusals } = method;
    return row(
      methodLink(name),
      number(count(callsOf(counts))),
      number(count(counts.hits)),
      number(count(counts.misses)),
      number(count(counts.stale)),
      number(percent(counts.hits + counts.stale, counts.hits + counts.stale + counts.misses)),
      number(seconds(counts.loadSeconds)),
      number(seconds(loads.p99)),
      number(bytes(counts.storedBytes)),
      number(count(refusals.reduce((total, one) => total + one.count, 0))),
    );
  });
  return [table('Methods', head, rows)];
}

function methodPage(report, name) {
  const method = report.methods.find((one) => one.name === name);
  if (method === undefined) return [el('p', {}, `No method is cached as ${name}.`)];
  const { counts, loads, hits, rules, refusals, partitionFields } = method;
  const advice = report.advice.filter((line) => line.includes(name));
  return [
    el(
      'dl',
      { class: 'tiles' },
      tile('Hit rate', percent(counts.hits + counts.stale, counts.hits + counts.stale + counts.misses)),
      tile('Hits', count(counts.hits)),
      tile('Misses', count(counts.misses)),
      tile('Stale', count(counts.stale)),
      tile('Bypasses', count(counts.bypasses)),
      tile('Refreshes', count(counts.refreshes)),
      tile('Loads', count(counts.loads)),
      tile('Failed loads', count(counts.loadErrors), counts.loadErrors > 0 ? 'bad' : undefined),
      tile('Not stored', count(counts.notStored), counts.notStored > 0 ? 'warn' : undefined),
      tile('Load p50', seconds(loads.p50)),
      tile('Load p99', seconds(loads.p99)),
      tile('Hit p99', seconds(hits.p99)),
    ),
    el('h2', {}, 'Declaration'),
    table(
      'Declaration',
      ['Kind', 'Route', 'Store', 'Lifetime', 'Key namespace', 'Partitions'],
      [
        row(
          method.kind === 'response' ? 'handler' : 'method',
          method.route ?? '–',
          method.store,
          lifetime(method.ttl),
          method.namespace ?? '–',
          partitionFields.join(', ') || '–',
        ),
      ],
    ),
    el('h2', {}, 'Rules'),
    rulesTable(rules),
    advice.length > 0 && [
      el('h2', {}, 'Advice'),
      el(
        'ul',
        {},
        advice.map((line) => el('li', { class: 'warn' }, line)),
      ),
    ],
    el('h2', {}, 'Why values are not stored or the cache is not asked'),
    refusalsTable(refusals.map((one) => ({ ...one, method: name }))),
    report.may.act &&
      el(
        'p',
        { class: 'buttons' },
        dropButton(`Drop all values`, { kind: 'method', method: name }, `Drop all values of ${name}?`),
      ),
    report.may.act && partitionFields.length > 0 && partitionForm(name, partitionFields),
  ];
}

function rulesTable(rules) {
  return table(
    'Rules',
    ['Entity', 'Drops', 'Mode', 'Dispatcher', 'Computes anew', 'Rule'],
    rules.map((rule) =>
      row(
        rule.entity,
        Array.isArray(rule.drops) ? `partition ${rule.drops.join(', ')}` : rule.drops,
        rule.mode,
        rule.dispatcher,
        rule.rewarm ? 'yes' : 'no',
        el('span', { class: 'mono' }, rule.id),
      ),
    ),
  );
}

function refusalsTable(refusals) {
  const sorted = refusals.filter((one) => one.count > 0).sort((a, b) => b.count - a.count);
  return table(
    'Refusals',
    ['Method', 'Kind', 'Count', 'Last cause, and the line to write'],
    sorted.map((one) => row(methodLink(one.method), one.kind, number(count(one.count)), one.reason ?? '–')),
  );
}

function refusalsPage({ methods }) {
  const all = methods.flatMap(({ name, refusals }) => refusals.map((one) => ({ ...one, method: name })));
  return [refusalsTable(all)];
}

function graphPage({ methods }) {
  const entities = new Map();
  for (const method of methods)
    for (const rule of method.rules)
      entities.set(rule.entity, [...(entities.get(rule.entity) ?? []), { rule, method }]);
  if (entities.size === 0) return [el('p', { class: 'quiet' }, 'There are no rules.')];
  const branches = [...entities].sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    el('p', {}, 'What a committed change of an entity drops.'),
    el(
      'ul',
      { class: 'tree' },
      branches.map(([entity, leaves]) =>
        el(
          'li',
          {},
          el('strong', {}, entity),
          el(
            'ul',
            {},
            leaves.map(({ rule, method }) =>
              el(
                'li',
                {},
                `${rule.mode === 'expire' ? 'expires' : 'purges'} ${Array.isArray(rule.drops) ? `the partition ${rule.drops.join(', ')}` : rule.drops} of `,
                methodLink(method.name),
                method.route === null ? undefined : el('ul', {}, el('li', {}, el('code', {}, method.route))),
              ),
            ),
          ),
        ),
      ),
    ),
  ];
}

function invalidationsPage({ may, invalidation }) {
  return [
    el(
      'dl',
      { class: 'tiles' },
      tile('Invalidations', count(invalidation.bumps)),
      tile('Tags', count(invalidation.tags)),
      tile('Changes of entities', count(invalidation.changes)),
      tile('Widened', count(invalidation.widened), invalidation.widened > 0 ? 'warn' : undefined),
      tile('Failures', count(invalidation.failures), invalidation.failures > 0 ? 'bad' : undefined),
      tile('Rule errors', count(invalidation.ruleErrors), invalidation.ruleErrors > 0 ? 'bad' : undefined),
    ),
    el('h2', {}, 'As they happen'),
    el(
      'p',
      { class: 'quiet' },
      may.seeKeys ? 'Since this page looks.' : 'Since this page looks. Tags are hashed.',
    ),
    table(
      'Invalidations',
      ['At', 'Cause', 'Mode', 'Methods', 'Number of tags', 'Tags'],
      [...invalidations]
        .reverse()
        .map((one) =>
          row(
            time(one.at),
            one.cause,
            one.mode,
            one.everything ? 'everything' : one.methods.join(', ') || '–',
            number(count(one.count)),
            el('td', { class: 'mono' }, one.tags.join(' ')),
          ),
        ),
    ),
    may.act && tagsForm(),
  ];
}

function storesPage({ stores }) {
  return [
    table(
      'Stores',
      [
        'Store',
        'Kind',
        'Status',
        'Waiting invalidations',
        'Timeouts',
        'Errors',
        'Entries',
        'Bytes',
        'Evictions',
        'Bus lag',
      ],
      Object.entries(stores).map(([name, store]) =>
        row(
          name,
          store.kind,
          el('td', { class: store.status === 'up' ? 'good' : 'bad' }, store.status),
          number(count(store.waitingBumps)),
          number(count(store.timeouts)),
          number(count(store.errors)),
          number(store.entries === undefined ? '–' : count(store.entries)),
          number(bytes(store.bytes)),
          number(store.evictions === undefined ? '–' : count(store.evictions)),
          number(seconds(store.busLag)),
        ),
      ),
    ),
    el(
      'p',
      { class: 'quiet' },
      'A store is down while its circuit breaker is open, it refuses writes or its bus is silent. Entries are those in the memory of this process.',
    ),
  ];
}

const JOB_COLUMNS = {
  jobs: 'Given',
  carriedOut: 'Run here',
  failures: 'Failures',
  waitingJobs: 'Waiting here',
};

function jobsPage({ dispatchers, health }) {
  const all = Object.entries(dispatchers);
  // Dispatchers may tell more of their queues than every dispatcher does.
  const others = [...new Set(all.flatMap(([, one]) => Object.keys(one)))].filter(
    (name) => !(name in JOB_COLUMNS),
  );
  const cell = (value) =>
    number(
      typeof value === 'number' ? short.format(value) : value === undefined ? '–' : JSON.stringify(value),
    );
  return [
    table(
      'Dispatchers',
      ['Dispatcher', 'Status', ...Object.values(JOB_COLUMNS), ...others],
      all.map(([name, one]) => {
        const status = health.dispatchers[name]?.status ?? 'up';
        return row(
          name,
          el('td', { class: status === 'up' ? 'good' : 'bad' }, status),
          ...[...Object.keys(JOB_COLUMNS), ...others].map((column) => cell(one[column])),
        );
      }),
    ),
  ];
}

// ---------------------------------------------------------------- forms

function field(id, label, control, hint) {
  control.id = id;
  if (hint !== undefined) control.setAttribute('aria-describedby', `${id}-hint`);
  return [
    el('label', { for: id }, label),
    control,
    hint === undefined ? undefined : el('p', { class: 'quiet', id: `${id}-hint` }, hint),
  ];
}

function keyPage(report) {
  const methods = el(
    'select',
    {},
    report.methods
      .filter(({ name }) => name !== 'CacheService')
      .map(({ name, kind }) =>
        el('option', { value: name }, `${name} (${kind === 'response' ? 'handler' : 'method'})`),
      ),
  );
  const args = el('textarea', { rows: 4, spellcheck: 'false' });
  args.value = '[]';
  const result = el('div', { role: 'status', id: 'entry' });
  const submit = async (event) => {
    event.preventDefault();
    result.replaceChildren();
    const call = readCall();
    if (call === undefined) return;
    const entry = await post('entry', call);
    if (entry !== undefined) result.replaceChildren(...entryOf(entry));
  };
  const readCall = () => {
    try {
      return { method: methods.value, args: JSON.parse(args.value) };
    } catch {
      announce('The arguments are not JSON.');
      return undefined;
    }
  };
  const drop = async () => {
    const call = readCall();
    if (call !== undefined)
      await dropConfirmed({ kind: 'key', ...call }, `Drop the value of ${call.method} for these arguments?`);
  };
  return [
    el('p', {}, 'What is stored for one call. The method is not run.'),
    el(
      'form',
      { onsubmit: submit },
      field('key-method', 'Method', methods),
      field(
        'key-arguments',
        'Arguments, as a list in JSON',
        args,
        'Of a handler a list of one request: [{ "params": { "slug": "a" }, "query": {}, "headers": { "host": "shop.test" } }]',
      ),
      el(
        'p',
        { class: 'buttons' },
        el('button', { type: 'submit' }, 'Look'),
        report.may.act ? el('button', { type: 'button', class: 'danger', onclick: drop }, 'Drop') : undefined,
      ),
    ),
    result,
  ];
}

function entryOf({ status, key, tags, cachedAt, resetAt, bytes: size, value }) {
  const age = cachedAt === null ? '–' : seconds(Math.max(0, (Date.now() - Date.parse(cachedAt)) / 1000));
  return [
    el(
      'h2',
      {},
      status === 'HIT' ? 'Stored and fresh' : status === 'STALE' ? 'Stored and stale' : 'Not stored',
    ),
    el(
      'dl',
      { class: 'tiles' },
      tile('Age', age),
      tile('Fresh until', resetAt === null ? '–' : time(resetAt)),
      tile('Size', bytes(size)),
    ),
    el('h2', {}, 'Key'),
    el('pre', {}, key),
    el('h2', {}, 'Tags'),
    el('pre', {}, tags.join('\n')),
    value === undefined ? undefined : [el('h2', {}, 'Value'), el('pre', {}, value)],
  ].flat();
}

function partitionForm(name, fields) {
  const inputs = fields.map((one) => [one, el('input', { autocomplete: 'off' })]);
  const submit = async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(
      inputs.filter(([, input]) => input.value !== '').map(([one, input]) => [one, input.value]),
    );
    await dropConfirmed(
      { kind: 'partition', method: name, values },
      `Drop the partition ${JSON.stringify(values)} of ${name}?`,
    );
  };
  return el(
    'form',
    { onsubmit: submit },
    el('h2', {}, 'Drop a partition'),
    inputs.map(([one, input], i) => field(`partition-${i}`, one, input)),
    el('p', {}, el('button', { type: 'submit', class: 'danger' }, 'Drop the partition')),
  );
}

function tagsForm() {
  const input = el('input', { autocomplete: 'off' });
  const submit = async (event) => {
    event.preventDefault();
    const tags = input.value.split(/\s+/).filter(Boolean);
    if (tags.length > 0)
      await dropConfirmed({ kind: 'tags', tags }, `Drop everything tagged ${tags.join(', ')}?`);
  };
  return el(
    'form',
    { onsubmit: submit },
    el('h2', {}, 'Drop by tag'),
    field('tags', 'Tags of yours, with spaces between them', input),
    el('p', {}, el('button', { type: 'submit', class: 'danger' }, 'Drop the tags')),
  );
}

function dropButton(text, action, question) {
  return el(
    'button',
    {
      type: 'button',
      class: 'danger',
      id: `drop-${slug(text)}`,
      onclick: () => void dropConfirmed(action, question),
    },
    text,
  );
}

async function dropConfirmed(action, question) {
  if (!(await isConfirmed(question))) return;
  const dropped = await post('actions', action);
  if (dropped !== undefined)
    announce(
      dropped.delivery === 'queued'
        ? 'A store is away: it will be dropped when the store is back.'
        : 'Dropped.',
    );
}

function isConfirmed(question) {
  const dialog = document.getElementById('confirmation');
  document.getElementById('confirmation-title').textContent = question;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    const settle = () => {
      // The event of an earlier question may come late.
      if (dialog.open) return;
      dialog.removeEventListener('close', settle);
      resolve(dialog.returnValue === 'yes');
    };
    dialog.addEventListener('close', settle);
  });
}

async function post(path, body) {
  try {
    token ??= (await (await fetch(`${base}token`)).json()).token;
    const response = await fetch(`${base}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-restflow-token': token },
      body: JSON.stringify(body),
    });
    const answer = await response.json();
    if (response.ok) return answer;
    if (response.status === 403) token = undefined;
    announce(String(answer.message ?? `The server answered ${response.status}.`));
  } catch {
    announce('The server does not answer.');
  }
  return undefined;
}

let hiding;
function announce(text) {
  const announcement = document.getElementById('announcement');
  announcement.hidden = false;
  announcement.textContent = text;
  clearInterval(hiding);
  hiding = setTimeout(() => (announcement.hidden = true), 8_000);
}

// ---------------------------------------------------------------- routes

/** `#/method/Things.find` → ['method', 'Things.find'] */
function route() {
  const [page, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  try {
    return [page === '' ? 'overview' : page, decodeURIComponent(rest.join('/'))];
  } catch {
    return ['overview', ''];
  }
}

let shown;
function render() {
  const report = reports.at(-1);
  const [name, argument] = route();
  if (name === 'main') return;
  const isMethod = name === 'method';
  const page = pages[name] ?? pages.overview;
  for (const one of document.querySelectorAll('#pages a')) {
    const isCurrent = one.dataset.page === (isMethod ? 'methods' : name in pages ? name : 'overview');
    if (isCurrent) one.setAttribute('aria-current', 'page');
    else one.removeAttribute('aria-current');
  }
  const title = isMethod ? argument : page.title;
  document.title = `${title} – Cache`;
  if (report === undefined) return;
  document.getElementById('namespace').textContent = report.namespace;
  const isNew = shown !== location.hash;
  // What somebody types or chooses must not be taken away.
  const isBusy =
    main.contains(document.activeElement) && document.activeElement.matches('input, textarea, select');
  if (!isNew && (page.isForm || isBusy)) return;
  shown = location.hash;
  const focused = main.contains(document.activeElement) ? document.activeElement.id : '';
  const typed = isNew ? [] : [...main.querySelectorAll('input')].map(({ id, value }) => [id, value]);
  const parts = isMethod ? methodPage(report, argument) : page.render(report);
  main.replaceChildren(el('h1', {}, title), ...parts.flat(2).filter((part) => part instanceof Element));
  for (const [id, value] of typed) if (document.getElementById(id)) document.getElementById(id).value = value;
  if (focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
}

document
  .getElementById('pages')
  .append(
    ...Object.entries(pages).map(([name, { title }]) =>
      el('li', {}, el('a', { href: `#/${name}`, 'data-page': name }, title)),
    ),
  );
window.addEventListener('hashchange', () => {
  render();
  if (route()[0] !== 'main') main.focus();
});

// ---------------------------------------------------------------- data

function take(report) {
  reports.push(report);
  if (reports.length > 15) reports.shift();
  render();
}

function takeInvalidations(list) {
  invalidations.push(...list);
  invalidations.splice(0, invalidations.length - MAX_INVALIDATIONS);
}

const connection = document.getElementById('connection');
function say(text) {
  if (connection.textContent !== text) connection.textContent = text;
}

/** For proxies that hold streams back. */
async function poll() {
  try {
    const response = await fetch(`${base}data`);
    if (!response.ok) return say(`The server answers ${response.status}`);
    const { report, invalidations: all } = await response.json();
    invalidations.length = 0;
    takeInvalidations(all);
    take(report);
    say('Polling');
  } catch {
    say('Not connected');
  }
}

let polling;
function startPolling() {
  if (polling !== undefined) return;
  void poll();
  polling = setInterval(poll, 5_000);
}

function stopPolling() {
  clearInterval(polling);
  polling = undefined;
}

function connect() {
  const source = new EventSource(`${base}stream`);
  let isHeard = false;
  const silence = setTimeout(() => {
    if (!isHeard) startPolling();
  }, 5_000);
  source.addEventListener('report', ({ data }) => {
    if (!isHeard) reports.length = 0;
    isHeard = true;
    stopPolling();
    say('Live');
    take(JSON.parse(data));
  });
  source.addEventListener('invalidations', ({ data }) => {
    invalidations.length = 0;
    takeInvalidations(JSON.parse(data));
  });
  source.addEventListener('invalidation', ({ data }) => {
    takeInvalidations([JSON.parse(data)]);
    if (route()[0] === 'invalidations') render();
  });
  source.addEventListener('error', () => {
    isHeard = false;
    say('Not connected');
    if (source.readyState !== EventSource.CLOSED) return;
    clearInterval(silence);
    // Refused: another attempt later, and meanwhile the way without a stream.
    startPolling();
    setTimeout(connect, 30_000);
  });
}

render();
connect();

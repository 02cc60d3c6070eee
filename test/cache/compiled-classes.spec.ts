import { beforeAll, describe, expect, it } from '@jest/globals';
import { KnownClasses } from '../../lib/cache/values/classes.js';
import { isolateValues } from '../../lib/cache/values/isolation.js';
import { Unstorable } from '../../lib/cache/values/snapshot.js';
import { COMPILERS, run } from './support/compiled-classes.js';

/** State that is not in properties: a copy made of the properties would lack it. */
const PRIVATE = `
  const privates = new WeakMap<object, number>();
  const remembered = new WeakMap<object, number>();
  const brands = new WeakSet<object>();

  export class Field { name = 'f'; #secret = 1; reveal() { return this.#secret; } }
  export class Uninitialised { name = 'u'; #secret: number | undefined; reveal() { return this.#secret; } }
  export class Inherited extends Field { other = 1; }
  export class Method { name = 'm'; #hidden() { return 1; } reveal() { return this.#hidden(); } }
  export class Getter { name = 'g'; get #hidden() { return 1; } reveal() { return this.#hidden; } }
  export class Assigned { name: string; #secret: number;
    constructor(name = 'a', secret = 2) { this.name = name; this.#secret = secret; }
    reveal() { return this.#secret; } }
  export class Brand { name = 'b'; #brand = true; static is(value: object) { return #brand in value; } reveal() { if (!Brand.is(this)) throw new TypeError('no'); } }
  export class Registered { name = 'r'; constructor() { privates.set(this, 1); } reveal() { const own = privates.get(this); if (own === undefined) throw new TypeError('no'); return own; } }
  export class Branded { name = 'b'; constructor() { brands.add(this); } reveal() { if (!brands.has(this)) throw new TypeError('no'); } }
  export class Hidden { name = 'h'; get secret() { const own = remembered.get(this); if (own === undefined) throw new TypeError('no'); return own; } reveal() { return this.secret; } }
  export class Silent { name = 's'; get secret() { return remembered.get(this); } reveal() { if (this.secret === undefined) throw new TypeError('no'); } }
  export function remember(one: object) { remembered.set(one, 1); return one; }
`;
const PRIVATE_CLASSES = [
  ...[
    'Field',
    'Uninitialised',
    'Inherited',
    'Method',
    'Getter',
    'Assigned',
    'Brand',
    'Registered',
    'Branded',
  ],
  ...['Hidden', 'Silent'],
];

/** State in properties only: a copy has all of it. */
const OPEN = `
  const unit = 'EUR';
  function format(amount: number) { return amount + unit; }
  const memo = new WeakMap<object, string>();

  export class Fields { id = 1; name = 'x'; protected note?: string; private tags: string[] = ['a']; reveal() { return this.tags.length + this.id; } }
  export class Constructed { constructor(readonly id = 1, public name = 'x') {} reveal() { return this.name + this.id; } }
  export class Assigned { id!: number; constructor(data: object = { id: 1 }) { Object.assign(this, data); } reveal() { return this.id; } }
  export class Derived extends Fields { extra = 2; constructor() { super(); this.extra++; } reveal() { return super.reveal() + this.extra; } }
  export class Computed { price = 3; get label() { return format(this.price); } reveal() { return this.label; } toJSON() { return { label: this.label }; } }
  export class Memoised { price = 3; get label() { let own = memo.get(this); if (own === undefined) memo.set(this, (own = format(this.price))); return own; } reveal() { return this.label; } }
  export class Timed { at = 1; get age() { return Math.random(); } reveal() { return typeof this.age; } }
  export class Failing { owner?: { name: string }; get ownerName() { return this.owner!.name; } reveal() { return 1; } }
  export class Linked { items: object[] = []; add(item: object) { this.items.push(item); } attach() { new Set<object>().add(this); } reveal() { return this.items.length; } }
  export class Static { static count = 0; id = 1; static { Static.count++; } reveal() { return this.id; } }
  export class Arrow { id = 1; static of = () => new Arrow(); reveal() { return this.id; } }
`;
const OPEN_CLASSES = [
  ...['Fields', 'Constructed', 'Assigned', 'Derived', 'Computed', 'Memoised', 'Timed', 'Failing', 'Linked'],
  ...['Static', 'Arrow'],
];

interface Revealing {
  reveal(): unknown;
}

function store(instance: object): unknown {
  const classes = new KnownClasses();
  classes.add(instance.constructor as new () => object);
  const values = isolateValues('clone', classes);
  const prepared = values.prepare({ instance });
  if (prepared instanceof Unstorable) return prepared;
  return (values.present(prepared.stored) as { instance: Revealing }).instance;
}

describe.each(Object.entries(COMPILERS))('classes as compiled by %s', (_name, compile) => {
  let secretive: ReturnType<typeof run>;
  let open: ReturnType<typeof run>;
  beforeAll(async () => {
    [secretive, open] = (await Promise.all([PRIVATE, OPEN].map(compile))).map(run) as [
      typeof secretive,
      typeof open,
    ];
  });

  it.each(PRIVATE_CLASSES)('an instance with private state is refused, with its place: %s', (name) => {
    const { remember } = secretive as unknown as { remember: (one: object) => object };
    const instance = remember(new secretive[name]!()) as Revealing;
    // The original works, so a stored copy that does not would fail its readers.
    instance.reveal();
    expect(String(store(instance))).toMatch(
      /^the value at instance is an instance of \w+, which (has private fields|registers its instances|cannot be copied)/,
    );
  });

  it.each(OPEN_CLASSES)('an instance with state in properties only comes back working: %s', (name) => {
    const instance = new open[name]!() as Revealing;
    const back = store(instance) as Revealing;
    expect(back).toEqual(instance);
    expect(back.reveal()).toEqual(instance.reveal());
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { TransferError } from '../../src/base/errors.ts';
import { leavingPlaces, type Place, type PlaceHolder, Places } from '../../src/base/places.ts';
import { FakeClock } from '../support/fake-clock.ts';

class Guest implements PlaceHolder {
  movedBytes = 0;
  isHeldUp = false;
  lostBy: TransferError | null = null;
  isCut = false;
  place: Place | null = null;

  evict(error: TransferError): void {
    assert.equal(this.lostBy, null, 'evicted twice');
    this.lostBy = error;
  }

  cut(): void {
    assert.ok(this.lostBy, 'cut without being evicted');
    this.isCut = true;
  }
}

class House {
  readonly clock = new FakeClock();
  readonly places: Places;

  constructor(limit: number) {
    this.places = new Places({ what: 'guests', limit, clock: this.clock });
  }

  enter(address: string | null): Guest {
    const guest = new Guest();
    guest.place = this.places.enter(address, guest);
    return guest;
  }

  /** So many of one address. */
  fill(count: number, address: string): Guest[] {
    return Array.from({ length: count }, () => this.enter(address));
  }

  /** Lets time pass in which each of `moving` moves at 10 KiB/s. */
  pass(ms: number, moving: readonly Guest[] = []): void {
    for (let passed = 0; passed < ms; passed += 1000) {
      for (const guest of moving) guest.movedBytes += 10 * 1024;
      this.clock.pass(1000);
    }
  }
}

const REFUSED = { code: 'RESOURCE_EXHAUSTED', message: /4 guests, which is its limit; try again later/ };

describe('places', () => {
  it('are for anybody while they are free, and refused when the only address has them all', () => {
    const house = new House(4);
    house.fill(4, 'a');
    assert.equal(house.places.active, 4);
    assert.throws(() => house.enter('a'), REFUSED);
    assert.equal(house.places.active, 4);
  });

  it('are given back once, however often somebody leaves', () => {
    const house = new House(4);
    const [first] = house.fill(4, 'a');
    first?.place?.leave();
    first?.place?.leave();
    assert.equal(house.places.active, 3);
    house.enter('a');
    assert.throws(() => house.enter('a'), REFUSED);
  });

  it('are lost to an address below its share by the address furthest above, slowest first', () => {
    const house = new House(4);
    const [fast, slow, other] = house.fill(3, 'a') as [Guest, Guest, Guest];
    const small = house.enter('b');
    for (const guest of [fast, other]) guest.movedBytes = 1_000_000;
    slow.movedBytes = 10;
    house.pass(1000);
    const late = house.enter('c');
    assert.equal(slow.lostBy?.code, 'EVICTED');
    for (const guest of [fast, other, small, late]) assert.equal(guest.lostBy, null);
    assert.deepEqual([house.places.active, house.places.leaving], [4, 1]);
    slow.place?.leave();
    assert.deepEqual([house.places.active, house.places.leaving], [4, 0]);
  });

  it('are lost last by those whom the server holds up', () => {
    const house = new House(3);
    const [busy, asking] = house.fill(3, 'a') as [Guest, Guest];
    busy.isHeldUp = true;
    asking.movedBytes = 1_000_000;
    house.enter('b');
    assert.deepEqual([busy.lostBy, asking.lostBy], [null, null]);
    asking.isHeldUp = true;
    house.fill(1, 'c');
    assert.ok(busy.lostBy);
  });

  it('do not go to and fro between two addresses that want all of them', () => {
    const house = new House(3);
    house.fill(3, 'a');
    house.enter('b');
    for (let i = 0; i < 5; i += 1) {
      assert.throws(() => house.enter('a'), { code: 'RESOURCE_EXHAUSTED' });
      assert.throws(() => house.enter('b'), { code: 'RESOURCE_EXHAUSTED' });
    }
    assert.deepEqual([house.places.countOf('a'), house.places.countOf('b')], [2, 1]);
  });

  it('are lost by who moved nothing in ten seconds before anybody else, also to his own address', () => {
    const house = new House(4);
    const [still, ...moving] = house.fill(4, 'a') as [Guest, ...Guest[]];
    house.pass(9000, moving);
    assert.throws(() => house.enter('a'), REFUSED);
    house.pass(6000, moving);
    house.enter('a');
    assert.equal(still.lostBy?.code, 'EVICTED');
    assert.match(still.lostBy?.message ?? '', /resume/);
    assert.throws(() => house.enter('a'), REFUSED);
  });

  it('are lost by a byte every two seconds, and kept at 10 KiB/s', () => {
    const house = new House(4);
    const [drip, ...moving] = house.fill(4, 'a') as [Guest, ...Guest[]];
    for (let s = 0; s < 16; s += 2) {
      drip.movedBytes += 1;
      house.pass(2000, moving);
    }
    house.enter('a');
    assert.ok(drip.lostBy);
    assert.ok(moving.every(({ lostBy }) => lostBy === null));
  });

  it('are kept by who moves again, or waits for the server', () => {
    const house = new House(4);
    const [woken, heldUp, ...moving] = house.fill(4, 'a') as [Guest, Guest, ...Guest[]];
    heldUp.isHeldUp = true;
    house.pass(20_000, moving);
    woken.movedBytes += 100_000;
    assert.throws(() => house.enter('a'), REFUSED);
    // What it waited for is there: from now on its time counts.
    heldUp.isHeldUp = false;
    woken.movedBytes += 100_000;
    house.pass(9000, [...moving, woken]);
    assert.throws(() => house.enter('a'), REFUSED);
    house.pass(6000, [...moving, woken]);
    house.enter('a');
    assert.ok(heldUp.lostBy);
  });

  it('without progress are taken from the address with the most places', () => {
    const house = new House(4);
    const alone = house.enter('b');
    const many = house.fill(3, 'a');
    house.pass(15_000);
    house.enter('c');
    assert.equal(alone.lostBy, null);
    assert.ok(many[0]?.lostBy);
  });

  it('behind a trusted proxy count as an address each', () => {
    const house = new House(4);
    house.fill(3, 'a');
    const behind = house.enter(null);
    const behindToo = house.enter(null);
    assert.equal(house.places.countOf('a'), 2);
    assert.throws(() => house.fill(2, 'a'), REFUSED);
    assert.equal(behind.lostBy ?? behindToo.lostBy, null);
  });

  it('are lost a bounded number at a time: the oldest are cut, then newcomers wait', () => {
    const house = new House(100);
    const crowd = house.fill(100, 'a');
    const most = leavingPlaces(100);
    for (let i = 0; i < most; i += 1) house.enter(`b${i}`);
    assert.equal(house.places.leaving, most);
    assert.ok(crowd.some(({ isCut }) => isCut));
    assert.throws(() => house.enter('c'), { code: 'RESOURCE_EXHAUSTED' });
    crowd.find(({ isCut }) => isCut)?.place?.leave();
    house.enter('c');
    for (const { place } of crowd) place?.leave();
    assert.deepEqual([house.places.leaving, house.places.active], [0, most + 1]);
  });

  it('above a lowered limit stay until they leave or make place, as many as it takes', () => {
    const house = new House(8);
    const crowd = house.fill(8, 'a');
    house.places.limitTo(4);
    assert.deepEqual([house.places.limit, house.places.active, house.places.leaving], [4, 8, 0]);
    assert.throws(() => house.enter('a'), REFUSED);
    house.enter('b');
    assert.deepEqual([house.places.active, house.places.leaving], [4, 5]);
    for (const { place } of crowd) place?.leave();
    house.fill(3, 'a');
    assert.throws(() => house.enter('a'), REFUSED);
    house.places.limitTo(5);
    house.enter('a');
    assert.equal(house.places.active, 5);
  });

  it('keep no timer when nobody has one', () => {
    const house = new House(4);
    assert.equal(house.clock.isTicking, false);
    const guests = house.fill(2, 'a');
    assert.equal(house.clock.isTicking, true);
    for (const { place } of guests) place?.leave();
    assert.equal(house.clock.isTicking, false);
  });

  it('agree with a list of who is inside, whatever comes in whatever order', () => {
    const address = fc.constantFrom('a', 'b', 'c', 'd', null);
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('enter' as const), address }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), who: fc.nat() }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('pass' as const),
          seconds: fc.integer({ min: 1, max: 12 }),
          moving: fc.nat(7),
        }),
      },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(step, { maxLength: 120 }), (limit, steps) => {
        const model = new ListOfGuests(limit);
        for (const each of steps) {
          if (each.kind === 'enter') model.enter(each.address);
          else if (each.kind === 'leave') model.leave(each.who);
          else model.pass(each.seconds, each.moving);
          model.check();
        }
        model.end();
      }),
      { numRuns: 200 },
    );
  });
});

/** What is expected of places, by the simplest means. */
class ListOfGuests {
  readonly #house: House;
  readonly #limit: number;
  #inside: { guest: Guest; address: string | null }[] = [];
  #lost: Guest[] = [];

  constructor(limit: number) {
    this.#house = new House(limit);
    this.#limit = limit;
  }

  enter(address: string | null): void {
    const wasFull = this.#inside.length >= this.#limit;
    const isOwed = this.#isOwed(address);
    let guest: Guest | undefined;
    try {
      guest = this.#house.enter(address);
    } catch {
      assert.ok(wasFull, 'refused while places are free');
      assert.ok(!isOwed, 'refused below its share, with somebody above');
    }
    const gone = this.#inside.filter((one) => one.guest.lostBy !== null);
    assert.equal(gone.length, wasFull && guest !== undefined ? 1 : 0, 'one out for one in, once it is full');
    this.#inside = this.#inside.filter((one) => one.guest.lostBy === null);
    this.#lost.push(...gone.map((one) => one.guest));
    if (guest !== undefined) this.#inside.push({ guest, address });
  }

  leave(who: number): void {
    const all = [...this.#inside.map((one) => one.guest), ...this.#lost];
    const guest = all[who % Math.max(1, all.length)];
    guest?.place?.leave();
    this.#inside = this.#inside.filter((one) => one.guest !== guest);
    this.#lost = this.#lost.filter((one) => one !== guest);
  }

  pass(seconds: number, moving: number): void {
    const those = this.#inside.filter((_, i) => (i & moving) !== 0).map((one) => one.guest);
    this.#house.pass(seconds * 1000, those);
  }

  check(): void {
    const { places } = this.#house;
    assert.equal(places.active, this.#inside.length);
    assert.equal(places.leaving, this.#lost.length);
    assert.ok(places.active <= this.#limit && places.leaving <= leavingPlaces(this.#limit));
    for (const address of ['a', 'b', 'c', 'd']) assert.equal(places.countOf(address), this.#countOf(address));
  }

  end(): void {
    const { places, clock } = this.#house;
    for (const { guest } of this.#inside) guest.place?.leave();
    for (const guest of this.#lost) guest.place?.leave();
    assert.deepEqual([places.active, places.leaving, clock.isTicking], [0, 0, false]);
  }

  #countOf(address: string | null): number {
    return this.#inside.filter((one) => one.address === address).length;
  }

  /** Below its share, while another address is above. */
  #isOwed(address: string | null): boolean {
    const named = new Set(this.#inside.map((one) => one.address).filter((each) => each !== null));
    const own = address === null ? 0 : this.#countOf(address);
    const addresses = named.size + this.#countOf(null) + (own === 0 ? 1 : 0);
    const share = Math.max(1, Math.floor(this.#limit / addresses));
    const mostOfOne = Math.max(0, ...Array.from(named, (each) => this.#countOf(each)));
    return own < share && mostOfOne > share && this.#lost.length < leavingPlaces(this.#limit);
  }
}

"use strict";
(() => {
  // src/schedule/packed.ts
  var HALF = 2 ** 32;
  function wordsOf(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length & ~3);
    for (let at = 0; at < bytes.length; at++) {
      bytes[at] = text.charCodeAt(at);
    }
    return new Uint32Array(bytes.buffer);
  }
  function relativeTo(base) {
    const [baseHigh, baseLow] = [Math.floor(base / HALF), base % HALF];
    return (low, high) => (high - baseHigh) * HALF + (low - baseLow);
  }
  function unpackSpans(base64, end, base) {
    const words = wordsOf(base64);
    const count = words.length >> 2;
    const relative = relativeTo(base);
    const spans = {
      starts: new Float64Array(count + 1),
      states: new Uint8Array(count),
      parties: new Uint16Array(count),
      causes: new Uint8Array(count),
      flags: new Uint16Array(count)
    };
    for (let span = 0; span < count; span++) {
      const at = span * 4;
      const middle = words[at + 2] ?? 0;
      spans.starts[span] = relative(words[at] ?? 0, words[at + 1] ?? 0);
      spans.states[span] = middle & 255;
      spans.causes[span] = middle >> 8 & 255;
      spans.parties[span] = middle >>> 16;
      spans.flags[span] = (words[at + 3] ?? 0) & 65535;
    }
    spans.starts[count] = end - base;
    return spans;
  }
  function unpackCells(base64) {
    const text = atob(base64);
    const cells = new Uint16Array(text.length >> 1);
    for (let at = 0; at < cells.length; at++) {
      cells[at] = text.charCodeAt(2 * at) | text.charCodeAt(2 * at + 1) << 8;
    }
    return cells;
  }
  function unpackMarks(base64, base) {
    const words = wordsOf(base64);
    const relative = relativeTo(base);
    const marks = new Float64Array(Math.floor(words.length / 6) * 4);
    for (let from = 0, to = 0; to < marks.length; from += 6, to += 4) {
      const kinds = words[from + 4] ?? 0;
      marks[to] = relative(words[from] ?? 0, words[from + 1] ?? 0);
      marks[to + 1] = kinds & 65535;
      marks[to + 2] = (words[from + 2] ?? 0) + (words[from + 3] ?? 0) * HALF;
      marks[to + 3] = kinds >>> 16;
    }
    return marks;
  }
  function unpackCounts(base64) {
    return wordsOf(base64);
  }

  // src/schedule/plain.ts
  var UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;
  function plain(text) {
    return text.replace(UNSEEN, "�");
  }

  // src/schedule/span.ts
  var RUNNING = 0;
  var RUNNABLE = 1;
  var BLOCKED = 2;
  var OFFLINE = 3;
  var HYPERVISOR = 4;
  var LOST = 5;
  var UNKNOWN = 6;
  var STATES = 7;
  var NOBODY = 65535;
  var MIGRATED = 1 << 9;
  var DEADLINE_MISSED = 1 << 10;
  var CONTRADICTED = 1 << 11;
  var UNREADABLE = 1 << 12;
  var NOT_KNOWN = 1 << LOST | 1 << UNKNOWN | CONTRADICTED | UNREADABLE;
  var MARKS = [
    "wake",
    "hypercall",
    "interrupt injected",
    "deadline missed",
    "migrated",
    "credit",
    "exit to the hypervisor",
    "guest interrupt",
    "system call",
    "request sent",
    "request done",
    "records lost",
    "bytes unreadable",
    "VM created",
    "VM destroyed",
    "core frequency",
    "halted by the debugger",
    "resumed by the debugger",
    "mark"
  ];
  var ALARMING = 1 << 3 | 1 << 11 | 1 << 12;
  var NOTED = 1 << 13 | 1 << 14 | 1 << 16 | 1 << 17 | 1 << 18;
  var VCPU_STATES = ["running", "waiting for a core", "blocked", "offline", "in the hypervisor", "records lost", "not known"];
  var PCPU_STATES = ["running", "waiting", "idle", "offline", "in the hypervisor", "records lost", "not known"];
  var CAUSES = ["", "woken", "preempted", "yielded", "waits for an event", "put to sleep"];
  function stateName(state, kind) {
    return (kind === "pcpu" ? PCPU_STATES : VCPU_STATES)[state] ?? "not known";
  }
  function causeName(cause) {
    return CAUSES[cause] ?? "";
  }
  function flagNames(flags) {
    const all = [
      [MIGRATED, "on another core than before"],
      [DEADLINE_MISSED, "missed a deadline"],
      [CONTRADICTED, "the next record contradicts it"],
      [UNREADABLE, "bytes of the trace could not be read"]
    ];
    return all.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
  }

  // src/schedule/viewport.ts
  var SHORTEST = 20;
  var BEYOND = 0.5;
  function clamped({ from, to }, until) {
    const length = Math.min(Math.max(to - from, SHORTEST), Math.max(until * 1.02, SHORTEST));
    const least = Math.min(0, until - length) - length * BEYOND * Number(length < until);
    const most = Math.max(0, until - length) + length * BEYOND * Number(length < until);
    const start2 = Math.min(Math.max(from, least), most);
    return { from: start2, to: start2 + length };
  }
  function whole(until) {
    const air = Math.max(until, SHORTEST) * 0.01;
    return { from: -air, to: Math.max(until, SHORTEST) + air };
  }
  function zoomed({ from, to }, factor, at) {
    return { from: at - (at - from) * factor, to: at + (to - at) * factor };
  }
  function panned({ from, to }, part) {
    const by = (to - from) * part;
    return { from: from + by, to: to + by };
  }
  function showing(viewport, tick) {
    const length = viewport.to - viewport.from;
    const room = length * 0.1;
    if (tick >= viewport.from + room && tick <= viewport.to - room) {
      return viewport;
    }
    return { from: tick - length / 2, to: tick + length / 2 };
  }
  function framing(viewport, from, to) {
    const length = viewport.to - viewport.from;
    const part = (to - from) / length;
    if (part > 0.02 && part < 0.8) {
      return showing(viewport, (from + to) / 2);
    }
    const wanted = Math.max(to - from, SHORTEST) * 3;
    const middle = (from + to) / 2;
    return { from: middle - wanted / 2, to: middle + wanted / 2 };
  }
  function pixelOf({ from, to }, width, tick) {
    return (tick - from) / (to - from) * width;
  }
  function tickAt({ from, to }, width, pixel2) {
    return from + pixel2 / width * (to - from);
  }

  // src/schedule/model.ts
  var CELL = 2 + STATES;
  var FULL = 65535;
  var MARK = 4;
  function pictureOf(schedule, base) {
    const lanes = schedule.lanes.map((lane) => [lane.lane, laneOf(lane, base)]);
    return { from: schedule.from - base, to: schedule.to - base, width: schedule.width, lanes: new Map(lanes) };
  }
  function laneOf(lane, base) {
    const { lane: number, kind, guest, index } = lane;
    const name = plain(lane.name);
    const info = { lane: number, kind, name, ...guest === void 0 ? {} : { guest }, ...index === void 0 ? {} : { index } };
    return {
      info,
      ...lane.packedSpans === void 0 ? {} : { spans: unpackSpans(lane.packedSpans, lane.end ?? 0, base) },
      ...lane.packedCells === void 0 ? {} : { cells: unpackCells(lane.packedCells) },
      ...lane.packedMarks === void 0 ? {} : { marks: unpackMarks(lane.packedMarks, base) },
      ...lane.packedCounts === void 0 ? {} : { counts: unpackCounts(lane.packedCounts) }
    };
  }
  var Row = class {
    constructor(width) {
      this.width = width;
      this.cells = new Uint16Array(width * CELL);
    }
    width;
    cells;
  };
  function fillRow(row, lane, viewport, picture, behind) {
    row.cells.fill(0);
    const covered2 = fillFrom(row, lane, viewport, picture, 0, row.width);
    if (picture !== behind) {
      fillFrom(row, lane, viewport, behind, 0, covered2.from);
      fillFrom(row, lane, viewport, behind, covered2.to, row.width);
    }
  }
  function fillFrom(row, number, viewport, picture, first, end) {
    const lane = picture.lanes.get(number);
    const edge = (tick) => Math.min(Math.max(Math.round(pixelOf(viewport, row.width, tick)), first), end);
    const [from, to] = [edge(picture.from), edge(picture.to)];
    if (!lane || from >= to) {
      return { from: end, to: end };
    }
    if (lane.cells) {
      resample(row, lane.cells, viewport, picture, from, to);
    } else if (lane.spans) {
      sample(row, lane.spans, viewport, from, to);
    }
    return { from, to };
  }
  function resample(row, source2, viewport, picture, from, to) {
    const count = Math.floor(source2.length / CELL);
    const perTick = count / (picture.to - picture.from);
    const start2 = (viewport.from - picture.from) * perTick;
    const step = (viewport.to - viewport.from) / row.width * perTick;
    const { cells } = row;
    for (let pixel2 = from; pixel2 < to; pixel2++) {
      const first = step <= 1 ? Math.floor(start2 + (pixel2 + 0.5) * step) : Math.round(start2 + pixel2 * step);
      const a = first < 0 ? 0 : first >= count ? count - 1 : first;
      const b = step <= 1 ? a + 1 : Math.min(Math.max(Math.round(start2 + (pixel2 + 1) * step), a + 1), count);
      if (b - a === 1) {
        for (let at = a * CELL, out = pixel2 * CELL, end = out + CELL; out < end; at++, out++) {
          cells[out] = source2[at] ?? 0;
        }
      } else {
        mean(cells, pixel2 * CELL, source2, a, b);
      }
    }
  }
  function mean(target, out, source2, a, b) {
    let [flags, party, most] = [0, NOBODY, -1];
    for (let at = a * CELL; at < b * CELL; at += CELL) {
      flags |= source2[at] ?? 0;
      const running = source2[at + 2 + RUNNING] ?? 0;
      if (running > most) {
        [party, most] = [source2[at + 1] ?? NOBODY, running];
      }
    }
    target[out] = flags;
    target[out + 1] = party;
    for (let state = 2; state < CELL; state++) {
      let sum = 0;
      for (let at = a * CELL; at < b * CELL; at += CELL) {
        sum += source2[at + state] ?? 0;
      }
      target[out + state] = sum / (b - a);
    }
  }
  function sample(row, spans, viewport, from, to) {
    const shares = new Float64Array(STATES);
    const perPixel = (viewport.to - viewport.from) / row.width;
    let span = spanAt(spans, tickAt(viewport, row.width, from));
    for (let pixel2 = from; pixel2 < to; pixel2++) {
      const begin = tickAt(viewport, row.width, pixel2);
      const end = begin + perPixel;
      shares.fill(0);
      let [flags, party, most, seen, large, largest] = [0, NOBODY, -1, 0, 0, -1];
      for (let next = span; next < spans.states.length && (spans.starts[next] ?? 0) < end; next++) {
        const length = Math.min(spans.starts[next + 1] ?? 0, end) - Math.max(spans.starts[next] ?? 0, begin);
        if (length < 0) {
          continue;
        }
        span = next;
        seen += 1;
        const state = spans.states[next] ?? 0;
        shares[state] = (shares[state] ?? 0) + length;
        flags |= (spans.flags[next] ?? 0) | 1 << state;
        if (length > largest) {
          [large, largest] = [next, length];
        }
        if (length > most && (state === RUNNING || state === HYPERVISOR)) {
          [party, most] = [spans.parties[next] ?? NOBODY, length];
        }
      }
      const out = pixel2 * CELL;
      const isEdge = seen === 2 && longer(spans, large, perPixel) && longer(spans, large === span ? span - 1 : span, perPixel);
      if (isEdge) {
        shares.fill(0);
        const state = spans.states[large] ?? 0;
        shares[state] = Math.min(largest, perPixel) > 0 ? covered(spans, begin, end) : 0;
        flags = (spans.flags[large] ?? 0) | 1 << state;
        party = spans.parties[large] ?? NOBODY;
      }
      row.cells[out] = flags;
      row.cells[out + 1] = party;
      for (let state = 0; state < STATES; state++) {
        row.cells[out + 2 + state] = Math.min(FULL, (shares[state] ?? 0) / perPixel * FULL);
      }
    }
  }
  function longer(spans, span, ticks) {
    return (spans.starts[span + 1] ?? 0) - (spans.starts[span] ?? 0) >= ticks;
  }
  function covered(spans, from, to) {
    const [first, last] = [spans.starts[0] ?? 0, spans.starts[spans.states.length] ?? 0];
    return Math.max(0, Math.min(to, last) - Math.max(from, first));
  }
  function spanAt(spans, tick) {
    let [low, high] = [0, spans.states.length];
    while (high - low > 1) {
      const middle = low + high >> 1;
      if ((spans.starts[middle] ?? 0) <= tick) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }
  function hit(lane, picture, tick) {
    if (lane?.spans) {
      return hitSpan(lane.spans, tick);
    }
    if (!lane?.cells || tick < picture.from || tick >= picture.to) {
      return void 0;
    }
    const count = lane.cells.length / CELL;
    const length = (picture.to - picture.from) / count;
    const cell = Math.min(count - 1, Math.floor((tick - picture.from) / length));
    const from = picture.from + cell * length;
    const [flags = 0, party = NOBODY, ...shares] = lane.cells.subarray(cell * CELL, (cell + 1) * CELL);
    return shares.every((share) => share === 0) ? void 0 : { kind: "cell", from, to: from + length, flags, party, shares };
  }
  function hitSpan(spans, tick) {
    const span = spanAt(spans, tick);
    const [from, to] = [spans.starts[span], spans.starts[span + 1]];
    if (from === void 0 || to === void 0 || tick < from || tick >= to) {
      return void 0;
    }
    return {
      kind: "span",
      from,
      to,
      state: spans.states[span] ?? 0,
      party: spans.parties[span] ?? NOBODY,
      cause: spans.causes[span] ?? 0,
      flags: spans.flags[span] ?? 0
    };
  }
  function timeInStates(lane, picture, { from, to }) {
    const sums = new Array(STATES).fill(0);
    const add = (state, ticks) => {
      sums[state] = (sums[state] ?? 0) + Math.max(0, ticks);
    };
    if (lane.spans) {
      const { starts, states } = lane.spans;
      states.forEach((state, span) => {
        add(state, Math.min(starts[span + 1] ?? 0, to) - Math.max(starts[span] ?? 0, from));
      });
    } else if (lane.cells) {
      const count = lane.cells.length / CELL;
      const length = (picture.to - picture.from) / count;
      for (let cell = 0; cell < count; cell++) {
        const begin = picture.from + cell * length;
        const part = Math.max(0, Math.min(begin + length, to) - Math.max(begin, from)) / FULL;
        for (let state = 0; part > 0 && state < STATES; state++) {
          add(state, part * (lane.cells[cell * CELL + 2 + state] ?? 0));
        }
      }
    }
    return sums;
  }

  // src/schedule/data.ts
  var EVERY = 100;
  var BEHIND_EVERY = 1e3;
  var AGAIN = 400;
  var MOST_CORES = 16;
  var MACHINE = 0;
  var NOTHING = { from: 0, to: 0, width: 1, lanes: /* @__PURE__ */ new Map() };
  var Data = class {
    /** `changed` is called whenever there is something else to draw. */
    constructor(source2, changed) {
      this.source = source2;
      this.changed = changed;
    }
    source;
    changed;
    /** Ticks a second. */
    frequency = 1e9;
    /** The tick that all others are counted from. */
    base = 0;
    /** Up to where it is known. */
    until = 0;
    about;
    /** Why there is nothing, or nothing more. */
    failure;
    lanes = /* @__PURE__ */ new Map();
    /** The window asked for last. */
    picture = NOTHING;
    /** All of the time for the same lanes and the cores. */
    behind = NOTHING;
    withTasks = false;
    wish;
    asked = "";
    isAsking = false;
    behindAsked = "";
    behindAt = 0;
    timer;
    listed = 0;
    /** Asks what there is; of what is still being read, again and again until there is something. */
    async open() {
      await this.refresh();
      if (this.lanes.size === 0 && this.about?.growing === true) {
        setTimeout(() => void this.open(), AGAIN);
      }
    }
    /** Shows lanes of tasks, or not. */
    async showTasks(withTasks) {
      this.withTasks = withTasks;
      this.listed = 0;
      await this.refresh();
    }
    /** There is more, up to a tick. */
    async grown(until) {
      const before = this.until;
      this.until = Math.max(this.until, until - this.base);
      if (this.wish && this.wish.viewport.to > before) {
        this.asked = "";
      }
      await this.refresh();
      this.ask();
    }
    /** What shall be seen from now on. */
    want(viewport, width, lanes) {
      this.wish = { viewport, width: Math.max(1, Math.round(width)), lanes };
      this.ask();
    }
    async refresh() {
      try {
        this.about = await this.source.request("traceInfo", {});
        if (this.about.lanes !== this.listed) {
          await this.list(this.about);
        }
        this.failure = failureOf(this.about);
      } catch (error) {
        this.failure = messageOf(error);
      }
      this.changed();
    }
    async list(about) {
      const all = this.withTasks ? { lanes: Array.from({ length: about.lanes }, (_, lane) => lane) } : {};
      const list = await this.source.request("schedule", { width: 1, packed: true, ...all });
      if (list.first !== this.base) {
        [this.picture, this.behind, this.asked, this.behindAsked] = [NOTHING, NOTHING, "", ""];
      }
      this.base = list.first;
      this.frequency = list.frequency;
      this.until = list.until - list.first;
      const { lanes } = pictureOf(list, list.first);
      this.lanes = new Map([...lanes].map(([lane, { info }]) => [lane, info]));
      this.listed = about.lanes;
    }
    /** Asks for what is wished, when it is time. */
    ask() {
      if (this.isAsking || this.timer !== void 0 || !this.wish || this.lanes.size === 0) {
        return;
      }
      const wanted = this.argumentsOf(this.wish);
      const key = JSON.stringify(wanted);
      if (key === this.asked) {
        this.askBehind(this.wish);
        return;
      }
      this.asked = key;
      this.timer = setTimeout(() => {
        this.timer = void 0;
        this.ask();
      }, EVERY);
      void this.exchange(wanted, (picture) => {
        this.picture = picture;
      });
    }
    argumentsOf({ viewport, width, lanes }) {
      const from = Math.max(0, Math.floor(this.base + viewport.from));
      const to = Math.max(from + 1, Math.ceil(this.base + viewport.to));
      return { from, to, width, lanes: [MACHINE, ...lanes] };
    }
    /** Asks for all of the time, when other lanes are seen or it has grown. */
    askBehind({ width, lanes }) {
      const cores = [...this.lanes.values()].filter((lane) => lane.kind === "pcpu").slice(0, MOST_CORES);
      const all = [.../* @__PURE__ */ new Set([MACHINE, ...cores.map((core) => core.lane), ...lanes])];
      const key = `${all.join()} ${this.until} ${width}`;
      const wait = this.behindAt + BEHIND_EVERY - performance.now();
      if (key === this.behindAsked) {
        return;
      }
      if (wait > 0 && this.behind.width > 1) {
        setTimeout(() => {
          this.ask();
        }, wait);
        return;
      }
      [this.behindAsked, this.behindAt] = [key, performance.now()];
      const wanted = { from: this.base, to: this.base + Math.max(1, this.until), width, lanes: all };
      void this.exchange(wanted, (picture) => {
        this.behind = picture;
      });
    }
    async exchange(wanted, take) {
      this.isAsking = true;
      try {
        const answer = await this.source.request("schedule", { ...wanted, packed: true });
        if (answer.first === this.base) {
          this.until = Math.max(this.until, answer.until - this.base);
          take(pictureOf(answer, this.base));
          this.failure = failureOf(this.about);
        } else {
          this.listed = 0;
          await this.refresh();
        }
      } catch (error) {
        this.failure = messageOf(error);
      } finally {
        this.isAsking = false;
      }
      this.changed();
      this.ask();
    }
  };
  function failureOf(about) {
    return about?.failure ?? (about?.lanes === 0 && !about.growing ? "nothing is recorded yet" : void 0);
  }
  function messageOf(error) {
    return error instanceof Error ? error.message : String(error);
  }

  // src/schedule/time.ts
  function niceStep(least) {
    const power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10;
    return step * power;
  }
  function axisTicks(from, to, most) {
    const length = to - from;
    if (!(length > 0) || most < 1) {
      return [];
    }
    const step = niceStep(length / most);
    const first = Math.ceil(from / step - 1e-9);
    const last = Math.floor(to / step + 1e-9);
    const ticks = [];
    for (let number = first; number <= last; number++) {
      ticks.push({ time: number * step, label: moment(number * step, step) });
    }
    return ticks;
  }
  function moment(time, apart = 1e-6) {
    const decimals = Math.min(9, Math.max(0, -Math.floor(Math.log10(apart) + 1e-9)));
    const text = (Math.abs(time) < 10 ** -decimals / 2 ? 0 : time).toFixed(decimals);
    return `${text} s`;
  }
  var UNITS = [
    ["s", 1],
    ["ms", 1e-3],
    ["µs", 1e-6],
    ["ns", 1e-9]
  ];
  function duration(time) {
    const size = Math.abs(time);
    if (size < 5e-10) {
      return "0 ns";
    }
    const [unit, scale] = UNITS.find(([, one]) => size >= one * 0.9995) ?? ["ns", 1e-9];
    const value = time / scale;
    const decimals = unit === "ns" ? 0 : Math.max(0, 3 - Math.floor(Math.log10(Math.abs(value)) + 1));
    return `${value.toFixed(decimals)} ${unit}`;
  }
  function readDuration(text) {
    const parts = /^\s*(\d+(?:\.\d+)?|\.\d+)\s*(ns|us|µs|ms|s)\s*$/u.exec(text);
    const unit = parts?.[2] === "us" ? "µs" : parts?.[2];
    const scale = UNITS.find(([name]) => name === unit)?.[1];
    return parts && scale !== void 0 ? Number(parts[1]) * scale : void 0;
  }
  function percent(part, whole2) {
    const share = whole2 > 0 ? part / whole2 * 100 : 0;
    return share > 0 && share < 0.05 ? "< 0.1 %" : `${share.toFixed(1)} %`;
  }

  // src/schedule/describe.ts
  function describe(lane, hit2, around) {
    return hit2.kind === "span" ? ofSpan(lane, hit2, around) : ofCell(lane, hit2, around);
  }
  function ofSpan(lane, hit2, around) {
    const isOpen = hit2.to >= around.until;
    const { frequency } = around;
    const facts = [
      ["since", moment(hit2.from / frequency)],
      [isOpen ? "so far" : "for", duration((hit2.to - hit2.from) / frequency)]
    ];
    const other = partyName(lane, hit2, around);
    if (other) {
      facts.push(other);
    }
    const cause = causeName(hit2.cause);
    if (cause) {
      facts.push(["because", cause]);
    }
    return { title: `${lane.name}: ${stateName(hit2.state, lane.kind)}`, facts: [...facts, ...flagNames(hit2.flags).map((name) => ["note", name])] };
  }
  function partyName(lane, hit2, { lanes }) {
    if (hit2.party === NOBODY) {
      return void 0;
    }
    const isOn = hit2.state === RUNNING || hit2.state === HYPERVISOR;
    if (lane.kind === "pcpu") {
      const name = lanes.get(hit2.party)?.name;
      return isOn && name !== void 0 ? ["carries", name] : void 0;
    }
    return [isOn ? "on" : "core", `pCPU ${hit2.party}`];
  }
  function ofCell(lane, hit2, { frequency }) {
    const facts = hit2.shares.flatMap((share, state) => {
      const occurs = (hit2.flags & 1 << state) !== 0;
      return occurs ? [[stateName(state, lane.kind), percent(Math.max(share, 1), FULL)]] : [];
    });
    const from = moment(hit2.from / frequency);
    const notes = flagNames(hit2.flags).map((name) => ["note", name]);
    return { title: `${lane.name}, ${duration((hit2.to - hit2.from) / frequency)} from ${from}`, facts: [...facts, ...notes] };
  }
  function others(lane, time, picture, at, { lanes }) {
    const cores = [...lanes.values()].filter((one) => one.kind === "pcpu" && one.lane !== lane.lane && picture.lanes.has(one.lane));
    cores.sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
    return cores.flatMap((core) => {
      const there = at(core.lane);
      if (there?.kind !== "span") {
        return [];
      }
      const carried = lanes.get(there.party)?.name;
      const isOn = there.state === RUNNING || there.state === HYPERVISOR;
      return [[core.name, isOn && carried !== void 0 ? carried : stateName(there.state, "pcpu")]];
    });
  }
  function marksBetween(marks, from, to, most, { lanes, frequency }) {
    const found = [];
    for (let at = 0; marks && at < marks.length && found.length < most; at += MARK) {
      const [time = 0, kind = 0, value = 0, by = NOBODY] = marks.subarray(at, at + MARK);
      if (time >= from && time <= to) {
        const who = lanes.get(by)?.name;
        found.push(`${moment(time / frequency)} ${markName(kind, value)}${who === void 0 ? "" : ` by ${who}`}`);
      }
    }
    return found;
  }
  function markName(kind, value) {
    const name = MARKS[kind] ?? "other";
    switch (name) {
      case "hypercall":
      case "interrupt injected":
      case "guest interrupt":
      case "system call":
      case "request sent":
      case "request done":
        return `${name} ${value}`;
      case "migrated":
        return `${name} from pCPU ${Math.floor(value / 65536)} to pCPU ${value % 65536}`;
      case "credit":
        return `${name} ${value | 0}`;
      case "exit to the hypervisor":
        return `${name}, ESR_EL2 0x${value.toString(16)}`;
      case "core frequency":
        return `${name} ${value} MHz`;
      case "records lost":
        return `${value} records lost`;
      case "bytes unreadable":
        return `${value} bytes unreadable`;
      default:
        return name;
    }
  }

  // src/schedule/dom.ts
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      made.setAttribute(name, value);
    }
    made.append(...children.map((child) => typeof child === "string" ? plain(child) : child));
    return made;
  }
  function button(text, title, press2) {
    const made = element("button", { type: "button", title, "aria-label": title }, text);
    made.addEventListener("click", press2);
    return made;
  }
  function table(caption, head, rows2) {
    const heads = head.map((text) => element("th", { scope: "col" }, text));
    const bodyRow = ([first = "", ...rest]) => element("tr", {}, element("th", { scope: "row" }, first), ...rest.map((text) => element("td", {}, text)));
    return element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...rows2.map(bodyRow))
    );
  }

  // src/schedule/details.ts
  var PAGES = { lanes: "Table", selection: "Selection", why: "Why not running?" };
  var TABLE_EVERY = 300;
  var STEADY = 200;
  var MOST_SPANS = 100;
  var Details = class {
    constructor(view) {
      this.view = view;
      for (const page of Object.keys(PAGES)) {
        const tab = button(PAGES[page], PAGES[page], () => {
          this.open(page);
        });
        tab.setAttribute("role", "tab");
        this.tabs.set(page, tab);
        this.panels.set(page, element("div", { role: "tabpanel", class: `panel ${page}`, "aria-label": PAGES[page], tabindex: "0" }));
      }
      this.panels.get("selection")?.replaceChildren("Drag along the axis, or with Shift over the lanes; by keys: Shift and ← or →.");
      this.panels.get("why")?.replaceChildren("Click where a vCPU does not run, or put the cursor there, and press Y.");
      const close = button("×", "Close (Escape)", () => {
        this.close();
      });
      const bar = element("div", { role: "tablist", class: "tabs" }, ...this.tabs.values(), element("span", { class: "gap" }), close);
      this.root = element("section", { class: "details", "aria-label": "Details" }, bar, ...this.panels.values());
      this.close();
      view.onChange(() => {
        this.follow();
      });
    }
    view;
    root;
    page = "lanes";
    tabs = /* @__PURE__ */ new Map();
    panels = /* @__PURE__ */ new Map();
    tableTimer;
    measureTimer;
    measured;
    /** Shows one of the pages, or closes it when it is shown. */
    toggle(page) {
      if (this.isOpen && this.page === page) {
        this.close();
      } else {
        this.open(page);
      }
    }
    close() {
      this.root.classList.add("closed");
      this.mark(void 0);
    }
    get isOpen() {
      return !this.root.classList.contains("closed");
    }
    /** Asks why the cursor's vCPU was not running, and tells. */
    async why() {
      const { cursor, data, source: source2 } = this.view;
      const panel = this.panels.get("why");
      if (!panel) {
        return;
      }
      this.open("why");
      if (!cursor || data.lanes.get(cursor.lane)?.kind !== "vcpu") {
        panel.replaceChildren("Put the cursor on a vCPU first: click there, or use the arrow keys.");
        return;
      }
      try {
        const answer = await source2.request("why", { lane: cursor.lane, time: Math.round(data.base + cursor.time) });
        panel.replaceChildren(...whyNodes(answer));
        this.view.say(answer.sentence);
      } catch (error) {
        panel.replaceChildren(messageOf(error));
        this.view.say(messageOf(error));
      }
    }
    open(page) {
      this.page = page;
      this.root.classList.remove("closed");
      this.mark(page);
      this.follow();
    }
    mark(open) {
      for (const [page, tab] of this.tabs) {
        tab.setAttribute("aria-selected", String(page === open));
        this.panels.get(page)?.classList.toggle("hidden", page !== open);
      }
    }
    follow() {
      const { selection } = this.view;
      this.tableTimer ??= setTimeout(() => {
        this.tableTimer = void 0;
        this.tell();
      }, TABLE_EVERY);
      if (selection?.from === this.measured?.from && selection?.to === this.measured?.to) {
        return;
      }
      this.measured = selection;
      clearTimeout(this.measureTimer);
      if (selection) {
        this.open("selection");
        this.panels.get("selection")?.replaceChildren(this.measure(selection), "counting …");
        this.measureTimer = setTimeout(() => void this.count(selection), STEADY);
      }
    }
    measure({ from, to }) {
      const { view } = this;
      const length = view.seconds(to - from);
      const text = `${duration(length)} from ${moment(view.seconds(from))} to ${moment(view.seconds(to))} · ${(1 / length).toPrecision(4)} Hz`;
      return element("p", { class: "measured" }, text);
    }
    async count(selection) {
      const panel = this.panels.get("selection");
      const { data, source: source2 } = this.view;
      const bounds = { from: Math.round(data.base + selection.from), to: Math.round(data.base + selection.to) };
      let nodes;
      try {
        nodes = statsNodes(await source2.request("scheduleStats", { ...bounds, cutHalts: false }));
      } catch (error) {
        nodes = [messageOf(error)];
      }
      if (this.measured === selection) {
        panel?.replaceChildren(this.measure(selection), ...nodes);
      }
    }
    /** The table of what is seen, lane by lane. */
    tell() {
      const { view } = this;
      const { data, viewport } = view;
      const stretch = { from: Math.max(viewport.from, 0), to: Math.min(viewport.to, data.until) };
      const seen = view.seen().flatMap((line) => line.kind === "lane" ? [line.lane] : []);
      const rows2 = seen.map((lane) => {
        const picture = data.picture.lanes.has(lane.lane) ? data.picture : data.behind;
        const drawn = picture.lanes.get(lane.lane);
        const times = drawn ? timeInStates(drawn, picture, stretch) : [];
        const of = (...states) => percent(states.reduce((sum, state) => sum + (times[state] ?? 0), 0), stretch.to - stretch.from);
        const hit2 = view.cursor ? view.at({ lane: lane.lane, time: view.cursor.time }) : void 0;
        const now = hit2?.kind === "span" ? stateName(hit2.state, lane.kind) : "";
        return [lane.name, of(RUNNING, HYPERVISOR), of(RUNNABLE), of(BLOCKED), of(OFFLINE), of(LOST, UNKNOWN), now];
      });
      const [from, to] = [moment(view.seconds(stretch.from)), moment(view.seconds(stretch.to))];
      const head = ["Lane", "Running", "Waiting for a core", "Blocked or idle", "Offline", "Not known", "At the cursor"];
      this.panels.get("lanes")?.replaceChildren(table(`From ${from} to ${to}`, head, rows2), ...this.spansAtCursor());
    }
    /** The spans of the cursor's lane that are seen, where they are known one by one. */
    spansAtCursor() {
      const { view } = this;
      const { data, viewport, cursor } = view;
      const lane = cursor ? data.picture.lanes.get(cursor.lane) : void 0;
      if (!lane?.spans) {
        return [];
      }
      const { starts, states, parties, causes } = lane.spans;
      const rows2 = [];
      for (let span = 0; span < states.length && rows2.length < MOST_SPANS; span++) {
        const [from = 0, to = 0] = [starts[span], starts[span + 1]];
        if (to > viewport.from && from < viewport.to) {
          const state = states[span] ?? UNKNOWN;
          const hit2 = { kind: "span", from, to, state, party: parties[span] ?? 0, cause: causes[span] ?? 0, flags: 0 };
          const around = { lanes: data.lanes, frequency: data.frequency, until: data.until };
          const party = describe(lane.info, hit2, around).facts.find(([what]) => ["on", "core", "carries"].includes(what));
          rows2.push([moment(view.seconds(from)), duration(view.seconds(to - from)), stateName(state, lane.info.kind), party?.[1] ?? "", causeName(hit2.cause)]);
        }
      }
      return [table(`${lane.info.name}, span by span`, ["Since", "For", "State", "With", "Because"], rows2)];
    }
  };
  function whyNodes(why) {
    const nanoseconds = (value) => duration(value / 1e9);
    const spans = why.spans.map((span) => [
      moment(span.fromNs / 1e9),
      nanoseconds(span.durationNs),
      span.state,
      span.pcpu === void 0 ? "" : `pCPU ${span.pcpu}`,
      [span.cause, span.by].filter((text) => text !== void 0).join(" by ")
    ]);
    const nodes = [element("p", { class: "sentence" }, why.sentence)];
    if (why.core.length > 0) {
      const rows2 = why.core.map((one) => [one.who, nanoseconds(one.durationNs), String(one.runs)]);
      nodes.push(table(`Meanwhile on pCPU ${why.pcpu ?? 0}`, ["Who", "How long", "Spans"], rows2));
    }
    nodes.push(table(`${why.vcpu} before, then and next`, ["Since", "For", "State", "Core", "Because"], spans));
    return nodes;
  }
  function statsNodes(stats) {
    const whole2 = stats.countedNs;
    const nanoseconds = (value) => duration(value / 1e9);
    const head = ["", "Running", "Waiting", "Blocked", "Wake to run p50", "p99", "longest", "Longest run", "Migrations"];
    const rowOf = (row) => {
      const all = whole2 * row.vcpus;
      const { running, hypervisor, runnable, blocked } = row.states;
      const latency = row.wakeToRun.count > 0 ? [row.wakeToRun.p50Ns, row.wakeToRun.p99Ns, row.wakeToRun.maxNs].map(nanoseconds) : ["", "", ""];
      const shares = [running + hypervisor, runnable, blocked].map((part) => percent(part, all));
      return [row.name, ...shares, ...latency, row.runs.count > 0 ? nanoseconds(row.runs.maxNs) : "", String(row.migrations)];
    };
    const cores = stats.pcpus.map((core) => [
      `pCPU ${core.pcpu}`,
      percent(core.states.running + core.states.hypervisor, whole2),
      percent(core.states.blocked, whole2),
      percent(core.states.lost + core.states.unknown, whole2),
      String(core.switches)
    ]);
    const preemptions = stats.preemptions.map((one) => [one.victim, one.by ?? "not known", String(one.count), nanoseconds(one.waitedNs)]);
    return [
      table("VMs and vCPUs", head, [...stats.vms, ...stats.vcpus].map(rowOf)),
      table("Cores", ["", "Running", "Idle", "Not known", "Switches"], cores),
      ...preemptions.length > 0 ? [table("Preemptions", ["Who waited", "Who got the core", "Times", "Waited"], preemptions)] : []
    ];
  }

  // src/schedule/keys.ts
  var STEP = 0.15;
  var FACTOR = 1.4;
  var KEYS = [
    ["W or +", "zoom in, around the cursor"],
    ["S or −", "zoom out"],
    ["A, D", "earlier, later"],
    ["F", "all of the time"],
    ["Home, End", "the beginning, the end"],
    ["↑, ↓", "the lane above, below"],
    ["Page up, Page down", "ten lanes up, down"],
    ["←, →", "where the lane last or next changed"],
    ["Shift with ←, →", "the selection goes along"],
    ["Enter", "focus on the thread of the lane (in VS Code)"],
    ["N, P", "the next, the last of what Find says"],
    ["Y", "why did the vCPU not run here?"],
    ["T", "the table"],
    ["L", "follow what is recorded"],
    ["Escape", "closes what is open, ends the selection"],
    ["?", "this list"]
  ];
  var POINTER = [
    ["Wheel", "zoom at the pointer; over the names: scroll the lanes"],
    ["Shift with the wheel", "earlier, later"],
    ["Drag", "move"],
    ["Drag along the axis, or with Shift", "select and measure"],
    ["Click", "cursor; in VS Code also the focus"],
    ["Double click", "show the span large"]
  ];
  var SHAPES = [
    ["Solid", "running"],
    ["Level lines", "waiting for a core"],
    ["Thin line", "blocked; a core: idle"],
    ["Upright stripes", "in the hypervisor"],
    ["Diagonals in the lane", "records lost, or not known"],
    ["Diagonals across all lanes", "halted by the debugger"],
    ["Small signs above", "marks: wakes, interrupts, losses"]
  ];
  function helpDialog() {
    const dialog = element("dialog", { class: "help", "aria-label": "Keys" });
    const rows2 = (list) => list.map(([keys, what]) => [keys, what]);
    const close = button("Close", "Close (Escape)", () => {
      dialog.close();
    });
    const pointer = table("Pointer", ["What is done", "What it does"], rows2(POINTER));
    const shapes = table("Shapes", ["Shape", "What it means"], rows2(SHAPES));
    dialog.append(table("Keys", ["Key", "What it does"], rows2(KEYS)), element("div", {}, pointer, shapes, close));
    return dialog;
  }
  function pressed(event, view, details, toolbar, help) {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return false;
    }
    const act = actions(event, view, details, toolbar, help)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    act?.();
    return act !== void 0;
  }
  function actions(event, view, details, toolbar, help) {
    const until = view.data.until;
    const length = view.viewport.to - view.viewport.from;
    const zoomIn = () => {
      view.zoom(1 / FACTOR);
    };
    const zoomOut = () => {
      view.zoom(FACTOR);
    };
    return {
      w: zoomIn,
      "+": zoomIn,
      "=": zoomIn,
      s: zoomOut,
      "-": zoomOut,
      a: () => {
        view.pan(-STEP);
      },
      d: () => {
        view.pan(STEP);
      },
      f: () => {
        view.fit();
      },
      Home: () => {
        view.look({ from: -length * 0.02, to: length * 0.98 });
      },
      End: () => {
        view.look({ from: until - length * 0.98, to: until + length * 0.02 });
      },
      ArrowUp: () => {
        view.moveLane(-1);
      },
      ArrowDown: () => {
        view.moveLane(1);
      },
      PageUp: () => {
        view.moveLane(-10);
      },
      PageDown: () => {
        view.moveLane(10);
      },
      ArrowLeft: () => void view.moveTime("backward", event.shiftKey),
      ArrowRight: () => void view.moveTime("forward", event.shiftKey),
      Enter: () => {
        const lane = view.cursor && view.data.lanes.get(view.cursor.lane);
        if (lane) {
          view.focus(lane);
        }
      },
      n: () => void toolbar.find("forward"),
      p: () => void toolbar.find("backward"),
      y: () => void details.why(),
      t: () => {
        details.toggle("lanes");
      },
      l: () => {
        view.follow(!view.isLive);
      },
      Escape: () => {
        if (view.selection) {
          view.select(void 0);
        } else {
          details.close();
        }
      },
      "?": help
    };
  }

  // src/schedule/raster.ts
  function drawLane(raster, left, band, row, colourOf, palette2) {
    const { pixels, width } = raster;
    const { body } = band;
    const bottom = (band.top + band.marks + body - 1) * width;
    const line = Math.max(1, Math.round(body / 12));
    const pitch = Math.max(2, Math.round(body / 16) * 3);
    let [party, colour] = [-1, colourOf(0)];
    for (let x = 0; x < row.width; x++) {
      const at = x * CELL;
      const flags = row.cells[at] ?? 0;
      if (flags === 0) {
        continue;
      }
      const next = row.cells[at + 1] ?? 0;
      if (next !== party) {
        party = next;
        colour = colourOf(next);
      }
      const foot = bottom + left + x;
      const { pixel: pixel2, darker } = colour;
      let drawn = Math.min(rows(row, at, RUNNING, flags, body), body);
      fill(pixels, foot, width, 0, drawn, pixel2);
      if ((flags & 1 << HYPERVISOR) !== 0) {
        const end = Math.min(drawn + rows(row, at, HYPERVISOR, flags, body), body);
        fill(pixels, foot, width, drawn, end, (x & 2) === 0 ? darker : pixel2);
        drawn = end;
      }
      if ((flags & 1 << RUNNABLE) !== 0) {
        const end = Math.min(drawn + rows(row, at, RUNNABLE, flags, body), body);
        pattern(pixels, foot, width, drawn, end, pixel2, palette2.backgroundPixel, 0, pitch);
        drawn = end;
      }
      if ((flags & 1 << BLOCKED) !== 0 && drawn < line) {
        fill(pixels, foot, width, drawn, line, palette2.dimPixel);
        drawn = line;
      }
      if ((flags & 1 << OFFLINE) !== 0) {
        const end = Math.min(drawn + (rows(row, at, OFFLINE, flags, body) >> 2), body);
        pattern(pixels, foot, width, drawn, end, palette2.dimPixel, palette2.backgroundPixel, x, 6);
      }
      if ((flags & NOT_KNOWN) !== 0) {
        const unknown = rows(row, at, LOST, flags, body) + rows(row, at, UNKNOWN, flags, body);
        const height = Math.min(Math.max(unknown, line * 2), body);
        pattern(pixels, foot, width, body - height, body, palette2.hatchPixel, palette2.backgroundPixel, body * 5 + x, 5);
      }
    }
  }
  function rows(row, at, state, flags, body) {
    const share = row.cells[at + 2 + state] ?? 0;
    const count = Math.trunc(share * body / FULL + 0.5);
    return count === 0 && share > 0 && (flags & 1 << state) !== 0 ? 1 : count;
  }
  function fill(pixels, foot, width, from, to, colour) {
    for (let y = from, at = foot - from * width; y < to; y++, at -= width) {
      pixels[at] = colour;
    }
  }
  function pattern(pixels, foot, width, from, to, colour, other, shift, period) {
    const on = period / 2;
    for (let y = from, at = foot - from * width; y < to; y++, at -= width) {
      pixels[at] = (y + shift) % period < on ? colour : other;
    }
  }
  function drawMark(raster, x, band, kinds, palette2) {
    const isAlarm = (kinds & ALARMING) !== 0;
    const isNote = (kinds & NOTED) !== 0;
    const colour = isAlarm ? palette2.alarmPixel : isNote ? palette2.notePixel : palette2.dimPixel;
    const height = isAlarm || isNote ? band.marks : band.marks >> 1;
    for (let y = band.marks - height; y < band.marks; y++) {
      raster.pixels[(band.top + y) * raster.width + x] = colour;
    }
  }
  var TICK = 6;
  function drawHalts(raster, left, top, row, palette2) {
    for (let x = 0; x < row.width; x++) {
      const share = row.cells[x * CELL + 2 + OFFLINE] ?? 0;
      const isHalted = ((row.cells[x * CELL] ?? 0) & 1 << OFFLINE) !== 0;
      const isWhole = share * 2 >= FULL;
      const bottom = isWhole ? raster.height : isHalted ? Math.min(top + TICK, raster.height) : top;
      for (let y = top; y < bottom; y++) {
        if (!isWhole || (x + y) % 8 < 2) {
          raster.pixels[y * raster.width + left + x] = palette2.haltPixel;
        }
      }
    }
  }

  // src/schedule/rows.ts
  var LANE_HEIGHT = 22;
  var HEADING_HEIGHT = 20;
  function linesOf(lanes, withTasks) {
    const lines = [];
    let y = 0;
    const group = (title, members, guest) => {
      if (members.length === 0) {
        return;
      }
      lines.push({ kind: "heading", title, y, height: HEADING_HEIGHT, ...guest === void 0 ? {} : { guest } });
      y += HEADING_HEIGHT;
      for (const lane of members) {
        lines.push({ kind: "lane", lane, y, height: LANE_HEIGHT });
        y += LANE_HEIGHT;
      }
    };
    const byIndex = (kind, guest) => lanes.filter((lane) => lane.kind === kind && lane.guest === guest).sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
    group("Cores", byIndex("pcpu"));
    for (const guest of guestsOf(lanes)) {
      const [vcpus, tasks] = [byIndex("vcpu", guest), withTasks ? byIndex("task", guest) : []];
      group(nameOf(vcpus[0] ?? tasks[0], guest), [...vcpus, ...tasks], guest);
    }
    group("Others", byIndex("others"));
    return lines;
  }
  function guestsOf(lanes) {
    const guests = lanes.flatMap((lane) => lane.guest === void 0 ? [] : [lane.guest]);
    return [...new Set(guests)].sort((a, b) => a - b);
  }
  function nameOf(lane, guest) {
    const name = lane?.kind === "vcpu" ? lane.name.replace(/\/\d+$/u, "") : lane?.name.replace(/: [^:]*$/u, "");
    return name ?? `VM ${guest}`;
  }
  function labelOf(lane) {
    switch (lane.kind) {
      case "vcpu":
        return `vCPU ${lane.index ?? 0}`;
      case "task":
        return lane.name.slice(lane.name.lastIndexOf(": ") + 2);
      default:
        return lane.name;
    }
  }
  function heightOf(lines) {
    const last = lines.at(-1);
    return last ? last.y + last.height : 0;
  }
  function linesBetween(lines, top, bottom) {
    return lines.filter((line) => line.y + line.height > top && line.y < bottom);
  }
  function laneAtHeight(lines, y) {
    const line = lines.find((one) => y >= one.y && y < one.y + one.height);
    return line?.kind === "lane" ? line.lane : void 0;
  }

  // src/schedule/paint.ts
  var AXIS = 24;
  var NAMES = 128;
  var MARKS2 = 4;
  var APART = 8;
  var BODY = 15;
  var Workspace = class {
    image = new ImageData(1, 1);
    row = new Row(1);
    /** The pixels of the lanes, all of one colour. */
    raster(width, height, background) {
      if (this.image.width !== width || this.image.height !== height) {
        this.image = new ImageData(Math.max(1, width), Math.max(1, height));
      }
      const pixels = new Uint32Array(this.image.data.buffer);
      pixels.fill(background);
      return { raster: { width: this.image.width, height: this.image.height, pixels }, image: this.image };
    }
    /** A row of cells this wide. */
    cells(width) {
      if (this.row.width !== width) {
        this.row = new Row(width);
      }
      return this.row;
    }
  };
  function paint(canvas, scene, workspace, scale) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context || canvas.width === 0 || canvas.height === 0) {
      return;
    }
    const [width, height] = [canvas.width / scale, canvas.height / scale];
    const { raster, image } = workspace.raster(canvas.width, canvas.height, scene.palette.backgroundPixel);
    drawPixels(raster, scene, workspace, scale);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.putImageData(image, 0, 0);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.font = scene.palette.font;
    context.textBaseline = "middle";
    paintAxis(context, scene, width, height);
    paintLines(context, scene, width, height);
    paintLabels(context, scene, width);
    paintNames(context, scene, height);
  }
  function drawPixels(raster, scene, workspace, scale) {
    const left = Math.round(NAMES * scale);
    const row = workspace.cells(Math.max(1, raster.width - left));
    const { viewport, picture, behind, palette: palette2 } = scene;
    for (const line of scene.lines) {
      const band = bandOf(line, scene, scale);
      if (line.kind === "heading" || band.top < 0 || band.top + band.marks + band.body > raster.height) {
        continue;
      }
      fillRow(row, line.lane.lane, viewport, picture, behind);
      drawLane(raster, left, band, row, colours(line.lane, scene), palette2);
      marksOf(picture.lanes.get(line.lane.lane), picture, viewport, row.width, (x, kinds) => {
        drawMark(raster, left + x, band, kinds, palette2);
      });
    }
    fillRow(row, 0, viewport, picture, behind);
    drawHalts(raster, left, Math.round(AXIS * scale), row, palette2);
  }
  function bandOf(line, scene, scale) {
    const top = Math.round((AXIS + line.y - scene.scrolled + 1) * scale);
    return { top, marks: Math.round(MARKS2 * scale), body: Math.round(BODY * scale) };
  }
  function colours(lane, { palette: palette2, lanes }) {
    if (lane.kind !== "pcpu") {
      const own = palette2.vm(lane.guest);
      return () => own;
    }
    return (party) => palette2.vm(lanes.get(party)?.guest);
  }
  function marksOf(lane, picture, viewport, width, draw) {
    const put = (tick, kinds) => {
      const x = Math.floor(pixelOf(viewport, width, tick));
      if (x >= 0 && x < width) {
        draw(x, kinds);
      }
    };
    if (lane?.marks) {
      const shown = lane.marks.length / MARK > width / APART ? ALARMING | NOTED : -1;
      for (let at = 0; at < lane.marks.length; at += MARK) {
        const kind = 1 << (lane.marks[at + 1] ?? 0);
        if ((kind & shown) !== 0) {
          put(lane.marks[at] ?? 0, kind);
        }
      }
    } else if (lane?.counts) {
      const length = (picture.to - picture.from) / (lane.counts.length / 2);
      for (let cell = 0; cell * 2 < lane.counts.length; cell++) {
        const kinds = (lane.counts[cell * 2 + 1] ?? 0) & (ALARMING | NOTED);
        if (kinds !== 0) {
          put(picture.from + (cell + 0.5) * length, kinds);
        }
      }
    }
  }
  function paintLabels(context, scene, width) {
    const room = width - NAMES;
    for (const line of scene.lines) {
      const lane = line.kind === "lane" ? scene.picture.lanes.get(line.lane.lane) : void 0;
      if (line.kind === "heading" || line.lane.kind !== "pcpu" || !lane?.spans) {
        continue;
      }
      const { spans } = lane;
      const y = AXIS + line.y - scene.scrolled + 1 + MARKS2 + BODY / 2;
      const x = (tick) => pixelOf(scene.viewport, room, tick);
      for (let span = spanAt(spans, scene.viewport.from); span < spans.states.length && x(spans.starts[span] ?? 0) < room; span++) {
        const [from, to] = [Math.max(0, x(spans.starts[span] ?? 0)), Math.min(room, x(spans.starts[span + 1] ?? 0))];
        const carried = scene.lanes.get(spans.parties[span] ?? NOBODY);
        if (spans.states[span] !== RUNNING || to - from < 24 || !carried) {
          continue;
        }
        const text = shortened(context, carried.name, to - from - 8);
        context.fillStyle = scene.palette.vm(carried.guest).text;
        context.fillText(text, NAMES + from + 4, y);
      }
    }
  }
  function shortened(context, name, room) {
    if (context.measureText(name).width <= room) {
      return name;
    }
    const end = /\/\d+$/u.exec(name)?.[0] ?? "";
    const letters = Array.from(name.slice(0, name.length - end.length));
    let [low, high] = [0, letters.length];
    while (low < high) {
      const middle = low + high + 1 >> 1;
      if (context.measureText(`${letters.slice(0, middle).join("")}…${end}`).width <= room) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return low > 0 ? `${letters.slice(0, low).join("")}…${end}` : "";
  }
  function paintLines(context, scene, width, height) {
    const { palette: palette2, viewport, selection, cursor } = scene;
    const x = (tick) => NAMES + pixelOf(viewport, width - NAMES, tick);
    const upright = (tick, colour, dash) => {
      context.strokeStyle = colour;
      context.setLineDash(dash);
      context.beginPath();
      context.moveTo(Math.round(x(tick)) + 0.5, AXIS);
      context.lineTo(Math.round(x(tick)) + 0.5, height);
      context.stroke();
      context.setLineDash([]);
    };
    context.lineWidth = 1;
    if (selection) {
      context.globalAlpha = 0.18;
      context.fillStyle = palette2.accent;
      context.fillRect(x(selection.from), AXIS, x(selection.to) - x(selection.from), height - AXIS);
      context.globalAlpha = 1;
      upright(selection.from, palette2.accent, []);
      upright(selection.to, palette2.accent, []);
    }
    upright(scene.until, palette2.dim, [2, 3]);
    if (scene.halt !== void 0) {
      context.lineWidth = 2;
      upright(scene.halt, palette2.alarm, []);
      context.lineWidth = 1;
    }
    if (cursor) {
      upright(cursor.time, palette2.text, [4, 3]);
      const line = scene.lines.find((one) => one.kind === "lane" && one.lane.lane === cursor.lane);
      if (line) {
        context.strokeStyle = palette2.accent;
        context.strokeRect(NAMES + 0.5, AXIS + line.y - scene.scrolled + 0.5, width - NAMES - 1, line.height - 1);
      }
    }
  }
  function paintNames(context, scene, height) {
    const { palette: palette2 } = scene;
    context.fillStyle = palette2.background;
    context.fillRect(0, AXIS, NAMES, height - AXIS);
    for (const line of scene.lines) {
      const y = AXIS + line.y - scene.scrolled;
      if (line.kind === "heading") {
        paintHeading(context, scene, line.title, line.guest, y, line.height);
        continue;
      }
      const isAtCursor = scene.cursor?.lane === line.lane.lane;
      context.fillStyle = isAtCursor ? palette2.accent : palette2.text;
      const text = shortened(context, labelOf(line.lane), NAMES - 22);
      context.fillText(text, 16, y + 1 + MARKS2 + BODY / 2);
    }
    context.fillStyle = palette2.line;
    context.fillRect(NAMES - 1, AXIS, 1, height - AXIS);
  }
  function paintHeading(context, scene, title, guest, y, height) {
    const { palette: palette2 } = scene;
    if (guest !== void 0) {
      context.fillStyle = palette2.vm(guest).css;
      context.fillRect(6, y + height / 2 - 3, 8, 8);
    }
    context.font = `bold ${palette2.font}`;
    context.fillStyle = palette2.text;
    context.fillText(shortened(context, title, NAMES - 24), guest === void 0 ? 6 : 18, y + height / 2 + 1);
    context.font = palette2.font;
  }
  function paintAxis(context, scene, width, height) {
    const { palette: palette2, viewport, frequency } = scene;
    const room = width - NAMES;
    context.fillStyle = palette2.heading;
    context.fillRect(0, 0, width, AXIS - 1);
    context.fillStyle = palette2.line;
    context.fillRect(0, AXIS - 1, width, 1);
    const [from, to] = [viewport.from / frequency, viewport.to / frequency];
    const widest = context.measureText(axisTicks(from, to, 2).at(-1)?.label ?? "0.000 s").width + 40;
    for (const tick of axisTicks(from, to, Math.max(1, Math.floor(room / widest)))) {
      const x = NAMES + Math.round(pixelOf(viewport, room, tick.time * frequency));
      context.fillStyle = palette2.line;
      context.globalAlpha = 0.35;
      context.fillRect(x, AXIS, 1, height - AXIS);
      context.globalAlpha = 1;
      context.fillRect(x, AXIS - 6, 1, 6);
      if (x + 4 + context.measureText(tick.label).width < width) {
        context.fillStyle = palette2.text;
        context.fillText(tick.label, x + 4, AXIS / 2);
      }
    }
  }

  // src/schedule/overview.ts
  var HEIGHT = 34;
  var Overview = class {
    constructor(view, stage) {
      this.view = view;
      this.stage = stage;
      view.onChange(() => {
        this.request();
      });
      const { canvas } = this;
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        this.isDragging = true;
        this.centre(event);
      });
      canvas.addEventListener("pointermove", (event) => {
        if (this.isDragging) {
          this.centre(event);
        }
      });
      canvas.addEventListener("pointerup", () => {
        this.isDragging = false;
      });
    }
    view;
    stage;
    canvas = element("canvas", { class: "overview", "aria-hidden": "true", height: String(HEIGHT) });
    /** The load, drawn once for each answer. */
    load = element("canvas");
    drawn = {};
    row = new Row(1);
    isDue = false;
    isDragging = false;
    request() {
      if (!this.isDue) {
        this.isDue = true;
        requestAnimationFrame(() => {
          this.isDue = false;
          this.draw();
        });
      }
    }
    all() {
      return whole(this.view.data.until);
    }
    centre(event) {
      const middle = tickAt(this.all(), this.view.room.width, event.offsetX - NAMES);
      const half = (this.view.viewport.to - this.view.viewport.from) / 2;
      this.view.isLive = false;
      this.view.look({ from: middle - half, to: middle + half });
    }
    draw() {
      const { view, canvas } = this;
      const scale = devicePixelRatio;
      const [room, height] = [Math.max(1, Math.round(view.room.width)), HEIGHT];
      const [wide, high] = [Math.round((room + NAMES) * scale), Math.round(height * scale)];
      if (canvas.width !== wide || canvas.height !== high) {
        [canvas.width, canvas.height] = [wide, high];
        canvas.style.width = `${room + NAMES}px`;
      }
      const context = canvas.getContext("2d", { alpha: false });
      if (!context) {
        return;
      }
      const palette2 = this.stage.palette();
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.fillStyle = palette2.heading;
      context.fillRect(0, 0, room + NAMES, height);
      context.fillStyle = palette2.dim;
      context.font = palette2.font;
      context.textBaseline = "middle";
      context.fillText("All", 6, height / 2);
      if (this.drawn.behind !== view.data.behind || this.drawn.palette !== palette2 || this.load.width !== room) {
        this.drawn = { behind: view.data.behind, palette: palette2 };
        this.drawLoad(room);
      }
      context.drawImage(this.load, NAMES, 0);
      const [from, to] = [pixelOf(this.all(), room, view.viewport.from), pixelOf(this.all(), room, view.viewport.to)];
      context.strokeStyle = palette2.accent;
      context.lineWidth = 2;
      context.strokeRect(NAMES + Math.max(1, from), 1, Math.max(3, Math.min(to, room - 1) - Math.max(1, from)), height - 2);
    }
    /** For each pixel, what part of the cores ran whom, one VM above the other. */
    drawLoad(room) {
      const { data } = this.view;
      [this.load.width, this.load.height] = [room, HEIGHT];
      const context = this.load.getContext("2d");
      if (!context) {
        return;
      }
      const cores = [...data.behind.lanes.values()].filter((lane) => lane.info.kind === "pcpu");
      if (this.row.width !== room) {
        this.row = new Row(room);
      }
      const levels = new Float64Array(room);
      const palette2 = this.stage.palette();
      const most = HEIGHT - 4;
      for (const core of cores) {
        fillRow(this.row, core.info.lane, this.all(), data.behind, data.behind);
        for (let x = 0; x < room; x++) {
          const at = x * CELL;
          const share = ((this.row.cells[at + 2 + RUNNING] ?? 0) + (this.row.cells[at + 2 + HYPERVISOR] ?? 0)) / FULL / cores.length;
          if (share > 0) {
            const level = levels[x] ?? 0;
            context.fillStyle = palette2.vm(data.lanes.get(this.row.cells[at + 1] ?? 0)?.guest).css;
            context.fillRect(x, HEIGHT - 2 - (level + share) * most, 1, share * most);
            levels[x] = level + share;
          }
        }
      }
      fillRow(this.row, 0, this.all(), data.behind, data.behind);
      context.fillStyle = palette2.dim;
      for (let x = 0; x < room; x++) {
        if (((this.row.cells[x * CELL] ?? 0) & 1 << OFFLINE) !== 0) {
          context.fillRect(x, 0, 1, 3);
        }
      }
    }
  };

  // src/schedule/source.ts
  function source() {
    return "acquireVsCodeApi" in globalThis ? new WebviewSource(acquireVsCodeApi(), window) : new ServerSource(location.href);
  }
  var WebviewSource = class {
    constructor(host, page) {
      this.host = host;
      page.addEventListener("message", (event) => {
        this.take(event.data);
      });
    }
    host;
    hasThreads = true;
    last = 0;
    waiting = /* @__PURE__ */ new Map();
    listeners = [];
    request(command, wanted) {
      const id = ++this.last;
      return new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        this.host.postMessage({ id, command, arguments: wanted });
      });
    }
    onNotice(listener) {
      this.listeners.push(listener);
    }
    signal(signal) {
      this.host.postMessage(signal);
    }
    save(state) {
      this.host.setState(state);
    }
    saved() {
      return this.host.getState();
    }
    take(message) {
      if (!("id" in message)) {
        for (const listener of this.listeners) {
          listener(message);
        }
        return;
      }
      const waiting = this.waiting.get(message.id);
      this.waiting.delete(message.id);
      if ("error" in message) {
        waiting?.reject(new Error(message.error));
      } else {
        waiting?.resolve(message.body);
      }
    }
  };
  var ServerSource = class {
    constructor(address) {
      this.address = address;
    }
    address;
    hasThreads = false;
    async request(command, wanted) {
      const body = JSON.stringify({ command: `hvdap/${command}`, arguments: wanted });
      let answer;
      try {
        const response = await fetch(new URL("request", this.address), { method: "POST", body });
        answer = await response.json();
      } catch {
        throw new Error("hvdap trace view has ended: start it again");
      }
      if (answer.body === void 0) {
        throw new Error(answer.error ?? "the answer was empty");
      }
      return answer.body;
    }
    onNotice(listener) {
      const events = new EventSource(new URL("events", this.address));
      events.addEventListener("hvdap/scheduleChanged", (event) => {
        listener({ event: "scheduleChanged", body: JSON.parse(event.data) });
      });
      events.addEventListener("error", () => {
        if (events.readyState === EventSource.CLOSED) {
          listener({ event: "ended", body: {} });
        }
      });
    }
    signal(signal) {
      if (signal.signal === "export") {
        const address = new URL("export", this.address);
        const format = signal.format === "csv" ? "spans" : signal.format;
        address.search = `format=${format}&from=${signal.from}&to=${signal.to}`;
        const link = document.createElement("a");
        link.href = address.href;
        link.download = "";
        link.click();
      }
    }
    save(state) {
      sessionStorage.setItem("hvdap.schedule", JSON.stringify(state));
    }
    saved() {
      return JSON.parse(sessionStorage.getItem("hvdap.schedule") ?? "null");
    }
  };

  // src/schedule/hover.ts
  var MOST_MARKS = 4;
  var NEAR = 4;
  var HoverCard = class {
    constructor(view) {
      this.view = view;
    }
    view;
    root = element("div", { class: "card", role: "presentation", hidden: "" });
    hide() {
      this.root.hidden = true;
    }
    /** Shows what a lane does at a tick, beside a point of the stage `room` in size. */
    show(lane, time, point, room) {
      const { data, viewport } = this.view;
      const around = { lanes: data.lanes, frequency: data.frequency, until: data.until };
      const hit2 = this.view.at({ lane: lane.lane, time });
      if (!hit2) {
        this.hide();
        return;
      }
      const { title, facts } = describe(lane, hit2, around);
      const elsewhere = others(lane, time, data.picture, (other) => this.view.at({ lane: other, time }), around);
      const near = (viewport.to - viewport.from) / room.width * NEAR;
      const marks = marksBetween(this.view.drawn(lane.lane)?.marks, time - near, time + near, MOST_MARKS, around);
      const lines = [...facts, ...elsewhere].map(([what, value]) => element("div", {}, element("span", {}, what), " ", value));
      this.root.replaceChildren(element("strong", {}, title), ...lines, ...marks.map((mark) => element("div", { class: "mark" }, mark)));
      this.root.hidden = false;
      const { offsetWidth, offsetHeight } = this.root;
      const [right, below] = [point.x + 14, point.y + 14];
      this.root.style.left = `${right + offsetWidth > room.width ? Math.max(0, point.x - offsetWidth - 10) : right}px`;
      this.root.style.top = `${below + offsetHeight > room.height ? Math.max(0, point.y - offsetHeight - 10) : below}px`;
    }
  };

  // src/schedule/palette.ts
  var ON_DARK = [[86, 180, 233], [230, 159, 0], [0, 178, 134], [204, 121, 167], [240, 228, 66], [232, 112, 52], [120, 140, 240]];
  var ON_LIGHT = [[0, 114, 178], [213, 94, 0], [0, 138, 100], [176, 78, 132], [148, 124, 0], [86, 160, 215], [90, 70, 190]];
  var CONTROL = [[150, 158, 170], [105, 113, 125]];
  function palette(element2, guests) {
    const style = getComputedStyle(element2);
    const read = (name) => style.getPropertyValue(name).trim();
    const rgb = (name) => rgbOf(read(name));
    const background = rgb("--schedule-background");
    const isDark = luminance(background) < 0.4;
    const others2 = guests.filter((guest) => guest !== 0);
    const made = (guest) => {
      if (guest === void 0 || guest === 0) {
        return vmColour(isDark ? CONTROL[0] : CONTROL[1]);
      }
      const colours2 = isDark ? ON_DARK : ON_LIGHT;
      const number = Math.max(0, others2.indexOf(guest));
      const round = Math.floor(number / colours2.length);
      const colour = colours2[number % colours2.length] ?? [128, 128, 128];
      return vmColour(round === 0 ? colour : mixed(colour, background, 0.25 * (1 + (round - 1) % 2)));
    };
    const known = new Map(guests.map((guest) => [guest, made(guest)]));
    const nobody = made(void 0);
    return {
      background: css(background),
      text: read("--schedule-text"),
      dim: read("--schedule-dim"),
      line: read("--schedule-line"),
      accent: read("--schedule-accent"),
      alarm: read("--schedule-alarm"),
      heading: read("--schedule-heading"),
      backgroundPixel: pixel(background),
      dimPixel: pixel(mixed(rgb("--schedule-dim"), background, 0.45)),
      alarmPixel: pixel(rgb("--schedule-alarm")),
      notePixel: pixel(rgb("--schedule-accent")),
      hatchPixel: pixel(rgb("--schedule-alarm")),
      haltPixel: pixel(rgb("--schedule-dim")),
      font: `11px ${read("--schedule-font")}`,
      vm: (guest) => known.get(guest) ?? nobody
    };
  }
  function vmColour(colour) {
    const darker = mixed(colour, [0, 0, 0], 0.4);
    return { css: css(colour), pixel: pixel(colour), darker: pixel(darker), text: luminance(colour) > 0.18 ? "#000000" : "#ffffff" };
  }
  function rgbOf(text) {
    const short = /^#([\da-f])([\da-f])([\da-f])$/iu.exec(text);
    if (short) {
      return triple(short.slice(1).map((digit) => parseInt(digit + digit, 16)));
    }
    const long = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})/iu.exec(text);
    if (long) {
      return triple(long.slice(1).map((digits) => parseInt(digits, 16)));
    }
    const numbers = /^rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)/iu.exec(text);
    return numbers ? triple(numbers.slice(1).map(Number)) : [128, 128, 128];
  }
  function triple([red = 128, green = 128, blue = 128]) {
    return [red, green, blue];
  }
  function mixed(colour, other, part) {
    return triple(colour.map((value, at) => Math.round(value * (1 - part) + (other[at] ?? 0) * part)));
  }
  function css([red, green, blue]) {
    return `rgb(${red}, ${green}, ${blue})`;
  }
  function pixel([red, green, blue]) {
    return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
  }
  function luminance(colour) {
    const [red = 0, green = 0, blue = 0] = colour.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  // src/schedule/stage.ts
  var NOTCH = 1.0016;
  var STILL = 4;
  var Stage = class {
    constructor(view) {
      this.view = view;
      this.canvas = element("canvas", { tabindex: "0", role: "application", "aria-roledescription": "schedule", "aria-describedby": "said" });
      this.canvas.setAttribute("aria-label", "Schedule. Arrow keys move the cursor, question mark lists all keys; the table tells the same.");
      this.card = new HoverCard(view);
      this.scroller = element("div", { class: "scroller", tabindex: "-1" }, this.spacer);
      this.root = element("div", { class: "stage" }, this.scroller, this.canvas, this.card.root);
      new ResizeObserver(() => {
        this.resize();
      }).observe(this.root);
      view.onChange(() => {
        if (view.viewport !== this.hovered) {
          this.card.hide();
        }
        this.request();
      });
      this.listen();
    }
    view;
    root;
    canvas;
    scroller;
    spacer = element("div");
    card;
    workspace = new Workspace();
    colours;
    guests = "";
    isDue = false;
    /** What was seen when the card was shown: it tells of nothing else. */
    hovered;
    drag;
    /** Colours are read again, for the theme has changed. */
    themeChanged() {
      this.colours = void 0;
      this.request();
    }
    /** Draws before the screen is next refreshed. */
    request() {
      if (!this.isDue) {
        this.isDue = true;
        requestAnimationFrame(() => {
          this.isDue = false;
          this.draw();
        });
      }
    }
    /** The colours now. */
    palette() {
      const guests = guestsOf([...this.view.data.lanes.values()]);
      if (!this.colours || this.guests !== guests.join()) {
        [this.colours, this.guests] = [palette(this.root, guests), guests.join()];
      }
      return this.colours;
    }
    draw() {
      const { view } = this;
      const { data } = view;
      this.spacer.style.height = `${heightOf(view.lines) + AXIS}px`;
      if (Math.abs(this.scroller.scrollTop - view.scrolled) >= 1) {
        this.scroller.scrollTop = view.scrolled;
      }
      const scene = {
        viewport: view.viewport,
        lines: view.seen(),
        scrolled: view.scrolled,
        picture: data.picture,
        behind: data.behind,
        palette: this.palette(),
        frequency: data.frequency,
        lanes: data.lanes,
        cursor: view.cursor,
        selection: view.selection,
        halt: view.halt,
        until: data.until
      };
      paint(this.canvas, scene, this.workspace, devicePixelRatio);
    }
    resize() {
      const { clientWidth: width, clientHeight: height } = this.scroller;
      [this.canvas.width, this.canvas.height] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
      [this.canvas.style.width, this.canvas.style.height] = [`${width}px`, `${height}px`];
      this.view.resize(Math.max(1, width - NAMES), Math.max(1, height - AXIS));
    }
    listen() {
      const { canvas, view } = this;
      this.scroller.addEventListener("scroll", () => {
        if (Math.abs(this.scroller.scrollTop - view.scrolled) >= 1) {
          view.scroll(this.scroller.scrollTop);
        }
      });
      canvas.addEventListener("wheel", (event) => {
        this.wheel(event);
      });
      canvas.addEventListener("pointerdown", (event) => {
        this.press(event);
      });
      canvas.addEventListener("pointermove", (event) => {
        this.move(event);
      });
      canvas.addEventListener("pointerup", (event) => {
        this.release(event);
      });
      canvas.addEventListener("pointerleave", () => {
        this.card.hide();
      });
      canvas.addEventListener("dblclick", (event) => {
        this.frame(event);
      });
    }
    /** Zooms; sideways and with Shift it pans; over the names it scrolls the lanes. */
    wheel(event) {
      event.preventDefault();
      const { view } = this;
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
      if (event.offsetX < NAMES) {
        view.scroll(view.scrolled + event.deltaY * lines);
        return;
      }
      const sideways = event.shiftKey ? event.deltaX + event.deltaY : event.deltaX;
      if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
        view.pan(sideways * lines / view.room.width);
        return;
      }
      view.isLive = false;
      view.look(zoomed(view.viewport, NOTCH ** (event.deltaY * lines), this.tick(event)));
    }
    press(event) {
      if (event.button !== 0 || event.offsetX < NAMES) {
        return;
      }
      this.canvas.setPointerCapture(event.pointerId);
      this.card.hide();
      const start2 = { startX: event.offsetX, startY: event.offsetY };
      this.drag = event.shiftKey || event.offsetY < AXIS ? { kind: "select", from: this.tick(event), ...start2 } : { kind: "pan", x: event.offsetX, y: event.offsetY, scrolled: this.view.scrolled, ...start2 };
    }
    move(event) {
      const { view, drag } = this;
      if (!drag) {
        this.hover(event);
      } else if (this.isStill(event)) {
        return;
      } else if (drag.kind === "select") {
        view.select({ from: drag.from, to: this.tick(event) });
      } else {
        view.isLive = false;
        const by = (drag.x - event.offsetX) / view.room.width;
        view.scroll(drag.scrolled + drag.y - event.offsetY);
        view.look(panned(view.viewport, by));
        drag.x = event.offsetX;
      }
    }
    release(event) {
      const wasStill = this.drag && this.isStill(event);
      this.drag = void 0;
      const lane = this.lane(event);
      if (!wasStill || event.offsetX < NAMES) {
        return;
      }
      if (!lane) {
        this.view.select(void 0);
        return;
      }
      this.view.place({ lane: lane.lane, time: this.tick(event) });
      this.view.focus(lane);
    }
    isStill(event) {
      return this.drag !== void 0 && Math.abs(event.offsetX - this.drag.startX) + Math.abs(event.offsetY - this.drag.startY) < STILL;
    }
    hover(event) {
      const lane = this.lane(event);
      if (!lane || event.offsetX < NAMES) {
        this.card.hide();
        return;
      }
      this.hovered = this.view.viewport;
      const room = { width: this.scroller.clientWidth, height: this.scroller.clientHeight };
      this.card.show(lane, this.tick(event), { x: event.offsetX, y: event.offsetY }, room);
    }
    /** Makes what was double-clicked the selection, and shows it large. */
    frame(event) {
      const lane = this.lane(event);
      const hit2 = lane && event.offsetX >= NAMES ? this.view.at({ lane: lane.lane, time: this.tick(event) }) : void 0;
      if (hit2) {
        this.view.select(hit2);
        this.view.look({ from: hit2.from - (hit2.to - hit2.from), to: hit2.to + (hit2.to - hit2.from) });
      }
    }
    tick(event) {
      return tickAt(this.view.viewport, this.view.room.width, event.offsetX - NAMES);
    }
    lane(event) {
      return event.offsetY < AXIS ? void 0 : laneAtHeight(this.view.lines, event.offsetY - AXIS + this.view.scrolled);
    }
  };

  // src/schedule/status.ts
  var EVERY2 = 100;
  var Status = class {
    constructor(view) {
      this.view = view;
      this.root = element("div", { class: "status" }, this.left, this.said, element("span", { class: "gap" }), this.right);
      view.onChange(() => {
        this.timer ??= setTimeout(() => {
          this.timer = void 0;
          this.update();
        }, EVERY2);
      });
    }
    view;
    root;
    left = element("span");
    right = element("span", { class: "right" });
    said = element("span", { id: "said", role: "status", "aria-live": "polite", class: "said" });
    lastSaid = "";
    lastCursor = "";
    timer;
    update() {
      const { view } = this;
      const { data, viewport } = view;
      const { about } = data;
      this.left.textContent = plain(about?.title.replace(/^.*\/(?=[^/])/su, "") ?? "");
      this.left.title = about?.title ?? "";
      const cursor = this.cursorText();
      if (view.said !== this.lastSaid) {
        this.said.textContent = plain(view.said);
      } else if (cursor !== this.lastCursor) {
        this.said.textContent = cursor;
      }
      [this.lastSaid, this.lastCursor] = [view.said, cursor];
      const facts = [`${duration(view.seconds(viewport.to - viewport.from))} seen of ${duration(view.seconds(data.until))}`];
      if (about?.growing) {
        facts.push(view.hasEnded ? "the session has ended" : `${thousands(about.events)} events so far …`);
      }
      if (about && about.lost > 0) {
        facts.push(`${thousands(about.lost)} records lost`);
      }
      const failure = view.hasEnded ? void 0 : data.failure;
      this.right.textContent = failure ?? facts.join(" · ");
      this.right.classList.toggle("failure", failure !== void 0);
    }
    /** Where the cursor is, and what is there. */
    cursorText() {
      const { cursor, data } = this.view;
      const lane = cursor ? data.lanes.get(cursor.lane) : void 0;
      if (!cursor || !lane) {
        return "";
      }
      const hit2 = this.view.at(cursor);
      const at = `${lane.name} at ${moment(this.view.seconds(cursor.time))}`;
      if (!hit2) {
        return at;
      }
      const { title, facts } = describe(lane, hit2, { lanes: data.lanes, frequency: data.frequency, until: data.until });
      return `${title}, ${facts.map(([what, value]) => `${what} ${value}`).join(", ")}`;
    }
  };
  function thousands(value) {
    return value.toLocaleString("en-US");
  }

  // src/schedule/toolbar.ts
  var THINGS = {
    preempted: "preemption",
    "wait-longer-than": "wait longer than",
    "run-longer-than": "run longer than",
    migrated: "migration",
    "deadline-missed": "missed deadline",
    "not-known": "loss or doubt",
    change: "change"
  };
  var USUAL_LENGTH = "5 ms";
  var Toolbar = class {
    constructor(view, details, help) {
      this.view = view;
      for (const [value, text] of Object.entries(THINGS)) {
        this.what.append(element("option", { value }, text));
      }
      this.what.addEventListener("change", () => {
        this.update();
      });
      this.live = button("● Live", "Follow what is recorded (L)", () => {
        view.follow(!view.isLive);
      });
      this.tasks = button("Tasks", "Show the lanes of guests’ tasks", () => void view.showTasks(!view.withTasks));
      this.fillExports();
      this.root = element(
        "div",
        { class: "toolbar", role: "toolbar", "aria-label": "Schedule" },
        button("All", "Show all of the time (F)", () => {
          view.fit();
        }),
        button("−", "Zoom out (S)", () => {
          view.zoom(1.5);
        }),
        button("+", "Zoom in (W)", () => {
          view.zoom(1 / 1.5);
        }),
        this.live,
        element("span", { class: "group" }, "Find", this.what, this.length, element("label", {}, this.everywhere, "any vCPU")),
        button("◀", "The one before (P)", () => void this.find("backward")),
        button("▶", "The next one (N)", () => void this.find("forward")),
        button("Why?", "Why did this vCPU not run here? (Y)", () => void details.why()),
        button("Table", "The same as a table (T)", () => {
          details.toggle("lanes");
        }),
        this.tasks,
        element("span", { class: "gap" }),
        this.exports,
        button("?", "All keys (?)", help)
      );
      view.onChange(() => {
        this.update();
      });
      this.update();
    }
    view;
    root;
    what = element("select", { "aria-label": "What to look for" });
    length = element("input", { type: "text", size: "6", value: USUAL_LENGTH, "aria-label": "How long at least, such as 5 ms" });
    everywhere = element("input", { type: "checkbox" });
    live;
    tasks;
    exports = element("select", { "aria-label": "Export what is selected, or else what is seen", title: "Export" });
    /** Looks for what is chosen. */
    async find(direction) {
      const seconds = readDuration(this.length.value);
      if (seconds === void 0 && this.hasLength()) {
        this.view.say(`“${this.length.value}” is no length of time: write 5 ms, 200 us or 1 s.`);
        this.length.focus();
        return;
      }
      const isAny = this.everywhere.checked || this.view.cursor === void 0;
      await this.view.find(this.what.value, this.hasLength() ? seconds ?? 0 : 0, direction, isAny);
    }
    hasLength() {
      return this.what.value.endsWith("-longer-than");
    }
    update() {
      const { view } = this;
      this.length.hidden = !this.hasLength();
      this.live.hidden = view.data.about?.growing !== true || view.hasEnded;
      press(this.live, view.isLive);
      press(this.tasks, view.withTasks);
      this.tasks.hidden = view.data.about === void 0 || view.data.about.lanes <= view.data.lanes.size && !view.withTasks;
    }
    fillExports() {
      const formats = [
        ["perfetto", "Perfetto"],
        ["chrome", "Chrome JSON"],
        ["csv", "CSV"]
      ];
      const options = formats.map(([value, text]) => element("option", { value }, text));
      this.exports.append(element("option", { value: "" }, "Export …"), ...options);
      this.exports.addEventListener("change", () => {
        const { data, selection, viewport } = this.view;
        const { from, to } = selection ?? viewport;
        const tick = (time) => Math.round(data.base + Math.min(Math.max(time, 0), data.until));
        this.view.source.signal({ signal: "export", format: this.exports.value, from: tick(from), to: tick(to) });
        this.exports.value = "";
      });
    }
  };
  function press(button2, isPressed) {
    if (button2.getAttribute("aria-pressed") !== String(isPressed)) {
      button2.setAttribute("aria-pressed", String(isPressed));
    }
  }

  // src/schedule/view.ts
  var FOLLOWED = 5;
  var SAVED_EVERY = 300;
  var View = class {
    constructor(source2) {
      this.source = source2;
      this.data = new Data(source2, () => {
        this.dataChanged();
      });
      const kept = source2.saved() ?? {};
      if (kept.viewport) {
        [this.viewport, this.isPlaced] = [kept.viewport, true];
      }
      this.scrolled = kept.scrolled ?? 0;
      this.withTasks = kept.withTasks ?? false;
      source2.onNotice((notice) => {
        this.notice(notice);
      });
    }
    source;
    data;
    viewport = { from: 0, to: 1 };
    lines = [];
    isLive = false;
    withTasks = false;
    cursor;
    selection;
    halt;
    hasEnded = false;
    /** What was done last, in words. */
    said = "";
    /** How far the lines are moved up, and how much room there is for them, in CSS pixels. */
    scrolled = 0;
    room = { width: 1, height: 1 };
    isPlaced = false;
    /** All there is, is seen: it still shall be when there is more. */
    isWhole = false;
    saving;
    listeners = [];
    /** Begins. */
    async open() {
      if (this.withTasks) {
        await this.data.showTasks(true);
      }
      await this.data.open();
      this.source.signal({ signal: "ready" });
    }
    /** Calls back whenever something else is to be shown. */
    onChange(listener) {
      this.listeners.push(listener);
    }
    /** Seconds since the beginning. */
    seconds(ticks) {
      return ticks / this.data.frequency;
    }
    /** The lines that are seen. */
    seen() {
      return linesBetween(this.lines, this.scrolled, this.scrolled + this.room.height);
    }
    /** The lane with this number, as drawn. */
    drawn(lane) {
      return this.data.picture.lanes.get(lane) ?? this.data.behind.lanes.get(lane);
    }
    /** What a lane shows at a moment. */
    at({ lane, time }) {
      const { picture, behind } = this.data;
      return hit(picture.lanes.get(lane), picture, time) ?? hit(behind.lanes.get(lane), behind, time);
    }
    resize(width, height) {
      this.room = { width, height };
      this.scroll(this.scrolled);
    }
    scroll(to) {
      this.scrolled = Math.max(0, Math.min(to, heightOf(this.lines) - this.room.height));
      this.changed();
    }
    /** Shows this stretch, as far as there is one. */
    look(viewport) {
      this.viewport = clamped(viewport, this.data.until);
      this.changed();
    }
    fit() {
      this.isLive = false;
      this.look(whole(this.data.until));
    }
    /** `factor` times as much time, around a moment; without one around the cursor, else the middle. */
    zoom(factor, at) {
      const { from, to } = this.viewport;
      const cursor = this.cursor && this.cursor.time >= from && this.cursor.time <= to ? this.cursor.time : void 0;
      this.look(zoomed(this.viewport, factor, at ?? (this.isLive ? to : cursor ?? (from + to) / 2)));
    }
    pan(part) {
      this.isLive = false;
      this.look(panned(this.viewport, part));
    }
    follow(isLive) {
      this.isLive = isLive;
      if (isLive) {
        const length = Math.min(this.viewport.to - this.viewport.from, FOLLOWED * this.data.frequency);
        this.viewport = { from: this.viewport.to - length, to: this.viewport.to };
        this.keepUp();
      }
      this.changed();
    }
    async showTasks(withTasks) {
      this.withTasks = withTasks;
      await this.data.showTasks(withTasks);
    }
    /** Selects a stretch; one without length is none. */
    select(selection) {
      const [from, to] = selection ? [Math.min(selection.from, selection.to), Math.max(selection.from, selection.to)] : [0, 0];
      this.selection = to > from ? { from: Math.max(0, from), to: Math.min(to, this.data.until) } : void 0;
      if (this.selection && this.selection.to <= this.selection.from) {
        this.selection = void 0;
      }
      this.changed();
    }
    /** Puts the cursor on a lane and a moment, and shows both. */
    place(place) {
      this.cursor = place;
      if (place) {
        this.reveal(place.lane);
        this.viewport = clamped(showing(this.viewport, place.time), this.data.until);
      }
      this.changed();
    }
    /** The lane above or below. */
    moveLane(by) {
      const lanes = this.lines.flatMap((line) => line.kind === "lane" ? [line.lane.lane] : []);
      const now = this.cursor ? lanes.indexOf(this.cursor.lane) : -1;
      const lane = lanes[Math.min(Math.max(now < 0 ? 0 : now + by, 0), lanes.length - 1)];
      const { from, to } = this.viewport;
      const time = this.cursor?.time ?? Math.min(Math.max((from + to) / 2, 0), this.data.until);
      if (lane !== void 0) {
        this.place({ lane, time });
      }
    }
    /** Moves the cursor to where its lane next, or last, did something; with `extends` the selection goes along. */
    async moveTime(direction, isExtending) {
      const start2 = this.cursor;
      if (!start2) {
        this.moveLane(0);
        return;
      }
      const found = await this.ask({ what: "change", direction, lane: start2.lane, from: start2.time });
      const time = found?.time ?? (direction === "forward" ? this.data.until : 0);
      const fixed = this.selection?.from === start2.time ? this.selection.to : this.selection?.from ?? start2.time;
      this.place({ lane: start2.lane, time });
      if (isExtending) {
        this.select({ from: fixed, to: time });
      }
    }
    /** Looks for the next, or the last, such thing from the cursor on: in its lane, or in every vCPU's. */
    async find(what, seconds, direction, everywhere) {
      const lane = everywhere ? void 0 : this.cursor?.lane;
      const from = this.cursor?.time ?? (direction === "forward" ? this.viewport.from : this.viewport.to);
      const ticks = Math.round(seconds * this.data.frequency);
      const found = await this.ask({ what, direction, ticks, from, ...lane === void 0 ? {} : { lane } });
      if (!found) {
        const where = lane === void 0 ? "any vCPU" : this.data.lanes.get(lane)?.name ?? "the lane";
        this.say(`None ${direction === "forward" ? "later" : "earlier"} in ${where}.`);
        return;
      }
      this.isLive = false;
      this.cursor = { lane: found.lane, time: found.time };
      this.viewport = clamped(framing(this.viewport, found.time, found.until), this.data.until);
      this.reveal(found.lane);
      this.select({ from: found.time, to: found.until });
      this.say(`${this.data.lanes.get(found.lane)?.name ?? ""}: ${duration(this.seconds(found.until - found.time))}`);
    }
    /** Tells the host that the thread of a lane shall get the focus. */
    focus(lane) {
      if (lane.index !== void 0 && (lane.kind === "pcpu" || lane.kind === "vcpu")) {
        this.source.signal({ signal: "focus", index: lane.index, ...lane.guest === void 0 ? {} : { guest: lane.guest } });
      }
    }
    say(text) {
      this.said = text;
      this.changed();
    }
    async ask(wanted) {
      const { base } = this.data;
      try {
        const from = Math.max(0, Math.round(base + wanted.from));
        const { lane, time, until } = await this.source.request("scheduleFind", { ...wanted, from });
        const isFound = lane !== void 0 && time !== void 0 && until !== void 0;
        return isFound ? { lane, time: time - base, until: until - base } : void 0;
      } catch (error) {
        this.say(messageOf(error));
        return void 0;
      }
    }
    /** Scrolls as little as needed so that a lane is seen. */
    reveal(lane) {
      const line = this.lines.find((one) => one.kind === "lane" && one.lane.lane === lane);
      if (line && (line.y < this.scrolled || line.y + line.height > this.scrolled + this.room.height)) {
        this.scrolled = Math.max(0, Math.min(line.y - this.room.height / 3, heightOf(this.lines) - this.room.height));
      }
    }
    notice(notice) {
      switch (notice.event) {
        case "scheduleChanged":
          void this.data.grown(notice.body.until);
          break;
        case "recording":
          void this.data.open();
          break;
        case "halted":
          this.halt = notice.body.halted ? this.data.until : void 0;
          this.changed();
          break;
        case "show":
          this.show(notice.body.guest, notice.body.index);
          break;
        case "ended":
          this.hasEnded = true;
          this.isLive = false;
          this.changed();
          break;
      }
    }
    show(guest, index) {
      const kind = guest === void 0 ? "pcpu" : "vcpu";
      const lane = [...this.data.lanes.values()].find((one) => one.kind === kind && one.guest === guest && one.index === index);
      if (lane) {
        this.place({ lane: lane.lane, time: this.cursor?.time ?? this.halt ?? this.data.until });
      }
    }
    dataChanged() {
      this.lines = linesOf([...this.data.lanes.values()], this.withTasks);
      if (!this.isPlaced && this.data.lanes.size > 0) {
        this.isPlaced = true;
        this.viewport = whole(this.data.until);
        this.isWhole = true;
      }
      this.keepUp();
      this.changed();
    }
    keepUp() {
      const { until } = this.data;
      const length = this.viewport.to - this.viewport.from;
      if (this.isLive) {
        this.viewport = { from: until - length * 0.97, to: until + length * 0.03 };
      } else if (this.isWhole && this.data.about?.growing !== void 0) {
        this.viewport = whole(until);
      }
    }
    changed() {
      const all = whole(this.data.until);
      this.isWhole = Math.abs(all.from - this.viewport.from) + Math.abs(all.to - this.viewport.to) < (all.to - all.from) * 1e-3;
      const lanes = this.seen().flatMap((line) => line.kind === "lane" ? [line.lane.lane] : []);
      this.data.want(this.viewport, this.room.width, lanes);
      this.saving ??= setTimeout(() => {
        this.saving = void 0;
        this.source.save({ viewport: this.viewport, scrolled: this.scrolled, withTasks: this.withTasks });
      }, SAVED_EVERY);
      for (const listener of this.listeners) {
        listener();
      }
    }
  };

  // src/schedule/page.ts
  function start() {
    const view = new View(source());
    const stage = new Stage(view);
    const overview = new Overview(view, stage);
    const details = new Details(view);
    const dialog = helpDialog();
    const help = () => {
      dialog.showModal();
    };
    const toolbar = new Toolbar(view, details, help);
    const status = new Status(view);
    const page = element("div", { class: "schedule" }, toolbar.root, overview.canvas, stage.root, details.root, status.root, dialog);
    document.body.append(page);
    document.title = "Schedule";
    document.addEventListener("keydown", (event) => {
      const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || dialog.open;
      const isPressing = event.target instanceof HTMLButtonElement && event.key === "Enter";
      if (!isTyping && !isPressing && pressed(event, view, details, toolbar, help)) {
        event.preventDefault();
      }
    });
    const themeChanged = () => {
      stage.themeChanged();
      view.look(view.viewport);
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themeChanged);
    matchMedia("(prefers-contrast: more)").addEventListener("change", themeChanged);
    new MutationObserver(themeChanged).observe(document.body, { attributes: true, attributeFilter: ["class", "data-vscode-theme-id"] });
    new MutationObserver(themeChanged).observe(document.documentElement, { attributes: true, attributeFilter: ["style"] });
    void view.open();
  }
  start();
})();

/**
 * The conversation as this page knows it. Whatever order, overlap or repetition frames arrive in, an entry is there
 * once and its text is a prefix of the server's; where a piece is missing the methods return false and the caller
 * resumes from `cursor()`.
 *
 * An entry: {seq, role, text, length, at, done, html?, sources?, interrupted?, clientId?, state?, reason?}.
 * `length` counts code points, as the server does; JavaScript's own lengths are UTF-16 units.
 * A visitor's message that has no ack yet has no seq and waits in `pending`, with `state` sending or failed.
 */

/** Number of code points of a string. */
export function codePoints(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

const WHOLE = new Set(["stop", "length", "content_filter"]);

export class Log {
  /** `changed(entry)` is called for every entry that is new or different. */
  constructor(changed) {
    this.changed = changed;
    this.clear();
  }

  clear() {
    this.entries = [];
    this.pending = [];
    this.bySeq = new Map();
    this.whole = 0; // entries 1 … whole are all here and finished
  }

  get last() {
    return this.entries.at(-1);
  }

  /** What to ask the server for: everything after `after`, of which `offset` code points are here. */
  cursor() {
    const next = this.bySeq.get(this.whole + 1);
    return next?.length ? { after: next.seq, offset: next.length } : { after: this.whole };
  }

  /** A message that the visitor just wrote. */
  write(clientId, text, at = Date.now()) {
    const entry = { role: "visitor", clientId, text, at, state: "sending", done: true };
    this.pending.push(entry);
    this.changed(entry);
    return entry;
  }

  /** The server has it under `seq`, for good. */
  ack(clientId, seq) {
    const entry = this.take(clientId);
    if (!entry) return;
    if (this.bySeq.has(seq)) this.changed(Object.assign(entry, { gone: true }));
    else this.place(Object.assign(entry, { seq, state: "sent" }));
  }

  message(frame) {
    const { seq, role, text, html } = frame;
    let entry = this.bySeq.get(seq);
    if (entry?.done && (role !== "visitor" || entry.text === text)) return true;
    if (!entry) {
      entry = (frame.client_id && this.take(frame.client_id)) || { role };
      entry.seq = seq;
    }
    // An assistant's entry ends with its own `done`, also when its text came whole.
    Object.assign(entry, { text, html, length: codePoints(text), at: frame.at, done: role !== "assistant" });
    if (role === "visitor") entry.state = "sent";
    if (frame.status === "interrupted") entry.interrupted = true;
    this.place(entry);
    return true;
  }

  delta({ seq, offset, text }) {
    let entry = this.bySeq.get(seq);
    if (entry?.done) return true;
    if (offset > (entry?.length ?? 0)) return false;
    entry ??= { seq, role: "assistant", text: "", length: 0, at: Date.now(), done: false };
    const fresh = [...text].slice(entry.length - offset);
    entry.text += fresh.join("");
    entry.length += fresh.length;
    this.place(entry);
    return true;
  }

  done({ seq, finish_reason: reason, sources, html }) {
    const entry = this.bySeq.get(seq);
    if (!entry) return false;
    if (entry.done) return true;
    entry.done = true;
    entry.sources = sources;
    if (html !== undefined) entry.html = html;
    if (!WHOLE.has(reason)) entry.interrupted = true;
    this.place(entry);
    return true;
  }

  /** Removes a message from those without an ack. */
  take(clientId) {
    const at = this.pending.findIndex((entry) => entry.clientId === clientId);
    return at < 0 ? undefined : this.pending.splice(at, 1)[0];
  }

  place(entry) {
    if (!this.bySeq.has(entry.seq)) {
      this.bySeq.set(entry.seq, entry);
      let at = this.entries.length;
      while (at > 0 && this.entries[at - 1].seq > entry.seq) at -= 1;
      this.entries.splice(at, 0, entry);
    }
    while (this.bySeq.get(this.whole + 1)?.done) this.whole += 1;
    this.changed(entry);
  }
}
